"""Whether all numbers of an array are finite, as fast as memory is read: looked at after every evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..threads import run_blocks
from .jit import compiled

_BLOCK = 2**19  # numbers that a thread takes at a time
_BITS: dict[Any, tuple[Any, int]] = {
    np.dtype(np.float32): (np.int32, 0x7F800000),
    np.dtype(np.float64): (np.int64, 0x7FF0000000000000),
}
"""The integers of a dtype, and that of infinity: with the sign cleared only NaN is above it."""


@compiled
def _highest(bits, magnitude):
    highest = magnitude & bits[0]
    for i in range(bits.size):
        highest = max(highest, magnitude & bits[i])
    return highest


def all_finite(x: np.ndarray) -> bool:
    """For a C-contiguous float32 or float64 array of any shape."""
    integer, infinity = _BITS[x.dtype]
    bits, magnitude = x.reshape(-1).view(integer), integer(np.iinfo(integer).max)
    highest = np.zeros(-(-bits.size // _BLOCK), integer)

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            highest[block] = _highest(bits[block * _BLOCK : (block + 1) * _BLOCK], magnitude)

    run_blocks(worker, len(highest))
    return not bits.size or int(highest.max()) < infinity
