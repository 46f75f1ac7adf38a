"""What a step does to few particles beside the evaluation of F, in one compiled call each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .jit import compiled
from .moments import row_dots, row_sums, wide_row_dots

_ROWS = 64  # particles whose offsets are still in cache when they are used


@compiled
def _mean_and_rest(weights, values, others):
    """Σ w v as `weighted_sum` has it, and 0 if all values and others are finite, else NaN."""
    rest = 0.0
    for i in range(values.shape[0]):
        rest += np.float64(values[i, 0] - values[i, 0])
    flat = others.reshape(others.size)
    for k in range(flat.size):
        rest += np.float64(flat[k] - flat[k])
    return row_sums(weights, values, (0.0,))[0], rest


def mean_of_finite(weights: np.ndarray, values: np.ndarray, others: np.ndarray) -> float | None:
    """Σᵢ wᵢ vᵢ for values (n,), with the bits of `weighted_sum`; None if a value or one of the others is not finite."""
    mean, rest = _mean_and_rest(weights, values.reshape(-1, 1), others)
    return mean if rest == 0.0 else None


@compiled(exact=True)
def _descend(x, slope, weights, values, h, out):
    """out = x − h·slope. Returns Σ w |slope|² as `inner` has it, and how many of new x and values are not finite."""
    start, along, to, lost = x.reshape(x.size), slope.reshape(x.size), out.reshape(x.size), 0
    for k in range(to.size):
        to[k] = start[k] - h * along[k]
        lost += 0 if abs(to[k]) < np.inf else 1  # integers may be added in any order, many at a time
    for i in range(values.size):
        lost += 0 if abs(values[i]) < np.inf else 1
    squares = np.empty((x.shape[0], 1))
    if x.shape[1] <= 8:
        row_dots(slope, slope, squares)
    else:
        wide_row_dots(slope, slope, squares)
    return row_sums(weights, squares, (0.0,))[0], lost


def descend(
    x: np.ndarray, slope: np.ndarray, weights: np.ndarray, values: np.ndarray, h: float
) -> tuple[np.ndarray, float, bool]:
    """x − h·slope, Σ w |slope|² with the bits of `inner`, and whether the result and the values are finite."""
    out = np.empty_like(x)
    square, lost = _descend(x, slope, weights, values, x.dtype.type(h), out)
    return out, square, lost == 0


@compiled(exact=True)
def _spring(x, stiffness, centre, weights, out):
    """out = k (x − c). Returns Σ w (x − c)·out as `inner` has it."""
    (n, d), squares = x.shape, np.empty((x.shape[0], 1))
    offsets = np.empty((_ROWS, d), x.dtype)
    for first in range(0, n, _ROWS):
        last = min(first + _ROWS, n)
        for i in range(first, last):
            row, offset, force = x[i], offsets[i - first], out[i]
            for c in range(d):
                offset[c] = row[c] - centre
                force[c] = stiffness * offset[c]
        if d <= 8:
            row_dots(offsets[: last - first], out[first:last], squares[first:last])
        else:
            wide_row_dots(offsets[: last - first], out[first:last], squares[first:last])
    return row_sums(weights, squares, (0.0,))[0]


def spring(x: np.ndarray, stiffness: float, centre: float, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """k (x − c), and Σ w k |x − c|² with the bits of `inner`."""
    out = np.empty_like(x)
    return out, _spring(x, x.dtype.type(stiffness), x.dtype.type(centre), weights, out)


@compiled(exact=True)
def _plus(total, number, part, out):
    """out = total + number·part. Returns how many of the results are not finite."""
    lost = 0
    for k in range(out.size):
        out[k] = total[k] + number * part[k]
        lost += 0 if abs(out[k]) < np.inf else 1
    return lost


@compiled(exact=True)
def _add(total, number, part):
    """total += number·part. Returns how many of the results are not finite."""
    lost = 0
    for k in range(total.size):
        total[k] = total[k] + number * part[k]
        lost += 0 if abs(total[k]) < np.inf else 1
    return lost


def combination(numbers: Sequence[float], parts: Sequence[np.ndarray]) -> tuple[np.ndarray, bool]:
    """Σ cₖ gₖ of at least two parts, one after the other, and whether it is finite. A product and a sum round alone."""
    kind, first = parts[0].dtype.type, parts[0].reshape(-1)
    out = np.empty_like(parts[0])
    total = out.reshape(-1)
    start = first if numbers[0] == 1.0 else kind(numbers[0]) * first
    lost = _plus(start, kind(numbers[1]), parts[1].reshape(-1), total)
    for number, part in zip(numbers[2:], parts[2:], strict=True):
        lost = _add(total, kind(number), part.reshape(-1))
    return out, lost == 0
