"""Two wells with a barrier between them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import require_length, require_number
from ..ops import linalg
from .landscape import Landscape


class DoubleWell(Landscape):
    """A potential with two equal wells in the first coordinate and springs in the others.

        V(x) = B ((x₁/a)² − 1)² + ½ k (x₂² + … + x_d²)

    Use it to study how particles cross a barrier, and how a law with two modes is sampled.

    Parameters
    ----------
    barrier : float, default 1.0
        B > 0, the height of the barrier at x₁ = 0, in units of energy.
    minimum : float, default 1.0
        a > 0: the minima, with V = 0, are at x₁ = ±a, in the units of x.
    stiffness : float, default 1.0
        k ≥ 0, the stiffness in the other coordinates, in units of energy per length².

    Raises
    ------
    ConfigError
        If a number is not finite or out of its range.

    See Also
    --------
    wgf.Banana, wgf.MullerBrown, wgf.GaussianMixture, wgf.LogisticPosterior

    Notes
    -----
    The curvature along x₁ is 8B/a² at the minima and −4B/a² at the barrier. V grows as x₁⁴: an explicit step must be
    small where particles start far outside, h < a⁴/(6 B x₁²).

    References
    ----------
    Kramers (1940), Physica 7, 284–304.

    Examples
    --------
    >>> import wgf
    >>> V = DoubleWell(barrier=3.0, minimum=2.0)
    >>> V.first_variation(wgf.Ensemble([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]])).tolist()
    [3.0, 0.0, 0.5]
    """

    def __init__(self, barrier: float = 1.0, minimum: float = 1.0, stiffness: float = 1.0) -> None:
        self.barrier = require_number("barrier", barrier, positive=True)
        self.minimum = require_length("minimum", minimum)
        self.stiffness = require_number("stiffness", stiffness, nonnegative=True)

    @property
    def infimum(self) -> float | None:
        return 0.0

    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, rest = x[:, 0] / self.minimum, x[:, 1:]
        gap = first.square() - 1.0
        values = self.barrier * gap.square()
        slope = 4.0 * self.barrier / self.minimum * gap * first
        if not rest.shape[1]:
            return values, slope[:, None]
        values = values + 0.5 * self.stiffness * linalg.row_dot(rest, rest)
        return values, torch.cat([slope[:, None], self.stiffness * rest], 1)
