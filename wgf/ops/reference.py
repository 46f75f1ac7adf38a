"""Every operation in plain torch: the standard for tests of compiled code, and the body for other devices.

Parameters and results are those of the operation of the same name in `wgf.ops`. Pairs, and products of neurons and
samples, are formed for one block of rows at a time, so that memory stays O(n·d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import activations, forms

_BLOCK = 2**22  # most numbers in one block

Form = Callable[[Tensor], tuple[Tensor, Tensor]]


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Slices that cover range(rows), so short that a block with `columns` numbers a row has at most _BLOCK numbers."""
    step = max(1, _BLOCK // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def nearest_image(u: Tensor, period: Tensor) -> Tensor:
    """u − L·round(u/L) for differences u (..., d) and periods L (d,): the shortest difference between images."""
    return u - period * torch.round(u / period)


def radial_sums(
    form: Form, x: Tensor, y: Tensor, weights: Tensor, exclude_self: bool, period: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and its gradient in xᵢ, for a form that maps q = |u|² to (k, g): K = k, ∇K = g·u.

    With a period, u is the difference to the nearest image.
    """
    lengths = None if period is None else torch.tensor(list(period), dtype=x.dtype, device=x.device)
    values, gradients = [], []
    for rows in row_blocks(len(x), len(y) * x.shape[1]):
        u = x[rows, None, :] - y[None, :, :]
        u = u if lengths is None else nearest_image(u, lengths)
        k, g = form((u * u).sum(-1))
        if exclude_self:
            own = torch.arange(rows.start, rows.stop, device=x.device)[:, None] == torch.arange(len(y), device=x.device)
            k, g = k.masked_fill(own, 0.0), g.masked_fill(own, 0.0)  # where(own, 0.0, k) would make a GPU wait
        values.append((k * weights).sum(1))
        gradients.append(((g * weights)[..., None] * u).sum(1))
    return torch.cat(values), torch.cat(gradients)


def pair_sums(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    form: int,
    p: Sequence[float],
    softening: float,
    exclude_self: bool,
    period: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """The sums of a formula of `wgf.ops.forms`, with |u|² replaced by |u|² + δ²."""
    return radial_sums(lambda q: forms.evaluate(form, p, q + softening**2), x, y, weights, exclude_self, period)


def stein_direction(
    x: Tensor, y: Tensor, weights: Tensor, scores: Tensor, form: int, p: Sequence[float], softening: float
) -> Tensor:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] (m, d)."""
    directions = []
    for rows in row_blocks(len(x), len(y) * x.shape[1]):
        u = x[rows, None, :] - y[None, :, :]
        k, g = forms.evaluate(form, p, (u * u).sum(-1) + softening**2)
        directions.append((k * weights) @ scores - ((g * weights)[..., None] * u).sum(1))
    return torch.cat(directions)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σᵢ wᵢ vᵢ (k,) for values (n, k)."""
    return weights @ values


def moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass Σw, centre c = Σwx/Σw and scatter Σ w (x − c)(x − c)ᵀ."""
    mass = weights.sum()
    centre = x[0] + weights @ (x - x[0]) / torch.where(mass == 0, torch.ones_like(mass), mass)
    u = x - centre
    return mass, centre, (u * weights[:, None]).T @ u


def variances(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass Σw, centre c = Σwx/Σw and Σ w (x − c)²."""
    mass = weights.sum()
    centre = x[0] + weights @ (x - x[0]) / torch.where(mass == 0, torch.ones_like(mass), mass)
    return mass, centre, weights @ (x - centre).square()


def standardised(x: Tensor, center: Tensor, unit: Tensor) -> Tensor:
    """(x − c)/s (n, d)."""
    return (x - center) / unit


def affine(x: Tensor, center: Tensor, matrix: Tensor) -> Tensor:
    """(x − c) A (n, e)."""
    return (x - center) @ matrix


def softmax_entropy(x: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """H (n,) of p = softmax(x/τ) in each row, and its gradient (n, d)."""
    log_p = torch.log_softmax((x - x.amax(1, keepdim=True)) / tau, dim=1)
    p = log_p.exp()
    h = -(p * log_p).sum(1)
    return h, -p * (log_p + h[:, None]) / tau


def network_forward(theta: Tensor, weights: Tensor, z: Tensor, outputs: int, activation: int) -> Tensor:
    """fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ) (M, K), for θ = (a, w, b)."""
    f = torch.zeros(len(z), outputs, dtype=theta.dtype, device=theta.device)
    for rows in row_blocks(len(theta), len(z)):
        a, w, b = theta[rows, :outputs], theta[rows, outputs:-1], theta[rows, -1]
        h, _ = activations.evaluate(activation, z @ w.T + b)
        f += h @ (a * weights[rows, None])
    return f


def network_backward(theta: Tensor, z: Tensor, residual: Tensor, activation: int) -> tuple[Tensor, Tensor]:
    """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and its gradient in θᵢ (n, d)."""
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
    """Philox4x32-10 on 32-bit words held in int64, where an overflowing product wraps as unsigned arithmetic does."""
    mask = 0xFFFFFFFF
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) & mask ^ c1 ^ k0, p1 & mask, (p0 >> 32) & mask ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


_WORD = 0xFFFFFFFF
_SINGLE, _TAIL = 0x40, 0xC0  # added to the stream: for float32 numbers, and for the bits that extend their tail


def _words(
    low: Tensor, high: Tensor, last: Tensor | int, key: Sequence[int], step: int, stream: int
) -> tuple[Tensor, ...]:
    """The four Philox words of the counters (low, high, step low, stream·2²⁴ | step high·2¹² | last)."""
    tail = (stream << 24 | (step >> 32) << 12) | last + 0 * low
    return philox((low, high, torch.full_like(low, step & _WORD), tail), (key[0], key[1]))


def _pairs(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> tuple[Tensor, Tensor]:
    """The two float64 uniforms on (0, 1] of each counter (n, ⌈dim/2⌉); `wgf.ops.noise` states the layout."""
    j = torch.arange((dim + 1) // 2, device=ids.device)[None, :] + 0 * ids[:, None]
    a, b, c, e = _words(j, (ids[:, None] & _WORD) + 0 * j, ids[:, None] >> 32, key, step, stream)
    first, second = ((h.double() * 2.0**32 + low.double() + 0.5) * 2.0**-64 for h, low in ((a, b), (c, e)))
    return first, second


def _rows(first: Tensor, second: Tensor, dim: int) -> Tensor:
    """Two columns of numbers for each particle interleaved, cut to `dim` numbers."""
    return torch.stack([first, second], dim=-1).reshape(len(first), -1)[:, :dim].contiguous()


def uniform(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> Tensor:
    """Uniform numbers on (0, 1] (n, dim), float64."""
    return _rows(*_pairs(ids, key, step, stream, dim), dim)


def normal(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, dtype: torch.dtype) -> Tensor:
    """Standard normal numbers (n, dim), float64 or float32."""
    if dtype == torch.float32:
        return _normal_single(ids, key, step, stream, dim)
    first, second = _pairs(ids, key, step, stream, dim)
    radius, angle = torch.sqrt(-2.0 * torch.log(first)), 2.0 * math.pi * second
    return _rows(radius * torch.cos(angle), radius * torch.sin(angle), dim)


def _normal_single(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> Tensor:
    """Standard normal numbers in the float32 layout."""
    number = ids[:, None] * dim + torch.arange(dim, device=ids.device)
    four, pair, second = number >> 2, (number & 2) > 0, (number & 1) > 0
    counter = four & _WORD, four >> 32, 0, key, step
    a, b, c, e = _words(*counter, stream + _SINGLE)
    more, more_too, _, _ = _words(*counter, stream + _TAIL)
    word, angle, more = torch.where(pair, c, a), torch.where(pair, e, b), torch.where(pair, more_too, more)
    extended = (word.double() * 2.0**32 + more.double() + 0.5) * 2.0**-64
    radius = torch.sqrt(-2.0 * torch.log(torch.where(word < 2**16, extended, (word.double() + 0.5) * 2.0**-32)))
    # the low 30 bits are an angle within ± an eighth of a turn; bit 31 reflects it, bit 30 swaps the two normals
    low = angle & 0x3FFFFFFF
    turn = 2.0 * math.pi * (torch.where(low < 2**29, low, low - 2**30).double() + 0.125) * 2.0**-32
    cosine = torch.where(angle < 2**31, torch.cos(turn), -torch.cos(turn))
    swap = (angle & 2**30) > 0
    return (radius * torch.where(swap ^ second, torch.sin(turn), cosine)).float()


def langevin(
    x: Tensor, gradient: Tensor, ids: Tensor, key: Sequence[int], step: int, stream: int, h: float, scale: float
) -> Tensor:
    """x − h·gradient + scale·ξ (n, d)."""
    return x - h * gradient + scale * normal(ids, key, step, stream, x.shape[1], x.dtype)


# Transport along lines. One row for each direction: sorted projections (k, n), and levels, the cumulated weights.


def _project(x: Tensor, directions: Tensor) -> Tensor:
    """θ·xᵢ (k, n), added one axis after the other.

    A matrix product rounds differently at its edges: particles at one place would get different projections.
    """
    rows = torch.zeros(directions.shape[1], len(x), dtype=torch.float64, device=x.device)
    for axis in range(x.shape[1]):
        rows = rows + directions[axis][:, None] * x[:, axis].double()
    return rows


def _sorted_rows(x: Tensor, weights: Tensor, directions: Tensor, equal: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sorted values, their order and their levels, (k, n) each; NaN where a projection or a weight is not finite."""
    values, order = _project(x, directions).sort(dim=1, stable=True)
    steps = torch.arange(1, len(x) + 1, dtype=torch.float64, device=x.device) / len(x)
    levels = weights.double()[order].cumsum(1).clamp(max=1.0)
    known = torch.isfinite(values).all(1, keepdim=True) & torch.isfinite(levels[:, -1:])
    levels = torch.where(known & (not equal), levels, steps)
    levels[:, -1] = 1.0
    return torch.where(known, values, torch.nan), order, levels


def sorted_projections(x: Tensor, weights: Tensor, directions: Tensor, equal: bool) -> tuple[Tensor, Tensor]:
    """Sorted θ·xᵢ (k, n) and their levels, (1, n) where the weights are equal."""
    values, _, levels = _sorted_rows(x, weights, directions, equal)
    return values, levels[:1].clone() if equal else levels


def _pieces(levels: Tensor, target_levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Merge the levels of two rows.

    Returns the masses (k, n + m) between neighbouring levels, and for each the indices of its value and its target.
    """
    merged = torch.cat([levels, target_levels], dim=1).sort(dim=1).values
    masses = merged.diff(dim=1, prepend=torch.zeros_like(merged[:, :1]))
    middle = merged - masses / 2
    return masses, torch.searchsorted(levels, middle), torch.searchsorted(target_levels, middle)


def quantile_costs(values: Tensor, levels: Tensor, target: Tensor, target_levels: Tensor) -> Tensor:
    """W₂² = ∫₀¹ |F⁻¹ − G⁻¹|² (k,) of sorted rows."""
    masses, i, j = _pieces(levels.expand_as(values).contiguous(), target_levels.expand_as(target).contiguous())
    return (masses * (values.gather(1, i) - target.gather(1, j)) ** 2).sum(1)


def _maps(values: Tensor, levels: Tensor, target: Tensor, target_levels: Tensor) -> tuple[Tensor, Tensor]:
    """The transport map at each sorted value, and G⁻¹ at its level.

    Equal values share the mean of their images. Where G⁻¹ jumps, the mean of both sides is taken.
    """
    masses, i, j = _pieces(levels, target_levels)
    atom = torch.zeros_like(values, dtype=torch.int64)
    atom[:, 1:] = (values[:, 1:] != values[:, :-1]).cumsum(1)
    mass, moment = torch.zeros_like(values), torch.zeros_like(values)
    mass.scatter_add_(1, atom.gather(1, i), masses)
    moment.scatter_add_(1, atom.gather(1, i), masses * target.gather(1, j))
    below, above = (torch.searchsorted(target_levels, levels, right=side) for side in (False, True))
    below, above = target.gather(1, below), target.gather(1, above.clamp(max=target.shape[1] - 1))
    image = torch.where(mass > 0, moment / mass, 0.0).gather(1, atom)
    return torch.where(mass.gather(1, atom) > 0, image, above), (below + above) / 2


def transport_maps(
    x: Tensor, weights: Tensor, directions: Tensor, equal: bool, target: Tensor, target_levels: Tensor
) -> tuple[Tensor, Tensor]:
    """W₂² (k,) along each direction, and Σ_θ (θ·xᵢ − T_θ(xᵢ)) θ (n, d)."""
    values, order, levels = _sorted_rows(x, weights, directions, equal)
    target_levels = target_levels.expand_as(target).contiguous()
    image, _ = _maps(values, levels, target, target_levels)
    residual = torch.zeros_like(values).scatter(1, order, values - image)
    return quantile_costs(values, levels, target, target_levels), (residual.T @ directions.T).to(x.dtype)


def transport_potentials(
    x: Tensor, weights: Tensor, directions: Tensor, equal: bool, target: Tensor, target_levels: Tensor, at: Tensor
) -> tuple[Tensor, Tensor]:
    """Σ_θ φ_θ(θ·z) (p,) and its gradient (p, d), for φ_θ′(s) = s − T_θ(s) and ∫ φ_θ dμ = 0."""
    values, _, levels = _sorted_rows(x, weights, directions, equal)
    target_levels = target_levels.expand_as(target).contiguous()
    image, beyond = _maps(values, levels, target, target_levels)
    rises = values.diff(dim=1) * ((values[:, 1:] + values[:, :-1]) / 2 - beyond[:, :-1])
    phi = torch.cat([torch.zeros_like(values[:, :1]), rises.cumsum(1)], dim=1)
    phi = phi - (levels.diff(dim=1, prepend=torch.zeros_like(levels[:, :1])) * phi).sum(1, keepdim=True)
    z = _project(at, directions)
    k = torch.searchsorted(values, z, right=True) - 1
    slope = torch.where(k < 0, target[:, :1], beyond.gather(1, k.clamp(min=0)))
    k = k.clamp(min=0)
    near = values.gather(1, k)
    potential = phi.gather(1, k) + (z - near) * ((z + near) / 2 - slope)
    derivative = z - torch.where(z == near, image.gather(1, k), torch.where(torch.isnan(near), near, slope))
    return potential.sum(0), (derivative.T @ directions.T).to(at.dtype)


def soft_minimum(x: Tensor, y: Tensor, logits: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """−ε log Σⱼ exp(sⱼ − |x − yⱼ|²/(2ε)) (m,), and its gradient x − Σ w y/Σ w (m, d)."""
    values, means = [], []
    for rows in row_blocks(len(x), y.numel()):
        exponents = logits - (x[rows, None] - y).square().sum(2) / (2 * epsilon)
        values.append(-epsilon * torch.logsumexp(exponents, 1))
        means.append(torch.softmax(exponents, 1) @ y)
    return torch.cat(values), x - torch.cat(means)
