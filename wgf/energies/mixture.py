"""The potential of a mixture of Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, require_length
from ..extension import Numbers
from ..functional import Work
from ..measure import Ensemble, as_numbers, checks
from ..measure.arrays import weight_rows
from .landscape import Landscape


class GaussianMixture(Landscape):
    """The potential of a mixture of Gaussians with the same scale: V = −log p, with a density p of total mass 1.

        p(x) = Σₖ πₖ N(x; mₖ, s² I)

    Use it as a target with several modes whose density, moments and samples are known.

    Parameters
    ----------
    means : array (m, d)
        The centres mₖ, in the units of x. Numbers (m,) are centres on a line.
    weights : array (m,), optional
        πₖ > 0 with sum one; by default 1/m each.
    scale : float, default 1.0
        s > 0, the standard deviation of each part, in the units of x.

    Raises
    ------
    ConfigError
        If numbers are not finite, weights are not positive or do not sum to one, or s is not positive.
    ShapeError
        If the centres are no list of points, or do not fit the weights or the particles.

    See Also
    --------
    wgf.DoubleWell, wgf.Banana, wgf.MullerBrown, wgf.LogisticPosterior

    Notes
    -----
    The free energy V − Shannon has the minimum 0, at p. A particle feels a force at any distance, but it crosses
    between modes that are several s apart only by noise, or by birth and death.

    References
    ----------
    McLachlan & Peel (2000), Finite Mixture Models, Wiley.

    Examples
    --------
    >>> import wgf
    >>> V = GaussianMixture([[-2.0], [2.0]], scale=0.5)
    >>> V.gradient(wgf.Ensemble([[0.0], [2.0]])).round(decimals=6).flatten().tolist()
    [0.0, 0.0]
    """

    stated = ("means",)

    def __init__(self, means: Numbers, weights: Numbers = None, scale: float = 1.0) -> None:
        centres = as_numbers("GaussianMixture: means", means)
        centres = centres[:, None] if centres.ndim == 1 else centres
        if centres.ndim != 2 or not centres.numel():
            raise ShapeError(f"GaussianMixture: means of shape {tuple(centres.shape)}; wanted (m, d), one row each.")
        if not checks.finite(centres):
            raise ConfigError("GaussianMixture: means are not finite; wanted numbers.")
        self.means, self.scale = centres, require_length("scale", scale)
        given = None if weights is None else as_numbers("GaussianMixture: weights", weights)
        self.weights = weight_rows(given, len(centres), copy=True)
        if not bool((self.weights > 0).all()):
            raise ConfigError("GaussianMixture: a weight is 0; wanted positive weights, leave out the other parts.")

    def __repr__(self) -> str:
        return f"GaussianMixture({len(self.means)} parts in {self.dim} dimensions, scale={self.scale:g})"

    @property
    def dim(self) -> int:
        return self.means.shape[1]

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(numbers=mu.n * mu.dim * (1 + len(self.means)))

    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        offsets = [x - centre for centre in self.means.to(x)]
        logs = torch.stack([-0.5 * (offset / self.scale).square().sum(1) for offset in offsets])
        logs = logs + self.weights.log().to(x)[:, None]
        shares = torch.softmax(logs, 0)
        pull = sum(
            (share[:, None] * offset for share, offset in zip(shares, offsets, strict=True)), torch.zeros_like(x)
        )
        norm = x.shape[1] * (math.log(self.scale) + 0.5 * math.log(2.0 * math.pi))
        return norm - torch.logsumexp(logs, 0), pull / self.scale**2
