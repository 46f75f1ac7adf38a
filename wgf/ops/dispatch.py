"""Each operation once, as a torch custom op: a numba body on the CPU, plain torch elsewhere, autograd registered.

A body for another device joins here by `register_kernel`; nothing above this room knows which one ran.
Sums are accumulated and returned in float64; per-particle results come back in the dtype of the particles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import cpu_moments, cpu_network, cpu_noise, cpu_pairwise, reference

# mypy sees the decorated functions as CustomOpDef, whose call is untyped
custom_op: Any = torch.library.custom_op


def _array(tensor: Tensor) -> np.ndarray:
    """The same memory as a C-contiguous float64 array (a copy only where dtype or layout differ)."""
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float64)


def _like(array: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.from_numpy(array).to(tensor.dtype)


def _double(*tensors: Tensor) -> list[Tensor]:
    return [t.double() for t in tensors]


PLAIN: dict[str, Callable[..., Any]] = {}
"""By operation, the plain-torch body of devices without one of their own; tests hold it against the compiled one."""


def _register(op: Any, elsewhere: Callable[..., Any], fake: Callable[..., Any]) -> None:
    PLAIN[op._qualname] = elsewhere
    op.register_kernel("cuda")(elsewhere)
    op.register_fake(fake)


# ------------------------------------------------------------------------------------------------ pairwise sums


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
    value, gradient = cpu_pairwise.pair_sums(_array(x), _array(y), _array(weights), form, p, softening, exclude_self)
    return torch.from_numpy(value), _like(gradient, x)


def _pair_sums_elsewhere(x, y, weights, *rest):
    value, gradient = reference.pair_sums(x.double(), y.double(), weights.double(), *rest)
    return value, gradient.to(x.dtype)


_register(
    pair_sums,
    _pair_sums_elsewhere,
    lambda x, y, weights, *_: (x.new_empty(len(x), dtype=torch.float64), torch.empty_like(x)),
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


# --------------------------------------------------------------------------------------------- sums over particles


@custom_op("wgf::weighted_sum", mutates_args=(), device_types="cpu")
def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σᵢ wᵢ vᵢ for weights (n,), values (n, k) → (k,), float64."""
    return torch.from_numpy(cpu_moments.weighted_sum(_array(weights), _array(values)))


_register(
    weighted_sum,
    lambda weights, values: reference.weighted_sum(*_double(weights, values)),
    lambda weights, values: values.new_empty(values.shape[1], dtype=torch.float64),
)


def _sum_backward(ctx: Any, bar: Tensor) -> Any:
    weights, values = ctx.saved_tensors
    return (values.double() @ bar).to(weights.dtype), (weights[:, None] * bar).to(values.dtype)


weighted_sum.register_autograd(_sum_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))


@custom_op("wgf::covariance", mutates_args=(), device_types="cpu")
def covariance(x: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
    """Σᵢ wᵢ (xᵢ − m)(xᵢ − m)ᵀ (d, d), float64; `mean` must be the weighted mean of x."""
    return torch.from_numpy(cpu_moments.covariance(_array(x), _array(weights), _array(mean)))


_register(
    covariance,
    lambda x, weights, mean: reference.covariance(*_double(x, weights, mean)),
    lambda x, weights, mean: x.new_empty(x.shape[1], x.shape[1], dtype=torch.float64),
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
    return _like(cpu_moments.affine(_array(x), _array(center), _array(matrix)), x)


_register(
    affine,
    lambda x, center, matrix: reference.affine(*_double(x, center, matrix)).to(x.dtype),
    lambda x, center, matrix: x.new_empty(len(x), matrix.shape[1]),
)


def _affine_backward(ctx: Any, bar: Tensor) -> Any:
    x, center, matrix = ctx.saved_tensors
    x_bar = affine(bar, torch.zeros_like(matrix[0]), matrix.T)
    return x_bar, -x_bar.sum(0).to(center.dtype), ((x - center).T.double() @ bar.double()).to(matrix.dtype)


affine.register_autograd(_affine_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))


# --------------------------------------------------------------------------------------------------- network pass


@custom_op("wgf::network_backward", mutates_args=(), device_types="cpu")
def network_backward(theta: Tensor, z: Tensor, residual: Tensor, activation: int) -> tuple[Tensor, Tensor]:
    """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and ∇_θ vᵢ (n, d), for φ = a σ(w·z + b) and residuals r (M, K)."""
    value, gradient = cpu_network.backward(_array(theta), _array(z), _array(residual), activation)
    return _like(value, theta), _like(gradient, theta)


def _network_backward_elsewhere(theta, z, residual, activation):
    value, gradient = reference.network_backward(theta.double(), z.double(), residual.double(), activation)
    return value.to(theta.dtype), gradient.to(theta.dtype)


_register(
    network_backward,
    _network_backward_elsewhere,
    lambda theta, z, residual, activation: (theta.new_empty(len(theta)), torch.empty_like(theta)),
)


@custom_op("wgf::network_forward", mutates_args=(), device_types="cpu")
def network_forward(theta: Tensor, weights: Tensor, z: Tensor, outputs: int, activation: int) -> Tensor:
    """f (M, K) float64: fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ) for packed θ = (a, w, b) (n, K + D + 1)."""
    return torch.from_numpy(cpu_network.forward(_array(theta), _array(weights), _array(z), outputs, activation))


_register(
    network_forward,
    lambda theta, weights, z, *rest: reference.network_forward(theta.double(), weights.double(), z.double(), *rest),
    lambda theta, weights, z, outputs, activation: z.new_empty(len(z), outputs, dtype=torch.float64),
)


def _forward_context(ctx: Any, inputs: Any, output: Any) -> None:
    theta, weights, z, _, ctx.activation = inputs
    ctx.save_for_backward(theta, weights, z)


def _forward_backward(ctx: Any, bar: Tensor) -> Any:
    if ctx.needs_input_grad[2]:
        raise NotImplementedError("wgf::network_forward: no derivative in the inputs z; detach them")
    theta, weights, z = ctx.saved_tensors
    value, gradient = network_backward(theta, z, bar.contiguous(), ctx.activation)
    return (weights[:, None] * gradient).to(theta.dtype), value.to(weights.dtype), None, None, None


network_forward.register_autograd(_forward_backward, setup_context=_forward_context)


# ----------------------------------------------------------------------------------------------------------- noise


@custom_op("wgf::random", mutates_args=(), device_types="cpu")
def random(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, normal: bool) -> Tensor:
    """Philox numbers (n, dim) float64 keyed by (seed low, seed high), step, stream and particle id."""
    seed = key[0] | key[1] << 32
    return torch.from_numpy(cpu_noise.random(ids.numpy(), seed, step, stream, dim, normal))


_register(
    random,
    lambda ids, key, *rest: reference.random(ids, key[0] | key[1] << 32, *rest),
    lambda ids, key, step, stream, dim, normal: ids.new_empty(len(ids), dim, dtype=torch.float64),
)
