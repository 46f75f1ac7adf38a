"""Pair sums on the CPU by differences of coordinates, for up to about 14 dimensions.

There are two loops. `pair_loops.pair_rows` sums a row of x over the columns y. `once.take_slot`, for x = y, adds the
share of a pair to both of its particles.

In a tile, sums have the dtype of the particles. Tiles are added in float64, in one fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..threads import run_blocks
from .once import join_slots, take_slot
from .pair_loops import pair_rows
from .radial import compiled_form, split_weights
from .visits import slots_of, visits_once

_ROWS = 64  # rows in one block of work
_JOINED = 2048  # columns of the private sums that are added at a time


def _nanoseconds(x: np.ndarray) -> float:
    """About what one pair of a row takes, for rows x (d, n) of coordinates. Formulas differ by a factor of 2."""
    return (0.2 + 0.15 * len(x)) * x.itemsize / 8.0


def _once(out, form, x, payload, weights, dims, softening, exclude) -> None:
    """Add the sums of x with itself to `out`, and visit each pair once."""
    width, n = out.shape
    slots = slots_of(n, width)
    products, work = np.zeros((slots, width, n)), 0.7 * _nanoseconds(x) * n * n

    def worker(indices: Iterator[int]) -> None:
        for slot in indices:
            take_slot(form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out)

    def join(blocks: Iterator[int]) -> None:
        for block in blocks:
            join_slots(products, weights, block * _JOINED, min((block + 1) * _JOINED, n), out)

    run_blocks(worker, slots, work)
    run_blocks(join, -(-n // _JOINED), 0.5 * products.size)


def _by_rows(out, form, x, y, payload, weights, dims, softening, exclude) -> None:
    """Add the sums of x against y to `out`."""

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            start, stop = block * _ROWS, min((block + 1) * _ROWS, x.shape[1])
            pair_rows(form, x, y, payload, weights, dims, softening, exclude, start, stop, 0, y.shape[1], out)

    run_blocks(worker, -(-x.shape[1] // _ROWS), _nanoseconds(x) * x.shape[1] * y.shape[1])


def _sums(
    form: NamedTuple,
    x: np.ndarray,
    y: np.ndarray,
    payload: np.ndarray | None,
    weights: np.ndarray | None,
    softening: float,
    exclude_self: bool,
    period: tuple[float, ...] | None = None,
) -> np.ndarray:
    """(Σ w g u, Σ w k) (d + 1, m) or, with a payload p (n, d), Σ w (k p + g u) (d, m). float64."""
    n, d = x.shape
    out, rows = np.zeros((d + (payload is None), n)), np.ascontiguousarray(x.T)
    carried = None if payload is None else np.ascontiguousarray(payload.T, dtype=x.dtype)
    dims = (0,) * d if period is None else tuple(map(x.dtype.type, period))
    args = carried, weights, dims, x.dtype.type(softening**2), exclude_self
    if x is y and visits_once(n, d, len(out), weights, payload is not None):
        _once(out, form, rows, *args)
    else:
        _by_rows(out, form, rows, rows if x is y else np.ascontiguousarray(y.T), *args)
    return out


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
    period: tuple[float, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ), float64, for x and y of one dtype. Memory O(n·d) + 64 MiB.

    With a `period` xᵢ − yⱼ is the difference to the nearest image of yⱼ.
    """
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    *gradient, value = _sums(made, x, y, None, relative, softening, exclude_self, period)
    return (a * scale) * value, (b * scale) * np.stack(gradient, axis=1)


def stein_direction(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)], float64, for x, y and scores of one dtype. Memory as `pair_sums`."""
    made, a, b = compiled_form(form, parameters, x.dtype)
    scale, relative = split_weights(weights, x.dtype)
    payload = (-a / b) * scores.astype(np.float64)
    return (-b * scale) * np.ascontiguousarray(_sums(made, x, y, payload, relative, softening, False).T)
