"""Stein's operator on a kernel, summed over all pairs: the direction of a Stein flow, and the kernel Stein discrepancy.

With scores s, a temperature T, and particles y (n, d) of weights w:

    direction      a(x) = Σⱼ wⱼ [K sⱼ + T ∇ᵧK]
    discrepancy    u(x) = Σⱼ wⱼ [K s·sⱼ + T s·∇ᵧK + T sⱼ·∇ₓK + T² tr ∇ₓ∇ᵧK]

Then ∫ u dμ = |a|², the squared norm in the space of the kernel (Liu & Wang 2016; Liu, Lee & Jordan 2016). Sums include
the self pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .. import ops
from ..ops import bodies, linalg, reference
from .base import Kernel, KernelSum, fits
from .custom import RadialKernel
from .derivatives import jet, minus_laplacian, twice_differentiable
from .moments import Linear
from .radial import Radial
from .smooth import Gaussian

_HELD = 16  # arrays of the size of a block that are in memory at once


def has_stein_operator(kernel: Kernel) -> bool:
    """Whether Stein's operator exists for a kernel.

    Parameters
    ----------
    kernel : Kernel
        Any kernel.

    Returns
    -------
    bool
        True for a smooth function of |x − y|, for `Linear`, and for sums of these.
    """
    if isinstance(kernel, KernelSum):
        return all(has_stein_operator(part) for _, part in kernel.parts)
    return isinstance(kernel, Linear) or twice_differentiable(kernel)


def direction(
    kernel: Kernel, x: Tensor, weights: Tensor, scores: Tensor, temperature: float, at: Tensor | None = None
) -> Tensor:
    """The Stein direction a(xᵢ) = Σⱼ wⱼ [K(xᵢ, xⱼ) sⱼ + T ∇ⱼK(xᵢ, xⱼ)] at the particles themselves.

    The first part moves particles along the scores of their neighbours, the second keeps them apart.

    Parameters
    ----------
    kernel : Kernel
        A kernel with `has_stein_operator`.
    x : Tensor
        Particles (n, d).
    weights : Tensor
        Their weights (n,), float64.
    scores : Tensor
        Scores s (n, d), most often −∇E: the gradient of the log density of the target, times T.
    temperature : float
        T ≥ 0.
    at : Tensor, optional
        Other points (m, d) at which the sums are taken. By default the particles.

    Returns
    -------
    Tensor
        Directions (n, d), in the dtype of x.

    References
    ----------
    Liu & Wang (2016), Stein variational gradient descent, NeurIPS 29.
    """
    if not fits(kernel, x, x):
        there = None if at is None else at.double()
        return direction(kernel, x.double(), weights, scores.double(), temperature, there).to(x.dtype)
    if isinstance(kernel, KernelSum):
        return _sum_of_parts(kernel, lambda part: direction(part, x, weights, scores, temperature, at))
    if isinstance(kernel, Linear):
        matrix, mean = _linear(x, weights, scores)
        return ops.affine(x, torch.zeros_like(mean), matrix) + mean.to(x.dtype) + temperature * x
    if isinstance(kernel, Radial):
        return _compiled(kernel, x if at is None else at, x, weights, scores, temperature)
    return _by_blocks(kernel, x if at is None else at, x, weights, scores, temperature)


def _sum_of_parts(kernel: KernelSum, of: Callable[[Kernel], Tensor]) -> Tensor:
    """Σ cₖ of(Kₖ)."""
    parts = [factor * of(part) for factor, part in kernel.parts]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def _linear(x: Tensor, weights: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Σ w x sᵀ (d, d) and Σ w s (d,), float64: all that the kernel x·y + 1 needs."""
    weighted = (weights[:, None] * x.double()).T.contiguous()
    return linalg.product(weighted, scores.double().contiguous()), ops.weighted_sum(weights, scores)


def _compiled(kernel: Radial, x: Tensor, y: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """The direction by the compiled operation, which has temperature 1: divide the scores by T, multiply the result.

    At T = 0 the repulsion, which is the result for scores 0, is subtracted.
    """
    kernel.require_dim(x.shape[1])

    def op(s: Tensor) -> Tensor:
        return ops.stein_direction(x, y, weights, s, kernel.form, kernel.parameters(), kernel.softening)

    if temperature > 0.0:
        return (kernel.scale * temperature) * op(scores / temperature)
    return kernel.scale * (op(scores) - op(torch.zeros_like(scores)))


def stein_body(kernel: Kernel, x: Tensor, weights: Tensor, temperature: float, h: float) -> bodies.Stein | None:
    """The steps x + h·`direction` as plain numbers, for compiled stretches of steps; None where there are none.

    Parameters
    ----------
    kernel, x, weights, temperature
        As in `direction`; T > 0.
    h : float
        The length of the steps.

    Returns
    -------
    Stein or None
        None for other kernels than `Radial` ones.
    """
    if not isinstance(kernel, Radial):
        return None
    formula = kernel.form, kernel.parameters(), kernel.softening
    return ops.stein_body(*formula, kernel.scale, temperature, h, weights, x)


def _by_blocks(
    kernel: Kernel, x: Tensor, source: Tensor, weights: Tensor, scores: Tensor, temperature: float
) -> Tensor:
    """The direction for a `RadialKernel`, in plain torch, one block of rows at a time."""
    assert isinstance(kernel, RadialKernel)
    here, y, payload = x.double(), source.double(), weights[:, None] * scores.double()
    found = []
    with ops.one_torch_thread():
        for rows in reference.row_blocks(len(here), len(y) * x.shape[1]):
            u = here[rows, None, :] - y[None, :, :]
            k, g = kernel._form((u * u).sum(-1))
            found.append(k @ payload - temperature * ((g * weights)[..., None] * u).sum(1))
    return torch.cat(found).to(x.dtype)


def squared_norm(kernel: Kernel, x: Tensor, weights: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """The squared norm |a|² of the Stein direction in the space of the kernel: the squared kernel Stein discrepancy.

    |a|² = ∬ [K s·s′ + 2T s·∇ᵧK + T² tr ∇ₓ∇ᵧK] dμ dμ.

    Parameters
    ----------
    kernel, x, weights, scores, temperature
        As in `direction`.

    Returns
    -------
    Tensor
        A 0-d float64 tensor.

    Notes
    -----
    A Gaussian in few dimensions has one compiled pass over the pairs. All else goes through compiled sums wherever
    ∬ tr ∇ₓ∇ᵧK has a closed form, and through `discrepancy` where not.

    References
    ----------
    Liu, Lee & Jordan (2016), A kernelized Stein discrepancy for goodness-of-fit tests, ICML.
    """
    if not fits(kernel, x, x):
        return squared_norm(kernel, x.double(), weights, scores.double(), temperature)
    if isinstance(kernel, KernelSum):
        return _sum_of_parts(kernel, lambda part: squared_norm(part, x, weights, scores, temperature))
    if isinstance(kernel, Gaussian):
        found = ops.stein_norm(x, weights, scores, kernel.h, kernel.softening, temperature)
        if found is not None:
            return kernel.scale * found
    along = direction(kernel, x, weights, scores, temperature)  # ∫ s·a has the mixed term T s·∇ᵧK once, |a|² twice
    if isinstance(kernel, Linear):
        repulsion, trace = x, torch.full((), float(x.shape[1]), dtype=torch.float64, device=x.device)
    else:
        value, slope = kernel.sums(x, x, weights)
        repulsion, trace = -slope, _trace(kernel, x, weights, value, slope)
    met = linalg.row_dot(scores, along) + temperature * linalg.row_dot(scores, repulsion)
    return ops.weighted_sum(weights, met[:, None])[0] + temperature**2 * trace


def _trace(kernel: Kernel, x: Tensor, weights: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """∬ tr ∇ₓ∇ᵧK from the sums of K and their gradients.

    For a Gaussian −ΔK = K (d − q/h²)/h² with q = |x − y|². As ∇K = −K (x − y)/h² is odd, ∬ K q/h² = −2 ∫ x·(∇K * μ) dμ.
    """
    rows = trace_rows(kernel, x, value, slope, x[0], lambda closed: closed.sums(x, x, weights)[0])
    if rows is None:
        rows = discrepancy(kernel, x, x, torch.zeros_like(x), torch.zeros_like(x), weights, False)[0]
    return ops.weighted_sum(weights, rows[:, None])[0]


def trace_rows(
    kernel: Kernel, x: Tensor, value: Tensor, slope: Tensor, origin: Tensor, sums: Callable[[Kernel], Tensor]
) -> Tensor | None:
    """Rows (n,) whose mean is ∬ tr ∇ₓ∇ᵧK, where that has a closed form; None else.

    `sums` sums another kernel over all particles, and `origin` (d,) is a point near them.
    """
    dim = x.shape[1]
    closed = minus_laplacian(kernel, dim)
    if closed is not None:
        return sums(closed)
    if isinstance(kernel, Gaussian):
        return kernel.h**-2 * (dim * value + 2.0 * linalg.row_dot(x - origin, slope))
    return None


def discrepancy(
    kernel: Kernel, x: Tensor, y: Tensor, scores: Tensor, others: Tensor, weights: Tensor, derivative: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The function u of the kernel Stein discrepancy at T = 1, for a radial kernel.

    With u for x − y, P = s·s′ and R = (s − s′)·u, each pair adds φP − 2φ′R − 2dφ′ − 4qφ″.

    Parameters
    ----------
    kernel : Kernel
        A radial kernel K(u) = φ(|u|²) for which `twice_differentiable` is True.
    x, scores : Tensor
        Points (m, d) and the scores s at them (m, d).
    y, others : Tensor
        Particles (n, d) and the scores s′ at them (n, d).
    weights : Tensor
        Weights of y (n,), float64.
    derivative : bool
        Whether to compute the directions and gradients as well. Otherwise they are zeros.

    Returns
    -------
    values : Tensor
        u (m,), float64.
    directions : Tensor
        a (m, d), float64.
    slopes : Tensor
        The part of ∇u (m, d) at fixed s(x), float64. The whole gradient is that plus (∇s)ᵀa.

    Notes
    -----
    The part of ∇u at fixed scores is u[2φ′P − 4φ″R − (4d + 8)φ″ − 8qφ‴] − 2φ′(s − s′), summed over y.
    Plain torch in one thread: O(m·n·d) time, and the memory of one block of rows.
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
