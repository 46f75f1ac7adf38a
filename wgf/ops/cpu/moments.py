"""Sums over particles on the CPU: blocks of fixed length, each in float64, added in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import memory
from ..threads import one_blas_thread, run_blocks
from . import dense
from .intrinsics import difference, plus, zeros
from .jit import compiled
from .rows import plus_products, row, set_row, times

_ROWS = 2048  # rows in a block; it is read twice, the second time from the cache
_STRIDE = 64  # blocks in one piece of work
_TILE = 4096  # rows in a matrix product
_SMALL = 8  # up to this dimension rows are in registers; beyond it, matrix products
_LEAST = 1e-28  # below this the squares of float32 numbers, and a variance, lose digits
_MOST = 1e15  # rows of a matrix from 1/_MOST to _MOST leave room for the particles in float32
_GROUPS, _SPACE = 16, 2**25  # most separate sums of tiles, and most numbers in them


@compiled(sums=True)
def row_sums(weights, values, like):
    """Σ w v over a block, for few columns."""
    total = zeros(like)
    for i in range(weights.size):
        total = plus(total, weights[i], row(values, i, like))
    return total


@compiled(sums=True)
def centre_of(weights, x, like):
    """Mass and centre of a block, from differences to its first row."""
    origin, mass = row(x, 0, like), 0.0
    total = zeros(origin)
    for i in range(weights.size):
        mass += weights[i]
        total = plus(total, weights[i], difference(row(x, i, like), origin))
    return mass, plus(origin, 1.0 / mass if mass != 0.0 else 1.0, total)


@compiled(sums=True)
def scatter_of(weights, x, centre, pairs):
    """Σ w u and Σ w u uᵀ for u = x − c. The first is not exactly 0, because c is rounded."""
    rest, total = zeros(centre), pairs
    for i in range(weights.size):
        u = difference(row(x, i, centre), centre)
        rest, total = plus(rest, weights[i], u), plus_products(total, weights[i], u)
    return rest, total


@compiled
def _sum_blocks(weights, values, like, first, last, parts):
    """`row_sums` of some blocks."""
    for block in range(first, last):
        start, stop = block * _ROWS, min((block + 1) * _ROWS, weights.size)
        set_row(parts, block, row_sums(weights[start:stop], values[start:stop], like))


@compiled
def _sum_wide_blocks(weights, values, first, last, parts):
    """`wide_row_sums` of some blocks."""
    for block in range(first, last):
        start, stop = block * _ROWS, min((block + 1) * _ROWS, weights.size)
        dense.wide_row_sums(weights[start:stop], values[start:stop], parts[block])


@compiled
def _moment_blocks(weights, x, like, pairs, first, last, masses, centres, rests, scatters):
    """Mass, centre, Σ w u and Σ w u uᵀ of some blocks."""
    for block in range(first, last):
        start, stop = block * _ROWS, min((block + 1) * _ROWS, weights.size)
        mass, centre = centre_of(weights[start:stop], x[start:stop], like)
        masses[block] = mass
        set_row(centres, block, centre)
        rest, scatter = scatter_of(weights[start:stop], x[start:stop], centre, pairs)
        set_row(rests, block, rest)
        set_row(scatters, block, scatter)


@compiled(exact=True)
def _join_one(masses, centres, rests, scatters, centre, scatter):
    """What `_small_moments` makes of one block: the same operations, one by one."""
    mass, d, k = masses[0, 0], centre.size, 0
    whole = 1.0 if mass == 0.0 else mass
    for c in range(d):
        rests[0, c] /= whole
        centre[c] = centres[0, c] + mass * ((centres[0, c] - centres[0, c]) + rests[0, c]) / whole
        rests[0, c] += centres[0, c] - centre[c]
    for c in range(d):
        for e in range(c + 1):
            scatter[c, e] = scatter[e, c] = scatters[0, k] + mass * rests[0, c] * rests[0, e]
            k += 1


@compiled
def moved_rows(x, centre, matrix, out):
    """(x − c) A for few dimensions."""
    for i in range(x.shape[0]):
        set_row(out, i, times(difference(row(x, i, centre), centre), matrix))


@compiled
def _centred(x, centre, factors, out):
    """(x − c)·factor in the dtype of `out`; the difference is formed in float64."""
    for i in range(x.shape[0]):
        here, there, factor = x[i], out[i], factors[i]
        for c in range(here.size):
            there[c] = (here[c] - centre[c]) * factor


def _in_strides(rows: int, body: Any) -> None:
    """Call `body(first block, last block)` in threads, so that all blocks are covered; few blocks in one call."""
    blocks = -(-rows // _ROWS)
    if blocks <= _STRIDE:
        body(0, blocks)
        return

    def worker(indices: Iterator[int]) -> None:
        for index in indices:
            body(index * _STRIDE, min((index + 1) * _STRIDE, blocks))

    run_blocks(worker, -(-blocks // _STRIDE))


def weighted_sum(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Σᵢ wᵢ vᵢ (k,) for values (n, k)."""
    n, k = values.shape
    blocks = -(-n // _ROWS)
    parts = np.zeros((blocks, k))
    if k > _SMALL:
        _in_strides(n, lambda *part: _sum_wide_blocks(weights, values, *part, parts))
    elif k:
        _in_strides(n, lambda *part: _sum_blocks(weights, values, (0.0,) * k, *part, parts))
    return parts[0] if blocks == 1 else parts.sum(0)


@compiled(exact=True)
def row_dots(a, b, out):
    """The scalar product of each row of a with the same row of b, column after column, in float64."""
    for i in range(a.shape[0]):
        total = np.float64(a[i, 0]) * np.float64(b[i, 0])
        for c in range(1, a.shape[1]):
            total += np.float64(a[i, c]) * np.float64(b[i, c])
        out[i, 0] = total


@compiled(sums=True)
def wide_row_dots(a, b, out):
    """The same for many columns, which are added in another order."""
    for i in range(a.shape[0]):
        one, other, total = a[i], b[i], 0.0
        for c in range(one.size):
            total += np.float64(one[c]) * np.float64(other[c])
        out[i, 0] = total


def dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The scalar product of each row of a with the same row of b (n, 1), for many columns; in float64."""
    out = np.empty((len(a), 1))
    _in_strides(len(a), lambda first, last: wide_row_dots(*(t[first * _ROWS : last * _ROWS] for t in (a, b, out))))
    return out


@compiled(exact=True)
def _inner_block(weights, a, b):
    """`inner` of one block."""
    dots = np.empty((a.shape[0], 1))
    row_dots(a, b, dots)
    return row_sums(weights, dots, (0.0,))[0]


def inner(weights: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σᵢ wᵢ aᵢ·bᵢ (0-d) for few columns, with the bits of `linalg.row_dot` and `weighted_sum`."""
    n = len(weights)
    if n <= _ROWS:
        return np.asarray(_inner_block(weights, a, b))
    dots, parts = np.empty((n, 1)), np.zeros((-(-n // _ROWS), 1))
    _in_strides(n, lambda first, last: row_dots(*(t[first * _ROWS : last * _ROWS] for t in (a, b, dots))))
    _in_strides(n, lambda first, last: _sum_blocks(weights, dots, (0.0,), first, last, parts))
    return parts.sum(0).reshape(())


def moments(x: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass Σw, centre c = Σwx/Σw and scatter Σ w (x − c)(x − c)ᵀ. A cloud far from the origin loses no digits."""
    return (_small_moments if x.shape[1] <= _SMALL else _wide_moments)(x, weights)


def _small_moments(x: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """One pass over memory: moments of blocks about their own centres, joined as by Chan, Golub & LeVeque (1979)."""
    n, d = x.shape
    blocks, count = -(-n // _ROWS), d * (d + 1) // 2
    masses, centres, rests, scatters = (np.empty((blocks, columns)) for columns in (1, d, d, count))
    like, pairs = (0.0,) * d, (0.0,) * count
    _in_strides(n, lambda *part: _moment_blocks(weights, x, like, pairs, *part, masses[:, 0], centres, rests, scatters))
    if blocks == 1:
        centre, scatter = np.empty(d), np.empty((d, d))
        _join_one(masses, centres, rests, scatters, centre, scatter)
        return float(masses[0, 0]), centre, scatter
    mass, scatter, (c, e) = masses.sum(), np.empty((d, d)), np.tril_indices(d)
    with np.errstate(invalid="ignore", over="ignore"):
        rests /= np.where(masses == 0, 1.0, masses)
        centre = centres[0] + (masses * ((centres - centres[0]) + rests)).sum(0) / (mass if mass else 1.0)
        apart = (centres - centre) + rests
        scatter[c, e] = scatter[e, c] = (scatters + masses * apart[:, c] * apart[:, e]).sum(0)
    return mass, centre, scatter


def _wide_moments(x: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """First the centre, then Σ V Vᵀ of tiles V = √w (x − c) in the dtype of x; numpy forms half of such a product."""
    mass, (n, d) = weights.sum(), x.shape
    few = n <= dense.ROWS and d <= dense.COLUMNS
    if few:
        centre, scatter, plain = dense.moments(x, weights, mass)
        if plain and x.dtype == np.float64:
            return mass, centre, scatter
    else:
        centre = weighted_sum(weights, x) / (mass if mass else 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        scatter = scatter if few else _products(x, weights, centre)
        # equal values have no scatter, but a sum of them rounds: their centre is the value
        equal = np.flatnonzero(scatter.diagonal() <= mass * (dense.ROUNDED * centre) ** 2)
        other = np.delete(scatter.diagonal(), equal) if len(equal) else scatter.diagonal()
        again = x.dtype == np.float32 and len(other) > 0 and not _LEAST < other.min() <= other.max() < np.inf
    if len(equal):
        part = x[:, equal].astype(np.float64)
        centre[equal] = part[0] + weighted_sum(weights, part - part[0]) / (mass if mass else 1.0)
        scatter[equal], scatter[:, equal] = 0.0, 0.0
        again |= not (part == part[0]).all()
    if again:  # squares may be out of the range of float32
        scatter = _products(x.astype(np.float64), weights, centre)
    return mass, centre, scatter


def _products(x: np.ndarray, weights: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Σ w (x − c)(x − c)ᵀ by tiles, in the dtype of x."""
    n, d = x.shape
    with np.errstate(invalid="ignore"):
        roots = np.sqrt(weights)
    tiles = -(-n // _TILE)
    groups = max(1, min(tiles, _GROUPS, _SPACE // d**2))
    totals = np.zeros((groups, d, d))

    def worker(indices: Iterator[int]) -> None:
        tile, product = np.empty((min(n, _TILE), d), x.dtype), np.empty((d, d), x.dtype)
        for group in indices:
            for index in range(group * tiles // groups, (group + 1) * tiles // groups):
                rows = slice(index * _TILE, min((index + 1) * _TILE, n))
                part = tile[: rows.stop - rows.start]
                _centred(x[rows], centre, roots[rows], part)
                totals[group] += np.matmul(part.T, part, out=product)

    with one_blas_thread():
        run_blocks(worker, groups)
    return totals.sum(0)


def affine(x: np.ndarray, centre: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(x − c) A (n, e), in the dtype of x; the difference is formed in float64."""
    (n, d), e = x.shape, matrix.shape[1]
    out = memory.empty((n, e), x.dtype)
    if max(d, e) <= _SMALL and d:
        _in_strides(n, _moved_by(x, tuple(centre), tuple(matrix.ravel()), out))
        return out
    if x.dtype == np.float32 and not _holds(matrix):
        return affine(x.astype(np.float64), centre, matrix).astype(np.float32)
    if n <= dense.ROWS and d and max(d, e) <= dense.COLUMNS:
        dense.moved(x, centre, matrix, out)
        return out
    matrix, ones = matrix.astype(x.dtype, copy=False), np.ones(min(n, _TILE))

    def worker(indices: Iterator[int]) -> None:
        tile = np.empty((min(n, _TILE), d), x.dtype)
        for index in indices:
            rows = slice(index * _TILE, min((index + 1) * _TILE, n))
            part = tile[: rows.stop - rows.start]
            _centred(x[rows], centre, ones, part)
            np.matmul(part, matrix, out=out[rows])

    with one_blas_thread():
        run_blocks(worker, -(-n // _TILE))
    return out


def _holds(matrix: np.ndarray) -> bool:
    """Whether float32 holds a matrix and the products with it. The diagonal speaks for a large square matrix."""
    rows = matrix.shape[0]
    square = rows == matrix.shape[1] and rows > _SMALL**2
    sizes = np.abs(matrix.diagonal() if square else matrix.reshape(rows, -1)).reshape(rows, -1).max(axis=1, initial=0.0)
    sizes = sizes[sizes > 0]
    return not len(sizes) or bool(sizes.min() > 1.0 / _MOST and sizes.max() < _MOST)


def _moved_by(x: np.ndarray, centre: tuple[float, ...], matrix: tuple[float, ...], out: np.ndarray) -> Any:
    """The body that `affine` runs for few dimensions."""

    def body(first: int, last: int) -> None:
        rows = slice(first * _ROWS, last * _ROWS)
        moved_rows(x[rows], centre, matrix, out[rows])

    return body
