"""Sums over pairs of particles, value and gradient in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import reference
from .cpu import pairwise as cpu
from .registry import array, custom_op, like, register


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
    p = np.asarray([*parameters, 0.0], dtype=np.float64)
    value, gradient = cpu.pair_sums(array(x), array(y), array(weights), form, p, softening, exclude_self)
    return torch.from_numpy(value), like(gradient, x)


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
