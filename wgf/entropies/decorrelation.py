"""The terms of VICReg as entropies: a hinge on the spread of each coordinate, and the decorrelation of coordinates."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from .. import ops
from ..errors import require_length, require_number
from ..functional import Evaluation, Work
from ..measure import Ensemble
from ..ops import linalg
from .base import OfCoordinates, Variant


def _away(mu: Ensemble, at: Tensor | None) -> Tensor:
    """x − m for the rows x of `at`, by default the particles; float64."""
    return mu.points(at).double() - mu.mean()


class HingeVariance(OfCoordinates):
    """A hinge on the spread of each coordinate: it acts until the target is reached, and not beyond.

        S[μ] = −(1/d) Σⱼ max(0, γ − sⱼ),    sⱼ = √(Cⱼⱼ + ε)
        δS/δμ = (1/d) Σⱼ (xⱼ − mⱼ)²/(2 sⱼ),    (∇_W S)ⱼ = (xⱼ − mⱼ)/(d sⱼ),    over the j with sⱼ < γ

    It is the variance term of VICReg. The force pushes particles away from their mean in each coordinate that is not
    yet spread by γ.

    Parameters
    ----------
    target : float
        γ > 0, the standard deviation wanted of each coordinate, a length in the units of x.
    epsilon : float
        ε > 0, in the units of a variance (length²). It keeps the force finite at zero variance.

    Raises
    ------
    ConfigError
        If γ is not from 1e-50 to 1e50, or ε is not positive.

    See Also
    --------
    wgf.Decorrelation, wgf.LogVariance

    Notes
    -----
    The force is zero, and so weak, once sⱼ ≥ γ in every coordinate: by design. For ε ≥ γ² it is zero everywhere. It
    jumps at sⱼ = γ: a scheme of fixed steps then moves about the target by h·T/d. At small variances it fades as
    (xⱼ − mⱼ)/√ε, once Cⱼⱼ is far below ε. Blind to correlations. Time O(n d).

    References
    ----------
    Bardes, Ponce & LeCun (2022), VICReg: variance-invariance-covariance regularization for self-supervised learning,
    ICLR.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[-1.0, -3.0], [1.0, 3.0]])  # standard deviations 1 and 3
    >>> wgf.HingeVariance(target=2.0, epsilon=1e-9).gradient(mu)[1].round(decimals=6).tolist()  # the first only
    [0.5, 0.0]
    """

    integrates = True
    elementwise = True
    words = "hinge"
    regimes = MappingProxyType({"weak": "has no force once every coordinate is spread by the target, by design"})

    def __init__(self, target: float, epsilon: float) -> None:
        self.target = require_length("hinge target", target)
        self.epsilon = require_number("hinge epsilon", epsilon, positive=True)

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """One form, with the settings of VICReg: γ = 1, ε = 1e-4."""
        return (Variant(cls.__name__, cls.words, lambda mu: cls(1.0, 1e-4)),)

    def _slopes(self, mu: Ensemble) -> tuple[Tensor, Tensor]:
        """S, and 1/(d sⱼ) for the coordinates below the target (d,), 0 for the others."""
        spread = (mu.expect(_away(mu, None).square()) + self.epsilon).sqrt()
        missing = self.target - spread
        slopes = torch.where(missing > 0, 1.0 / (mu.dim * spread), 0.0 * spread)  # 0·NaN keeps a NaN
        return -linalg.total(missing.clamp(min=0.0)) / mu.dim, slopes

    def _value(self, mu: Ensemble) -> Tensor:
        return self._slopes(mu)[0]

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        away = _away(mu, at)
        return (0.5 * linalg.row_dot(away, away * self._slopes(mu)[1])).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (_away(mu, at) * self._slopes(mu)[1]).to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, slopes = self._slopes(mu)
        return Evaluation(value, (_away(mu, None) * slopes).to(mu.dtype))


class Decorrelation(OfCoordinates):
    """Minus the squared covariances of different coordinates: the covariance term of VICReg and Barlow twins.

        S[μ] = −(1/d) Σ_{i≠j} Cᵢⱼ²
        δS/δμ = −(2/d)(x − m)·(C − diag C)(x − m),    ∇_W S = −(4/d)(C − diag C)(x − m)

    The force turns the cloud until its coordinates are not correlated.

    See Also
    --------
    wgf.HingeVariance, wgf.LogVariance

    Notes
    -----
    There is no force on an ensemble whose coordinates are not correlated: it is then weak by design. It does not
    prevent collapse, where it goes to 0 as the cube of the size of the cloud. It depends on the axes. A flow by this
    term alone keeps C positive, and can shrink the cloud. Time O(n d²); for n < d O(n² d), by the Gram form.

    References
    ----------
    Bardes, Ponce & LeCun (2022), VICReg: variance-invariance-covariance regularization for self-supervised learning,
    ICLR.
    Zbontar, Jing, Misra, LeCun & Deny (2021), Barlow twins: self-supervised learning via redundancy reduction, ICML.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble([[1.0, 1.0], [-1.0, -1.0]])  # covariance 1
    >>> wgf.Decorrelation().value(mu).item(), wgf.Decorrelation().gradient(mu).tolist()
    (-1.0, [[-2.0, -2.0], [2.0, 2.0]])
    """

    integrates = True
    elementwise = True
    foresees = "moments"
    words = "decorrelation"
    regimes = MappingProxyType({"weak": "has no force where coordinates are not correlated, by design"})

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=float(mu.n) * mu.dim**2)

    def _rows(self, mu: Ensemble) -> Tensor:
        return mu.weights.sqrt()[:, None] * _away(mu, None)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (0.5 * linalg.row_dot(self._slope(mu, at)[1], _away(mu, at))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._slope(mu, at)[1].to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient = self._slope(mu, None)
        return Evaluation(value, gradient.to(mu.dtype))

    def _slope(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        """S, and ∇_W S at the points, float64."""
        away, factor = _away(mu, at), -4.0 / mu.dim
        origin = torch.zeros_like(away[0])
        if mu.n >= mu.dim:
            mixed = mu.moments()[1]
            mixed = mixed - torch.diag(mixed.diagonal())
            turned = (
                ops.affine(away, origin, mixed)
                if at is not None
                else mu.rowwise(lambda rows: ops.affine(rows, origin, mixed), away)
            )
            return -linalg.total(mixed.square().flatten()) / mu.dim, factor * turned
        rows = self._rows(mu)
        gram, variances = linalg.product(rows, rows.T), mu.expect(_away(mu, None).square())
        square = linalg.total(gram.square().flatten()) - linalg.total(variances.square())
        along = ops.affine(ops.affine(away, origin, rows.T.contiguous()), torch.zeros_like(gram[0]), rows)
        return -square / mu.dim, factor * (along - variances * away)
