"""Counter-based noise: each number depends on seed, stream, step, particle id and component only, on every device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .. import ops
from ..errors import require_seed
from .arrays import require_dtype

STEP, MINIBATCH, INITIAL, SUBSET, SECOND, THIRD, BATCHES, RESAMPLING = range(8)
"""Streams (0 to 63): independent sequences under one seed, so that two uses of noise never share a number.

STEP is the first normal of a step. SECOND and THIRD are for schemes that need more. MINIBATCH chooses samples of the
data. INITIAL draws the start: particles, and what a solver needs there. SUBSET chooses particles for an estimate.
BATCHES divides particles into random batches. RESAMPLING decides which are born and which die."""


class NoiseSource(Protocol):
    """What a solver needs of a source of noise.

    `Noise` is the one in use. Tests write their own, to share one Brownian path between step sizes.
    """

    def normal(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Standard normal numbers for some particles at one step.

        Parameters
        ----------
        ids : Tensor (n,), int64
            The particles.
        step : int
            The number of the step.
        dim : int
            How many numbers per particle.
        stream : int
            Which of the independent sequences; see `STEP`.

        Returns
        -------
        Tensor (n, dim), float64
        """
        ...

    def uniform(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Uniform numbers on (0, 1] (n, dim), float64, with the arguments of `normal`."""
        ...


@dataclass(frozen=True)
class Noise:
    """Random numbers by Philox4x32-10, keyed by a 64-bit seed.

    Parameters
    ----------
    seed : int
        0 ≤ seed < 2⁶⁴.

    Raises
    ------
    ConfigError
        If the seed is no such integer.

    Notes
    -----
    Ids and steps go up to 2⁴⁴. Where particles are reordered or divided among processes, the noise goes with their ids.
    A run that is continued sees the same noise as one that was not stopped. `wgf.ops.noise` describes the two layouts,
    for float64 and for float32.

    References
    ----------
    Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC11.

    Examples
    --------
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
        """Standard normal numbers for some particles at one step.

        Parameters
        ----------
        ids : Tensor (n,), int64
            The particles.
        step : int
            The number of the step.
        dim : int
            How many numbers per particle.
        stream : int
            Which of the independent sequences; see `STEP`.
        dtype : torch.dtype or str
            float64 or float32.

        Returns
        -------
        Tensor (n, dim)

        Raises
        ------
        ConfigError
            For another dtype.

        Notes
        -----
        float32 numbers cost a third: they are made of 32-bit words. They are not the float64 ones rounded, and they
        depend on `dim`.
        """
        return ops.normal(ids, self._key, step, stream, dim, require_dtype(dtype))

    def uniform(self, ids: Tensor, step: int, dim: int, stream: int = STEP) -> Tensor:
        """Uniform numbers on (0, 1] (n, dim), float64, with the arguments of `normal`."""
        return ops.uniform(ids, self._key, step, stream, dim)

    def langevin(self, x: Tensor, gradient: Tensor, ids: Tensor, step: int, h: float, scale: float) -> Tensor:
        """One Langevin update, x − h·gradient + scale·ξ, in one pass over memory.

        Parameters
        ----------
        x, gradient : Tensor (n, d)
            Particles, and ∇_W F at them.
        ids : Tensor (n,), int64
            The particles.
        step : int
            The number of the step.
        h : float
            The length of the step, in flow time.
        scale : float
            √(2 T h) at temperature T.

        Returns
        -------
        Tensor (n, d)
            In the dtype of x. ξ are the normals of stream STEP.
        """
        return ops.langevin(x, gradient, ids, self._key, step, STEP, h, scale)
