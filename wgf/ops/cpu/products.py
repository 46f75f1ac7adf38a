"""Pair sums on the CPU by matrix products, for many dimensions: |x − y|² = |x|² + |y|² − 2 x·y, tile by tile.

This form loses digits where two points are much closer to each other than to the origin. So the cloud is centred, and
pairs with |x − y|² < τ (|x|² + |y|²), the near pairs, are summed by their differences, one by one. In a cloud of d > 10
dimensions they are few. For all other pairs the relative error of |x − y|² is at most ε/τ, and
Σ w g (x − y) = x Σ w g − Σ w g y cancels by at most a factor √(2/τ).

For an ensemble with itself, one tile of kernel values serves both of its blocks, one of them by the transpose. Two
pairs then cost 6 d operations instead of 8 d, and half of the kernel values. The blocks meet in rounds, each block once
in a round, so that additions have a fixed order for every number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .. import forms
from ..threads import one_blas_thread, run_blocks
from .intrinsics import cast
from .jit import compiled
from .radial import compiled_form, evaluate, split_weights
from .tiles import join

_BLOCK, _LEAST = 512, 64  # most and fewest particles in a block
_BLOCKS = 4  # blocks of a small ensemble: two threads then have a pair of blocks each
_TILE_BYTES = 2**19  # a tile and its transpose fit in the second-level cache
_NEAR = {np.dtype(np.float32): 1.0 / 16.0, np.dtype(np.float64): 1.0 / 1024.0}
"""τ for each dtype. The relative errors of |x − y|² are then at most about 1e-6 and 1e-13."""


class _Side(NamedTuple):
    """Particles with all that the products need of them."""

    x: np.ndarray
    centred: np.ndarray
    squares: np.ndarray  # |x|² of the centred points
    weights: np.ndarray
    payload: np.ndarray  # what near pairs carry, (n, p)
    far: np.ndarray  # w·(far, 1) (n, f + 1), the factor of the slopes g
    values: np.ndarray | None  # the factor of the values k, if these have a tile of their own

    def part(self, rows: slice) -> _Side:
        """The same for some of the particles."""
        return _Side._make(None if array is None else array[rows] for array in self)

    @property
    def seen(self) -> tuple[np.ndarray, ...]:
        """The arrays for compiled code, as a plain tuple: numba unpacks a named tuple slowly."""
        return self.x, self.squares, self.weights, self.payload


class _Sums(NamedTuple):
    """The sums of each row, float64: near pairs (Σ w g u, Σ w k, Σ w k p), and the products with `far` and `values`."""

    near: np.ndarray
    far: np.ndarray
    values: np.ndarray

    def part(self, rows: slice) -> _Sums:
        """The sums of some rows."""
        return _Sums(*(array[rows] for array in self))


@compiled(sums=True)
def _weigh(form, row, half, squares, near, softening, slopes):
    """Turn a row of products x·y into kernel values and slopes; near pairs become 0. Returns the number of near pairs.

    `slopes` gets g and the row gets k. If `slopes` is None, the row gets g.
    """
    count = 0
    for j in range(row.size):
        both = half + squares[j]
        q = both - cast(2.0, half) * row[j]
        k, g = evaluate(form, q + softening)
        apart = not (q <= near * both)  # True for NaN, so that it is kept
        g = g if apart else cast(0.0, q)
        if slopes is None:
            row[j] = g
        else:
            row[j] = k if apart else cast(0.0, q)
            slopes[j] = g
        count += 0 if apart else 1
    return count


@compiled(sums=True)
def _add_near(form, values, slopes, near, softening, i, here, there, skip, out, other):
    """Add the near pairs of row i by differences: (Σ w g u, Σ w k, Σ w k p) to `out`, and the share of y to `other`.

    `here` and `there` are `_Side.seen`. Candidates are the pairs whose slope and value are 0. The products have added 0
    for them, so that no pair counts twice.
    """
    (xs, x_squares, x_weights, x_payload), (ys, y_squares, y_weights, y_payload) = here, there
    x, half, d = xs[i], x_squares[i], xs.shape[1]
    for j in range(slopes.size):
        if slopes[j] == cast(0.0, half) and values[j] == cast(0.0, half) and j != skip:
            y, q = ys[j], cast(0.0, half)
            for c in range(d):
                q += (x[c] - y[c]) * (x[c] - y[c])
            if q <= cast(2.0, near) * near * (half + y_squares[j]):
                k, g = evaluate(form, q + softening)
                w, v = y_weights[j], x_weights[i]
                for c in range(d):
                    out[i, c] += w * g * (x[c] - y[c])
                out[i, d] += w * k
                for c in range(y_payload.shape[1]):
                    out[i, d + 1 + c] += w * k * y_payload[j, c]
                if other is not None:
                    for c in range(d):
                        other[j, c] += v * g * (y[c] - x[c])
                    other[j, d] += v * k
                    for c in range(x_payload.shape[1]):
                        other[j, d + 1 + c] += v * k * x_payload[i, c]


@compiled
def _tile(form, tile, slopes, here, there, near, softening, skip, out, other):
    """Turn a tile of products x·y into kernel values, and add its near pairs. The pair (i, i + skip) is left out."""
    for i in range(tile.shape[0]):
        if slopes is None:
            second = None
            weighed = tile[i]
        else:
            second = slopes[i]
            weighed = slopes[i]
        if _weigh(form, tile[i], here[1][i], there[1], near, softening, second) > 0:
            _add_near(form, tile[i], weighed, near, softening, i, here, there, i + skip, out, other)


def _meetings(blocks: int) -> Iterator[list[tuple[int, int]]]:
    """Rounds in which every two blocks meet once, and no block twice in a round: the circle method of tournaments."""
    others = blocks - 1 + blocks % 2
    for turn in range(others):
        pairs = [(turn, others), *(((turn - k) % others, (turn + k) % others) for k in range(1, (others + 1) // 2))]
        yield [(min(pair), max(pair)) for pair in pairs if max(pair) < blocks]


class _Products:
    """The sums of one call: every block of rows against blocks of columns."""

    def __init__(self, form: NamedTuple, softening: float, rows: _Side, columns: _Side) -> None:
        self.form, self.rows, self.columns = form, rows, columns
        (m, d), self.dtype = rows.x.shape, rows.x.dtype
        self.softening, self.near = self.dtype.type(softening**2), self.dtype.type(_NEAR[self.dtype])
        self.apart = columns.values is not None
        width = 0 if columns.values is None else columns.values.shape[1]
        near = np.zeros((m, d + 1 + columns.payload.shape[1]))
        self.sums = _Sums(near, np.zeros((m, columns.far.shape[1])), np.zeros((m, width)))

    def _scratch(self) -> list[np.ndarray]:
        """Memory for a tile of slopes and, if needed, one of values."""
        return [np.empty(_TILE_BYTES // self.dtype.itemsize, self.dtype) for _ in range(1 + self.apart)]

    def _meet(self, rows: slice, columns: slice, both: bool, skip: int, scratch: list[np.ndarray]) -> None:
        """The pairs of two blocks, in tiles of some rows. With `both`, the columns get their sums too."""
        there, theirs = self.columns.part(columns), self.sums.part(columns) if both else None
        step = _TILE_BYTES // self.dtype.itemsize // _BLOCK
        for first in range(rows.start, rows.stop, step):
            part = slice(first, min(first + step, rows.stop))
            here, ours = self.rows.part(part), self.sums.part(part)
            shape = (part.stop - first, columns.stop - columns.start)
            tile, *slopes = (memory[: shape[0] * shape[1]].reshape(shape) for memory in scratch)
            np.matmul(here.centred, there.centred.T, out=tile)
            slope = slopes[0] if self.apart else None
            _tile(
                self.form, tile, slope, here.seen, there.seen, self.near, self.softening, first + skip,
                ours.near, None if theirs is None else theirs.near,
            )  # fmt: skip
            self._multiply(tile, slope, there, ours)
            if theirs is not None:
                self._multiply(tile.T, None if slope is None else slope.T, here, theirs)

    @staticmethod
    def _multiply(tile: np.ndarray, slopes: np.ndarray | None, side: _Side, sums: _Sums) -> None:
        """Multiply the tile by the factors of one side, and add the result to the sums."""
        join((tile if slopes is None else slopes) @ side.far, 0, 0, sums.far)
        if side.values is not None:
            join(tile @ side.values, 0, 0, sums.values)

    def against(self) -> _Sums:
        """The sums of all rows against all columns."""
        rows, columns = _blocks(len(self.rows.x)), _blocks(len(self.columns.x))
        never = -(len(self.rows.x) + len(self.columns.x))

        def worker(indices: Iterator[int]) -> None:
            scratch = self._scratch()
            for index in indices:
                for block in columns:
                    self._meet(rows[index], block, False, never, scratch)

        with one_blas_thread():
            run_blocks(worker, len(rows))
        return self.sums

    def with_itself(self, skip_self: bool) -> _Sums:
        """The sums of the rows against themselves; every two blocks meet once."""
        blocks = _blocks(len(self.rows.x))
        never = -2 * len(self.rows.x)
        rounds = [[(i, i) for i in range(len(blocks))], *_meetings(len(blocks))]
        with one_blas_thread():
            for pairs in rounds:

                def worker(indices: Iterator[int], pairs: list[tuple[int, int]] = pairs) -> None:
                    scratch = self._scratch()
                    for index in indices:
                        i, j = pairs[index]
                        skip = -blocks[i].start if skip_self and i == j else never
                        self._meet(blocks[i], blocks[j], i != j, skip, scratch)

                run_blocks(worker, len(pairs))
        return self.sums


def _blocks(n: int) -> list[slice]:
    """Slices of n particles, of a size that depends on n alone."""
    size = min(_BLOCK, max(_LEAST, -(-n // _BLOCKS // 16) * 16))
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _centred(x: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x − c, and its squares |x − c|², summed in float64."""
    with np.errstate(invalid="ignore"):  # numbers that are not finite are found and named later, by the flow
        u = x - centre
    return u, np.einsum("ic,ic->i", u, u, dtype=np.float64).astype(x.dtype)


def _evaluated(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    form: NamedTuple,
    softening: float,
    skip_self: bool,
    payload: np.ndarray,
    far: np.ndarray | None,
    values: np.ndarray | None,
) -> tuple[_Sums, np.ndarray]:
    """The sums, and x relative to the centre of y.

    Near pairs carry `payload`. The other pairs carry `far`, by default y relative to its centre.
    """
    dtype = x.dtype
    weights = np.ones(len(y), dtype) if weights is None else weights
    centre = y.mean(axis=0, dtype=np.float64).astype(dtype)
    centred, squares = _centred(y, centre)
    carried = np.empty((len(y), 1 + (centred if far is None else far).shape[1]), dtype)
    carried[:, :-1], carried[:, -1] = centred if far is None else far, 1
    carried *= weights[:, None]
    columns = _Side(
        y, centred, squares, weights, payload, carried, None if values is None else values * weights[:, None]
    )
    if x is y:
        return _Products(form, softening, columns, columns).with_itself(skip_self), centred
    xc, half = _centred(x, centre)
    nothing = np.empty((len(x), 0), dtype)
    rows = _Side(x, xc, half, np.empty(len(x), dtype), nothing, nothing, None)
    return _Products(form, softening, rows, columns).against(), xc


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ), float64, for x and y of one dtype. Memory O(n·d)."""
    d, dtype = x.shape[1], x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    nothing = np.empty((len(y), 0), dtype)
    values = None if form == forms.GAUSSIAN else np.ones((len(y), 1), dtype)  # a Gaussian has k = g
    sums, xc = _evaluated(x, y, relative, made, softening, exclude_self, nothing, None, values)
    value = sums.near[:, d] + (sums.far[:, d] if values is None else sums.values[:, 0])
    gradient = sums.near[:, :d] + xc * sums.far[:, d:] - sums.far[:, :d]
    return a * scale * value, b * scale * gradient


def stein_direction(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)], float64. For a Gaussian (k = g) one product gives both parts."""
    d, dtype = x.shape[1], x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    together = form == forms.GAUSSIAN
    far = None
    if together:
        centre = y.mean(axis=0, dtype=np.float64).astype(dtype)
        far = (a * scores.astype(np.float64) + b * (y - centre)).astype(dtype)
    sums, xc = _evaluated(x, y, relative, made, softening, False, scores, far, None if together else scores)
    near = a * sums.near[:, d + 1 :] - b * sums.near[:, :d]
    if together:
        return scale * (near + sums.far[:, :d] - b * xc * sums.far[:, d:])
    return scale * (near + a * sums.values - b * (xc * sums.far[:, d:] - sums.far[:, :d]))
