"""Distances to a target given by samples."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_seed
from ..functional import Evaluation, Functional
from ..kernels import Kernel
from ..measure import ArrayLike, Ensemble
from ..ops import linalg

KEPT_VALUES = 2**24  # sorted projections of a target that are kept between evaluations: 128 MiB, twice with weights


def _target(samples: Ensemble | ArrayLike) -> Ensemble:
    """The samples in float64, so that float32 samples do not round the particles they are compared with."""
    return (samples if isinstance(samples, Ensemble) else Ensemble(samples)).to(dtype="float64")


def _require_dimension(term: Functional, target: Ensemble, mu: Ensemble) -> None:
    if mu.dim != target.dim:
        raise ShapeError(f"{term.name}: particles of dimension {mu.dim}, samples of dimension {target.dim}.")


class MMD(Functional):
    """½ MMD² = ½ ∬ k d(μ − ν)², ∇_W = ∫ ∇k(x, ·) d(μ − ν) (Arbel et al. 2019).

    `samples` is the target ν: an Ensemble, or an (m, d) array with equal weights. Singular kernels are refused.
    """

    def __init__(self, samples: Ensemble | ArrayLike, kernel: Kernel) -> None:
        if not isinstance(kernel, Kernel) or kernel.singular:
            raise ConfigError(f"MMD(kernel={kernel!r}): wanted a kernel that is finite at 0 (give it a softening).")
        self.target = _target(samples)
        self.kernel = kernel

    @property
    def infimum(self) -> float:
        return 0.0

    @cached_property
    def _target_energy(self) -> Tensor:
        return 0.5 * self.target.expect(self.target.convolve(self.kernel))

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        _require_dimension(self, self.target, mu)
        value, gradient = mu.kernel_sums(self.kernel, at)
        cross, cross_gradient = self.target.kernel_sums(self.kernel, mu.points(at))
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
        return Evaluation(mu.expect(0.5 * value - cross) + self._target_energy, gradient - cross_gradient)


class _Slices:
    """The target seen along each direction: sorted once and kept where that is small, else sorted at each use."""

    def __init__(self, target: Ensemble, directions: Tensor) -> None:
        self.target, self.directions = target, directions
        self._kept = self._sorted(directions) if directions.shape[1] * target.n <= KEPT_VALUES else None

    def parts(self, n: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Directions (d, k), the sorted values (k, m) of the target along them and their levels, for n particles."""
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
    """½ SW₂² = ½ mean_θ W₂(θ#μ, θ#ν)²,  ∇_W = mean_θ (θ·x − T_θ(x)) θ  (Rabin et al. 2011; Bonneel et al. 2015).

    T_θ is the monotone map of θ#μ to θ#ν, and δ𝓕/δμ the mean of the Kantorovich potentials of the lines. `samples` is
    the target ν: an Ensemble, or an (m, d) array with equal weights; n ≠ m and weights are exact. The directions θ come
    in orthonormal frames, fixed by `seed`: `projections` of them, rounded up to whole frames where they are ≥ d (one,
    on a line). A translation by v costs |v|²/2d and is felt as v/d, so d · SlicedWasserstein is on the scale of ½ W₂².

    The value is piecewise quadratic in the particles: the gradient jumps where two projections cross. Coordinates
    along lines are float64 whatever the particles. Time O(k n log n) at worst; memory O(n) per 16 directions, and the
    sorted target where it takes at most 128 MiB. Raises ConfigError, and ShapeError for dimensions that differ.

    >>> import wgf
    >>> term = wgf.SlicedWasserstein([[3.0], [4.0]])
    >>> mu = wgf.Ensemble([[0.0], [1.0]])
    >>> float(term.value(mu)), term.gradient(mu).tolist()
    (4.5, [[-3.0], [-3.0]])
    """

    def __init__(self, samples: Ensemble | ArrayLike, projections: int = 100, seed: int = 0) -> None:
        self.target = _target(samples)
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
        _require_dimension(self, self.target, mu)
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
        _require_dimension(self, self.target, mu)
        costs, sums = [], torch.zeros_like(mu.x, dtype=torch.float64)
        for directions, target, levels in self._slices.parts(mu.n):
            cost, part = ops.transport_maps(mu.x, mu.weights, directions, mu.equal_weights, target, levels)
            costs.append(cost)
            sums += part
        return Evaluation(_half_mean(costs), self._mean(sums).to(mu.dtype))

    def _potential(self, mu: Ensemble, points: Tensor) -> tuple[Tensor, Tensor]:
        """δ𝓕/δμ (p,) and its gradient (p, d) at points."""
        _require_dimension(self, self.target, mu)
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
