"""Counter-based noise: a pure function of seed, stream, step, particle id and component, the same on every device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from . import ops
from .errors import require_seed

STEP, MINIBATCH, INITIAL, SUBSET = range(4)
"""Streams: independent sequences under one seed, so that no two uses of noise share a number."""


class NoiseSource(Protocol):
    """What a solver may ask of noise; tests pass their own to share a Brownian path between step sizes."""

    def normal(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Standard normals (n, dim), float64, for the particles `ids` at this step."""
        ...

    def uniform(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Uniforms on (0, 1] (n, dim), float64."""
        ...


@dataclass(frozen=True)
class Noise:
    """Philox4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011) keyed by a 64-bit seed.

    The counter is (component pair, particle id, step, stream); ids and steps may go up to 2⁴⁴. Permuting or sharding
    particles permutes the noise with their ids.

    >>> import torch
    >>> Noise(0).normal(torch.arange(3), step=5, dim=2).shape
    torch.Size([3, 2])
    """

    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", require_seed(self.seed))

    def _random(self, ids: Tensor, step: int, dim: int, stream: int, normal: bool) -> Tensor:
        return ops.random(ids, [self.seed & 0xFFFFFFFF, self.seed >> 32], step, stream, dim, normal)

    def normal(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Standard normals (n, dim), float64."""
        return self._random(ids, step, dim, stream, True)

    def uniform(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Uniforms on (0, 1] (n, dim), float64."""
        return self._random(ids, step, dim, stream, False)
