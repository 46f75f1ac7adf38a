"""Transport along lines: sorted projections, their costs, monotone maps and Kantorovich potentials."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import reference
from .cpu import sliced as cpu
from .registry import array, custom_op, double, register
from .threads import one_blas_thread

BLOCK_VALUES = 2**21  # projected coordinates held at once: 16 MiB of float64, which caches still like
LEAST_DIRECTIONS = 16  # directions, so that threads have work


def directions(dim: int, count: int, seed: int) -> Tensor:
    """Unit vectors (dim, k), float64, in orthonormal frames, where Σ_θ (θ·v)² = |v|²: so d · SW₂² ≤ W₂².

    `count` is rounded up to whole frames, and fewer than `dim` are part of one. On a line there is one direction.
    """
    if dim == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    rng = np.random.Generator(np.random.Philox(seed))
    width = min(dim, count)
    with one_blas_thread():  # LAPACK rounds by its thread count
        frames = [np.linalg.qr(rng.standard_normal((dim, width)))[0] for _ in range(-(-count // width))]
    return torch.from_numpy(np.hstack(frames))


def direction_blocks(count: int, n: int) -> list[slice]:
    """Slices of range(count) whose projections of n particles take 16 MiB, or 16 directions where n is large."""
    step = max(LEAST_DIRECTIONS, BLOCK_VALUES // max(1, n))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


@custom_op("wgf::sorted_projections", mutates_args=(), device_types="cpu")
def sorted_projections(x: Tensor, weights: Tensor, directions: Tensor, equal: bool) -> tuple[Tensor, Tensor]:
    """Sorted θ·xᵢ (k, n) of particles (n, d) along directions (d, k), and the levels to which their weights add.

    Both float64; levels are (1, n) where the weights are `equal`. A direction along which a coordinate is not
    finite is NaN. Memory: the result, and per thread a row (28 bytes per particle more with weights).
    """
    values, levels = cpu.sorted_projections(x.detach().numpy(), array(weights), array(directions), equal)
    return torch.from_numpy(values), torch.from_numpy(levels)


register(
    sorted_projections,
    reference.sorted_projections,
    lambda x, weights, directions, equal: (
        x.new_empty(directions.shape[1], len(x), dtype=torch.float64),
        x.new_empty(1 if equal else directions.shape[1], len(x), dtype=torch.float64),
    ),
)


@custom_op("wgf::quantile_costs", mutates_args=(), device_types="cpu")
def quantile_costs(values: Tensor, levels: Tensor, target: Tensor, target_levels: Tensor) -> Tensor:
    """∫₀¹ |F⁻¹ − G⁻¹|² (k,), float64, of sorted rows (k, n) and (k, m): exact for any weights."""
    arrays = array(values), array(levels), array(target), array(target_levels)
    return torch.from_numpy(cpu.quantile_costs(*arrays))


register(
    quantile_costs,
    lambda *rows: reference.quantile_costs(*double(*rows)),
    lambda values, levels, target, target_levels: values.new_empty(len(values), dtype=torch.float64),
)


@custom_op("wgf::transport_maps", mutates_args=(), device_types="cpu")
def transport_maps(
    x: Tensor, weights: Tensor, directions: Tensor, equal: bool, target: Tensor, target_levels: Tensor
) -> tuple[Tensor, Tensor]:
    """W₂² (k,) along each direction, float64, and Σ_θ (θ·xᵢ − T_θ(xᵢ)) θ (n, d) in the dtype of x.

    T_θ(xᵢ) is the mean of what the monotone coupling assigns to the particles at θ·xᵢ: half the derivative of
    W₂² in xᵢ per unit of weight. Memory: the projections (k, n), and per thread 60 bytes per particle.
    """
    costs, sums = cpu.transport_maps(
        x.detach().numpy(), array(weights), array(directions), equal, array(target), array(target_levels)
    )
    return torch.from_numpy(costs), torch.from_numpy(sums)


register(
    transport_maps,
    reference.transport_maps,
    lambda x, weights, directions, *rest: (
        x.new_empty(directions.shape[1], dtype=torch.float64),
        torch.empty_like(x, memory_format=torch.contiguous_format),
    ),
)


@custom_op("wgf::transport_potentials", mutates_args=(), device_types="cpu")
def transport_potentials(
    x: Tensor, weights: Tensor, directions: Tensor, equal: bool, target: Tensor, target_levels: Tensor, at: Tensor
) -> tuple[Tensor, Tensor]:
    """Σ_θ φ_θ(θ·z) (p,), float64, and its gradient (p, d) at points z of `at` (p, d), in their dtype.

    φ_θ is the Kantorovich potential of ½ W₂² with ∫ φ_θ dμ = 0: φ′(s) = s − T(s) with T = G⁻¹∘F between particles,
    and the map of `transport_maps` at them. Memory: the projections (k, n) and (k, p), the latter once more in float64.
    """
    arrays = (
        x.detach().numpy(), array(weights), array(directions), equal,
        array(target), array(target_levels), at.detach().numpy(),
    )  # fmt: skip
    potentials, sums = cpu.transport_potentials(*arrays)
    return torch.from_numpy(potentials), torch.from_numpy(sums)


register(
    transport_potentials,
    reference.transport_potentials,
    lambda x, weights, directions, equal, target, target_levels, at: (
        at.new_empty(len(at), dtype=torch.float64),
        torch.empty_like(at, memory_format=torch.contiguous_format),
    ),
)
