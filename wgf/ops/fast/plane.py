"""Soft minima of squared distances in one and two dimensions, in a time that is linear in the number of points.

The Gaussian exp(−|x − y|²/2ε) is smooth on the scale √ε. So a point can be spread onto nodes of a grid with a spacing
of √ε/6 by polynomials of eleventh degree; the Gaussian of the grid is a product of a matrix for each axis; and sums are
read at points by the same polynomials. Spreading is local, so the error is relative to each sum, not to the largest.
It grows with the distance of a point from those that matter to it: 10⁻⁹ at 2√ε, 3·10⁻⁷ at 5√ε, 10⁻³ at 8√ε; and with
half of that spacing 3·10⁻¹³, 7·10⁻¹¹, 8·10⁻⁷.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..registry import later
from ..threads import one_torch_thread, run_blocks

cpu = later("grids")

SPACINGS = (1.0 / 6.0, 1.0 / 12.0)
"""Distances of nodes over √ε."""
WIDEST, MOST = 1500, 2**18
"""The most nodes along an axis, and of the grid: sums with slopes then take 50 MiB."""
_PARTS = 8  # parts of the points, each with a grid of its own, whatever the number of threads
_POINT, _PRODUCT, _PAIR = 60.0, 0.06, 0.15  # nanoseconds that a point, a term of a product and a pair take


@dataclass(frozen=True, eq=False)
class Plane:
    """Two clouds on one grid.

    Attributes
    ----------
    places : (ndarray, ndarray)
        Where the points of both are (n, 2) and (m, 2), in units of the grid.
    kernels : tuple of Tensor
        exp(−(distance of nodes)²/2ε) along both axes.
    """

    places: tuple[np.ndarray, np.ndarray]
    kernels: tuple[torch.Tensor, ...]

    @staticmethod
    def of(x: np.ndarray, y: np.ndarray, epsilon: float, fine: float) -> Plane | None:
        """The grid of two clouds (n, d) and (m, d), d ≤ 2; None where sums over pairs are faster.

        Parameters
        ----------
        x, y : ndarray
            The points of both, float64.
        epsilon : float
            ε > 0.
        fine : float
            The distance of nodes over √ε.

        Returns
        -------
        Plane or None
            The grid.
        """
        low, high = np.minimum(x.min(0), y.min(0)), np.maximum(x.max(0), y.max(0))
        spacing, margin = fine * math.sqrt(epsilon), cpu.NODES // 2
        wide = (high - low) / spacing
        if not (wide < WIDEST).all():
            return None
        sizes = [int(w) + cpu.NODES for w in wide] + [cpu.NODES] * (2 - len(wide))
        if sizes[0] * sizes[1] > MOST:
            return None
        time = _POINT * (len(x) + len(y)) + _PRODUCT * sizes[0] * sizes[1] * sum(sizes)
        if time > _PAIR * len(x) * len(y):
            return None
        places = []
        for points in (x, y):
            place = np.full((len(points), 2), float(margin - 1))
            place[:, : points.shape[1]] += (points - low) / spacing
            places.append(place)
        nodes = [np.arange(size) * fine for size in sizes]
        kernels = tuple(torch.from_numpy(np.exp(-0.5 * (z[:, None] - z) ** 2)) for z in nodes)
        return Plane((places[0], places[1]), kernels)

    def sums(self, at: int, terms: np.ndarray) -> np.ndarray:
        """Σⱼ vⱼ exp(−|x − yⱼ|²/2ε) at the points of one cloud, for values v (k, ·) of the other.

        Parameters
        ----------
        at : int
            The cloud, 0 or 1, at which the sums are taken.
        terms : ndarray
            v (k, n) at the points of the other.

        Returns
        -------
        ndarray
            The sums (k, ·).
        """
        here, there = self.places[at], self.places[1 - at]
        shape = (len(terms), len(self.kernels[0]), len(self.kernels[1]))
        parts, size = np.zeros((_PARTS, *shape)), -(-len(there) // _PARTS)

        def scatter(indices: Iterator[int]) -> None:
            for k in indices:
                cpu.spread(there, terms, k * size, min((k + 1) * size, len(there)), parts[k])

        run_blocks(scatter, _PARTS, _POINT * len(there))
        grid = np.empty(shape)
        with one_torch_thread():
            for k in range(len(terms)):
                whole = torch.from_numpy(parts[:, k].sum(0))
                grid[k] = (self.kernels[0] @ whole @ self.kernels[1]).numpy()
        out, rows = np.empty((len(terms), len(here))), -(-len(here) // _PARTS)

        def gather(indices: Iterator[int]) -> None:
            for k in indices:
                cpu.read(here, grid, k * rows, min((k + 1) * rows, len(here)), out)

        run_blocks(gather, _PARTS, _POINT * len(here))
        return out
