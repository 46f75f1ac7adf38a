"""Pair sums on a GPU: the value and the gradient of a radial kernel, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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
        return x.new_zeros(len(x), dtype=torch.float64), torch.zeros_like(x)
    dtype = compute_dtype(x, y)
    here, there, w = (t.detach().to(dtype).contiguous() for t in (x, y, weights))
    name, constants = numbers(form, parameters)
    soft = softening**2
    if x.shape[1] <= LIMIT:
        out = difference_sums(here, there, w, None, name, constants, soft, exclude_self)
        return out[:, 0].contiguous(), out[:, 1:].to(x.dtype).contiguous()
    value, gradient = product_sums(here, there, w, None, name, constants, soft, exclude_self, precision)
    assert value is not None  # it is None only if scores are given
    return value, gradient.to(x.dtype)
