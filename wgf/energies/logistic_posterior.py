"""The posterior of logistic regression on a data set."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, require_number, require_truth
from ..functional import Work
from ..measure import ArrayLike, Ensemble, as_numbers, checks
from ..ops import linalg
from .landscape import Landscape

_BLOCK = 2**21
"""Numbers of particles × samples that are in memory at a time."""


class LogisticPosterior(Landscape):
    """The potential V = −log posterior of logistic regression, up to a constant.

        V(θ) = Σₘ log(1 + exp(−sₘ (w·zₘ + b))) + ½ λ |θ|²,    θ = (w, b),    sₘ = ±1

    The Langevin flow at temperature 1 samples the posterior. A particle is one classifier.

    Parameters
    ----------
    inputs : array (M, D)
        The inputs zₘ.
    targets : array (M,)
        Labels: 0 and 1, or −1 and 1, or booleans.
    prior : float, default 1.0
        λ > 0, the precision of the Gaussian prior of each component of θ.
    intercept : bool, default True
        Whether there is a b. Particles have dimension D + 1 with it, D without it.

    Raises
    ------
    ConfigError
        If numbers are not finite, labels have other values, or λ is not positive.
    ShapeError
        If arrays do not fit each other or the particles.

    See Also
    --------
    wgf.DoubleWell, wgf.Banana, wgf.MullerBrown, wgf.GaussianMixture

    Notes
    -----
    V is convex with curvatures from λ to λ + ¼ λ_max(Σ z zᵀ): an explicit step must be below 2 over the largest. All
    samples are seen at each step. In a configuration the data come from the table [data].

    References
    ----------
    Durmus & Moulines (2019), Bernoulli 25, 2854–2882.

    Examples
    --------
    >>> import wgf
    >>> V = LogisticPosterior([[1.0], [-1.0]], [1, 0])
    >>> round(V.value(wgf.Ensemble([[0.0, 0.0]])).item(), 6)  # 2 log 2
    1.386294
    """

    elementwise = False
    from_data: ClassVar[tuple[str, str]] = ("inputs", "targets")
    """The settings that a configuration takes from its data set."""

    def __init__(self, inputs: ArrayLike, targets: ArrayLike, prior: float = 1.0, intercept: bool = True) -> None:
        z, y = (as_numbers(f"LogisticPosterior: {n}", part) for n, part in (("inputs", inputs), ("targets", targets)))
        if z.ndim != 2 or not z.numel() or y.shape != z.shape[:1]:
            raise ShapeError(
                f"LogisticPosterior: inputs {tuple(z.shape)}, targets {tuple(y.shape)}; wanted (M, D) and (M,)."
            )
        if not checks.finite(z):
            raise ConfigError("LogisticPosterior: inputs are not finite; wanted numbers.")
        signs = torch.where(y == 0, -torch.ones_like(y), y)
        if not bool((signs.abs() == 1).all()) or (bool((y == 0).any()) and bool((y == -1).any())):
            raise ConfigError("LogisticPosterior: targets are no labels; wanted 0 and 1, or −1 and 1.")
        self.prior, self.intercept = (
            require_number("prior", prior, positive=True),
            require_truth("intercept", intercept),
        )
        columns = torch.cat([z, torch.ones_like(z[:, :1])], 1) if self.intercept else z
        self._signed = (signs[:, None] * columns).contiguous()

    def __repr__(self) -> str:
        return f"LogisticPosterior({len(self._signed)} samples, prior={self.prior:g}, intercept={self.intercept})"

    @property
    def dim(self) -> int:
        return self._signed.shape[1]

    @property
    def infimum(self) -> float | None:
        return 0.0

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=2.0 * mu.n * self._signed.numel())

    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        signed = self._signed.to(x)
        values, slopes = [], []
        for part in x.split(max(1, _BLOCK // len(signed))):
            margins = linalg.product(part.contiguous(), signed.T.contiguous())
            values.append(torch.nn.functional.softplus(-margins, threshold=50.0).sum(1))
            slopes.append(linalg.product(-torch.sigmoid(-margins), signed))
        return torch.cat(values) + 0.5 * self.prior * linalg.row_dot(x, x), torch.cat(slopes) + self.prior * x
