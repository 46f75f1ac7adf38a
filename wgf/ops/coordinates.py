"""Variances of the coordinates of particles, and coordinates about a centre in units of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import reference
from .registry import array, custom_op, double, later, native, register

cpu = later("coordinates")


@custom_op("wgf::variances", mutates_args=(), device_types="cpu")
def variances(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass, centre and variances of weighted particles: `moments` without the products of different coordinates.

    mass = Σ w, c = Σ w x / Σ w, squares = Σ w (x − c)²; the squares of an ensemble are its variances.

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
    squares : Tensor
        Shape (d,), float64, in the squared units of x.

    Notes
    -----
    A cloud far from the origin loses no digits, and equal numbers have exactly the variance 0. The results of parts
    join as those of `moments`. Autograd can differentiate all three results.

    Examples
    --------
    >>> import torch
    >>> mass, centre, squares = variances(torch.tensor([[0.0], [2.0]]), torch.tensor([0.5, 0.5]))
    >>> mass.item(), centre.item(), squares.item()
    (1.0, 1.0, 1.0)
    """
    mass, centre, squares = cpu.variances(native(x), array(weights))
    return torch.tensor(mass, dtype=torch.float64), torch.from_numpy(centre), torch.from_numpy(squares)


def _variances_like(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    d = x.shape[1]
    mass, centre, squares = (x.new_empty(shape, dtype=torch.float64) for shape in ((), (d,), (d,)))
    return mass, centre, squares


register(variances, lambda x, weights: reference.variances(*double(x, weights)), _variances_like)


def _variances_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs, *output[:2])


def _variances_backward(ctx: Any, mass_bar: Tensor, centre_bar: Tensor, bar: Tensor) -> Any:
    """The derivative. As Σ w (x − c) = 0, the squares do not change to first order when c moves."""
    x, weights, mass, centre = ctx.saved_tensors
    u, per_mass = x.double() - centre, centre_bar / mass
    x_bar = weights[:, None] * (2.0 * bar * u + per_mass)
    weights_bar = mass_bar + u @ per_mass + u.square() @ bar
    return x_bar.to(x.dtype), weights_bar.to(weights.dtype)


variances.register_autograd(_variances_backward, setup_context=_variances_context)


@custom_op("wgf::standardised", mutates_args=(), device_types="cpu")
def standardised(x: Tensor, center: Tensor, unit: Tensor) -> Tensor:
    """The coordinates of every particle about a centre, each in a unit of its own: (x − c)/s.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    center : Tensor
        The point c (d,).
    unit : Tensor
        The unit s of each coordinate (d,).

    Returns
    -------
    Tensor
        Shape (n, d), in the dtype of x; computed in float64. Autograd can differentiate it.

    Examples
    --------
    >>> import torch
    >>> standardised(torch.tensor([[3.0, 1.0]]), torch.tensor([1.0, 1.0]), torch.tensor([4.0, 1.0]))
    tensor([[0.5000, 0.0000]])
    """
    return torch.from_numpy(cpu.standardised(native(x), array(center), array(unit)))


register(
    standardised,
    lambda x, center, unit: reference.standardised(*double(x, center, unit)).to(x.dtype),
    lambda x, center, unit: torch.empty_like(x),
)


def _standardised_backward(ctx: Any, bar: Tensor) -> Any:
    x, center, unit = ctx.saved_tensors
    x_bar = bar.double() / unit
    away = (x.double() - center) / unit
    return x_bar.to(x.dtype), -x_bar.sum(0).to(center.dtype), -(x_bar * away).sum(0).to(unit.dtype)


standardised.register_autograd(
    _standardised_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs)
)
