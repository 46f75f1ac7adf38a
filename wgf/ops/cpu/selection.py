"""The median distance of pairs: all distances of a sample, and the one of a given rank among them, without sorting."""

from __future__ import annotations

import numpy as np

from .jit import compiled

_BUCKETS = 1024
_SORTED = 48  # so few numbers are sorted


@compiled(exact=True)
def _squares(x, rows, column, out):
    """Write the squared distances of all pairs of rows to `out`, summed in float64, one column after another."""
    out[:] = 0.0
    for c in range(x.shape[1]):
        for i in range(rows.size):
            column[i] = x[rows[i], c]
        at = 0
        for i in range(rows.size - 1):
            here, others = column[i], column[i + 1 : rows.size]
            part = out[at : at + others.size]
            for j in range(part.size):
                u = here - others[j]
                part[j] = part[j] + u * u
            at += part.size


@compiled(exact=True)
def _of_rank(numbers, rank, counts):
    """The number of this rank, from 0, in increasing order; `numbers` is reordered. NaN where one is NaN."""
    count = numbers.size
    while True:
        low, high = np.inf, -np.inf
        for k in range(count):
            low, high = min(low, numbers[k]), max(high, numbers[k])
            if numbers[k] != numbers[k]:
                return np.nan
        if low == high:
            return low
        if count <= _SORTED:
            return np.sort(numbers[:count])[rank]
        width = (high - low) / _BUCKETS
        if not (high < np.inf and low + width > low):  # too close to each other for buckets, or infinite
            return np.sort(numbers[:count])[rank]
        counts[:] = 0
        for k in range(count):
            counts[min(int((numbers[k] - low) / width), _BUCKETS - 1)] += 1
        bucket = 0
        while rank >= counts[bucket]:
            rank -= counts[bucket]
            bucket += 1
        kept = 0
        for k in range(count):
            if min(int((numbers[k] - low) / width), _BUCKETS - 1) == bucket:
                numbers[kept] = numbers[k]
                kept += 1
        count = kept


@compiled(exact=True)
def distance_of_rank(x, rows, rank, column, squares, counts):
    """The distance of this rank, from 0, among all pairs of some rows of x (n, d). The last three are `scratch`.

    NaN where a distance is NaN.
    """
    _squares(x, rows, column, squares)
    return np.sqrt(_of_rank(squares, rank, counts))


def scratch(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Memory for `distance_of_rank`."""
    return np.empty(rows), np.empty(rows * (rows - 1) // 2), np.empty(_BUCKETS, np.int64)
