"""Pair sums on the CPU by matrix products, for many dimensions: |x − y|² = |x|² + |y|² − 2 x·y, tile by tile.

This form loses digits where two points are much closer to each other than to the origin. So the cloud is centred, and
pairs with |x − y|² < τ (|x|² + |y|²), the near pairs, are summed by their differences, one by one. In a cloud of d > 10
dimensions they are few. For all other pairs the relative error of |x − y|² is at most ε/τ, and
Σ w g (x − y) = x Σ w g − Σ w g y cancels by at most a factor √(2/τ).

For an ensemble with itself, one tile of kernel values serves both of its blocks, one of them by the transpose. Two
pairs then cost 6 d operations instead of 8 d, and half of the kernel values. The blocks meet in rounds, each block once
in a round, so that additions have a fixed order for every number of threads. The few blocks of a small ensemble meet in
two groups instead, each with sums of its own: a round would end before its threads have begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .. import forms
from ..threads import run_blocks
from .intrinsics import cast
from .jit import compiled
from .meetings import BLOCK, BLOCKS, GROUPS, blocks_of, groups, rounds
from .radial import compiled_form, evaluate, split_weights
from .registers import COUNT, dot_products, multiply, padded, panels, tile_of
from .sides import add_selves, at_zero, joined, middle, shift, weigh_factors

_NANOSECONDS = 0.02  # about what a pair takes for each dimension
_FEW = 4096  # up to so many rows, the memory of their sums is kept: new memory takes longer than to fill it
_kept = threading.local()
_PART = 128  # rows of a tile: a tile and its slopes fit in the second-level cache
_NEAR = {np.dtype(np.float32): 1.0 / 16.0, np.dtype(np.float64): 1.0 / 1024.0}
"""τ for each dtype. The relative errors of |x − y|² are then at most about 1e-6 and 1e-13."""


class _Side(NamedTuple):
    """Particles with all that the products need of them."""

    x: np.ndarray
    centred: np.ndarray  # x − c, with some more rows of zeros
    panels: np.ndarray  # the same, packed as the right factor of a product
    squares: np.ndarray  # |x − c|²
    weights: np.ndarray
    payload: np.ndarray  # what near pairs carry, (n, p)
    far: np.ndarray  # w·(far, 1), the factor of the slopes g, with columns of zeros up to a whole vector
    values: np.ndarray  # the factor of the values k, likewise; (n, 0) if these have no tile of their own


class _Sums(NamedTuple):
    """The sums of each row, float64: near pairs (Σ w g u, Σ w k, Σ w k p), and the products with `far` and `values`.

    `found` (1,) is the number of near pairs but those of a particle with itself, which `joined` adds.
    """

    near: np.ndarray
    far: np.ndarray
    values: np.ndarray
    found: np.ndarray


@compiled(sums=True)
def _weigh(form, row, half, squares, near, softening, slopes):
    """Turn a row of products x·y into kernel values and slopes; near pairs become 0. Returns the number of near pairs.

    `slopes` gets g and the row gets k. If `slopes` is None, the row gets g.
    """
    count = cast(0.0, half)  # a float of the width of the others, so that the loop vectorises well
    for j in range(squares.size):
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
        count += cast(0.0, q) if apart else cast(1.0, q)
    return count


@compiled(sums=True)
def _add_near(form, near, softening, i, j, here, there, both, out, other):
    """Add the pair (i, j), if it is near: (w g u, w k, w k p) to row i of `out`; with `both`, to row j of `other`."""
    (xs, x_squares, x_weights, x_payload), (ys, y_squares, y_weights, y_payload) = here, there
    x, y, d, q = xs[i], ys[j], xs.shape[1], cast(0.0, near)
    for c in range(d):
        q += (x[c] - y[c]) * (x[c] - y[c])
    if q <= cast(2.0, near) * near * (x_squares[i] + y_squares[j]):
        k, g = evaluate(form, q + softening)
        w, v = y_weights[j], x_weights[i]
        for c in range(d):
            out[i, c] += w * g * (x[c] - y[c])
        out[i, d] += w * k
        for c in range(y_payload.shape[1]):
            out[i, d + 1 + c] += w * k * y_payload[j, c]
        if both:
            for c in range(d):
                other[j, c] += v * g * (y[c] - x[c])
            other[j, d] += v * k
            for c in range(x_payload.shape[1]):
                other[j, d + 1 + c] += v * k * x_payload[i, c]


@compiled
def _meet(form, softening, near, here, there, ours, theirs, rows, columns, both, same, tile, slopes):
    """The pairs of two blocks of rows and columns (first, last), in parts. With `both`, the columns get their sums too.

    With `same`, i and j count the same particles, and the pair i = j is left out. Near pairs are looked for among the
    pairs whose slope and value are 0. The products have added 0 for them: no pair counts twice.
    """
    x, centred, _, x_squares, x_weights, x_payload, x_far, x_values = here
    y, _, packed, y_squares, y_weights, y_payload, y_far, y_values = there
    this, that = (x, x_squares, x_weights, x_payload), (y, y_squares, y_weights, y_payload)
    (first, last), (left, right) = rows, columns
    width, stride = right - left, tile.shape[1]
    for start in range(first, last, _PART):
        stop = min(start + _PART, last)
        dot_products(tile, centred, start, stop, packed, left, right)
        weighed = tile if slopes is None else slopes
        for i in range(start, stop):
            value, slope = tile[i - start], weighed[i - start]
            second = None if slopes is None else slope
            count = _weigh(form, value, x_squares[i], y_squares[left:right], near, softening, second)
            own = i - left if same else -1
            if count > 0 and 0 <= own < width and slope[own] == 0 and value[own] == 0:
                count -= 1
            if count > 0:
                ours[3][0] += 1
                for j in range(width):
                    if slope[j] == 0 and value[j] == 0 and j != own:
                        _add_near(form, near, softening, i, left + j, this, that, both, ours[0], theirs[0])
        multiply(ours[1], start, stop - start, weighed, stride, 1, y_far, left, width)
        multiply(ours[2], start, stop - start, tile, stride, 1, y_values, left, width)
        if both:
            multiply(theirs[1], left, width, weighed, 1, stride, x_far, start, stop - start)
            multiply(theirs[2], left, width, tile, 1, stride, x_values, start, stop - start)


def _sums(form: NamedTuple, softening: float, rows: _Side, columns: _Side) -> _Sums:
    """The sums of all rows over all columns. If both are one ensemble, every two blocks meet once."""
    (m, d), dtype, same = rows.x.shape, rows.x.dtype, rows is columns
    blocks, across = blocks_of(m), blocks_of(len(columns.x))
    apart = columns.values.shape[1] > 0

    def meet(tasks: list[list[tuple[int, int]]], into: list[_Sums]) -> None:
        """Carry out the tasks, and add each to its sums."""

        def worker(indices: Iterator[int]) -> None:
            tile, slopes = (tile_of(_PART, BLOCK, dtype) for _ in range(2))
            for index in indices:
                own = tuple(into[index])
                for i, j in tasks[index]:
                    both = same and i != j
                    _meet(*args, own, own, blocks[i], across[j], both, same, tile, slopes if apart else None)

        run_blocks(worker, len(tasks), _NANOSECONDS * m * len(columns.x) * d)

    args = form, dtype.type(softening**2), dtype.type(_NEAR[dtype]), tuple(rows), tuple(columns)
    apart_groups = same and 1 < len(blocks) <= BLOCKS
    sums, *others = _zeros(m, columns, GROUPS if apart_groups else 1)
    if not same:
        meet([[(i, j) for j in range(len(across))] for i in range(len(blocks))], [sums] * len(blocks))
    elif apart_groups:
        meet(groups(len(blocks)), [sums, *others])
        for other in others:
            for total, part in zip(sums[1:], other[1:], strict=True):
                total += part
            if other.found[0] > 0:
                sums.near[:] += other.near
    else:
        for tasks in rounds(len(blocks)):
            meet(tasks, [sums] * len(tasks))
    return sums


def _zeros(m: int, columns: _Side, groups: int) -> list[_Sums]:
    """Sums of m rows for each group, before the first addition; valid until the next call in this thread."""
    widths = columns.x.shape[1] + 1 + columns.payload.shape[1], columns.far.shape[1], columns.values.shape[1]
    shape, found = (m, *widths, groups), getattr(_kept, "sums", None)
    if not found or _kept.shape != shape:
        near, far, values = widths
        found = [
            _Sums(np.empty((m, near)), np.empty((m, far)), np.empty((m, values)), np.ones(1)) for _ in range(groups)
        ]
        _kept.shape, _kept.sums = shape, found if m <= _FEW else None
    for sums in found:
        for part in sums if sums.found[0] > 0 else sums[1:]:  # without near pairs theirs are still 0
            part.fill(0.0)
    return found


def _centred(x: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x − c with some more rows of zeros, and |x − c|²."""
    shifted, squares = np.zeros((len(x) + COUNT, x.shape[1]), x.dtype), np.empty(len(x), x.dtype)
    shift(x, centre, shifted, squares)
    return shifted, squares


def _evaluated(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    form: NamedTuple,
    softening: float,
    payload: np.ndarray,
    mixed: tuple[float, float] | None,
    values: np.ndarray,
) -> tuple[_Sums, np.ndarray]:
    """The sums without the pairs of a particle with itself, where x is y; and x relative to the centre of y.

    Near pairs carry `payload`. The other pairs carry y relative to its centre; with `mixed`, a·payload + b·that.
    """
    n, d, dtype = len(y), y.shape[1], x.dtype
    centre = middle(y).astype(dtype)
    centred, squares = _centred(y, centre)
    own = np.ones(n, dtype) if weights is None else weights
    far = np.zeros((n, padded(d + 1, dtype)), dtype)
    weigh_factors(centred, *((payload, own, *mixed) if mixed else (centred[:n], own, 0.0, 1.0)), far)
    carried = np.zeros((n, padded(values.shape[1], dtype)), dtype)
    np.multiply(values, own[:, None], out=carried[:, : values.shape[1]])
    columns = _Side(y, centred, panels(centred[:n]), squares, own, payload, far, carried)
    if x is y:
        return _sums(form, softening, columns, columns), centred
    shifted, half = _centred(x, centre)
    nothing = np.empty((len(x), 0), dtype)
    rows = _Side(x, shifted, panels(shifted[:0]), half, np.empty(len(x), dtype), nothing, nothing, nothing)
    return _sums(form, softening, rows, columns), shifted


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
    apart = form != forms.GAUSSIAN  # a Gaussian has k = g
    nothing, values = np.empty((len(y), 0), dtype), np.ones((len(y), int(apart)), dtype)
    sums, xc = _evaluated(x, y, relative, made, softening, nothing, None, values)
    value = sums.near[:, d] + (sums.values[:, 0] if apart else sums.far[:, d])
    if x is y and not exclude_self:
        value += at_zero(made, dtype.type(softening**2)) * (1.0 if relative is None else relative)
    return a * scale * value, joined(xc, *sums, b * scale, -b * scale, 0.0)


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
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    together = form == forms.GAUSSIAN
    mixed, values = ((a, b), scores[:, :0]) if together else (None, scores)
    sums, xc = _evaluated(x, y, relative, made, softening, scores, mixed, values)
    out = joined(xc, *sums, -b * scale, scale if together else b * scale, a * scale)
    if x is y:
        own = np.ones(len(x), x.dtype) if relative is None else relative
        add_selves(made, x.dtype.type(softening**2), own, scores, a * scale, out)
    return out
