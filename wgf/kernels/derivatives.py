"""Derivatives of a radial kernel in q = |u|², from which Stein's operator is built."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .. import ops
from .base import Kernel, KernelSum
from .custom import RadialKernel
from .smooth import Gaussian, InverseMultiquadric, Matern

Jet = tuple[Tensor, Tensor, Tensor, Tensor]
"""(φ, φ′, φ″, q·φ‴) at q, for K(u) = φ(|u|²).

For Matérn kernels φ″ may be infinite at q = 0. It is stored as 0 there, because every use multiplies it by q or u.
"""


def twice_differentiable(kernel: Kernel) -> bool:
    """Whether a kernel is radial and smooth enough for Stein's operator: ∇ₓ∇ᵧK exists at x = y.

    Parameters
    ----------
    kernel : Kernel
        Any kernel. A sum is smooth enough if every part is.

    Returns
    -------
    bool
        False for a kernel that is not radial, is singular, or whose force jumps at 0. A `RadialKernel` is trusted.
    """
    if isinstance(kernel, KernelSum):
        return all(twice_differentiable(part) for _, part in kernel.parts)
    return kernel.radial and not kernel.singular and not kernel.kinked


def jet(kernel: Kernel, q: Tensor) -> Jet:
    """The first derivatives of a radial kernel K(u) = φ(|u|²) in q = |u|²: φ, φ′, φ″ and q·φ‴.

    Parameters
    ----------
    kernel : Kernel
        A kernel for which `twice_differentiable` is True.
    q : Tensor
        Squared distances q ≥ 0, float64, any shape.

    Returns
    -------
    tuple of Tensor
        The four tensors, each of the shape of q.

    Notes
    -----
    Gaussian, InverseMultiquadric and Matern have closed forms. Others go through autograd.
    """
    if isinstance(kernel, KernelSum):
        jets = [(factor, jet(part, q)) for factor, part in kernel.parts]
        zero = torch.zeros_like(q)
        f = [sum((factor * own[k] for factor, own in jets), zero) for k in range(4)]
        return f[0], f[1], f[2], f[3]
    if isinstance(kernel, Gaussian):
        rate = -0.5 / kernel.h**2
        k = torch.exp(rate * q)
        return k, rate * k, rate**2 * k, rate**3 * q * k
    if isinstance(kernel, InverseMultiquadric):
        p, base = kernel.p, 1.0 + q / kernel.h**2
        scaled = base * kernel.h**2
        k = base**-p
        first = -p * k / scaled
        second = -(p + 1.0) * first / scaled
        return k, first, second, -(p + 2.0) * q * second / scaled
    if isinstance(kernel, Matern):
        return _matern(kernel, q)
    return _by_autograd(kernel, q)


def _matern(kernel: Matern, q: Tensor) -> Jet:
    """The jet of a Matérn kernel, with s = √(2ν)|u|/h and ds/dq = ν/(h² s). An infinite φ″ at s = 0 becomes 0."""
    rate = 2.0 * kernel.nu / kernel.h**2
    s = torch.sqrt(rate * q)
    decay = torch.exp(-s)
    if kernel.nu == 2.5:
        k = (1.0 + s + s * s / 3.0) * decay
        return k, -rate / 6.0 * (1.0 + s) * decay, rate**2 / 12.0 * decay, -(rate**2) / 24.0 * s * decay
    inverse = torch.where(s > 0, 1.0 / s, torch.zeros_like(s))
    second = rate**2 / 4.0 * decay * inverse
    return (1.0 + s) * decay, -0.5 * rate * decay, second, -0.5 * (1.0 + s) * second


def _by_autograd(kernel: Kernel, q: Tensor) -> Jet:
    """The jet by three passes of automatic differentiation."""
    with ops.recorded():
        at = q.detach().clone().requires_grad_()
        parts = [kernel.fn(at) if isinstance(kernel, RadialKernel) else kernel.profile(at)]
        for _ in range(3):
            last = parts[-1]
            flat = torch.zeros_like(at)
            parts.append(
                torch.autograd.grad(last.sum(), at, create_graph=True, materialize_grads=True)[0]
                if last.requires_grad
                else flat
            )
    f = [part.detach() for part in parts]
    return f[0], f[1], f[2], q * f[3]


def minus_laplacian(kernel: Kernel, dim: int) -> Kernel | None:
    """The function tr ∇ₓ∇ᵧK = −ΔK as a kernel with a compiled sum.

    Parameters
    ----------
    kernel : Kernel
        Any kernel.
    dim : int
        The dimension d of the space.

    Returns
    -------
    Kernel or None
        −ΔK. None unless the kernel is an InverseMultiquadric or a Matern with ν > 1/2.
    """
    if isinstance(kernel, InverseMultiquadric):
        p, h = kernel.p, kernel.h
        near, far = InverseMultiquadric(h, p + 1.0), InverseMultiquadric(h, p + 2.0)
        return (2.0 * p / h**2) * ((dim - 2.0 * (p + 1.0)) * near + (2.0 * (p + 1.0)) * far)
    if isinstance(kernel, Matern) and kernel.nu > 0.5:
        lower = Matern(kernel.nu - 1.0, kernel.h * math.sqrt((kernel.nu - 1.0) / kernel.nu))
        if kernel.nu == 2.5:  # here `lower` is (1 + s)e⁻ˢ with the s of the kernel itself
            return (5.0 / kernel.h**2) * ((dim / 3.0 + 1.0) * lower - kernel)
        return (3.0 / kernel.h**2) * ((dim + 1.0) * lower - kernel)
    return None
