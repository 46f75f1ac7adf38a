"""Nearest neighbours and local fits of the score of particles on the CPU, with one partition of space for both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .cpu import leaves as cpu
from .cpu import windows
from .threads import run_blocks

_BLOCK = 16  # leaves in one piece of work
_NARROW = 0.5  # windows count for particles within half their radius
_SPREAD = 0.5  # the exponent of the density in the radii: 0 for equal windows, 1 for equally many particles in all
_FEWEST = 0.2  # of the typical number of particles, at least so many are in every window
_LEAVES = 64  # leaves in a window


@dataclass(frozen=True, eq=False)
class Leaves:
    """Points in the order of a partition into boxes with equally many points.

    Attributes
    ----------
    points : ndarray
        The points (n, d), float64, leaf after leaf. In a leaf the first half of the particles comes first.
    order : ndarray
        Which row each of them is (n,).
    starts, middles : ndarray
        Where leaves begin (m + 1,), and where the second half begins in each (m,).
    centres, low, high : ndarray
        The mean and the corners of each leaf (m, d).
    """

    points: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    middles: np.ndarray
    centres: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(x: np.ndarray, second: np.ndarray, leaves: int) -> Leaves:
        """Partition points (n, d) into so many leaves; `second` (n,) says which belong to the second half."""
        order, starts = np.arange(len(x)), np.empty(leaves + 1, np.int64)
        cpu.partition(x, order, starts)
        counts = np.diff(starts)
        leaf = np.repeat(np.arange(leaves), counts)
        order = order[np.argsort(2 * leaf + second[order], kind="stable")]
        middles = starts[1:] - np.add.reduceat(second[order].astype(np.int64), starts[:-1])
        return Leaves._around(x[order], order, starts, middles)

    @staticmethod
    def _around(points: np.ndarray, order: np.ndarray, starts: np.ndarray, middles: np.ndarray) -> Leaves:
        centres, low, high = np.empty((3, len(middles), points.shape[1]))
        cpu.boxes(points, starts, centres, low, high)
        return Leaves(points, order, starts, middles, centres, low, high)

    def coarser(self) -> Leaves:
        """The same points with every two neighbouring leaves as one. The halves of such leaves are not apart."""
        starts = self.starts[::2]
        starts = starts if starts[-1] == self.starts[-1] else np.append(starts, self.starts[-1])
        return Leaves._around(self.points, self.order, starts, starts[1:])

    def reaches(self, wide: int, narrow: int) -> np.ndarray:
        """Distances (2, m) from each centre to the `wide`-th and the `narrow`-th nearest other centre."""
        count = len(self.centres)
        out, like = np.empty((2, count)), (0.0,) * self.points.shape[1]
        wide, narrow = min(wide, count - 1), min(narrow, count - 1)
        _in_blocks(count, lambda a, b: cpu.reaches(self.centres, like, wide, narrow, a, b, out))
        return out


def _in_blocks(count: int, body: object) -> None:
    """Call body(first, last) in threads, so that all of `count` leaves are covered."""

    def worker(indices: Iterator[int]) -> None:
        for index in indices:
            body(index * _BLOCK, min((index + 1) * _BLOCK, count))  # type: ignore[operator]

    run_blocks(worker, -(-count // _BLOCK))


def nearest_distances(leaves: Leaves, owner: np.ndarray, k: int) -> np.ndarray:
    """Distances of all points to their 1st … k-th nearest neighbours of another owner (n, k), leaf after leaf."""
    out = np.empty((len(leaves.points), k))
    like, mine = (0.0,) * leaves.points.shape[1], owner[leaves.order]

    def body(first: int, last: int) -> None:
        cpu.nearest(leaves.points, mine, leaves.starts, leaves.low, leaves.high, like, np.arange(first, last), out)

    _in_blocks(len(leaves.centres), body)
    return np.sqrt(out)


def radii(leaves: Leaves) -> np.ndarray:
    """The radii of windows around the centres of the leaves (m,), about 64 leaves in each."""
    wide, least = leaves.reaches(_LEAVES, round(_FEWEST * _LEAVES))
    typical = math.exp(float(np.log(np.maximum(wide, 1e-300)).mean()))
    return np.maximum(wide**_SPREAD * typical ** (1 - _SPREAD), least)


def local_scores(places: Leaves, leaves: Leaves, scales: np.ndarray) -> np.ndarray:
    """Scores at all points by local fits (n, 3d + 2), leaf after leaf.

    The columns are the score from the half of the particle itself, from the other half, and from all particles; 1; and
    the divergence of the score.

    Parameters
    ----------
    places : Leaves
        Where windows are: around the centre of each leaf. They are `leaves`, or coarser.
    leaves : Leaves
        The points.
    scales : ndarray
        Factors (d,) of the axes for the divergence.

    Returns
    -------
    ndarray
        Each particle is left out of its own score.
    """
    d = leaves.points.shape[1]
    like, pairs = (0.0,) * d, (0.0,) * (d * (d + 1) // 2)
    sizes, count = radii(places), len(places.centres)
    inverses, fits = np.empty((count, 3, d + 1, d + 1)), np.empty((count, 3, d + 1, d))
    split = (leaves.points, leaves.starts, leaves.middles, leaves.low, leaves.high, places.centres, sizes)
    _in_blocks(count, lambda a, b: windows.fit_windows(*split, pairs, like, a, b, inverses, fits))
    home = np.searchsorted(places.starts, leaves.starts[:-1], side="right") - 1
    flat = tuple(
        np.ascontiguousarray(part.reshape(3 * count, -1))
        for part in (fits[:, :, 0], fits[:, :, 1:], inverses[:, :, 0], inverses[:, :, 1:])
    )
    traces = (fits[:, 2, range(1, d + 1), range(d)] * scales).sum(1) / sizes**2
    likes = tuple((0.0,) * part.shape[1] for part in flat)
    sums = np.zeros((len(leaves.points), 3 * d + 2))
    _in_blocks(len(leaves.centres), lambda a, b: windows.blend(*split, home, _NARROW, flat, traces, likes, a, b, sums))
    sums /= sums[:, 3 * d, None]
    return sums
