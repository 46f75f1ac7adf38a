"""Reuse the memory of large arrays from one step to the next, and refuse what no memory could hold.

A step on 10⁷ float32 numbers writes 40 MB. The operating system clears new memory at its first use, and that takes
longer than the step's own reading and writing. The arrays of a flow have the same few sizes again and again, so their
memory is kept.
"""

from __future__ import annotations

import math
import os
import weakref
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..errors import ResourceError

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


# ------------------------------------------------------------------------------------------------- what fits


@cache
def machine_memory() -> int:
    """The memory in bytes that this process may use: that of the machine, or of its control group where that is less.

    Returns
    -------
    int
        4 TiB where the system does not say.
    """
    found = [2**42]
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(ValueError, OSError):
            found.append(int(Path(path).read_text()))
    return min(size for size in found if size > 0)


def require_memory(what: str, size: int, change: str) -> None:
    """Refuse to compute what needs more memory than there is, before anything is allocated.

    Numbers from a user that set the size of an array are checked by it. Without it the system may accept the request,
    and end the process once the memory is used.

    Parameters
    ----------
    what : str
        What needs the memory, in the plural, with the numbers that were given.
    size : int
        How much it needs at least, in bytes.
    change : str
        What to change.

    Raises
    ------
    ResourceError
        If `size` is more than `machine_memory()`.

    Examples
    --------
    >>> require_memory("10 particles in 2 dimensions", 160, "take fewer particles")
    """
    limit = machine_memory()
    if size > limit:
        raise ResourceError(f"{what} need {written(size)} of memory, and there are {written(limit)} here: {change}.")


def counted(number: int) -> str:
    """A number of things for a message: short, whatever was given.

    Examples
    --------
    >>> counted(4096), counted(10**400)
    ('4096', 'about 10^400')
    """
    return str(number) if number < 10**18 else f"about 10^{round(0.30103 * (number.bit_length() - 1))}"


def written(size: int) -> str:
    """A number of bytes in the unit that suits it.

    Examples
    --------
    >>> written(3 * 2**30)
    '3 GiB'
    """
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size = size // 1024 if size > 2**20 else size / 1024  # type: ignore[assignment]
    return f"{float(min(size, 10**300)):.3g} EiB"
