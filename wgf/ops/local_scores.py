"""Nearest neighbours and local fits of the score of particles on the CPU, with one partition of space for both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .registry import later
from .threads import run_blocks

blending = later("blending")
cpu = later("leaves")
neighbours = later("neighbours")
vectors = later("vectors")
windows = later("windows")

_PIECES, _PIECE = 48, 120_000.0  # the most pieces of work, and the least nanoseconds of one: a call takes some 10 µs
_NARROW = 0.5  # windows count for particles within half their radius
_SPREAD = 0.5  # the exponent of the density in the radii: 0 for equal windows, 1 for equally many particles in all
_FEWEST = 0.2  # of the typical number of particles, at least so many are in every window
_LEAVES = 64  # leaves in a window
_TOGETHER = 3  # times the partition is halved before its parts are arranged by several threads
_LEVEL, _NEAREST, _FIT, _SOLVE, _BLEND, _REACH = 10.0, 150.0, 1.0, 500.0, 3.0, 0.5
"""Nanoseconds of one thread: for a point in one level of the partition, for a point's neighbours, for a point in a
window, for the fits of a window, for a window at a point, and for one leaf beside another."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """Points in the order of a partition into boxes with equally many points.

    Attributes
    ----------
    columns : ndarray
        The points (d, n + 8), float64: those of the first half of the particles, leaf after leaf, then the others.
    rows : ndarray
        Which row each of them is (n,).
    halves : ndarray
        Where the points of a leaf begin in `columns` (2, m + 1), for each half.
    centres, low, high : ndarray
        The mean and the corners of each leaf (d, m and more); those after the last leaf are at infinity.
    """

    columns: np.ndarray
    rows: np.ndarray
    halves: np.ndarray
    centres: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(x: np.ndarray, second: np.ndarray, leaves: int) -> Leaves:
        """Partition points, columns (d, n), into so many leaves; `second` (n,) says which belong to the second half."""
        d, n = x.shape
        columns, order, starts = np.array(x), np.arange(n, dtype=np.float64), np.empty(leaves + 1, np.int64)
        starts[0], starts[leaves] = 0, n
        arrange(columns, order, starts)
        counts = np.empty((2, leaves), np.int64)
        counts[1] = np.add.reduceat(second[order.astype(np.int64)], starts[:-1], dtype=np.int64)
        counts[0] = np.diff(starts) - counts[1]
        halves = np.zeros((2, leaves + 1), np.int64)
        np.cumsum(counts, axis=1, out=halves[:, 1:])
        halves[1] += halves[0, -1]
        out, rows = np.zeros((d, n + vectors.LANES)), np.empty(n, np.int64)
        centres, low, high = np.full((3, d, _padded(leaves)), np.inf)

        def body(first: int, last: int) -> None:
            cpu.apart(columns, order, starts, second, halves, out, rows, centres, low, high, first, last)

        _in_blocks(leaves, body, 5.0 * n)
        return Leaves(out, rows, halves, centres, low, high)

    @property
    def count(self) -> int:
        """The number of leaves."""
        return self.halves.shape[1] - 1

    def coarser(self) -> Leaves:
        """The same points with every two neighbouring leaves as one, for an even number of leaves."""
        halves, m = self.halves[:, ::2].copy(), self.count
        weights = np.diff(self.halves).sum(0, dtype=np.float64)
        parts = np.full((3, len(self.columns), _padded(m // 2)), np.inf)
        parts[0, :, : m // 2] = np.add.reduceat(self.centres[:, :m] * weights, range(0, m, 2), axis=1)
        parts[0, :, : m // 2] /= weights[::2] + weights[1::2]
        parts[1, :, : m // 2] = np.minimum(self.low[:, :m:2], self.low[:, 1:m:2])
        parts[2, :, : m // 2] = np.maximum(self.high[:, :m:2], self.high[:, 1:m:2])
        return Leaves(self.columns, self.rows, halves, *parts)

    def boxes(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows below n, leaf after leaf, and where leaves begin that have some."""
        m = self.count
        sizes = np.diff(self.halves)
        leaf = np.repeat(np.tile(np.arange(m), 2), sizes.ravel())
        order = np.argsort(leaf, kind="stable")
        order, leaf = self.rows[order], leaf[order]
        own = order < n
        counts = np.bincount(leaf[own], minlength=m)
        starts = np.concatenate([[0], np.cumsum(counts[counts > 0])])
        return order[own], starts

    def reaches(self, ranks: tuple[int, ...]) -> dict[int, np.ndarray]:
        """Distances (m,) from each centre to the nearest other centre of each of these ranks."""
        falling = sorted(set(ranks), reverse=True)
        out, like = np.empty((len(falling), self.count)), (0.0,) * len(self.columns)
        found = np.array([min(rank, self.count - 1) for rank in falling])
        work = _REACH * self.count * (self.count + 1000.0)
        _in_blocks(self.count, lambda a, b: cpu.reaches(self.centres, like, found, a, b, out), work)
        return dict(zip(falling, out, strict=True))


def _padded(count: int) -> int:
    return -(-count // vectors.LANES) * vectors.LANES


def arrange(columns: np.ndarray, order: np.ndarray, starts: np.ndarray) -> None:
    """Arrange columns (d, n) and their `order` (n,) leaf after leaf; `starts` has 0 and n at its ends."""
    leaves, n = len(starts) - 1, columns.shape[1]
    spare, side, parts = np.empty((2, n)), np.empty(n, np.int64), [(0, leaves)]
    together = _TOGETHER if n >= 2**14 else 0
    for level in range(together + 1):
        depth = 1 if level < together else leaves

        def worker(indices: Iterator[int], parts: list[tuple[int, int]] = parts, depth: int = depth) -> None:
            for index in indices:
                cpu.partition(columns, order, spare, side, starts, *parts[index], depth)

        run_blocks(worker, len(parts), _LEVEL * n * (1.0 if depth == 1 else math.log2(leaves / len(parts) + 1)))
        parts = [half for a, b in parts for half in ((a, (a + b) // 2), ((a + b) // 2, b)) if half[1] > half[0]]


def _in_blocks(count: int, body: Callable[[int, int], None], work: float) -> None:
    """Call body(first, last) in threads, so that all of `count` leaves are covered."""
    pieces = max(1, min(count, _PIECES, int(work / _PIECE)))
    ends = [count * k // pieces for k in range(pieces + 1)]

    def worker(indices: Iterator[int]) -> None:
        for index in indices:
            body(ends[index], ends[index + 1])

    run_blocks(worker, pieces, work)


def nearest_distances(leaves: Leaves, owner: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the distances of points to their 1st … k-th nearest neighbours of another owner, in leaf order.

    They are (k, n); the distances to the k-th (n and 8,) come besides.
    """
    n, like, ranks = len(leaves.rows), (0.0,) * len(leaves.columns), (math.inf,) * k
    out, last, mine = np.empty((k, n)), np.ones(n + vectors.LANES), owner[leaves.rows].astype(np.float64)
    points = (leaves.columns, mine, leaves.halves, leaves.low, leaves.high)
    _in_blocks(leaves.count, lambda a, b: neighbours.nearest(*points, like, ranks, a, b, out, last), _NEAREST * n)
    return out, last


def radii(leaves: Leaves, wanted: tuple[int, ...]) -> np.ndarray:
    """The radii of windows around the centres of the leaves (len(wanted), m), with about so many leaves in each."""
    fewest = [max(1, round(_FEWEST * rank)) for rank in wanted]
    found = leaves.reaches((*wanted, *fewest))
    wide, least = (np.maximum([found[rank] for rank in ranks], 1e-300) for ranks in (wanted, fewest))
    typical = np.exp(np.log(wide).mean(1, keepdims=True))
    return np.maximum(wide**_SPREAD * typical ** (1 - _SPREAD), least)


def _widths(d: int) -> tuple[int, ...]:
    """Numbers in the four parts of a fit."""
    return d, d * d, d + 1, d * (d + 1)


def local_scores(
    leaves: Leaves,
    places: Sequence[tuple[Leaves, np.ndarray]],
    n: int,
    lengths: np.ndarray,
    scales: np.ndarray,
    axes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores at particles by local fits in windows of several widths, from each half of the particles.

    Parameters
    ----------
    leaves : Leaves
        The points: n particles, and images of them in the rows after.
    places : sequence of (Leaves, ndarray)
        For each width, around whose centres windows are, `leaves` or coarser, and their radii (m,).
    n : int
        The number of particles.
    lengths : ndarray
        The largest lengths of scores (n and 8,), in the order of the leaves.
    scales : ndarray
        Factors (d,) of the axes for the divergence.
    axes : ndarray
        A matrix (d, d), by which scores are multiplied.

    Returns
    -------
    (ndarray, ndarray)
        The scores (w, 2, d, n) for each width from the first half and the second, and the divergence (w, n). Each
        particle is left out of its own score.
    """
    found, d = _windows(leaves, places), len(leaves.columns)
    points, widths = (leaves.columns, leaves.halves, leaves.low, leaves.high), len(places)
    likes = tuple((0.0,) * width for width in (*_widths(d), d * (d + 1) // 2))
    fits, count = (*points, likes, scales), len(found.radii)
    work = _FIT * len(leaves.rows) * _LEAVES * widths + _SOLVE * count
    _in_blocks(count, lambda a, b: windows.fit_windows(*fits, a, b, found), work)
    turn = tuple(map(float, axes.ravel()))
    out, traces = np.empty((widths, 2, d, n)), np.empty((widths, n))
    blends = (*points, leaves.rows, lengths, found, _NARROW, turn, likes[:4])
    work = _BLEND * len(leaves.rows) * _LEAVES * _NARROW**d * widths
    _in_blocks(leaves.count, lambda a, b: blending.blend(*blends, a, b, out, traces), work)
    return out, traces


def _windows(leaves: Leaves, places: Sequence[tuple[Leaves, np.ndarray]]) -> Any:
    """The windows of all widths, without their fits."""
    d, ends = len(leaves.columns), np.cumsum([0, *(_padded(of.count) for of, _ in places)])
    count = int(ends[-1])
    centres, radii, bounds = np.empty((d, count)), np.zeros(count), np.zeros(count)
    table = np.empty((len(places), 3), np.int64)
    for (of, sizes), begin, end, row in zip(places, ends, ends[1:], table, strict=False):
        centres[:, begin:end], radii[begin : begin + of.count] = of.centres, sizes
        row[:] = begin, end, leaves.count // of.count
    np.square(_NARROW * radii, out=bounds)
    constants, slopes, heads, rest = (np.empty((2 * count, width)) for width in _widths(d))
    return windows.Windows(table, centres, radii, bounds, constants, slopes, heads, rest, np.empty(count))
