"""Test whether all numbers of an array are finite, as fast as memory is read. It runs after every evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..threads import run_blocks
from .jit import compiled

_BLOCK = 2**19  # numbers in one block of work
_BITS: dict[Any, tuple[Any, Any, int]] = {
    np.dtype(np.float32): (np.int32, np.int32(0x7FFFFFFF), 0x7F800000),
    np.dtype(np.float64): (np.int64, np.int64(0x7FFFFFFFFFFFFFFF), 0x7FF0000000000000),
}
"""The integer type of the bits of a dtype, all but the sign bit, and the bits of infinity: only NaN is larger."""


@compiled
def _highest(bits, magnitude):
    """The largest number of the array as an integer, without signs."""
    highest = magnitude & bits[0]
    for i in range(bits.size):
        highest = max(highest, magnitude & bits[i])
    return highest


def all_finite(x: np.ndarray) -> bool:
    """Whether a C-contiguous float32 or float64 array of any shape has only finite numbers."""
    integer, magnitude, infinity = _BITS[x.dtype]
    bits = x.reshape(-1).view(integer)
    if 0 < bits.size <= _BLOCK:
        return int(_highest(bits, magnitude)) < infinity
    highest = np.zeros(-(-bits.size // _BLOCK), integer)

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            highest[block] = _highest(bits[block * _BLOCK : (block + 1) * _BLOCK], magnitude)

    run_blocks(worker, len(highest))
    return not bits.size or int(highest.max()) < infinity
