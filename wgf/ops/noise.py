"""Counter-based random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import reference
from .cpu import noise as cpu
from .registry import custom_op, register


@custom_op("wgf::random", mutates_args=(), device_types="cpu")
def random(ids: Tensor, key: Sequence[int], step: int, stream: int, dim: int, normal: bool) -> Tensor:
    """Philox numbers (n, dim) float64 keyed by (seed low, seed high), step, stream and particle id."""
    seed = key[0] | key[1] << 32
    return torch.from_numpy(cpu.random(ids.numpy(), seed, step, stream, dim, normal))


register(
    random,
    lambda ids, key, *rest: reference.random(ids, key[0] | key[1] << 32, *rest),
    lambda ids, key, step, stream, dim, normal: ids.new_empty(len(ids), dim, dtype=torch.float64),
    triton="noise",
)
