"""The two-layer network with one particle for each neuron: its output, and gradients in the neurons.

A particle is θ = (a, w, b): K output weights, D input weights and a bias, so that d = K + D + 1. The output is the
weighted sum over particles of φ(z; θ) = a σ(w·z + b).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import reference
from .range import within
from .registry import array, custom_op, later, like, native, register

cpu = later("network")
extent = later("extent")

_LARGE = 1e15  # parameters and inputs from 1/_LARGE to _LARGE leave room for products in float32


def _dtype(theta: Tensor, z: Tensor, outputs: int) -> Any:
    """The dtype of the arithmetic: float32 for float32 particles where their products with z fit, else float64."""
    if theta.dtype != torch.float32:
        return np.float64
    a, w, b, high = extent.largest_parts(native(theta), outputs, native(z))
    return np.float32 if all(within(size, _LARGE) for size in (a, w, high, w * high)) and b < _LARGE else np.float64


@custom_op("wgf::network_backward", mutates_args=(), device_types="cpu")
def network_backward(theta: Tensor, z: Tensor, residual: Tensor, activation: int) -> tuple[Tensor, Tensor]:
    """The residuals pulled back to the neurons: vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) and its gradient in θᵢ, φ(z; θ) = a σ(w·z + b).

    Parameters
    ----------
    theta : Tensor
        Neurons (n, K + D + 1), packed as (a, w, b).
    z : Tensor
        Inputs (M, D).
    residual : Tensor
        Residuals r (M, K), such as the derivative of the loss in the output.
    activation : int
        Number of the activation function, in `wgf.ops.activations`.

    Returns
    -------
    value : Tensor
        v (n,), in the dtype of theta.
    gradient : Tensor
        ∇_θ v (n, K + D + 1), in the dtype of theta.

    Notes
    -----
    The arithmetic is that of the dtype of theta (float64 where products leave the range of float32), the sums over
    samples are in float64. Cost O(n·M·D), memory O(n·d).

    Examples
    --------
    >>> import torch
    >>> from wgf.ops.activations import IDENTITY
    >>> theta = torch.tensor([[2.0, 3.0, 0.0]])  # a = 2, w = 3, b = 0
    >>> value, gradient = network_backward(theta, torch.tensor([[1.0]]), torch.tensor([[1.0]]), IDENTITY)
    >>> value.tolist(), gradient.tolist()
    ([6.0], [[3.0, 2.0, 2.0]])
    """
    rows = array(theta, _dtype(theta, z, residual.shape[1]))
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
    """The output of the network: fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ).

    Parameters
    ----------
    theta : Tensor
        Neurons (n, K + D + 1), packed as (a, w, b).
    weights : Tensor
        Weights of the neurons (n,).
    z : Tensor
        Inputs (M, D).
    outputs : int
        The number K of outputs.
    activation : int
        Number of the activation function, in `wgf.ops.activations`.

    Returns
    -------
    Tensor
        f (M, K), float64. Autograd can differentiate it in theta and weights.

    Raises
    ------
    NotImplementedError
        If a derivative in the inputs z is requested.

    Examples
    --------
    >>> import torch
    >>> from wgf.ops.activations import IDENTITY
    >>> theta = torch.tensor([[2.0, 3.0, 0.0]])  # a = 2, w = 3, b = 0
    >>> network_forward(theta, torch.ones(1), torch.tensor([[1.0], [2.0]]), 1, IDENTITY).flatten().tolist()
    [6.0, 12.0]
    """
    rows = array(theta, _dtype(theta, z, outputs))
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
    """Forward pass, residuals and backward pass in one: ∇_θ Σₘ rₘ·φ(zₘ; θᵢ) for residuals that depend on the output.

    Parameters
    ----------
    theta : Tensor
        Neurons (n, K + D + 1), packed as (a, w, b).
    weights : Tensor
        Weights of the neurons (n,).
    z : Tensor
        Inputs (M, D).
    outputs : int
        The number K of outputs.
    activation : int
        Number of the activation function, in `wgf.ops.activations`.
    residual : callable
        (f[rows], rows) → residuals of these samples (len(rows), K), with f the output of `network_forward` and rows a
        slice. It is called for consecutive slices that cover every sample once.

    Returns
    -------
    Tensor
        The gradient (n, K + D + 1), in the dtype of theta.

    Notes
    -----
    On the CPU a slice is short enough that its activations are still in cache when the backward pass needs them. On
    other devices there is one slice.

    Examples
    --------
    >>> import torch
    >>> from wgf.ops.activations import IDENTITY
    >>> theta, z = torch.tensor([[2.0, 3.0, 0.0]]), torch.tensor([[1.0]])  # the output is 6
    >>> network_forward_backward(theta, torch.ones(1), z, 1, IDENTITY, lambda f, rows: f - 5.0).tolist()
    [[3.0, 2.0, 2.0]]
    """
    if theta.device.type == "cpu":
        rows = array(theta, _dtype(theta, z, outputs))
        gradient = cpu.forward_backward(
            rows, array(weights), array(z, rows.dtype), outputs, activation,
            lambda f, run: array(residual(torch.from_numpy(f), run)),
        )  # fmt: skip
        return like(gradient, theta)
    r = residual(network_forward(theta, weights, z, outputs, activation), slice(0, len(z)))
    return network_backward(theta, z, r, activation)[1]
