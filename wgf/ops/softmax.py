"""The entropy of a softmax over the coordinates of each particle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import reference
from .registry import custom_op, later, native, register

cpu = later("softmax")


@custom_op("wgf::softmax_entropy", mutates_args=(), device_types="cpu")
def softmax_entropy(x: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """The entropy of the softmax of each particle's coordinates, and its gradient.

    p = softmax(x/τ), H = −Σⱼ pⱼ log pⱼ, ∂H/∂xⱼ = −(1/τ) pⱼ (log pⱼ + H)

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    tau : float
        τ > 0, in the units of x.

    Returns
    -------
    entropy : Tensor
        H (n,), in the dtype of x.
    gradient : Tensor
        Shape (n, d), in the dtype of x. Both are computed in float64. Autograd can differentiate both.

    Examples
    --------
    >>> import torch
    >>> h, gradient = softmax_entropy(torch.zeros(1, 2), 1.0)
    >>> round(h.item(), 4), gradient.abs().max().item()  # log 2, the largest of two coordinates
    (0.6931, 0.0)
    """
    entropies, gradient = cpu.softmax_entropy(native(x), tau)
    return torch.from_numpy(entropies), torch.from_numpy(gradient)


def _elsewhere(x: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    entropies, gradient = reference.softmax_entropy(x.double(), tau)
    return entropies.to(x.dtype), gradient.to(x.dtype)


register(softmax_entropy, _elsewhere, lambda x, tau: (x.new_empty(len(x)), torch.empty_like(x)))


def _context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(inputs[0], output[1])
    ctx.tau = inputs[1]


def _backward(ctx: Any, entropy_bar: Tensor, bar: Tensor) -> Any:
    """∂H, and the Hessian of H times `bar`."""
    (x, gradient), tau = ctx.saved_tensors, ctx.tau
    log_p = torch.log_softmax(x.double() / tau, dim=1)
    p, b = log_p.exp(), bar.double()
    a = log_p - (p * log_p).sum(1, keepdim=True)
    across = (1.0 + a) * (b - (p * b).sum(1, keepdim=True)) - (p * a * b).sum(1, keepdim=True)
    return (entropy_bar[:, None] * gradient - p * across / tau**2).to(x.dtype), None


softmax_entropy.register_autograd(_backward, setup_context=_context)
