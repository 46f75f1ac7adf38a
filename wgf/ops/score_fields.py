"""Fields ∇φ by which a score is fitted: a layer of hidden units, which is trained, or kernels at centres."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .threads import one_torch_thread

_FLOOR = 1e-8
"""Added to the diagonal of a matrix, as a part of its mean: fields may be linearly dependent."""
_NUMBERS = 2**20
"""Numbers in an array of fields: longer lists of particles are taken in pieces."""
_AT_ONCE = 4096
"""Particles in one iteration of the training."""
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8
"""Adam's decay rates, and what is added to the square root."""


class Units(NamedTuple):
    """Fields of a layer of hidden units, φₘ(z) = tanh(wₘ·z + oₘ)."""

    weights: Tensor
    offsets: Tensor

    @property
    def width(self) -> int:
        """The number of fields."""
        return len(self.offsets)

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """tanh of each unit and its first two derivatives (n, M)."""
        t = torch.tanh(z @ self.weights + self.offsets)
        first = 1.0 - t * t
        return t, first, -2.0 * t * first

    def values(self, z: Tensor) -> Tensor:
        """φ (n, M)."""
        return torch.tanh(z @ self.weights + self.offsets)

    def fields(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """∇φ (n, d, M) and Δφ (n, M)."""
        _, first, second = self.parts(z)
        return first[:, None, :] * self.weights, second * self.weights.square().sum(0)

    def slope(self, z: Tensor, a: Tensor) -> Tensor:
        """∇g (n, d)."""
        return (self.parts(z)[1] * a) @ self.weights.T


class Bumps(NamedTuple):
    """Fields of Gaussian kernels at centres, φₘ(z) = exp(−|z − cₘ|²/2h²)."""

    centres: Tensor
    bandwidth: float

    @property
    def width(self) -> int:
        """The number of fields."""
        return len(self.centres)

    def values(self, z: Tensor) -> Tensor:
        """φ (n, M)."""
        squares = (z[:, :, None] - self.centres.T).square().sum(1)
        return torch.exp(-squares / (2 * self.bandwidth**2))

    def fields(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """∇φ (n, d, M) and Δφ (n, M)."""
        u = (z[:, :, None] - self.centres.T) / self.bandwidth
        squares = u.square().sum(1)
        k = torch.exp(-0.5 * squares)
        return -u * k[:, None, :] / self.bandwidth, k * (squares - z.shape[1]) / self.bandwidth**2

    def slope(self, z: Tensor, a: Tensor) -> Tensor:
        """∇g (n, d)."""
        k = self.values(z) * a
        return (k @ self.centres - k.sum(1, keepdim=True) * z) / self.bandwidth**2


class Moments(NamedTuple):
    """Adam's memory: the means of slopes and of their squares for weights and offsets, and the number of steps."""

    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]
    steps: int


def pieces(basis: Units | Bumps, z: Tensor) -> Iterator[Tensor]:
    """Pieces of an array of points (n, d) for which an array (n, d, M) has about 10⁶ numbers."""
    return iter(z.split(max(64, _NUMBERS // (z.shape[1] * basis.width))))


def solved(A: Tensor, b: Tensor) -> Tensor:
    """−A⁻¹b for a positive semidefinite A (M, M); NaN where A is not finite."""
    ridge = _FLOOR * A.diagonal().mean() + 1e-300
    factor, info = torch.linalg.cholesky_ex(A + ridge * torch.eye(len(A), dtype=A.dtype, device=A.device))
    if int(info):
        return torch.full_like(b, math.nan)
    return -torch.cholesky_solve(b[:, None], factor)[:, 0]


def trained(
    units: Units, memory: Moments | None, z: Tensor, weights: Tensor, penalty: float, rate: float, iterations: int
) -> tuple[Units, Moments]:
    """Improve the hidden units by Adam on the loss of implicit score matching.

    Parameters
    ----------
    units : Units
        The units before.
    memory : Moments or None
        Adam's memory; None at the start.
    z, weights : Tensor
        Standardised points (n, d) and their weights (n,), float64.
    penalty : float
        κ > 0.
    rate : float
        The learning rate.
    iterations : int
        The number of steps.

    Returns
    -------
    units : Units
        The units after.
    memory : Moments
        Adam's memory after.

    Notes
    -----
    In each iteration the output weights a are solved for, and the units follow the slope of the loss at that a. Of more
    than 4096 points each iteration sees every k-th, with another first one each time.
    """
    parameters: tuple[Tensor, ...] = tuple(part.detach().clone() for part in units)
    if memory is None:
        memory = Moments(tuple(map(torch.zeros_like, parameters)), tuple(map(torch.zeros_like, parameters)), 0)
    first, second, steps = memory
    stride = -(-len(z) // _AT_ONCE)
    with one_torch_thread(), torch.enable_grad():
        for _ in range(iterations):
            start = steps % stride
            seen, mass = z[start::stride], weights[start::stride]
            slopes = _slopes(parameters, seen, mass / mass.sum().clamp_min(1e-300), penalty)
            steps += 1
            one, two = 1.0 - _FIRST**steps, 1.0 - _SECOND**steps
            first = tuple(_FIRST * m + (1 - _FIRST) * s for m, s in zip(first, slopes, strict=True))
            second = tuple(_SECOND * v + (1 - _SECOND) * s * s for v, s in zip(second, slopes, strict=True))
            parameters = tuple(
                p - rate * (m / one) / ((v / two).sqrt() + _TINY)
                for p, m, v in zip(parameters, first, second, strict=True)
            )
    return Units(*parameters), Moments(first, second, steps)


def _slopes(parameters: tuple[Tensor, ...], z: Tensor, weights: Tensor, penalty: float) -> tuple[Tensor, ...]:
    """The derivatives of the loss by weights and offsets, at the output weights that are best for them."""
    units = Units(*(part.detach().requires_grad_() for part in parameters))
    _, first, second = units.parts(z)
    generator = second * units.weights.square().sum(0) - first * (z @ units.weights)
    with torch.no_grad():
        rows, root = first * weights.sqrt()[:, None], generator * weights.sqrt()[:, None]
        A = (rows.T @ rows) * (units.weights.T @ units.weights) + penalty * root.T @ root
        a = solved(A, weights @ generator)
    slope, drift = (first * a) @ units.weights.T, generator @ a
    loss = weights @ (0.5 * slope.square().sum(1) + drift + 0.5 * penalty * drift.square())
    return torch.autograd.grad(loss, tuple(units))
