"""Every operation in plain torch: the oracle of the compiled bodies, and the body of devices that have no other yet.

Pairs and neuron × sample products are formed a block of rows at a time, so memory stays O(n·d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import activations, forms

_BLOCK = 2**22  # numbers in one block

Form = Callable[[Tensor], tuple[Tensor, Tensor]]


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Slices of range(rows) with at most _BLOCK numbers each when a row holds `columns` of them."""
    step = max(1, _BLOCK // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def radial_sums(form: Form, x: Tensor, y: Tensor, weights: Tensor, exclude_self: bool) -> tuple[Tensor, Tensor]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and its gradient in xᵢ, for a form q ↦ (k, g) with q = |u|², ∇K = g·u."""
    values, gradients = [], []
    for rows in row_blocks(len(x), len(y) * x.shape[1]):
        u = x[rows, None, :] - y[None, :, :]
        k, g = form((u * u).sum(-1))
        if exclude_self:
            own = torch.arange(rows.start, rows.stop, device=x.device)[:, None] == torch.arange(len(y), device=x.device)
            k, g = k.masked_fill(own, 0.0), g.masked_fill(own, 0.0)  # where(own, 0.0, k) would stop a GPU
        values.append((k * weights).sum(1))
        gradients.append(((g * weights)[..., None] * u).sum(1))
    return torch.cat(values), torch.cat(gradients)


def pair_sums(
    x: Tensor, y: Tensor, weights: Tensor, form: int, p: Sequence[float], softening: float, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    """`radial_sums` of a numbered form, softened by |u|² → |u|² + δ²."""
    return radial_sums(lambda q: forms.evaluate(form, p, q + softening**2), x, y, weights, exclude_self)


def stein_direction(
    x: Tensor, y: Tensor, weights: Tensor, scores: Tensor, form: int, p: Sequence[float], softening: float
) -> Tensor:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)]."""
    directions = []
    for rows in row_blocks(len(x), len(y) * x.shape[1]):
        u = x[rows, None, :] - y[None, :, :]
        k, g = forms.evaluate(form, p, (u * u).sum(-1) + softening**2)
        directions.append((k * weights) @ scores - ((g * weights)[..., None] * u).sum(1))
    return torch.cat(directions)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σᵢ wᵢ vᵢ for values (n, k) → (k,)."""
    return weights @ values


def covariance(x: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
    """Σᵢ wᵢ (xᵢ − m)(xᵢ − m)ᵀ."""
    u = x - mean
    return (u * weights[:, None]).T @ u


def affine(x: Tensor, center: Tensor, matrix: Tensor) -> Tensor:
    """(x − c) A."""
    return (x - center) @ matrix


def network_forward(theta: Tensor, weights: Tensor, z: Tensor, outputs: int, activation: int) -> Tensor:
    """f (M, K) with fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ), θ = (a, w, b)."""
    f = torch.zeros(len(z), outputs, dtype=theta.dtype, device=theta.device)
    for rows in row_blocks(len(theta), len(z)):
        a, w, b = theta[rows, :outputs], theta[rows, outputs:-1], theta[rows, -1]
        h, _ = activations.evaluate(activation, z @ w.T + b)
        f += h @ (a * weights[rows, None])
    return f


def network_backward(theta: Tensor, z: Tensor, residual: Tensor, activation: int) -> tuple[Tensor, Tensor]:
    """(v, g): vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) and its gradient in θᵢ."""
    outputs = residual.shape[1]
    values, gradients = [], []
    for rows in row_blocks(len(theta), len(z)):
        a, w, b = theta[rows, :outputs], theta[rows, outputs:-1], theta[rows, -1]
        h, slope = activations.evaluate(activation, z @ w.T + b)
        ga, gs = h.T @ residual, slope * (residual @ a.T)
        values.append((a * ga).sum(1))
        gradients.append(torch.cat([ga, gs.T @ z, gs.sum(0)[:, None]], dim=1))
    return torch.cat(values), torch.cat(gradients)


def philox(counter: Sequence[Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10 on words held in int64: a product wraps there exactly as it does in unsigned arithmetic."""
    mask = 0xFFFFFFFF
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) & mask ^ c1 ^ k0, p1 & mask, (p0 >> 32) & mask ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


def random(ids: Tensor, seed: int, step: int, stream: int, dim: int, normal: bool) -> Tensor:
    """Standard normals, or uniforms on (0, 1], as float64 (n, dim)."""
    mask = 0xFFFFFFFF
    ids = ids[:, None]
    block = torch.arange((dim + 1) // 2, device=ids.device)[None, :] + 0 * ids
    high = (stream << 24 | (step >> 32) << 12) | (ids >> 32)
    counter = (block, (ids & mask) + 0 * block, torch.full_like(block, step & mask), high + 0 * block)
    a, b, c, e = philox(counter, (seed & mask, seed >> 32))
    first, second = ((h.double() * 2.0**32 + low.double() + 0.5) * 2.0**-64 for h, low in ((a, b), (c, e)))
    if normal:
        radius, angle = torch.sqrt(-2.0 * torch.log(first)), 2.0 * math.pi * second
        first, second = radius * torch.cos(angle), radius * torch.sin(angle)
    return torch.stack([first, second], dim=-1).reshape(len(ids), -1)[:, :dim].contiguous()
