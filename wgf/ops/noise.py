"""Random numbers that are a function of seed, step, stream and particle, and the Langevin update that uses them.

The generator is Philox4x32-10: a function from a key (seed low, seed high) and a counter of four words to four words.
There are two layouts of the counter.

float64     Counter (j, id low, step low, stream·2²⁴ | step high·2¹² | id high) gives the components 2j and 2j + 1 of a
            particle. Each is a uniform number made from 64 bits; two of them give two normals by Box–Muller.
float32     The numbers of one draw are numbered f = id·dim + component. Counter (F low, F high, step low,
            (stream + 64)·2²⁴ | step high·2¹²) gives the normals f = 4F … 4F + 3: a word for the radius and a word for
            the angle make two normals. A radius word below 2¹⁶ gets 32 more bits, from the counter with stream + 192,
            so that the tail is as fine beyond 9σ as at 5σ. A number depends on `dim`: draw a step with one `dim`.

The numbers depend on the ids of particles, never on their place in the array. float32 normals are not rounded float64
normals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import reference
from .registry import custom_op, later, register

cpu = later("noise")


@custom_op("wgf::uniform", mutates_args=(), device_types="cpu")
def uniform(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> Tensor:
    """Uniform random numbers on (0, 1].

    Parameters
    ----------
    ids : Tensor
        Ids of the particles (n,), int64.
    key : sequence of int
        Seed low and seed high, 32 bits each.
    step : int
        Number of the step.
    stream : int
        Number of the stream; streams are independent.
    dim : int
        Numbers for each particle.

    Returns
    -------
    Tensor
        Shape (n, dim), float64.

    References
    ----------
    Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC11.

    Examples
    --------
    >>> import torch
    >>> a = uniform(torch.arange(3), [1, 0], 0, 0, 2)
    >>> bool((a[2] == uniform(torch.tensor([2]), [1, 0], 0, 0, 2)).all())  # the number belongs to the id
    True
    """
    return torch.from_numpy(cpu.uniform(ids.numpy(), key, step, stream, dim))


register(
    uniform,
    reference.uniform,
    lambda ids, key, step, stream, dim: ids.new_empty(len(ids), dim, dtype=torch.float64),
    triton="noise",
)


@custom_op("wgf::normal", mutates_args=(), device_types="cpu")
def normal(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, dtype: torch.dtype) -> Tensor:
    """Standard normal random numbers.

    Parameters
    ----------
    ids, key, step, stream, dim
        As in `uniform`.
    dtype : torch.dtype
        float32 or float64. The two give different numbers.

    Returns
    -------
    Tensor
        Shape (n, dim), of that dtype.

    References
    ----------
    Box & Muller (1958), A note on the generation of random normal deviates, Annals of Mathematical Statistics 29.

    Examples
    --------
    >>> import torch
    >>> normal(torch.arange(3), [1, 0], 0, 0, 2, torch.float64).shape
    torch.Size([3, 2])
    """
    return torch.from_numpy(cpu.normal(ids.numpy(), key, step, stream, dim, _numpy_type(dtype)))


register(
    normal,
    reference.normal,
    lambda ids, key, step, stream, dim, dtype: ids.new_empty(len(ids), dim, dtype=dtype),
    triton="noise",
)


@custom_op("wgf::langevin", mutates_args=(), device_types="cpu")
def langevin(
    x: Tensor, gradient: Tensor, ids: Tensor, key: Sequence[int], step: int, stream: int, h: float, scale: float
) -> Tensor:
    """One step of Langevin dynamics: x − h·gradient + scale·ξ, with standard normals ξ.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    gradient : Tensor
        Gradient of the energy at them (n, d).
    ids, key, step, stream
        As in `uniform`.
    h : float
        Step size, in the units of time.
    scale : float
        Standard deviation of the noise, in the units of x; √(2Th) at temperature T.

    Returns
    -------
    Tensor
        The moved particles (n, d), in the dtype of x. Autograd can differentiate it in x and gradient.

    Notes
    -----
    The normals are those of `normal`. They are used as they are drawn: one pass over memory.

    Examples
    --------
    >>> import torch
    >>> langevin(torch.ones(1, 2), torch.ones(1, 2), torch.arange(1), [1, 0], 0, 0, 0.25, 0.0)
    tensor([[0.7500, 0.7500]])
    """
    here, force = (t.detach().contiguous().numpy() for t in (x, gradient.to(x.dtype)))
    return torch.from_numpy(cpu.langevin(here, force, ids.numpy(), key, step, stream, h, scale))


register(
    langevin,
    reference.langevin,
    lambda x, gradient, ids, key, step, stream, h, scale: torch.empty_like(x),
    triton="noise",
)


def _langevin_backward(ctx: Any, bar: Tensor) -> Any:
    """The derivative: the noise does not depend on the particles."""
    return bar, -ctx.h * bar, None, None, None, None, None, None


def _keep_step_length(ctx: Any, inputs: Any, output: Tensor) -> None:
    ctx.h = inputs[6]


langevin.register_autograd(_langevin_backward, setup_context=_keep_step_length)


def above_half(ids: Tensor, key: Sequence[int], step: int, stream: int) -> Tensor:
    """Whether the first number of `uniform` is above ½, for particles that are divided in two halves.

    Parameters
    ----------
    ids, key, step, stream
        As in `uniform`.

    Returns
    -------
    Tensor
        Shape (n,), bool, on the CPU.
    """
    return torch.from_numpy(cpu.above_half(ids.cpu().contiguous().numpy(), key, step, stream))


def normal_law(key: Sequence[int], stream: int, dtype: torch.dtype) -> Any:
    """The normals of a key and a stream as a named tuple, for compiled code on the CPU.

    Parameters
    ----------
    key, stream
        As in `uniform`.
    dtype : torch.dtype
        float32 or float64.

    Returns
    -------
    NamedTuple
        The law of the normals of step 0.
    """
    return cpu.law_of(_numpy_type(dtype), key, 0, stream)


def _numpy_type(dtype: torch.dtype) -> Any:
    """The numpy dtype of a torch dtype."""
    return torch.empty(0, dtype=dtype).numpy().dtype
