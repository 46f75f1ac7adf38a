"""The two-layer network: sums over neurons, and the residual pulled back to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import reference
from .cpu import network as cpu
from .registry import array, custom_op, like, register


def _dtype(theta: Tensor) -> Any:
    """The dtype of the arithmetic: float32 for float32 particles."""
    return np.float32 if theta.dtype == torch.float32 else np.float64


@custom_op("wgf::network_backward", mutates_args=(), device_types="cpu")
def network_backward(theta: Tensor, z: Tensor, residual: Tensor, activation: int) -> tuple[Tensor, Tensor]:
    """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and ∇_θ vᵢ (n, d), for φ = a σ(w·z + b) and residuals r (M, K)."""
    rows = array(theta, _dtype(theta))
    value, gradient = cpu.backward(rows, array(z, rows.dtype), array(residual), activation)
    return like(value, theta), like(gradient, theta)


def _network_backward_elsewhere(theta, z, residual, activation):
    value, gradient = reference.network_backward(theta.double(), z.double(), residual.double(), activation)
    return value.to(theta.dtype), gradient.to(theta.dtype)


register(
    network_backward,
    _network_backward_elsewhere,
    lambda theta, z, residual, activation: (theta.new_empty(len(theta)), torch.empty_like(theta)),
    triton="network",
)


@custom_op("wgf::network_forward", mutates_args=(), device_types="cpu")
def network_forward(theta: Tensor, weights: Tensor, z: Tensor, outputs: int, activation: int) -> Tensor:
    """f (M, K) float64: fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ) for packed θ = (a, w, b) (n, K + D + 1)."""
    rows = array(theta, _dtype(theta))
    return torch.from_numpy(cpu.forward(rows, array(weights), array(z, rows.dtype), outputs, activation))


register(
    network_forward,
    lambda theta, weights, z, *rest: reference.network_forward(theta.double(), weights.double(), z.double(), *rest),
    lambda theta, weights, z, outputs, activation: z.new_empty(len(z), outputs, dtype=torch.float64),
    triton="network",
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


def network_forward_backward(
    theta: Tensor,
    weights: Tensor,
    z: Tensor,
    outputs: int,
    activation: int,
    residual: Callable[[Tensor, slice], Tensor],
) -> Tensor:
    """∇_θ Σₘ rₘ·φ(zₘ; θᵢ) (n, d) of the residuals r[rows] = residual(f[rows], rows), with f as of `network_forward`.

    `residual` is called for consecutive runs of samples, each sample once. On the CPU a run is as long as its
    activations stay in cache until the gradient needs them; elsewhere there is one run.
    """
    if theta.device.type == "cpu":
        rows = array(theta, _dtype(theta))
        gradient = cpu.forward_backward(
            rows, array(weights), array(z, rows.dtype), outputs, activation,
            lambda f, run: array(residual(torch.from_numpy(f), run)),
        )  # fmt: skip
        return like(gradient, theta)
    r = residual(network_forward(theta, weights, z, outputs, activation), slice(0, len(z)))
    return network_backward(theta, z, r, activation)[1]
