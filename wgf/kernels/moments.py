"""Kernels whose sums are functions of a few moments: O(n·d) and exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..errors import require_number
from .base import Kernel


@dataclass(frozen=True)
class QuadraticKernel(Kernel):
    """strength · |u|²/2, summed by moments in O(n·d)."""

    strength: float = 1.0
    by_moments = True

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        u, v = x - y[0], y - y[0]  # any origin near the particles saves the digits that a far centre would cost
        columns = torch.cat([torch.ones_like(v[:, :1]), v, (v * v).sum(1, keepdim=True)], dim=1).double()
        moments = ops.weighted_sum(weights, columns)
        mass, first, second = moments[0], moments[1:-1], moments[-1]
        value = 0.5 * (mass * (u * u).sum(1) - 2 * (u * first).sum(1) + second)
        return self.strength * value, (self.strength * (mass * u - first)).to(x.dtype)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = x - y
        return 0.5 * self.strength * (u * u).sum(-1)


@dataclass(frozen=True)
class Cosine(Kernel):
    """−strength · Σⱼ cos uⱼ: the Kuramoto interaction of angles (Kuramoto 1975), summed by moments in O(n·d)."""

    strength: float = 1.0
    by_moments = True

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            c, s, cy, sy = torch.cos(x), torch.sin(x), torch.cos(y), torch.sin(y)
        moments = ops.weighted_sum(weights, torch.cat([cy, sy], dim=1).double())
        mc, ms = moments[: x.shape[1]], moments[x.shape[1] :]
        return -self.strength * (c * mc + s * ms).sum(1), (self.strength * (s * mc - c * ms)).to(x.dtype)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.strength * torch.cos(x - y).sum(-1)


@dataclass(frozen=True)
class Linear(Kernel):
    """x·y + 1; not a function of the difference. With it the Stein flow is exact on Gaussians (Liu & Wang 2018)."""

    by_moments = True
    positive_definite = True

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        moments = ops.weighted_sum(weights, torch.cat([torch.ones_like(y[:, :1]), y], dim=1).double())
        value = (x * moments[1:]).sum(1) + moments[0]
        return value, moments[1:].to(x.dtype).expand_as(x).clone()

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum(-1) + 1.0
