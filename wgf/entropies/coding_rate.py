"""The coding rate: how many nats it takes to describe the particles to a given precision."""

from __future__ import annotations

import math
from types import MappingProxyType

from torch import Tensor

from ..errors import require_length
from ..functional import Evaluation, Work
from ..measure import Ensemble
from ..ops import linalg
from .base import OfCoordinates, Variant
from .precision import Precision


class CodingRate(OfCoordinates):
    """The coding rate of the particles, the entropy of maximal coding rate reduction.

        S[μ] = ½ log det(I + (d/ε²) M),    M = ∫ x xᵀ dμ
        δS/δμ = ½ (d/ε²) x·(I + (d/ε²) M)⁻¹ x,    ∇_W S = (d/ε²)(I + (d/ε²) M)⁻¹ x

    It is `LogDet` with the ridge ε²/d, of the second moment about the origin in place of the covariance. The force
    pushes particles away from the origin, the harder the less they extend in that direction.

    Parameters
    ----------
    epsilon : float
        ε > 0, the precision of the code, a length in the units of x.

    Raises
    ------
    ConfigError
        If ε is not from 1e-50 to 1e50.
    DivergenceError
        If M is not finite.

    See Also
    --------
    wgf.LogDet, wgf.LogVariance, wgf.Variance, wgf.SpectralEntropy

    Notes
    -----
    S ≥ 0. The force is bounded by (d/ε²)|x| and goes to 0 as particles collapse on the origin: with tr M far below
    ε² it is weak. Moving all particles together changes S: the origin has a meaning. Time O(n d² + d³); for n < d
    O(n² d + n³), by the Gram form.

    References
    ----------
    Yu, Chan, You, Song & Ma (2020), Learning diverse and discriminative representations via the principle of maximal
    coding rate reduction, NeurIPS 33.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[-1.0], [1.0]])  # M = 1
    >>> round(wgf.CodingRate(1.0).value(mu).item(), 4), wgf.CodingRate(1.0).gradient(mu).flatten()  # ½ log 2, outwards
    (0.3466, tensor([-0.5000,  0.5000], dtype=torch.float64))
    """

    integrates = True
    elementwise = True
    foresees = "moments"
    words = "coding rate"
    regimes = MappingProxyType({"weak": "fades as tr M falls far below ε²"})

    def __init__(self, epsilon: float) -> None:
        self.epsilon = require_length("coding rate epsilon", epsilon)

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """One form, with the root of the mean square |x|² of the first particles as ε, so that (d/ε²) tr M = d."""
        return (Variant(cls.__name__, cls.words, lambda mu: cls(math.sqrt(float(mu.inner(mu.x, mu.x))))),)

    @property
    def fewest_particles(self) -> int:
        return 1

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=float(mu.n) * mu.dim**2)

    def _precision(self, mu: Ensemble) -> Precision:
        return Precision(mu, self.epsilon**2 / mu.dim, "CodingRate", centred=False)

    def _rate(self, precision: Precision) -> Tensor:
        return 0.5 * (precision.log_det() - precision.mu.dim * math.log(precision.ridge))

    def _value(self, mu: Ensemble) -> Tensor:
        return self._rate(self._precision(mu))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (0.5 * linalg.row_dot(self._precision(mu).apply(at), mu.points(at))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._precision(mu).apply(at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        precision = self._precision(mu)
        return Evaluation(self._rate(precision), precision.apply(None))
