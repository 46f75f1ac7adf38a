"""Whether an entropy pushes towards spread: its force compared with that of a reference entropy, log-det by default."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from .. import ops
from ..entropies.covariance import LogDet
from ..errors import ConfigError, WgfError
from ..functional import FreeEnergyEvaluation, Functional
from ..measure import Ensemble, require_ensemble

RIDGE = 1e-3
"""The ridge of the reference where the covariance is singular, in units of the mean variance tr C/d."""
MOST_WORK = 2 * 10**9
"""A record leaves the reference out if its covariance and inverse take more multiplications than this (about 0.4 s)."""
NO_FORCE = "NaN where a force, or that of the reference, vanishes"


@dataclass(frozen=True, eq=False)
class ReferenceForce:
    """The Wasserstein gradient of the reference entropy, with a note.

    Attributes
    ----------
    force : Tensor or None
        ∇_W S_ref at the particles (n, d). None where it cannot be computed.
    note : str
        Which entropy is the reference, or why there is no force.
    """

    force: Tensor | None
    note: str


def log_det_force(mu: Ensemble, evaluation: FreeEnergyEvaluation | None = None) -> ReferenceForce:
    """Compute ∇_W S_ref, with S_ref the log-determinant of the covariance.

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d).
    evaluation : FreeEnergyEvaluation, optional
        If F has a LogDet term, its gradient is taken from here.

    Returns
    -------
    ReferenceForce
        The gradient (n, d), or None where it would be too expensive or the particles coincide.

    Notes
    -----
    Without a LogDet term the reference is LogDet(). Where the covariance is singular, as always for n ≤ d, it is
    LogDet(ridge = 10⁻³ tr C/d). So small a ridge keeps the direction of the force within the span of the particles.
    """
    for part in evaluation.terms if evaluation is not None else ():
        if isinstance(part.term.functional, LogDet):
            return ReferenceForce(part.gradient, f"beside the term {part.term.name}")
    if mu.period is not None:
        return ReferenceForce(None, "a torus has no covariance, so no log-det")
    least = min(mu.n, mu.dim)
    if mu.n * mu.dim * least + least**3 > MOST_WORK:
        return ReferenceForce(None, f"the covariance of {mu.n} particles in dimension {mu.dim} costs too much here")
    try:
        return _regular(mu) or _ridged(mu)
    except WgfError as error:  # such as particles that are not finite, in a run that is about to diverge
        return ReferenceForce(None, str(error))


def _regular(mu: Ensemble) -> ReferenceForce | None:
    """The reference LogDet(), or None where the covariance is singular."""
    if mu.n <= mu.dim:
        return None
    try:
        return ReferenceForce(LogDet()._gradient(mu, None), "beside LogDet()")
    except ConfigError:
        return None


def _ridged(mu: Ensemble) -> ReferenceForce:
    """The reference LogDet with a ridge in proportion to the mean variance."""
    mean = mu.mean()
    centred = mu.x.double() - mean
    centred = centred - mu.expect(centred)  # the mean of equal numbers is rounded
    ridge, least = RIDGE * float(mu.inner(centred, centred)) / mu.dim, float(ops.least_variance(mean, mu.dtype).sum())
    if not RIDGE * least / mu.dim < ridge < math.inf:
        return ReferenceForce(None, "NaN where all particles coincide or are too far out")
    note = f"beside LogDet(ridge={RIDGE:g} tr C/d), as the covariance is singular"
    return ReferenceForce(LogDet(ridge)._gradient(mu, None), note)


def cosine(mu: Ensemble, force: Tensor, twin: Tensor, reference: Tensor) -> float:
    """Compute the cosine of two entropy gradients in L²(μ): ⟨∇S, ∇S_ref⟩/(‖∇S‖ ‖∇S_ref‖).

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d).
    force : Tensor
        ∇_W S, or a positive multiple of it (n, d).
    twin : Tensor
        A second, independent estimate where ∇_W S is estimated, else `force` itself. ‖∇S‖² is their inner product.
    reference : Tensor
        ∇_W S_ref (n, d).

    Returns
    -------
    float
        The cosine. NaN where one of the two is zero.
    """

    def inner(a: Tensor, b: Tensor) -> float:
        return float(mu.inner(a, b))

    norms = math.sqrt(max(inner(force, twin), 0.0)) * math.sqrt(inner(reference, reference))
    return inner(0.5 * (force + twin), reference) / norms if norms > 0 else math.nan


def reference_alignment(entropy: Functional, mu: Ensemble, reference: Functional | None = None) -> float:
    """Compute the cosine of ∇_W S and ∇_W S_ref in L²(μ): below 0 the entropy S pushes against spread.

        ⟨∇_W S, ∇_W S_ref⟩/(‖∇_W S‖ ‖∇_W S_ref‖)

    The ledger has it in the column `reference_alignment`. Use this function for another reference, on the frames of a
    trajectory.

    Parameters
    ----------
    entropy : Functional
        The entropy S.
    mu : Ensemble
        The particles (n, d).
    reference : Functional, optional
        The reference entropy. By default it is log-det, with a ridge where the covariance is singular, as in the
        ledger.

    Returns
    -------
    float
        The cosine, in [−1, 1]. NaN where one of the two forces is zero or the default reference cannot be computed.

    Raises
    ------
    ConfigError
        If `entropy` or `reference` is no entropy, or has no force on particles (`Shannon`).
    WgfError
        What the two entropies raise.

    See Also
    --------
    wgf.diagnostics.force_report

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2, seed=0)
    >>> round(reference_alignment(wgf.LogDet(), mu), 12)
    1.0
    >>> reference_alignment(wgf.Softmax(), mu) < 0  # it draws the particles to the diagonal
    True
    """
    require_ensemble("mu", mu)
    for name, functional in (("entropy", entropy), ("reference", entropy if reference is None else reference)):
        if not (isinstance(functional, Functional) and functional.is_entropy):
            raise ConfigError(f"{name} = {functional!r}: wanted an entropy, such as LogDet() or Variance().")
    force = entropy.gradient(mu)
    if reference is not None:
        return cosine(mu, force, force, reference.gradient(mu))
    other = log_det_force(mu)
    return math.nan if other.force is None else cosine(mu, force, force, other.force)
