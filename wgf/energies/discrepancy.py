"""Distances from the particles to a target that is given by samples: MMD and sliced Wasserstein."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_seed
from ..extension import same_value
from ..functional import Evaluation, Functional, Work
from ..kernels import Kernel
from ..kernels.composition import written
from ..measure import ArrayLike, Ensemble
from ..ops import linalg
from .samples import require_here

KEPT_VALUES = 2**24  # most sorted projections of a target that are kept between evaluations: 128 MiB, 256 with weights


def target_of(samples: Ensemble | ArrayLike) -> Ensemble:
    """The samples as an ensemble in float64. float32 samples would round the particles that they are compared with."""
    return (samples if isinstance(samples, Ensemble) else Ensemble(samples)).to(dtype="float64")


def require_comparable(term: Functional, target: Ensemble, mu: Ensemble) -> None:
    """Refuse particles of another dimension than the samples, or on another device."""
    require_here(term.name, "samples", target.device, mu)
    if mu.dim != target.dim:
        raise ShapeError(f"{term.name}: particles of dimension {mu.dim}, samples of dimension {target.dim}.")


def require_plain(term: Functional, mu: Ensemble) -> None:
    """Refuse a torus, for terms that see distances along straight lines."""
    if mu.period is not None:
        raise ConfigError(
            f"{term.name} is not defined in a periodic domain; wanted all of space, a Box or a Ball. Compare with "
            "samples by MMD, which takes nearest images."
        )


class MMD(Functional):
    """Half the squared maximum mean discrepancy: how far μ is from samples of ν, as seen by a kernel k.

        𝓕[μ] = ½ ∬ k d(μ − ν) d(μ − ν)
        δ𝓕/δμ = k * (μ − ν),    ∇_W 𝓕(x) = ∫ ∇ₓk(x, y) d(μ − ν)(y)

    With a decreasing kernel, particles are attracted by the samples and repel each other.

    Parameters
    ----------
    samples : Ensemble, or array (m, d)
        The target ν. Rows of an array have equal weights. It is kept in float64.
    kernel : Kernel
        k, finite at 0. Its bandwidth is a length in the units of x.

    Raises
    ------
    ConfigError
        If the kernel is singular (give it a softening) or no kernel.
    ShapeError
        If particles and samples have different dimensions; raised at the first evaluation.

    See Also
    --------
    wgf.KSD, wgf.SlicedWasserstein, wgf.Wasserstein, wgf.diagnostics.wasserstein

    Notes
    -----
    Time O(n² d + n m d) by sums over all pairs, or O((n + m) d) for a kernel with moments. ½∬ k dν dν is computed once.
    The force has the range of the kernel: particles much further than a bandwidth from every sample hardly move. 𝓕 ≥ 0
    holds for a positive definite kernel, and 𝓕 = 0 only at μ = ν if the kernel is characteristic, such as a Gaussian.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf & Smola (2012), J. Mach. Learn. Res. 13.
    Arbel, Korba, Salim & Gretton (2019), Maximum mean discrepancy gradient flow, NeurIPS.

    Examples
    --------
    >>> import wgf
    >>> term = wgf.MMD([[0.0]], wgf.kernels.Gaussian(1.0))
    >>> term.value(wgf.Ensemble([[0.0]])).item()
    0.0
    >>> term.gradient(wgf.Ensemble([[1.0]])).item() > 0  # the force −∇_W points to the sample
    True
    """

    integrates = True

    def __init__(self, samples: Ensemble | ArrayLike, kernel: Kernel) -> None:
        if not isinstance(kernel, Kernel) or kernel.singular:
            raise ConfigError(
                f"MMD(kernel={written(kernel)}): wanted a kernel that is finite at 0, such as a softened one."
            )
        self.target = target_of(samples)
        self.kernel = kernel
        self._known: tuple[Tensor | None, Tensor] | None = None  # the period, and the energy of the target under it

    @property
    def infimum(self) -> float:
        return 0.0

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return super().work(mu) if self.kernel.by_moments else Work.over_pairs(mu, mu.n + self.target.n)

    def _target_energy(self, period: Tensor | None) -> Tensor:
        if self._known is None or not same_value(self._known[0], period):
            target = self.target.on(period)
            self._known = period, 0.5 * target.expect(target.convolve(self.kernel))
        return self._known[1]

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        require_comparable(self, self.target, mu)
        value, gradient = mu.kernel_sums(self.kernel, at)
        target = self.target.on(mu.period)

        def across(points: Tensor) -> tuple[Tensor, Tensor]:
            return target.kernel_sums(self.kernel, points)

        cross, cross_gradient = across(mu.points(at)) if at is not None else mu.rowwise(across, mu.x)
        return value, gradient, cross, cross_gradient.to(gradient.dtype)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        value, _, cross, _ = self._sums(mu, at)
        return (value - cross).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        _, gradient, _, cross = self._sums(mu, at)
        return gradient - cross

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient, cross, cross_gradient = self._sums(mu, None)
        return Evaluation(mu.expect(0.5 * value - cross) + self._target_energy(mu.period), gradient - cross_gradient)


class _Slices:
    """The sorted projections of the target on all directions: kept where they are few, else made at each use."""

    def __init__(self, target: Ensemble, directions: Tensor) -> None:
        self.target, self.directions = target, directions
        self._kept = self._sorted(directions) if directions.shape[1] * target.n <= KEPT_VALUES else None

    def parts(self, n: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Directions (d, k) in blocks sized for n particles, with the target's sorted values (k, m) and levels."""
        for part in ops.direction_blocks(self.directions.shape[1], max(n, self.target.n)):
            directions = self.directions[:, part]
            if self._kept is None:
                yield directions, *self._sorted(directions)
            else:
                values, levels = self._kept
                yield directions, values[part], levels if len(levels) == 1 else levels[part]

    def _sorted(self, directions: Tensor) -> tuple[Tensor, Tensor]:
        target = self.target
        return ops.sorted_projections(target.x, target.weights, directions, target.equal_weights)


class SlicedWasserstein(Functional):
    """Half the mean squared Wasserstein distance of one-dimensional projections: how far μ is from samples of ν.

        𝓕[μ] = ½ mean_θ W₂²(θ#μ, θ#ν)
        δ𝓕/δμ(x) = mean_θ ψ_θ(θ·x),    ∇_W 𝓕(x) = mean_θ (θ·x − T_θ(θ·x)) θ

    θ#μ is the law of θ·x. T_θ is the monotone map that takes it to θ#ν, and ψ_θ is the Kantorovich potential of that
    line.

    Parameters
    ----------
    samples : Ensemble, or array (m, d)
        The target ν. Rows of an array have equal weights. n ≠ m and unequal weights are treated exactly.
    projections : int
        The number of directions θ. They come in orthonormal frames: a number above d is rounded up to whole frames. In
        one dimension there is one direction.
    seed : int
        Fixes the directions. They stay the same during a run.

    Raises
    ------
    ConfigError
        If `projections` or `seed` is not such an integer.
    ShapeError
        If particles and samples have different dimensions; raised at the first evaluation.

    See Also
    --------
    wgf.MMD, wgf.KSD, wgf.Wasserstein, wgf.diagnostics.wasserstein

    Notes
    -----
    A translation by v costs |v|²/(2d) and its force is v/d. So d · SlicedWasserstein has the scale of ½ W₂².
    The value is piecewise quadratic in the particles: the gradient jumps where two projections cross.
    Coordinates along lines are float64, whatever the dtype of the particles. Time O(k n log n) at worst, for k
    directions. Memory O(n) per 16 directions. The sorted target is kept where that takes at most 128 MiB (256 MiB with
    weights); else it is sorted at each use.

    References
    ----------
    Rabin, Peyré, Delon & Bernot (2011), Wasserstein barycenter and its application to texture mixing, SSVM.
    Bonneel, Rabin, Peyré & Pfister (2015), J. Math. Imaging Vis. 51.

    Examples
    --------
    >>> import wgf
    >>> term = wgf.SlicedWasserstein([[3.0], [4.0]])
    >>> mu = wgf.Ensemble([[0.0], [1.0]])
    >>> float(term.value(mu)), term.gradient(mu).tolist()
    (4.5, [[-3.0], [-3.0]])
    """

    def __init__(self, samples: Ensemble | ArrayLike, projections: int = 100, seed: int = 0) -> None:
        self.target = target_of(samples)
        self.projections = require_integer("projections", projections, low=1)
        self.seed = require_seed(seed)

    @property
    def infimum(self) -> float:
        return 0.0

    @cached_property
    def _slices(self) -> _Slices:
        directions = ops.directions(self.target.dim, self.projections, self.seed)
        return _Slices(self.target, directions.to(self.target.device))

    def _value(self, mu: Ensemble) -> Tensor:
        require_comparable(self, self.target, mu)
        require_plain(self, mu)
        costs = []
        for directions, target, levels in self._slices.parts(mu.n):
            own = ops.sorted_projections(mu.x, mu.weights, directions, mu.equal_weights)
            costs.append(ops.quantile_costs(*own, target, levels))
        return _half_mean(costs)

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._potential(mu, mu.points(at))[0].to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._evaluate(mu).gradient if at is None else self._potential(mu, at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        require_comparable(self, self.target, mu)
        require_plain(self, mu)
        costs, sums = [], torch.zeros_like(mu.x, dtype=torch.float64)
        for directions, target, levels in self._slices.parts(mu.n):
            cost, part = ops.transport_maps(mu.x, mu.weights, directions, mu.equal_weights, target, levels)
            costs.append(cost)
            sums += part
        return Evaluation(_half_mean(costs), self._mean(sums).to(mu.dtype))

    def _potential(self, mu: Ensemble, points: Tensor) -> tuple[Tensor, Tensor]:
        """δ𝓕/δμ (p,) and its gradient (p, d) at p points."""
        require_comparable(self, self.target, mu)
        require_plain(self, mu)
        value = torch.zeros(len(points), dtype=torch.float64, device=mu.device)
        gradient = torch.zeros_like(points, dtype=torch.float64)
        for directions, target, levels in self._slices.parts(max(mu.n, len(points))):
            parts = ops.transport_potentials(
                mu.x, mu.weights, directions, mu.equal_weights, target, levels, points.contiguous()
            )
            value, gradient = value + parts[0], gradient + parts[1]
        return self._mean(value), self._mean(gradient).to(points.dtype)

    def _mean(self, sums: Tensor) -> Tensor:
        return sums / self._slices.directions.shape[1]


def _half_mean(costs: list[Tensor]) -> Tensor:
    every = torch.cat(costs)
    return linalg.total(every) / (2 * len(every))
