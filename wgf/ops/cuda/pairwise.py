"""Sums over pairs of particles on a GPU: values and gradients of a kernel, and the Stein direction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import reference
from ..range import NOWHERE, extents
from .differences import LIMIT, difference_sums
from .launch import compute_dtype
from .products import product_sums
from .radial import numbers


def pair_sums(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
    period: Sequence[float] | None = None,
    precision: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum a radial kernel over all pairs on a GPU: Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ).

    Parameters
    ----------
    x, y, weights, form, parameters, softening, exclude_self
        As in `wgf.ops.pair_sums`.
    precision : str, optional
        How matrix products are formed, as in `launch.dot_precision`.

    Returns
    -------
    value : Tensor
        The sums (m,), float64.
    gradient : Tensor
        Their gradients (m, d), in the dtype of x.

    Notes
    -----
    Up to d = 16 by differences of coordinates, beyond by matrix products. Memory O((m + n)·d), and at most 2¹⁷ (1 + d)
    numbers for partial sums where m is small. Tests compare it with `reference.pair_sums`.
    """
    if len(x) == 0 or len(y) == 0:
        return x.new_zeros(len(x)).double(), x.new_zeros(x.shape)
    if period is not None:  # plain torch: nearest images have no Triton body
        here, there, w = (t.detach().double() for t in (x, y, weights))
        value, gradient = reference.pair_sums(here, there, w, form, parameters, softening, exclude_self, period)
        return value, gradient.to(x.dtype)
    value, gradient = _traverse(x, y, weights, None, form, parameters, softening, exclude_self, precision)
    assert value is not None  # it is None with scores alone
    return value, gradient.to(x.dtype)


def stein_direction(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
    precision: str | None = None,
) -> Tensor:
    """Sum the Stein direction on a GPU: Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] (Liu & Wang 2016).

    Parameters
    ----------
    x, y, weights, scores, form, parameters, softening
        As in `wgf.ops.stein_direction`.
    precision : str, optional
        How matrix products are formed, as in `launch.dot_precision`.

    Returns
    -------
    Tensor
        The directions (m, d), in the dtype of x. The second part keeps the particles apart.

    Notes
    -----
    Loops and memory are those of `pair_sums`.
    """
    if len(x) == 0 or len(y) == 0:
        return x.new_zeros(x.shape)
    return _traverse(x, y, weights, scores, form, parameters, softening, False, precision)[1].to(x.dtype)


def _traverse(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor | None,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
    precision: str | None,
) -> tuple[Tensor | None, Tensor]:
    """Values (m,) (None with scores) and vectors (m, d): by differences of coordinates up to d = 16, else by products.

    Float32 where x and y are float32 and the lengths of the kernel fit into its range, else float64; sums are float64.
    """
    dtype = compute_dtype(x, y) if extents(form, parameters, softening) is not NOWHERE else torch.float64
    here, there, w = (t.detach().to(dtype).contiguous() for t in (x, y, weights))
    s = None if scores is None else scores.detach().to(dtype).contiguous()
    name, constants = numbers(form, parameters)
    soft = softening**2
    if x.shape[1] > LIMIT:
        return product_sums(here, there, w, s, name, constants, soft, exclude_self, precision)
    out = difference_sums(here, there, w, s, name, constants, soft, exclude_self)
    return (out[:, 0].contiguous(), out[:, 1:].contiguous()) if s is None else (None, out)
