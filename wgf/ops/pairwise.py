"""Sums over pairs of particles, value and gradient in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import reference
from .cpu import pairwise as cpu
from .cpu import products
from .registry import array, custom_op, like, native, register

DIRECT_UP_TO = 14
"""Dimension up to which differences of coordinates beat matrix products (measured by `benchmarks`)."""


@custom_op("wgf::pair_sums", mutates_args=(), device_types="cpu")
def pair_sums(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
) -> tuple[Tensor, Tensor]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) (m,) and Σⱼ wⱼ ∇K(xᵢ − yⱼ) (m, d) for x (m, d), y (n, d), weights (n,)."""
    rows, columns = _points(x, y)
    body = (products if x.shape[1] > DIRECT_UP_TO else cpu).pair_sums
    value, gradient = body(rows, columns, array(weights), form, parameters, softening, exclude_self)
    return torch.from_numpy(value), like(gradient, x)


def _points(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Both in the dtype that holds them, float32 or float64; one array where they are the same memory."""
    dtype = torch.promote_types(x.dtype, y.dtype)
    rows = native(x.to(dtype))
    same = x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride() and x.dtype == y.dtype
    return rows, rows if same else native(y.to(dtype))


def _pair_sums_elsewhere(x, y, weights, *rest):
    value, gradient = reference.pair_sums(x.double(), y.double(), weights.double(), *rest)
    return value, gradient.to(x.dtype)


register(
    pair_sums,
    _pair_sums_elsewhere,
    lambda x, y, weights, *_: (x.new_empty(len(x), dtype=torch.float64), torch.empty_like(x)),
    triton="pairwise",
)


def _pair_context(ctx: Any, inputs: Any, output: Any) -> None:
    x, y, weights, *ctx.rest = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, y, weights, output[1])


def _pair_backward(ctx: Any, value_bar: Tensor | None, gradient_bar: Tensor | None) -> Any:
    """Forms are even in u, so the derivative in y and in the weights is the transposed sum, by the same op."""
    if gradient_bar is not None:
        raise NotImplementedError("wgf::pair_sums: the gradient cannot be differentiated again; only the value can")
    if value_bar is None:
        return (None,) * 7
    x, y, weights, gradient = ctx.saved_tensors
    x_bar = y_bar = weights_bar = None
    if ctx.needs_input_grad[0]:
        x_bar = (value_bar[:, None] * gradient).to(x.dtype)
    if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
        value, slope = pair_sums(y, x, value_bar.double(), *ctx.rest)
        y_bar, weights_bar = (weights[:, None] * slope).to(y.dtype), value.to(weights.dtype)
    return x_bar, y_bar, weights_bar, None, None, None, None


pair_sums.register_autograd(_pair_backward, setup_context=_pair_context)


@custom_op("wgf::stein_direction", mutates_args=(), device_types="cpu")
def stein_direction(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> Tensor:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] (m, d) for x (m, d), y (n, d), weights (n,), scores s (n, d).

    With scores s = ∇ log π it is the direction of Stein variational gradient descent (Liu & Wang 2016): the second
    part is Σⱼ wⱼ ∇_{yⱼ} K, which keeps the particles apart.
    """
    rows, columns = _points(x, y)
    body = (products if x.shape[1] > DIRECT_UP_TO else cpu).stein_direction
    payload = scores.detach().numpy().astype(columns.dtype, copy=False)
    return like(body(rows, columns, array(weights), payload, form, parameters, softening), x)


def _stein_elsewhere(x, y, weights, scores, *rest):
    return reference.stein_direction(x.double(), y.double(), weights.double(), scores.double(), *rest).to(x.dtype)


register(stein_direction, _stein_elsewhere, lambda x, *_: torch.empty_like(x), triton="pairwise")
