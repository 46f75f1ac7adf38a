"""Counter-based noise: a pure function of seed, stream, step, particle id and component, the same on every device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .. import ops
from ..errors import require_seed
from .arrays import require_dtype

STEP, MINIBATCH, INITIAL, SUBSET, SECOND, THIRD, BATCHES, RESAMPLING = range(8)
"""Streams (0 to 63): independent sequences under one seed, so that no two uses of noise share a number.

STEP is the first normal of a step, SECOND and THIRD are for schemes that need more; INITIAL is what a solver draws at
the start, BATCHES the partition into random batches, RESAMPLING the birth and death of particles."""


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

    Ids and steps may go up to 2⁴⁴. Permuting or sharding particles permutes the noise with their ids. `wgf.ops.noise`
    states the two layouts, for float64 and for float32.

    >>> import torch
    >>> Noise(0).normal(torch.arange(3), step=5, dim=2).shape
    torch.Size([3, 2])
    """

    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", require_seed(self.seed))

    @property
    def _key(self) -> list[int]:
        return [self.seed & 0xFFFFFFFF, self.seed >> 32]

    def normal(
        self, ids: Tensor, step: int, dim: int, stream: int = STEP, *, dtype: torch.dtype | str = torch.float64
    ) -> Tensor:
        """Standard normals (n, dim), float64 or float32; ConfigError for another dtype.

        float32 numbers are made of 32-bit words, at a third of the cost. They are not the float64 ones rounded, and
        depend on `dim`.
        """
        return ops.normal(ids, self._key, step, stream, dim, require_dtype(dtype))

    def uniform(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Uniforms on (0, 1] (n, dim), float64."""
        return ops.uniform(ids, self._key, step, stream, dim)

    def langevin(self, x: Tensor, gradient: Tensor, ids: Tensor, step: int, h: float, scale: float) -> Tensor:
        """x − h·gradient + scale·ξ with the normals ξ of stream STEP, in the dtype of x; one pass over memory."""
        return ops.langevin(x, gradient, ids, self._key, step, STEP, h, scale)
