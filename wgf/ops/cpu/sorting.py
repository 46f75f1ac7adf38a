"""Sort rows of float64 numbers by distribution, which is faster than numpy's sort on long rows.

A linear map gives every number a key of 22 bits. Two stable passes sort by 11 bits each, and a pass of insertions sorts
numbers with equal keys. On 10⁴ to 10⁶ numbers without extreme gaps this is 5–9 times as fast as numpy's vectorised
sorts. Numpy takes over after too many insertions, or if the span of a row overflows.
"""

from __future__ import annotations

import numpy as np

from .jit import compiled

DIGIT = 2048  # 11 bits; two tables of counters (16 KiB) fit in the first-level cache
_TOP = DIGIT * DIGIT - 2  # the largest key, with room for rounding
_MASK, _SHIFT, _HALF = np.uint32(DIGIT - 1), np.uint32(11), np.uint64(32)
_MOVES = 16  # most moves by insertion for each number; beyond, numpy's sort is faster


def counters() -> np.ndarray:
    """Scratch memory for the two tables of counters."""
    return np.empty(2 * DIGIT, np.uint32)


@compiled(exact=True)
def _key(value, low, scale):
    """The 22-bit key of a number."""
    return np.uint32(np.int32((value - low) * scale))


@compiled
def _tables(row, low, scale, counts):
    """Where each low digit and each high digit starts; False if too many keys would be equal.

    c numbers of one high digit, spread evenly, share its 2048 keys and need about c²/(4·2048) moves.
    """
    counts[:] = 0
    for i in range(row.size):
        key = _key(row[i], low, scale)
        counts[key & _MASK] += np.uint32(1)
        counts[np.uint32(DIGIT) + (key >> _SHIFT)] += np.uint32(1)
    moves = 0.0
    for k in range(DIGIT, 2 * DIGIT):
        moves += float(counts[k]) ** 2 / (4 * DIGIT)
    for first in (0, DIGIT):
        total = np.uint32(0)
        for k in range(first, first + DIGIT):
            counts[k], total = total, total + counts[k]
    return moves <= _MOVES * row.size


@compiled
def _sort(row, low, scale, scratch, counts):
    """Sort a row in place; False if numpy must finish."""
    if not _tables(row, low, scale, counts):
        return False
    for i in range(row.size):
        k = _key(row[i], low, scale) & _MASK
        scratch[counts[k]] = row[i]
        counts[k] += np.uint32(1)
    for i in range(row.size):
        k = np.uint32(DIGIT) + (_key(scratch[i], low, scale) >> _SHIFT)
        row[counts[k]] = scratch[i]
        counts[k] += np.uint32(1)
    left = _MOVES * row.size
    for i in range(1, row.size):
        value, j = row[i], i
        while j > 0 and row[j - 1] > value:
            row[j] = row[j - 1]
            j -= 1
        row[j] = value
        left -= i - j
        if left < 0:
            return False
    return True


@compiled
def _order(row, low, scale, values, order, packed, counts):
    """Sort a row into `values`, stably, with the permutation in `order`; False if numpy must do it."""
    if not _tables(row, low, scale, counts):
        return False
    for i in range(row.size):
        key = _key(row[i], low, scale)
        k = key & _MASK
        packed[counts[k]] = (np.uint64(key) << _HALF) | np.uint64(i)
        counts[k] += np.uint32(1)
    for i in range(row.size):
        k = np.uint32(DIGIT) + (np.uint32(packed[i] >> _HALF) >> _SHIFT)
        order[counts[k]] = np.uint32(packed[i])
        counts[k] += np.uint32(1)
    for i in range(row.size):
        values[i] = row[order[i]]
    left = _MOVES * row.size
    for i in range(1, row.size):
        value, own, j = values[i], order[i], i
        while j > 0 and values[j - 1] > value:
            values[j], order[j] = values[j - 1], order[j - 1]
            j -= 1
        values[j], order[j] = value, own
        left -= i - j
        if left < 0:
            return False
    return True


def _scale(low: float, high: float) -> float:
    """The factor that maps the span of a row to keys; 0 if it is not finite."""
    with np.errstate(all="ignore"):
        scale = _TOP / (high - low)
    return scale if np.isfinite(scale) else 0.0


def _finite(low: float, high: float) -> bool:
    """Whether a row with this minimum and maximum is finite; numpy's are NaN if any number is."""
    return bool(np.isfinite(low) and np.isfinite(high))


def sort(row: np.ndarray, scratch: np.ndarray, counts: np.ndarray) -> None:
    """Sort a row in place.

    Parameters
    ----------
    row : ndarray
        Numbers (n,), float64. A row with NaN or infinity becomes all NaN.
    scratch : ndarray
        Scratch memory (n,), float64.
    counts : ndarray
        Scratch memory from `counters`.

    Examples
    --------
    >>> import numpy as np
    >>> row = np.array([3.0, 1.0, 2.0])
    >>> sort(row, np.empty(3), counters())
    >>> row.tolist()
    [1.0, 2.0, 3.0]
    """
    low, high = row.min(), row.max()
    if not _finite(low, high):
        row[:] = np.nan
    elif low < high:
        scale = _scale(low, high)
        if scale == 0 or not _sort(row, low, scale, scratch, counts):
            row.sort()


def order(row: np.ndarray, values: np.ndarray, index: np.ndarray, packed: np.ndarray, counts: np.ndarray) -> None:
    """Sort a row into another array, stably, with its permutation.

    Parameters
    ----------
    row : ndarray
        Numbers (n,), float64; not changed.
    values : ndarray
        Gets the sorted numbers (n,); all NaN if the row has NaN or infinity.
    index : ndarray
        Gets the permutation (n,), uint32.
    packed : ndarray
        Scratch memory (n,), uint64.
    counts : ndarray
        Scratch memory from `counters`.
    """
    low, high = row.min(), row.max()
    scale = _scale(low, high)
    if scale == 0 or not _order(row, low, scale, values, index, packed, counts):
        index[:] = np.argsort(row, kind="stable")
        np.take(row, index, out=values)
    if not _finite(low, high):
        values[:] = np.nan
