"""Optimal transport along lines: sorted projections, their transport costs, transport maps and Kantorovich potentials.

One row for each direction θ. F⁻¹ and G⁻¹ are the quantile functions of the particles and of the target along it, and
T = G⁻¹∘F is the optimal map. Levels are cumulated weights: value i holds the mass from level i − 1 to level i.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import reference
from .memory import counted, require_memory
from .registry import array, custom_op, double, later, register
from .threads import one_blas_thread

cpu = later("sliced")

BLOCK_VALUES = 2**21  # projections in memory at once: 16 MiB of float64, which still fits in caches
LEAST_DIRECTIONS = 16  # directions in a block at least, so that every thread has work


def directions(dim: int, count: int, seed: int) -> Tensor:
    """Random unit vectors, in orthonormal frames.

    Over a frame Σ_θ (θ·v)² = |v|², so that d · SW₂² ≤ W₂².

    Parameters
    ----------
    dim : int
        Dimension d of the space.
    count : int
        Number of directions. It is rounded up to whole frames; fewer than d directions are part of one frame.
    seed : int
        Seed.

    Returns
    -------
    Tensor
        The directions as columns (d, k), float64. For d = 1 there is one.

    Raises
    ------
    ResourceError
        If they need more memory than there is.

    Examples
    --------
    >>> frame = directions(2, 2, seed=0)
    >>> [round(v, 6) for v in (frame @ frame.T).diagonal().tolist()]
    [1.0, 1.0]
    """
    if dim == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    require_memory(
        f"{counted(count)} directions in {counted(dim)} dimensions", 16 * count * dim, "take fewer projections"
    )
    rng = np.random.Generator(np.random.Philox(seed))
    width = min(dim, count)
    with one_blas_thread():  # LAPACK rounds differently with other numbers of threads
        frames = [np.linalg.qr(rng.standard_normal((dim, width)))[0] for _ in range(-(-count // width))]
    return torch.from_numpy(np.hstack(frames))


def direction_blocks(count: int, n: int) -> list[slice]:
    """Cut directions into blocks whose projections take at most about 16 MiB.

    Parameters
    ----------
    count : int
        Number of directions.
    n : int
        Number of particles.

    Returns
    -------
    list of slice
        Slices that cover range(count). A block has at least 16 directions, even where that takes more memory.
    """
    step = max(LEAST_DIRECTIONS, BLOCK_VALUES // max(1, n))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


@custom_op("wgf::sorted_projections", mutates_args=(), device_types="cpu")
def sorted_projections(x: Tensor, weights: Tensor, directions: Tensor, equal: bool) -> tuple[Tensor, Tensor]:
    """Project particles on directions, and sort the projections.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    weights : Tensor
        Weights (n,).
    directions : Tensor
        Unit vectors (d, k).
    equal : bool
        Whether all weights are equal.

    Returns
    -------
    values : Tensor
        Sorted θ·xᵢ (k, n), float64. A row is NaN if a projection on its direction is not finite.
    levels : Tensor
        Cumulated weights in the same order (k, n), float64; (1, n) where weights are equal.

    Notes
    -----
    Memory: the result, and for each thread a row of n numbers; with weights 28 bytes a particle more.
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
    """The squared Wasserstein distance along each direction: W₂² = ∫₀¹ |F⁻¹ − G⁻¹|².

    Parameters
    ----------
    values, levels : Tensor
        Sorted projections (k, n) and their levels, as `sorted_projections` returns them.
    target, target_levels : Tensor
        Those of the target, (k, m).

    Returns
    -------
    Tensor
        W₂² (k,), float64, in the squared units of x. Exact for any weights.

    Examples
    --------
    >>> import torch
    >>> a, b = torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 3.0]])
    >>> levels = torch.tensor([[0.5, 1.0]])
    >>> quantile_costs(a, levels, b, levels).tolist()
    [4.0]
    """
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
    """Transport particles to a target along each direction: the squared distances, and the summed displacements.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    weights : Tensor
        Weights (n,).
    directions : Tensor
        Unit vectors (d, k).
    equal : bool
        Whether all weights are equal.
    target, target_levels : Tensor
        Sorted projections of the target (k, m) and their levels.

    Returns
    -------
    costs : Tensor
        W₂² (k,) along each direction, float64.
    displacements : Tensor
        Σ_θ (θ·xᵢ − T_θ(xᵢ)) θ (n, d), in the dtype of x: half the derivative of Σ_θ W₂² in xᵢ, divided by the weight.

    Notes
    -----
    T_θ(xᵢ) is the mean of the targets that the optimal coupling gives to the particles at θ·xᵢ; particles at one place
    share it. Memory: the projections (k, n), and for each thread 60 bytes a particle.

    Examples
    --------
    >>> import torch
    >>> x, weights = torch.tensor([[0.0], [1.0]]), torch.tensor([0.5, 0.5])
    >>> target, levels = torch.tensor([[2.0, 3.0]]), torch.tensor([[0.5, 1.0]])
    >>> costs, moves = transport_maps(x, weights, torch.ones(1, 1), True, target, levels)
    >>> costs.tolist(), moves.flatten().tolist()
    ([4.0], [-2.0, -2.0])
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
    """The Kantorovich potentials of ½ W₂² along each direction, summed, at given points.

    φ_θ′(s) = s − T_θ(s), and ∫ φ_θ dμ = 0.

    Parameters
    ----------
    x, weights, directions, equal, target, target_levels
        As in `transport_maps`.
    at : Tensor
        Points z (p, d).

    Returns
    -------
    potentials : Tensor
        Σ_θ φ_θ(θ·z) (p,), float64.
    gradient : Tensor
        Its gradient (p, d), in the dtype of `at`.

    Notes
    -----
    Between particles T = G⁻¹∘F; at particles T is the map of `transport_maps`. Memory: the projections (k, n) and twice
    those of the points (k, p), in float64.

    Examples
    --------
    One particle at 0 and its target at 2: φ(z) = z²/2 − 2z.

    >>> import torch
    >>> one, target = torch.ones(1, 1), torch.tensor([[2.0]])
    >>> z = torch.tensor([[1.0]])
    >>> phi, slope = transport_potentials(torch.zeros(1, 1), torch.ones(1), one, True, target, one, z)
    >>> phi.item(), slope.item()
    (-1.5, -1.0)
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
