"""The Stein direction of particles that are divided among processes: the others come round a ring."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wgf import ops
from wgf.kernels import Kernel, KernelSum, Linear
from wgf.kernels.stein import direction as all_pairs
from wgf.kernels.stein import discrepancy, trace_rows
from wgf.measure import ShardedEnsemble
from wgf.ops import linalg


def direction(mu: ShardedEnsemble, kernel: Kernel, scores: Tensor, temperature: float) -> Tensor:
    """The direction a(xᵢ) = Σⱼ wⱼ [K sⱼ + T ∇ⱼK] at the particles of this process, over those of all.

    Parameters
    ----------
    mu : ShardedEnsemble
        The particles.
    kernel : Kernel
        A kernel with `has_stein_operator`.
    scores : Tensor
        Scores s (rows, d).
    temperature : float
        T ≥ 0.

    Returns
    -------
    Tensor
        Directions (rows, d), in the dtype of x.
    """
    total = torch.zeros_like(mu.x, dtype=torch.float64)
    for factor, part in kernel.parts if isinstance(kernel, KernelSum) else ((1.0, kernel),):
        if isinstance(part, Linear):
            total = total + factor * _linear(mu, scores, temperature)
        else:
            total = total + factor * _round(mu, part, scores, temperature)
    return total.to(mu.dtype)


def _linear(mu: ShardedEnsemble, scores: Tensor, temperature: float) -> Tensor:
    matrix, mean = mu.crossed(mu.x.double(), scores.double()), mu.expect(scores)
    origin = torch.zeros_like(mean)
    along: Tensor = mu.rowwise(lambda rows: ops.affine(rows, origin, matrix), mu.x.double())
    return along + mean + temperature * mu.x.double()


def _round(mu: ShardedEnsemble, kernel: Kernel, scores: Tensor, temperature: float) -> Tensor:
    def along(x: Tensor, y: Tensor, weights: Tensor, others: Tensor) -> Tensor:
        return all_pairs(kernel, y, weights, others, temperature, x)

    return _rows(mu, along, torch.zeros_like(mu.x, dtype=torch.float64), scores)


def _rows(mu: ShardedEnsemble, sums: Callable[..., Tensor], total: Tensor, *columns: Tensor) -> Tensor:
    """Add the sums over the blocks of all processes at the particles of this one, block by block."""
    for _, (y, weights, *others) in mu.parts().round(mu.x, mu.weights, *columns):
        for rows in mu.layout.slices:
            total[rows] += sums(mu.x[rows], y, weights, *others)
    return total


def squared_norm(mu: ShardedEnsemble, kernel: Kernel, scores: Tensor, temperature: float) -> Tensor:
    """The squared norm |a|² of the direction in the space of the kernel, 0-d float64; arguments as in `direction`."""
    if isinstance(kernel, KernelSum):
        return torch.stack([factor * squared_norm(mu, part, scores, temperature) for factor, part in kernel.parts]).sum(
            0
        )
    along = direction(mu, kernel, scores, temperature)
    if isinstance(kernel, Linear):
        repulsion, trace = mu.x, torch.full((), float(mu.dim), dtype=torch.float64, device=mu.device)
    else:
        value, slope = mu.kernel_sums(kernel)
        repulsion, trace = -slope, mu.expect(_trace(mu, kernel, value, slope))
    met = linalg.row_dot(scores, along) + temperature * linalg.row_dot(scores, repulsion)
    return mu.expect(met.double()) + temperature**2 * trace


def _trace(mu: ShardedEnsemble, kernel: Kernel, value: Tensor, slope: Tensor) -> Tensor:
    """The rows of ∬ tr ∇ₓ∇ᵧK dμ at the particles of this process."""
    closed = trace_rows(kernel, mu.x, value, slope, mu.first(mu.x), lambda other: mu.kernel_sums(other)[0])
    if closed is not None:
        return closed

    def sums(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        return discrepancy(kernel, x, y, torch.zeros_like(x), torch.zeros_like(y), weights, False)[0]

    return _rows(mu, sums, torch.zeros_like(mu.weights))
