"""Counter-based noise: each number depends on seed, stream, step, particle id and component only, on every device."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Protocol

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


def digest(*numbers: int | float) -> int:
    """Make one number from 1 to 2⁶³ − 1 of several, such that different ones give different results.

    Parameters
    ----------
    *numbers : int or float
        Integers from 0 to 2⁶⁴ − 1, or floats.

    Returns
    -------
    int
        63 bits of a BLAKE2b hash, the same on every machine.

    Examples
    --------
    >>> digest(0, 0.5) == digest(0, 0.5), digest(0, 0.5) == digest(0, 0.25)
    (True, False)
    """
    tagged = (("f", "<cd") if isinstance(number, float) else ("i", "<cQ") for number in numbers)
    content = b"".join(struct.pack(form, tag.encode(), n) for (tag, form), n in zip(tagged, numbers, strict=True))
    return max(1, int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1)


class NoiseSource(Protocol):
    """What a solver needs of a source of noise.

    `Noise` is the one in use. Tests write their own, to share one Brownian path between step sizes. A source of your
    own is called with steps from 0 in every run, unless the run continues by `state=`.
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

    See Also
    --------
    wgf.Ensemble, wgf.solve, wgf.solvers.Langevin

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

    def leg(self, number: int) -> Noise:
        """Give the noise of a later leg: independent of this one and of that of every other leg.

        Parameters
        ----------
        number : int
            What tells legs apart, from 0 to 2⁶⁴ − 1. 0 stands for a first run.

        Returns
        -------
        Noise
            Noise with a seed of its own. For the number 0 it is this noise.
        """
        return Noise(digest(self.seed, number)) if number else self

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

    def law(self, dtype: torch.dtype, stream: int = STEP) -> Any:
        """The normals of this noise as plain numbers, for compiled stretches of steps; `bodies.Langevin` holds them."""
        return ops.normal_law(self._key, stream, dtype)

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
