"""Soft minima of squared distances on the CPU, f(x) = −ε log Σⱼ exp(sⱼ − |x − yⱼ|²/(2ε)), and their slopes.

Coordinates are scaled so that the exponent is sⱼ − |u|² to the base 2. A guess of f shifts the exponents of a row to
near 0, so one pass is enough: an exponential and an addition for each pair. A row whose guess was too far off is summed
again, after a pass for its largest exponent. Sums over a part of the columns have the dtype of the points; the parts
are added in float64, in a fixed order.

Up to `DIRECT` dimensions distances come from differences of coordinates, beyond from products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numba import types
from numba.extending import overload

from ..threads import run_blocks
from .elementary import _EXP2_64, _EXP2_SHORT32, _SHIFT32, _SHIFT64, INLINED, inlined
from .intrinsics import (
    add_at,
    add_to_exponent,
    cast,
    difference,
    horner,
    pick,
    plus,
    point,
    square,
    with_last,
    zeros,
)
from .jit import compiled
from .registers import COUNT, dot_products, multiply, padded, panels, tile_of

DIRECT = 4
"""Up to so many dimensions differences of coordinates are faster than products of matrices."""
_LOG2E = math.log2(math.e)
_LONG = 2048  # columns in one partial sum
_ROWS = 64  # rows in one block of work
_PART, _COLUMNS = 64, 1024  # rows and columns of a tile of products
_NANOSECONDS = 0.3  # about what one pair takes
_LOW, _HIGH = 2.0**-80, 2.0**100  # sums outside come from a guess that was too far off


@inlined
def _power(y):
    """2ʸ, 0 at and below −127 (−1023), and held at 2¹²⁰ (2¹⁰⁰⁰) above: a sum of such numbers tells that it is wrong."""
    shift, lowest, highest = pick(y, _SHIFT32, _SHIFT64), pick(y, -127.0, -1023.0), pick(y, 110.0, 1000.0)
    y = lowest if y < lowest else y
    y = highest if y > highest else y
    t = y + shift
    r = y - (t - shift)
    return add_to_exponent(r * horner(r, _EXP2_SHORT32, _EXP2_64) + cast(1.0, y), t)


def _plus(sums, w, u, slopes):
    """The sums plus one pair: (Σ w u, Σ w) with slopes, else (Σ w,). For compiled code only."""
    raise NotImplementedError


def _start(here, slopes):
    """The zero of these sums. For compiled code only."""
    raise NotImplementedError


@overload(_start, jit_options=INLINED)
def _start_of(here, slopes):
    if isinstance(slopes, types.NoneType):
        return lambda here, slopes: (cast(0.0, here[0]),)
    return lambda here, slopes: with_last(zeros(here), cast(0.0, here[0]))


@overload(_plus, jit_options=INLINED)
def _plus_of(sums, w, u, slopes):
    if isinstance(slopes, types.NoneType):
        return lambda sums, w, u, slopes: plus(sums, w, (cast(1.0, w),))
    return lambda sums, w, u, slopes: plus(sums, w, with_last(u, cast(1.0, w)))


@compiled(sums=True)
def _sum(x, y, logits, dims, slopes, i, shift, first, last, out):
    """Add the sums of row i over the columns first ≤ j < last to column i of `out`."""
    here = point(x, i, dims)
    sums, part, nothing = _start(here, slopes), logits[first:last], cast(0.0, shift)
    for j in range(last - first):
        u = difference(here, point(y, first + j, dims))
        sums = _plus(sums, _power((part[j] + shift) - square(u, nothing)), u, slopes)
    add_at(out, i, sums)


@compiled
def _largest(x, y, logits, dims, i):
    """The largest exponent of row i."""
    here, nothing = point(x, i, dims), cast(0.0, x[0, 0])
    top = cast(-math.inf, nothing)
    for j in range(logits.size):
        e = logits[j] - square(difference(here, point(y, j, dims)), nothing)
        top = e if (e > top or e != e) else top
    return top


@compiled
def direct_rows(x, y, logits, shifts, dims, slopes, start, stop, out):
    """The sums of a block of rows into `out` (1, n) or (d + 1, n). Where a guess was too far off, `shifts` changes."""
    n, total = y.shape[1], out.shape[0] - 1
    for first in range(0, n, _LONG):
        for i in range(start, stop):
            _sum(x, y, logits, dims, slopes, i, shifts[i], first, min(first + _LONG, n), out)
    for i in range(start, stop):
        if not (_LOW < out[total, i] < _HIGH):
            shifts[i] = -_largest(x, y, logits, dims, i)
            out[:, i] = 0.0
            for first in range(0, n, _LONG):
                _sum(x, y, logits, dims, slopes, i, shifts[i], first, min(first + _LONG, n), out)


@compiled(sums=True)
def _weigh(row, shift, logits, width):
    """Turn a row of products 2 x·y into powers, and return their sum."""
    total = cast(0.0, shift)
    for j in range(width):
        w = _power((row[j] + logits[j]) + shift)
        row[j] = w
        total += w
    return total


@compiled
def _top(row, logits, width, top):
    """The largest exponent of a row of products, or `top` where that is larger."""
    for j in range(width):
        e = row[j] + logits[j]
        top = e if (e > top or e != e) else top
    return top


@compiled
def _block(x, packed, payload, logits, shifts, first, stop, tile, sums, out):
    """The sums of the rows first ≤ i < stop by products: Σ w into `out`, and Σ w y into `sums` (m, ·)."""
    n = logits.size
    out[first:stop] = 0.0
    sums[first:stop] = 0.0
    for left in range(0, n, _COLUMNS):
        right = min(left + _COLUMNS, n)
        dot_products(tile, x, first, stop, packed, left, right)
        for i in range(first, stop):
            out[i] += _weigh(tile[i - first], shifts[i], logits[left:right], right - left)
        if payload.shape[1] > 0:
            multiply(sums, first, stop - first, tile, tile.shape[1], 1, payload, left, right - left)


@compiled
def product_rows(x, packed, payload, logits, shifts, start, stop, tile, sums, out):
    """`_block` for rows; where a guess was too far off, the largest exponent becomes the shift and it is done again."""
    n = logits.size
    for first in range(start, stop, _PART):
        last = min(first + _PART, stop)
        _block(x, packed, payload, logits, shifts, first, last, tile, sums, out)
        wrong = False
        for i in range(first, last):
            wrong = wrong or not (_LOW < out[i] < _HIGH)
        if wrong:
            tops = np.full(last - first, -np.inf, x.dtype)
            for left in range(0, n, _COLUMNS):
                right = min(left + _COLUMNS, n)
                dot_products(tile, x, first, last, packed, left, right)
                for i in range(last - first):
                    tops[i] = _top(tile[i], logits[left:right], right - left, tops[i])
            for i in range(first, last):
                if not (_LOW < out[i] < _HIGH):
                    shifts[i] = -tops[i - first]
            _block(x, packed, payload, logits, shifts, first, last, tile, sums, out)


def _scaled(x: np.ndarray, epsilon: float, dtype: np.dtype) -> np.ndarray:
    """x·√(log₂e/(2ε)), so that |u|² is the exponent to the base 2."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(x, math.sqrt(0.5 * _LOG2E / epsilon), dtype=dtype)


def soft_minimum(
    x: np.ndarray, y: np.ndarray, logits: np.ndarray, guess: np.ndarray, epsilon: float, slopes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """f (m,) and x − Σ w y/Σ w (m, d), or an empty array without `slopes`; float64. x and y are of one dtype."""
    dtype, top = x.dtype, logits.max(initial=-np.inf)
    top = top if math.isfinite(top) else 0.0
    base = np.asarray((logits - top) * _LOG2E, dtype)
    shifts = (guess / epsilon + top) * _LOG2E
    body = _direct if x.shape[1] <= DIRECT else _by_products
    powers, slope = body(_scaled(x, epsilon, dtype), _scaled(y, epsilon, dtype), base, shifts, slopes)
    if slopes:
        slope *= 1.0 / math.sqrt(0.5 * _LOG2E / epsilon)
    return epsilon * (powers / _LOG2E - top), slope


def _logs(sums: np.ndarray) -> np.ndarray:
    """log₂ of sums; −∞ where there was nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(sums)


def _direct(x, y, logits, shifts, slopes):
    """−log₂ of the sums (m,), and the slopes (m, d) in these units, by differences of coordinates."""
    (m, d), shifts = x.shape, shifts.astype(x.dtype)
    out, rows, columns = np.zeros((d + 1 if slopes else 1, m)), np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, m)
            direct_rows(rows, columns, logits, shifts, (0,) * d, 0 if slopes else None, start, stop, out)

    run_blocks(worker, -(-m // _ROWS), _NANOSECONDS * m * len(y) * (1 + d / 4))
    return shifts.astype(np.float64) - _logs(out[-1]), np.ascontiguousarray((out[:-1] / out[-1]).T)


def _by_products(x, y, logits, shifts, slopes):
    """The same by products of matrices."""
    (m, d), n, dtype = x.shape, len(y), x.dtype
    rows = np.zeros((m + COUNT, d), dtype)
    rows[:m] = 2 * x
    payload = np.zeros((n, padded(d, dtype) if slopes else 0), dtype)
    if slopes:
        payload[:, :d] = y
    own = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    logits = logits - np.einsum("ij,ij->i", y, y, dtype=np.float64).astype(dtype)
    shifts = (shifts - own).astype(dtype)
    packed, out, sums = panels(y), np.zeros(m), np.zeros((m, payload.shape[1]))

    def worker(blocks: Iterator[int]) -> None:
        tile = tile_of(_PART, _COLUMNS, dtype)
        for block in blocks:
            start, stop = block * _PART, min((block + 1) * _PART, m)
            product_rows(rows, packed, payload, logits, shifts, start, stop, tile, sums, out)

    run_blocks(worker, -(-m // _PART), _NANOSECONDS * m * n * (1 + d / 8))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = x - sums[:, :d] / out[:, None] if slopes else sums
    return shifts.astype(np.float64) + own - _logs(out), slope
