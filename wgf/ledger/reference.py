"""Which way a surrogate pushes, compared with a reference entropy, log-det by default (docs/theory.md §5)."""

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
"""The ridge of the reference, in units of the mean variance tr C/d, where the covariance is singular."""
MOST_WORK = 2 * 10**9
"""Multiplications for a covariance and its inverse beyond which a record does without: about 0.4 s of one core."""
NO_FORCE = "NaN where a force, or that of the reference, vanishes"


@dataclass(frozen=True, eq=False)
class ReferenceForce:
    """∇_W S_ref at the particles (n, d), None where it cannot be had, and what it is or why not."""

    force: Tensor | None
    note: str


def log_det_force(
    mu: Ensemble, evaluation: FreeEnergyEvaluation | None = None, rows: Tensor | slice = slice(None)
) -> ReferenceForce:
    """∇_W S_ref of the log-determinant of the covariance of μ.

    A LogDet term of the free energy has it already, at the `rows` that μ holds. Else it is LogDet(), and where the
    covariance is singular, as always for n ≤ d, LogDet(ridge = 10⁻³ tr C/d): a tenth of a per cent of the mean variance
    keeps the direction of the force along the span of the particles.
    """
    for part in evaluation.terms if evaluation is not None else ():
        if isinstance(part.term.functional, LogDet):
            return ReferenceForce(part.gradient[rows], f"beside the term {part.term.name}")
    least = min(mu.n, mu.dim)
    if mu.n * mu.dim * least + least**3 > MOST_WORK:
        return ReferenceForce(None, f"the covariance of {mu.n} particles in dimension {mu.dim} costs too much here")
    try:
        return _regular(mu) or _ridged(mu)
    except WgfError as error:  # not finite, in a run that is about to diverge
        return ReferenceForce(None, str(error))


def _regular(mu: Ensemble) -> ReferenceForce | None:
    """None where the covariance is singular."""
    if mu.n <= mu.dim:
        return None
    try:
        return ReferenceForce(LogDet()._gradient(mu, None), "beside LogDet()")
    except ConfigError:
        return None


def _ridged(mu: Ensemble) -> ReferenceForce:
    mean = mu.mean()
    centred = mu.x.double() - mean
    centred = centred - mu.expect(centred)  # the mean of equal numbers is rounded
    ridge, least = RIDGE * float(mu.inner(centred, centred)) / mu.dim, float(ops.least_variance(mean, mu.dtype).sum())
    if not RIDGE * least / mu.dim < ridge < math.inf:
        return ReferenceForce(None, "NaN where all particles coincide or are too far out")
    note = f"beside LogDet(ridge={RIDGE:g} tr C/d), as the covariance is singular"
    return ReferenceForce(LogDet(ridge)._gradient(mu, None), note)


def cosine(mu: Ensemble, force: Tensor, twin: Tensor, reference: Tensor) -> float:
    """⟨∇S, ∇S_ref⟩/(‖∇S‖ ‖∇S_ref‖) in L²(μ); NaN where one of them vanishes.

    Where ∇S is estimated, `twin` is a second, independent estimate and ‖∇S‖² their product; else it is `force` itself.
    """

    def inner(a: Tensor, b: Tensor) -> float:
        return float(mu.inner(a, b))

    norms = math.sqrt(max(inner(force, twin), 0.0)) * math.sqrt(inner(reference, reference))
    return inner(0.5 * (force + twin), reference) / norms if norms > 0 else math.nan


def reference_alignment(entropy: Functional, mu: Ensemble, reference: Functional | None = None) -> float:
    """The cosine of ∇_W S and ∇_W S_ref in L²(μ), in [−1, 1]: below 0 the surrogate S pushes against spread.

    `reference` is by default the log-determinant as the ledger's column `reference_alignment` takes it; with another
    one this gives the column from the frames of a trajectory. NaN where one of the two forces vanishes.
    Raises ConfigError for entropies without a force on particles, and what the two raise.

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
