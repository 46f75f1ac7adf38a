"""Variances of the coordinates of particles, and coordinates about a centre in units of their own, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .. import memory
from ..threads import run_blocks
from .jit import compiled
from .registers import add_deviations

ROWS = 2048  # rows in a block; it is read twice, the second time from the cache
_COLUMNS = 16  # columns in registers at a time
_NUMBERS = 2**17  # numbers in one piece of work, about 50 µs
_PERIOD = 512  # least number of coordinates in one turn of a loop


@compiled(sums=True)
def _mass(weights):
    """Σ w over a block."""
    total = 0.0
    for i in range(weights.size):
        total += weights[i]
    return total


@compiled(exact=True)
def block_variances(weights, x, at, like, centres, rests, squares):
    """Write centre c, Σ w (x − c) / Σ w and Σ w (x − c)² of one block to the columns from `at` on; return Σ w.

    The second is the rounding of the centre. `like` is a tuple whose length is the number of columns.
    """
    columns, mass = slice(at, at + len(like)), _mass(weights)
    whole = 1.0 if mass == 0.0 else mass
    for c in range(at, at + len(like)):
        centres[c] = x[0, c]
    rests[columns], squares[columns] = 0.0, 0.0
    add_deviations(x, weights, at, like, centres, rests, squares)  # from the first row
    for c in range(at, at + len(like)):
        centres[c] += rests[c] / whole
    rests[columns], squares[columns] = 0.0, 0.0
    add_deviations(x, weights, at, like, centres, rests, squares)
    for c in range(at, at + len(like)):
        rests[c] /= whole
    return mass


@compiled(exact=True)
def _blocks(weights, x, at, like, first, last, masses, centres, rests, squares):
    """`block_variances` of some blocks."""
    for block in range(first, last):
        rows = slice(block * ROWS, min((block + 1) * ROWS, weights.size))
        parts = centres[block], rests[block], squares[block]
        masses[block] = block_variances(weights[rows], x[rows], at, like, *parts)


@compiled(exact=True)
def mean_and_variances(weights, x, like, mean, variances):
    """Write mean and variances of one block, as `variances` has them; `like` has d numbers."""
    rests = np.empty(mean.size)
    mass = block_variances(weights, x, 0, like, mean, rests, variances)
    for c in range(mean.size):
        mean[c] += rests[c]
        variances[c] -= mass * (rests[c] * rests[c])


def _in_pieces(blocks: int, columns: int, body: Callable[[int, int], None]) -> None:
    """Call `body(first block, last block)` in threads, so that all blocks are covered."""
    step = max(1, _NUMBERS // (ROWS * max(1, columns)))

    def worker(pieces: Iterator[int]) -> None:
        for piece in pieces:
            body(piece * step, min((piece + 1) * step, blocks))

    run_blocks(worker, -(-blocks // step), work=0.5 * blocks * ROWS * columns)


def variances(x: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass Σw, centre c = Σwx/Σw (d,) and Σ w (x − c)² (d,): blocks about their own centres, joined in order."""
    (n, d), blocks = x.shape, -(-len(x) // ROWS)
    masses, (centres, rests, squares) = np.zeros((blocks, 1)), np.zeros((3, blocks, d))
    width = min(d, _COLUMNS)
    starts = [min(at, d - width) for at in range(0, d, width)] if d else []  # the last two slabs may overlap
    like = (0.0,) * width

    def body(first: int, last: int) -> None:
        for at in starts:
            _blocks(weights, x, at, like, first, last, masses[:, 0], centres, rests, squares)

    _in_pieces(blocks, d, body)
    if not n:
        return 0.0, np.zeros(d), np.zeros(d)
    mass = masses.sum()
    with np.errstate(invalid="ignore", over="ignore"):
        squares -= masses * (rests * rests)
        if blocks == 1:
            return float(mass), centres[0] + rests[0], squares[0]
        centre = centres[0] + (masses * ((centres - centres[0]) + rests)).sum(0) / (mass or 1.0)
        return float(mass), centre, (squares + masses * ((centres - centre) + rests) ** 2).sum(0)


@compiled(exact=True)
def _standardised(x, centre, unit, out):
    """(x − c)/s of flat arrays; c and s repeat, and s is left out where it is None."""
    for start in range(0, x.size, centre.size):
        stop = min(start + centre.size, x.size)
        here, there = x[start:stop], out[start:stop]
        for k in range(here.size):
            away = np.float64(here[k]) - centre[k]
            if unit is not None:
                away = away / unit[k]
            there[k] = away


def standardised(x: np.ndarray, centre: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(x − c)/s (n, d) in the dtype of x, computed in float64."""
    n, d = x.shape
    out = memory.empty((n, d), x.dtype)
    if not x.size:
        return out
    times = -(-_PERIOD // d)
    centres, units = np.tile(centre, times), None if (unit == 1.0).all() else np.tile(unit, times)
    flat, result, period = x.reshape(-1), out.reshape(-1), times * d
    step = max(1, _NUMBERS // period) * period

    def worker(pieces: Iterator[int]) -> None:
        for piece in pieces:
            numbers = slice(piece * step, (piece + 1) * step)
            _standardised(flat[numbers], centres, units, result[numbers])

    run_blocks(worker, -(-x.size // step), work=0.5 * x.size)
    return out
