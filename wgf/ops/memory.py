"""Large results in memory that is kept for the next one: fresh pages, which the system zeroes, cost more than a pass.

A step of 10⁷ float32 numbers writes 40 MB. The first touch of so much new memory takes longer than reading and writing
it; the arrays of a run have the same few sizes again and again.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

LEAST = 2**22
"""Bytes from which memory is kept; below, the allocator does as much."""
KEPT = 2**28
"""Bytes that may lie idle, in all; the oldest go first."""

_idle: deque[np.ndarray] = deque()
_returned: deque[np.ndarray] = deque()
_lock = Lock()
"""Never waited for: the garbage collector may give memory back in the middle of anything, this module included."""


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised C-contiguous array; its memory is kept for another when the last view of it has gone."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    memory = _take(size)
    # a view's base is the array over the buffer, which does not own it: it dies with its last view, the memory does not
    owner: np.ndarray = np.frombuffer(memory.data, dtype)
    weakref.finalize(owner, _give_back, memory).atexit = False
    return owner.reshape(shape)


def _take(size: int) -> np.ndarray:
    if _lock.acquire(blocking=False):
        try:
            _settle()
            for index, memory in enumerate(_idle):
                if memory.size == size:
                    del _idle[index]
                    return memory
        finally:
            _lock.release()
    return np.empty(size, np.uint8)


def _give_back(memory: np.ndarray) -> None:
    if memory.size > KEPT:
        return
    _returned.append(memory)  # one step, whoever is in `_take` just now
    if _lock.acquire(blocking=False):
        try:
            _settle()
        finally:
            _lock.release()


def _settle() -> None:
    """Take in what came back, and let the oldest go; by the holder of the lock."""
    while _returned:
        _idle.append(_returned.popleft())
    while sum(one.size for one in _idle) > KEPT:
        _idle.popleft()
