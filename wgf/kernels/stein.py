"""Stein's operator on a kernel, summed over all pairs: the direction, the discrepancy and its gradient.

With scores s, a temperature T and ∇ those of K in its two arguments, over y (n, d) with weights w:

    direction      a(x) = Σⱼ wⱼ [K sⱼ + T ∇ᵧK]
    discrepancy    u(x) = Σⱼ wⱼ [K s·sⱼ + T s·∇ᵧK + T sⱼ·∇ₓK + T² tr ∇ₓ∇ᵧK]

so that ∫ u dμ = |a|² in the space of the kernel (Liu & Wang 2016; Liu, Lee & Jordan 2016). Self pairs are included.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .. import ops
from ..ops import linalg, reference
from .base import Kernel, KernelSum
from .custom import RadialKernel
from .derivatives import jet, minus_laplacian, twice_differentiable
from .moments import Linear
from .radial import Gaussian, _Radial

_HELD = 16  # arrays of pairs that a block holds at once


def has_stein_operator(kernel: Kernel) -> bool:
    """Whether the sums here exist for a kernel: a smooth function of |x − y|, `Linear`, or a sum of those."""
    if isinstance(kernel, KernelSum):
        return all(has_stein_operator(part) for _, part in kernel.parts)
    return isinstance(kernel, Linear) or twice_differentiable(kernel)


def direction(kernel: Kernel, x: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """a (n, d) at the particles x (n, d) themselves, in their dtype."""
    if isinstance(kernel, KernelSum):
        return _sum_of_parts(kernel, lambda part: direction(part, x, weights, scores, temperature))
    if isinstance(kernel, Linear):
        matrix, mean = _linear(x, weights, scores)
        return ops.affine(x, torch.zeros_like(mean), matrix) + mean.to(x.dtype) + temperature * x
    if isinstance(kernel, _Radial):
        return _compiled(kernel, x, weights, scores, temperature)
    return _by_blocks(kernel, x, weights, scores, temperature)


def _sum_of_parts(kernel: KernelSum, of: Callable[[Kernel], Tensor]) -> Tensor:
    """Σ cₖ of(Kₖ)."""
    parts = [factor * of(part) for factor, part in kernel.parts]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def _linear(x: Tensor, weights: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Σ w x sᵀ (d, d) and Σ w s (d,), float64."""
    weighted = (weights[:, None] * x.double()).T.contiguous()
    return linalg.product(weighted, scores.double().contiguous()), ops.weighted_sum(weights, scores)


def _compiled(kernel: _Radial, x: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """By the op whose temperature is 1; without temperature the repulsion is taken out again."""
    kernel._check_dim(x.shape[1])

    def op(s: Tensor) -> Tensor:
        return ops.stein_direction(x, x, weights, s, kernel.form, kernel._parameters(), kernel.softening)

    if temperature > 0.0:
        return (kernel.scale * temperature) * op(scores / temperature)
    return kernel.scale * (op(scores) - op(torch.zeros_like(scores)))


def _by_blocks(kernel: Kernel, x: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """For the user's own function of r²."""
    assert isinstance(kernel, RadialKernel)
    y, payload = x.double(), weights[:, None] * scores.double()
    found = []
    with ops.one_torch_thread():
        for rows in reference.row_blocks(len(y), len(y) * x.shape[1]):
            u = y[rows, None, :] - y[None, :, :]
            k, g = kernel._form((u * u).sum(-1))
            found.append(k @ payload - temperature * ((g * weights)[..., None] * u).sum(1))
    return torch.cat(found).to(x.dtype)


def squared_norm(kernel: Kernel, x: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """|a|² = ∬ [K s·s′ + 2T s·∇ᵧK + T² tr ∇ₓ∇ᵧK] in the space of the kernel, 0-d float64; by compiled sums."""
    if isinstance(kernel, KernelSum):
        return _sum_of_parts(kernel, lambda part: squared_norm(part, x, weights, scores, temperature))
    along = direction(kernel, x, weights, scores, temperature)  # ∫ s·a has the repulsion once
    if isinstance(kernel, Linear):
        repulsion, trace = x, torch.full((), float(x.shape[1]), dtype=torch.float64, device=x.device)
    else:
        value, slope = kernel.sums(x, x, weights)
        repulsion, trace = -slope, _trace(kernel, x, weights, value, slope)
    met = linalg.row_dot(scores, along) + temperature * linalg.row_dot(scores, repulsion)
    return ops.weighted_sum(weights, met[:, None])[0] + temperature**2 * trace


def _trace(kernel: Kernel, x: Tensor, weights: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """∬ tr ∇ₓ∇ᵧK, given the sums of K. For a Gaussian −ΔK = K (d − q/h²)/h², and q = |x|² + |y|² − 2 x·y."""
    dim = x.shape[1]
    closed = minus_laplacian(kernel, dim)
    if closed is not None:
        rows = closed.sums(x, x, weights)[0]
    elif isinstance(kernel, Gaussian):
        u = x - x[0]
        carried = ops.stein_direction(x, x, weights, u, kernel.form, kernel._parameters(), 0.0) + slope
        distances = 2.0 * (linalg.row_dot(u, u) * value - linalg.row_dot(u, carried))
        rows = (dim * value - distances / kernel.h**2) / kernel.h**2
    else:
        rows = discrepancy(kernel, x, x, torch.zeros_like(x), torch.zeros_like(x), weights, False)[0]
    return ops.weighted_sum(weights, rows[:, None])[0]


def discrepancy(
    kernel: Kernel, x: Tensor, y: Tensor, scores: Tensor, others: Tensor, weights: Tensor, derivative: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """u (m,) at T = 1 for x with `scores` (m, d), y with `others` (n, d), of a radial kernel; all float64.

    With `derivative` also a (m, d) and the part of ∇u (m, d) that leaves s(x) as it is; the rest is (∇s)ᵀa. With u
    for x − y, P = s·s′ and R = (s − s′)·u they are

        φP − 2φ′R − 2dφ′ − 4qφ″   and   u[2φ′P − 4φ″R − (4d + 8)φ″ − 8qφ‴] − 2φ′(s − s′).

    Plain torch in one thread, O(m·n·d) time and the memory of a block of rows.
    """
    values, directions, slopes = [], [], []
    origin = y[0]
    x, y, dim = (x - origin).double(), (y - origin).double(), x.shape[1]
    scores, others = scores.double(), others.double()
    with ops.one_torch_thread():
        carried = torch.cat([weights[:, None] * y, weights[:, None] * others, weights[:, None]], 1)
        for rows in reference.row_blocks(len(x), _HELD * len(y)):
            here, score = x[rows], scores[rows]
            q, across = (torch.zeros(len(here), len(y), dtype=torch.float64, device=x.device) for _ in range(2))
            for c in range(dim):
                u = here[:, c, None] - y[:, c]
                q += u * u
                across += u * (score[:, c, None] - others[:, c])
            f0, f1, f2, qf3 = jet(kernel, q)
            both = score @ others.T
            values.append((f0 * both - 2.0 * f1 * (across + dim) - 4.0 * q * f2) @ weights)
            if derivative:
                radial = 2.0 * f1 * both - f2 * (4.0 * across + (4.0 * dim + 8.0)) - 8.0 * qf3
                by_radial, by_first, by_value = radial @ carried, f1 @ carried, f0 @ carried
                towards = here * by_radial[:, -1:] - by_radial[:, :dim]
                repulsion = here * by_first[:, -1:] - by_first[:, :dim]
                turned = score * by_first[:, -1:] - by_first[:, dim:-1]
                directions.append(by_value[:, dim:-1] - 2.0 * repulsion)
                slopes.append(towards - 2.0 * turned)
    if not derivative:
        return torch.cat(values), torch.zeros_like(x), torch.zeros_like(x)
    return torch.cat(values), torch.cat(directions), torch.cat(slopes)
