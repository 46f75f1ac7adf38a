"""Sums over particles: means, covariances, and the affine maps built of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import reference
from .cpu import moments as cpu
from .registry import array, custom_op, double, like, register


@custom_op("wgf::weighted_sum", mutates_args=(), device_types="cpu")
def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σᵢ wᵢ vᵢ for weights (n,), values (n, k) → (k,), float64."""
    return torch.from_numpy(cpu.weighted_sum(array(weights), array(values)))


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


@custom_op("wgf::covariance", mutates_args=(), device_types="cpu")
def covariance(x: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
    """Σᵢ wᵢ (xᵢ − m)(xᵢ − m)ᵀ (d, d), float64; `mean` must be the weighted mean of x."""
    return torch.from_numpy(cpu.covariance(array(x), array(weights), array(mean)))


register(
    covariance,
    lambda x, weights, mean: reference.covariance(*double(x, weights, mean)),
    lambda x, weights, mean: x.new_empty(x.shape[1], x.shape[1], dtype=torch.float64),
    triton="moments",
)


def _covariance_backward(ctx: Any, bar: Tensor) -> Any:
    """Σ w (x − m) = 0, so the mean contributes nothing."""
    x, weights, mean = ctx.saved_tensors
    moved = affine(x.double(), mean.double(), bar + bar.T)
    x_bar = weights[:, None] * moved
    weights_bar = 0.5 * (moved * (x - mean)).sum(1)
    return x_bar.to(x.dtype), weights_bar.to(weights.dtype), None


covariance.register_autograd(
    _covariance_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs)
)


@custom_op("wgf::affine", mutates_args=(), device_types="cpu")
def affine(x: Tensor, center: Tensor, matrix: Tensor) -> Tensor:
    """(x − c) A for x (n, d), A (d, e): a product whose bits do not depend on threads."""
    return like(cpu.affine(array(x), array(center), array(matrix)), x)


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
