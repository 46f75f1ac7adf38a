"""The energy surface of Müller and Brown: three wells in the plane on a curved path."""

from __future__ import annotations

import torch
from torch import Tensor

from .landscape import Landscape

_HEIGHTS = (-200.0, -100.0, -170.0, 15.0)
_CURVES = ((-1.0, 0.0, -10.0), (-1.0, 0.0, -10.0), (-6.5, 11.0, -6.5), (0.7, 0.6, 0.7))
_CENTRES = ((1.0, 0.0), (0.0, 0.5), (-0.5, 1.5), (-1.0, 1.0))


class MullerBrown(Landscape):
    """The energy surface of Müller and Brown: three wells in the plane, joined by a curved path.

        V(x) = Σₖ Aₖ exp(aₖ u² + bₖ u v + cₖ v²),    (u, v) = x − xₖ

    Use it to test how a method finds paths between wells. It has the four terms and the numbers of the paper.

    Raises
    ------
    ShapeError
        If the particles are not in the plane, d = 2.

    See Also
    --------
    wgf.DoubleWell, wgf.Banana, wgf.GaussianMixture, wgf.LogisticPosterior

    Notes
    -----
    The minima are −146.6995 at (−0.5582, 1.4417), −108.1667 at (0.6235, 0.0280) and −80.7678 at (−0.0500, 0.4667).
    Two saddles join them: −40.6648 at (−0.8220, 0.6243) and −72.2489 at (0.2125, 0.2930). Curvatures are of the
    order of 1000, so steps are small; a coefficient such as 0.01 · MullerBrown() gives wells of the order of 1. The
    fourth term grows as the exponential of a square, so start particles within |x| < 2.

    References
    ----------
    Müller & Brown (1979), Theoretica Chimica Acta 53, 75–93.

    Examples
    --------
    >>> import wgf
    >>> V = MullerBrown().first_variation(wgf.Ensemble([[-0.5582, 1.4417]]))
    >>> round(V.item(), 3)
    -146.7
    """

    @property
    def dim(self) -> int:
        return 2

    @property
    def infimum(self) -> float | None:
        return -146.69951721

    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values, slope = torch.zeros_like(x[:, 0]), torch.zeros_like(x)
        for height, (a, b, c), (p, q) in zip(_HEIGHTS, _CURVES, _CENTRES, strict=True):
            u, v = x[:, 0] - p, x[:, 1] - q
            part = height * torch.exp(a * u.square() + b * u * v + c * v.square())
            values = values + part
            slope = slope + part[:, None] * torch.stack([2 * a * u + b * v, b * u + 2 * c * v], 1)
        return values, slope
