"""Counter-based random numbers, and the Langevin update that takes them on its way through memory.

Two layouts of Philox4x32-10, a function from a key (seed low, seed high) and a counter of four words to four words:

float64     Counter (j, id low, step low, stream·2²⁴ | step high·2¹² | id high) gives the components 2j and 2j + 1 of a
            particle, each uniform from 64 bits, by Box–Muller where normals are wanted.
float32     The numbers of one draw are counted by f = id·dim + component. Counter (F low, F high, step low,
            (stream + 64)·2²⁴ | step high·2¹²) gives the normals f = 4F … 4F + 3, two words for two normals: a radius
            and an angle. Radius words below 2¹⁶ are extended by 32 bits from the counter with stream + 192, so that
            the tail is as fine beyond 9σ as at 5σ. A number depends on `dim`: draw each step with one.

Both depend on ids alone, never on the position of a row. float32 normals are not the float64 ones rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import reference
from .cpu import noise as cpu
from .registry import custom_op, register


@custom_op("wgf::uniform", mutates_args=(), device_types="cpu")
def uniform(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int) -> Tensor:
    """Uniforms on (0, 1] (n, dim) float64, keyed by (seed low, seed high), step, stream and particle id."""
    return torch.from_numpy(cpu.uniform(ids.numpy(), key, step, stream, dim))


register(
    uniform,
    reference.uniform,
    lambda ids, key, step, stream, dim: ids.new_empty(len(ids), dim, dtype=torch.float64),
    triton="noise",
)


@custom_op("wgf::normal", mutates_args=(), device_types="cpu")
def normal(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, dtype: torch.dtype) -> Tensor:
    """Standard normals (n, dim) in float64 or float32."""
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
    """x − h·gradient + scale·ξ (n, d) with the normals ξ of `normal`, in the dtype of x; one pass over memory."""
    here, force = (t.detach().contiguous().numpy() for t in (x, gradient.to(x.dtype)))
    return torch.from_numpy(cpu.langevin(here, force, ids.numpy(), key, step, stream, h, scale))


register(
    langevin,
    reference.langevin,
    lambda x, gradient, ids, key, step, stream, h, scale: torch.empty_like(x),
    triton="noise",
)


def _langevin_backward(ctx: Any, bar: Tensor) -> Any:
    """The noise does not depend on the particles."""
    return bar, -ctx.h * bar, None, None, None, None, None, None


def _keep_step_length(ctx: Any, inputs: Any, output: Tensor) -> None:
    ctx.h = inputs[6]


langevin.register_autograd(_langevin_backward, setup_context=_keep_step_length)


def _numpy_type(dtype: torch.dtype) -> Any:
    return torch.empty(0, dtype=dtype).numpy().dtype
