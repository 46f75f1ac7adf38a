"""The entropy of the eigenvalues of the covariance: into how many directions the particles spread."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError
from ..functional import Evaluation, Work
from ..measure import Ensemble
from ..ops import linalg
from .base import OfCoordinates, require_ridge
from .spectrum import Spectrum


class SpectralEntropy(OfCoordinates):
    """The von Neumann entropy of the covariance, scaled to trace one; e^S is the effective rank.

        S[μ] = −tr ρ log ρ,    ρ = (C + εI)/t,    t = tr(C + εI)
        δS/δμ = −(1/t) (x − m)·(log ρ + S)(x − m),    ∇_W S = −(2/t)(log ρ + S)(x − m)

    The force stretches the directions of small variance and shrinks those of large variance.

    Parameters
    ----------
    ridge : float
        ε ≥ 0, in the units of a variance (length²).

    Raises
    ------
    ConfigError
        If ε is negative. If ε = 0 and all particles coincide, or the force is wanted at a point outside of the plane
        that the particles span, where it is infinite.
    DivergenceError
        If C is not finite.

    See Also
    --------
    wgf.LogDet, wgf.LogVariance, wgf.Variance, wgf.CodingRate

    Notes
    -----
    S is from 0 (all particles on a line) to log d (equal variances in all directions). At ε = 0 it is free of scale:
    ∫ (x − m)·∇_W S dμ = 0, and t changes by the other terms alone. The force is 0 where C is a multiple of I: it
    is then weak by design. It does not prevent collapse on a point, where it grows as 1/√t. Particles stay in the
    plane that they span. Time O(n d² + d³); for n < d O(n² d + n³), by the Gram form.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality, EUSIPCO.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 2 and ½
    >>> force = wgf.SpectralEntropy().gradient(mu)
    >>> force[0, 0].item() < 0 < force[2, 1].item()  # inwards along the first axis, outwards along the second
    True
    """

    integrates = True
    elementwise = True
    foresees = "moments"
    words = "spectral"
    regimes = MappingProxyType({"weak": "has no force where all directions have the same variance, by design"})

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = require_ridge(ridge)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=float(mu.n) * mu.dim**2)

    def _parts(self, mu: Ensemble) -> tuple[Spectrum, Tensor, Tensor, Tensor]:
        """The spectrum, t, the eigenvalues of ρ that belong to its eigenvectors, and S."""
        spectrum = Spectrum(mu, self.ridge, self.name)
        if self.ridge == 0.0 and spectrum.coincide:
            raise ConfigError(
                f"SpectralEntropy: all {mu.n} particles coincide, up to rounding, so that C/tr C has no meaning; "
                "give a ridge in the units of a variance (ridge = 1e-3, say)."
            )
        values, _ = spectrum.eigen
        trace = spectrum.trace + mu.dim * self.ridge
        p = (values + self.ridge) / trace
        entropy = linalg.total(torch.special.entr(p))
        if self.ridge > 0.0:
            entropy = entropy + (mu.dim - len(p)) * torch.special.entr(self.ridge / trace)
        return spectrum, trace, p, entropy

    def _force(self, mu: Ensemble, at: Tensor | None, parts: Any) -> Tensor:
        spectrum, trace, p, entropy = parts
        slopes = -2.0 / trace * (torch.log(p) + entropy)

        def across(rest: Tensor) -> Tensor:
            if self.ridge > 0.0:
                return -2.0 / trace * (torch.log(self.ridge / trace) + entropy) * rest
            if bool(rest.any()):
                row = int(torch.nonzero(rest.any(1))[0])
                where = f"point {row} of `at`" if at is not None else f"particle {row}, of weight 0,"
                raise ConfigError(
                    f"SpectralEntropy: {where} is outside of the plane that the particles span, where the force is "
                    "infinite; give a ridge in the units of a variance (ridge = 1e-3, say)."
                )
            return rest

        return spectrum.map(at, lambda columns: columns * slopes, across)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._parts(mu)[3]

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        parts = self._parts(mu)
        away = mu.points(at) - parts[0].mean
        return (0.5 * linalg.row_dot(self._force(mu, at, parts), away)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._force(mu, at, self._parts(mu))

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        parts = self._parts(mu)
        return Evaluation(parts[3], self._force(mu, None, parts))
