"""A Gaussian law that is bent along a parabola."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import require_length, require_number
from ..ops import linalg
from .landscape import Landscape


class Banana(Landscape):
    """The potential of a Gaussian law that is bent along a parabola.

        V(x) = ½ (x₁/σ)² + ½ (x₂ − b (x₁² − σ²))² + ½ (x₃² + … + x_d²)

    Use it to test samplers on a law with a thin curved shape whose moments are known.

    Parameters
    ----------
    bend : float, default 1.0
        b, in 1/length. At b = 0 the law is a Gaussian.
    width : float, default 1.0
        σ > 0, the standard deviation of x₁.

    Raises
    ------
    ConfigError
        If a number is not finite, or σ is not positive.
    ShapeError
        If the particles have fewer than 2 dimensions.

    See Also
    --------
    wgf.DoubleWell, wgf.MullerBrown, wgf.GaussianMixture, wgf.LogisticPosterior

    Notes
    -----
    The map x₂ → x₂ − b(x₁² − σ²) keeps volumes, so ∫ e^−V dx = (2π)^{d/2} σ. Under e^−V the mean is 0, the variance of
    x₁ is σ² and that of x₂ is 1 + 2b²σ⁴. The minimum of V is 0, at (0, −bσ²).

    References
    ----------
    Haario, Saksman & Tamminen (1999), Computational Statistics 14, 375–395.

    Examples
    --------
    >>> import wgf
    >>> V = Banana(bend=0.5, width=2.0)
    >>> V.first_variation(wgf.Ensemble([[0.0, -2.0], [2.0, 1.0]])).tolist()
    [0.0, 1.0]
    """

    least_dim = 2

    def __init__(self, bend: float = 1.0, width: float = 1.0) -> None:
        self.bend, self.width = require_number("bend", bend), require_length("width", width)

    @property
    def infimum(self) -> float | None:
        return 0.0

    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, rest = x[:, 0], x[:, 2:]
        scaled = first / self.width
        straight = x[:, 1] - self.bend * (first.square() - self.width**2)
        values = 0.5 * (scaled.square() + straight.square())
        slope = torch.stack([scaled / self.width - 2.0 * self.bend * first * straight, straight], 1)
        if not rest.shape[1]:
            return values, slope
        return values + 0.5 * linalg.row_dot(rest, rest), torch.cat([slope, rest], 1)
