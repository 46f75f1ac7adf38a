"""Reuse the memory of large arrays from one step to the next.

A step on 10⁷ float32 numbers writes 40 MB. The operating system clears new memory at its first use, and that takes
longer than the step's own reading and writing. The arrays of a flow have the same few sizes again and again, so their
memory is kept.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

LEAST = 2**22
"""Smallest size in bytes of memory that is kept; below it the ordinary allocator is as fast."""
KEPT = 2**28
"""Largest total in bytes of memory that is kept unused; the oldest is freed first."""

_idle: deque[np.ndarray] = deque()
_returned: deque[np.ndarray] = deque()
_lock = Lock()
"""Nobody waits for it. The garbage collector may return memory at any moment, even while this module holds the lock."""


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array without initial values, in reused memory where possible.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its dtype.

    Returns
    -------
    ndarray
        A C-contiguous array. Its memory is kept for another array once the last view of it is gone.

    Examples
    --------
    >>> empty((2, 3), "float64").shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    memory = _take(size)
    # every view refers to `owner`, not to `memory`: `owner` is freed with the last view, and then `memory` is kept
    owner: np.ndarray = np.frombuffer(memory.data, dtype)
    weakref.finalize(owner, _give_back, memory).atexit = False
    return owner.reshape(shape)


def _take(size: int) -> np.ndarray:
    """Memory of this size in bytes: kept memory if there is any, else new."""
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
    """Keep this memory for another array; called when the last view of it is gone."""
    if memory.size > KEPT:
        return
    _returned.append(memory)  # appending is atomic, so it needs no lock
    if _lock.acquire(blocking=False):
        try:
            _settle()
        finally:
            _lock.release()


def _settle() -> None:
    """Move returned memory to the kept memory, and free the oldest beyond the limit. The caller holds the lock."""
    while _returned:
        _idle.append(_returned.popleft())
    while sum(one.size for one in _idle) > KEPT:
        _idle.popleft()
