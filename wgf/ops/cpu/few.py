"""What a step does to few particles beside the evaluation of F, in one compiled call each."""

from __future__ import annotations

import numpy as np

from .jit import compiled
from .moments import row_dots, row_sums, wide_row_dots


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
    """out = x − h·slope. Returns Σ w |slope|² as `inner` has it, and 0 if new x and values are finite, else NaN."""
    start, along, to, rest = x.reshape(x.size), slope.reshape(x.size), out.reshape(x.size), 0.0
    for k in range(to.size):
        to[k] = start[k] - h * along[k]
        rest += np.float64(to[k] - to[k])
    for i in range(values.size):
        rest += np.float64(values[i] - values[i])
    squares = np.empty((x.shape[0], 1))
    if x.shape[1] <= 8:
        row_dots(slope, slope, squares)
    else:
        wide_row_dots(slope, slope, squares)
    return row_sums(weights, squares, (0.0,))[0], rest


def descend(
    x: np.ndarray, slope: np.ndarray, weights: np.ndarray, values: np.ndarray, h: float
) -> tuple[np.ndarray, float, bool]:
    """x − h·slope, Σ w |slope|² with the bits of `inner`, and whether the result and the values are finite."""
    out = np.empty_like(x)
    square, rest = _descend(x, slope, weights, values, x.dtype.type(h), out)
    return out, square, rest == 0.0


@compiled(exact=True)
def _plus(total, number, part, out):
    for k in range(out.size):
        out[k] = total[k] + number * part[k]


def plus(total: np.ndarray, number: float, part: np.ndarray) -> np.ndarray:
    """total + number·part, in one pass; a product and a sum, each rounded by itself."""
    out = np.empty_like(total)
    _plus(total.reshape(-1), total.dtype.type(number), part.reshape(-1), out.reshape(-1))
    return out
