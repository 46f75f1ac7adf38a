"""Weighted sums over particles, means and covariances, and affine maps of particles."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import reference
from .linalg import FEW, row_dot
from .registry import array, custom_op, double, later, native, register

cpu = later("moments")


@custom_op("wgf::weighted_sum", mutates_args=(), device_types="cpu")
def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """The weighted sum Σᵢ wᵢ vᵢ over particles.

    Parameters
    ----------
    weights : Tensor
        Weights (n,), any sign.
    values : Tensor
        One row for each particle (n, k), float32 or float64.

    Returns
    -------
    Tensor
        The sums (k,), float64. Autograd can differentiate them.

    Examples
    --------
    >>> import torch
    >>> weighted_sum(torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 0.0], [3.0, 4.0]])).tolist()
    [2.0, 2.0]
    """
    return torch.from_numpy(cpu.weighted_sum(array(weights), native(values)))


register(
    weighted_sum,
    lambda weights, values: reference.weighted_sum(*double(weights, values)),
    lambda weights, values: values.new_empty(values.shape[1], dtype=torch.float64),
    triton="moments",
)


def _sum_backward(ctx: Any, bar: Tensor) -> Any:
    weights, values = ctx.saved_tensors
    return (values.double() @ bar).to(weights.dtype), (weights[:, None] * bar).to(values.dtype)


weighted_sum.register_autograd(_sum_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))


@custom_op("wgf::inner", mutates_args=(), device_types="cpu")
def inner(weights: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The weighted sum of scalar products, Σᵢ wᵢ aᵢ·bᵢ.

    Parameters
    ----------
    weights : Tensor
        Weights (n,), any sign.
    a, b : Tensor
        Rows (n, d), float32 or float64.

    Returns
    -------
    Tensor
        0-d, float64. Autograd can differentiate it.

    Notes
    -----
    It has the bits of `weighted_sum` of the products `linalg.row_dot`, in one call.

    Examples
    --------
    >>> import torch
    >>> inner(torch.tensor([0.5, 0.5]), torch.eye(2), 4.0 * torch.eye(2)).item()
    4.0
    """
    if 1 <= a.shape[1] <= FEW and a.dtype == b.dtype:
        return torch.from_numpy(cpu.inner(array(weights), native(a), native(b)))
    dots = row_dot(a.detach(), b.detach())
    return torch.from_numpy(cpu.weighted_sum(array(weights), native(dots)[:, None])).reshape(())


def _inner_elsewhere(weights: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return reference.weighted_sum(weights.double(), row_dot(a, b)[:, None]).reshape(())


register(inner, _inner_elsewhere, lambda weights, a, b: weights.new_empty((), dtype=torch.float64))


def _inner_backward(ctx: Any, bar: Tensor) -> Any:
    weights, a, b = ctx.saved_tensors
    scaled = (bar * weights)[:, None]
    return (bar * row_dot(a, b)).to(weights.dtype), (scaled * b).to(a.dtype), (scaled * a).to(b.dtype)


inner.register_autograd(_inner_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))


@custom_op("wgf::moments", mutates_args=(), device_types="cpu")
def moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass, centre and scatter matrix of weighted particles.

    mass = Σ w, c = Σ w x / Σ w, scatter = Σ w (x − c)(x − c)ᵀ; the scatter of an ensemble is its covariance.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    weights : Tensor
        Weights (n,), w ≥ 0.

    Returns
    -------
    mass : Tensor
        0-d, float64.
    centre : Tensor
        Shape (d,), float64, in the units of x.
    scatter : Tensor
        Shape (d, d), float64, in the squared units of x.

    Notes
    -----
    A cloud far from the origin loses no digits. The moments of parts join exactly: with m the centre of the whole, its
    scatter is the sum over the parts of scatter + mass (c − m)(c − m)ᵀ. Autograd can differentiate all three results.

    References
    ----------
    Chan, Golub & LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample variances, Stanford.

    Examples
    --------
    >>> import torch
    >>> mass, centre, scatter = moments(torch.tensor([[0.0], [2.0]]), torch.tensor([0.5, 0.5]))
    >>> mass.item(), centre.item(), scatter.item()
    (1.0, 1.0, 1.0)
    """
    mass, centre, scatter = cpu.moments(native(x), array(weights))
    return torch.tensor(mass, dtype=torch.float64), torch.from_numpy(centre), torch.from_numpy(scatter)


def _moments_elsewhere(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return reference.moments(*double(x, weights))


def _moments_like(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    d = x.shape[1]
    mass, centre, scatter = (x.new_empty(shape, dtype=torch.float64) for shape in ((), (d,), (d, d)))
    return mass, centre, scatter


register(moments, _moments_elsewhere, _moments_like, triton="moments")


def _moments_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs, *output[:2])


def _moments_backward(ctx: Any, mass_bar: Tensor, centre_bar: Tensor, bar: Tensor) -> Any:
    """The derivative. As Σ w (x − c) = 0, the scatter does not change to first order when c moves."""
    x, weights, mass, centre = ctx.saved_tensors
    u, per_mass = x.double() - centre, centre_bar / mass
    moved = affine(x.double(), centre, bar + bar.T)
    x_bar = weights[:, None] * (moved + per_mass)
    weights_bar = mass_bar + u @ per_mass + 0.5 * (moved * u).sum(1)
    return x_bar.to(x.dtype), weights_bar.to(weights.dtype)


moments.register_autograd(_moments_backward, setup_context=_moments_context)


ROUNDING = 1.5
"""Coordinates with a spread (standard deviation) of at most so many ε |m| count as equal: that is their rounding."""


def least_variance(mean: Tensor, dtype: torch.dtype) -> Tensor:
    """The variance of each coordinate at which it is rounding: (1.5 ε |m|)². At and below that it counts as zero.

    Parameters
    ----------
    mean : Tensor
        The mean m of each coordinate (d,), float64. Where the variance is rounding, every particle has about |m|.
    dtype : torch.dtype
        The dtype of the particles, which gives ε.

    Returns
    -------
    Tensor
        Shape (d,), float64, in the squared units of x.

    Examples
    --------
    >>> import torch
    >>> least_variance(torch.tensor([1.0, 0.0]), torch.float64).sqrt().tolist()
    [3.3306690738754696e-16, 0.0]
    """
    return (ROUNDING * torch.finfo(dtype).eps * mean.double()).square()


@custom_op("wgf::affine", mutates_args=(), device_types="cpu")
def affine(x: Tensor, center: Tensor, matrix: Tensor) -> Tensor:
    """The affine map (x − c) A of every particle.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    center : Tensor
        The point c (d,).
    matrix : Tensor
        The matrix A (d, e).

    Returns
    -------
    Tensor
        Shape (n, e), in the dtype of x. The difference x − c is formed in float64. Autograd can differentiate it.

    Examples
    --------
    >>> import torch
    >>> affine(torch.tensor([[3.0, 1.0]]), torch.tensor([1.0, 1.0]), 2.0 * torch.eye(2))
    tensor([[4., 0.]])
    """
    return torch.from_numpy(cpu.affine(native(x), array(center), array(matrix)))


register(
    affine,
    lambda x, center, matrix: reference.affine(*double(x, center, matrix)).to(x.dtype),
    lambda x, center, matrix: x.new_empty(len(x), matrix.shape[1]),
    triton="moments",
)


def _affine_backward(ctx: Any, bar: Tensor) -> Any:
    x, center, matrix = ctx.saved_tensors
    x_bar = affine(bar, torch.zeros_like(matrix[0]), matrix.T)
    return x_bar, -x_bar.sum(0).to(center.dtype), ((x - center).T.double() @ bar.double()).to(matrix.dtype)


affine.register_autograd(_affine_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))
