"""Transport along many directions on the CPU: costs, transport maps and potentials of sorted projections.

The mass of a sorted ensemble lies on [0, 1]: value i holds the mass from level i − 1 to level i. Two ensembles are
coupled by one walk over the levels of both. A block of work is one direction, or a fixed number of particles.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..threads import one_blas_thread, run_blocks
from . import sorting
from .jit import compiled

_ROWS = 2048  # particles that are projected by one matrix product
_EDGE = 16  # lengths are rounded up to this: at odd ends products round differently, and equal points would separate


@compiled(sums=True)
def _matched_cost(values, target):
    """W₂² of two ensembles with the same levels."""
    cost = 0.0
    for i in range(values.size):
        u = values[i] - target[i]
        cost += u * u
    return cost / values.size


@compiled
def _cost(values, levels, target, target_levels):
    """W₂² = ∫₀¹ |F⁻¹ − G⁻¹|² of two ensembles with any levels."""
    i, j, level, cost = 0, 0, 0.0, 0.0
    while i < values.size and j < target.size:
        upper = min(levels[i], target_levels[j])
        u = values[i] - target[j]
        cost += (upper - level) * u * u
        up, up_target = levels[i] <= upper, target_levels[j] <= upper
        level = upper
        i += up
        j += up_target
    return cost


@compiled
def _maps(values, levels, target, target_levels, image, beyond):
    """The mean target of each sorted value (`image`), and G⁻¹ at the level above it (`beyond`). Returns W₂².

    If the target has the same level, G⁻¹ jumps there, and `beyond` is the mean of both sides.
    """
    j, level, cost = 0, 0.0, 0.0
    for i in range(values.size):
        value, first = values[i], target[j]
        mass, moment = 0.0, 0.0
        while target_levels[j] < levels[i]:
            part, t = target_levels[j] - level, target[j]
            mass += part
            moment += part * (t - first)
            cost += part * (value - t) ** 2
            level = target_levels[j]
            j += 1
        part, t = levels[i] - level, target[j]
        cost += part * (value - t) ** 2
        mass += part
        image[i] = t if mass == 0 else first + (moment + part * (t - first)) / mass
        level, beyond[i] = levels[i], t
        if target_levels[j] <= level and j + 1 < target.size:
            j += 1
            beyond[i] = 0.5 * (t + target[j])
    return cost


@compiled
def _share_ties(values, levels, image):
    """Give particles at one place the mean of their images."""
    start = 0
    for i in range(1, values.size + 1):
        if i < values.size and values[i] == values[start]:
            continue
        if i - start > 1:
            below = levels[start - 1] if start > 0 else 0.0
            mass, moment = levels[i - 1] - below, 0.0
            for k in range(start, i):
                moment += (levels[k] - below) * image[k]
                below = levels[k]
            if mass > 0:
                image[start:i] = moment / mass
        start = i


@compiled
def _residual(values, order, image, out):
    """θ·xᵢ − T(θ·xᵢ), written at index i."""
    for k in range(values.size):
        out[order[k]] = values[k] - image[k]


@compiled
def _potential(values, levels, image, beyond, lowest, points, order, residual, out):
    """φ with φ′ = s − T(s) and ∫ φ dμ = 0 at sorted points, and φ′, both written at the index of each point.

    φ is piecewise quadratic between the sorted values of μ. It may have a kink at one; φ′ is the mean slope there.
    """
    n, k, phi, mean, below = values.size, 0, 0.0, 0.0, 0.0
    for i in range(n):
        if i > 0:
            gap, middle = values[i] - values[i - 1], 0.5 * (values[i] + values[i - 1])
            phi += gap * (middle - beyond[i - 1])
        mean += (levels[i] - below) * phi
        below = levels[i]
    phi = -mean
    for p in range(points.size):
        z = points[p]
        while k + 1 < n and values[k + 1] <= z:
            gap, middle = values[k + 1] - values[k], 0.5 * (values[k + 1] + values[k])
            phi += gap * (middle - beyond[k])
            k += 1
        slope = lowest if z < values[k] else beyond[k]
        out[order[p]] = phi + (z - values[k]) * (0.5 * (z + values[k]) - slope)
        residual[order[p]] = z - (image[k] if z == values[k] else slope)


def _project(x: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """θ·xᵢ for x (n, d) of either dtype and directions (d, k): (k, n), float64.

    In float32 neighbours would change places, and with them their images: an error of the gradient of 4·10⁻⁶ at
    n = 2·10⁴.
    """
    out = np.empty((directions.shape[1], len(x)))

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            part = x[block * _ROWS : (block + 1) * _ROWS]
            columns = np.zeros((len(directions), -(-len(part) // _EDGE) * _EDGE))
            columns[:, : len(part)] = part.T
            out[:, block * _ROWS : block * _ROWS + len(part)] = (directions.T @ columns)[:, : len(part)]

    with one_blas_thread():
        run_blocks(worker, -(-len(x) // _ROWS))
    return out


def _back(residuals: np.ndarray, directions: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Σ_θ r_θ θ (n, d) for residuals (k, n)."""
    out = np.empty((residuals.shape[1], len(directions)), dtype)

    def worker(blocks: Iterator[int]) -> None:
        for block in blocks:
            rows = slice(block * _ROWS, (block + 1) * _ROWS)
            out[rows] = residuals[:, rows].T @ directions.T

    with one_blas_thread():
        run_blocks(worker, -(-len(out) // _ROWS))
    return out


def ladder(n: int) -> np.ndarray:
    """The levels i/n of equal weights, correctly rounded: equal levels of two ensembles are equal numbers."""
    return np.arange(1, n + 1) / n


def _is_equal(levels: np.ndarray) -> bool:
    """Whether levels (1, n) or (k, n) are those of equal weights; two such ensembles are coupled one to one."""
    return len(levels) == 1 and bool((levels[0] == ladder(levels.shape[1])).all())


class _Sorter:
    """Sort rows with their permutation and levels, in the scratch memory of one thread."""

    def __init__(self, n: int) -> None:
        self.values, self.order = np.empty(n), np.empty(n, np.uint32)
        self._packed, self._counts, self._equal = np.empty(n, np.uint64), sorting.counters(), ladder(n)

    def __call__(self, row: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Sort a row. Returns its levels: weights cumulated in the order of the values, the last one 1."""
        sorting.order(row, self.values, self.order, self._packed, self._counts)
        if weights is None:
            return self._equal
        levels = np.cumsum(weights[self.order])
        if not np.isfinite(levels[-1]):  # a weight is not finite: all quantiles are unknown
            self.values[:] = np.nan
            return self._equal
        np.minimum(levels, 1.0, out=levels)[-1] = 1.0
        return levels


def sorted_projections(
    x: np.ndarray, weights: np.ndarray, directions: np.ndarray, equal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted θ·xᵢ (k, n), and their levels (k, n), or (1, n) for equal weights."""
    values = _project(x, directions)
    if equal:

        def plain(indices: Iterator[int]) -> None:
            scratch, counts = np.empty(len(x)), sorting.counters()
            for index in indices:
                sorting.sort(values[index], scratch, counts)

        run_blocks(plain, len(values))
        return values, ladder(len(x))[None]
    levels = np.empty(values.shape)

    def weighted(indices: Iterator[int]) -> None:
        sort = _Sorter(len(x))
        for index in indices:
            levels[index] = sort(values[index], weights)
            values[index] = sort.values

    run_blocks(weighted, len(values))
    return values, levels


def quantile_costs(values: np.ndarray, levels: np.ndarray, target: np.ndarray, target_levels: np.ndarray) -> np.ndarray:
    """W₂² (k,) of sorted rows (k, n) and (k, m) with their levels."""
    costs = np.empty(len(values))
    matched = values.shape == target.shape and _is_equal(levels) and _is_equal(target_levels)

    def worker(indices: Iterator[int]) -> None:
        for k in indices:
            if matched:
                costs[k] = _matched_cost(values[k], target[k])
            else:
                costs[k] = _cost(values[k], levels[k % len(levels)], target[k], target_levels[k % len(target_levels)])

    run_blocks(worker, len(values))
    return costs


def transport_maps(
    x: np.ndarray,
    weights: np.ndarray,
    directions: np.ndarray,
    equal: bool,
    target: np.ndarray,
    target_levels: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """W₂² (k,) along each direction, and Σ_θ (θ·xᵢ − T_θ(xᵢ)) θ (n, d)."""
    rows, costs = _project(x, directions), np.empty(directions.shape[1])
    matched = equal and len(x) == target.shape[1] and _is_equal(target_levels)

    def worker(indices: Iterator[int]) -> None:
        sort = _Sorter(len(x))
        image, beyond = np.empty(len(x)), np.empty(len(x))
        for k in indices:
            levels = sort(rows[k], None if equal else weights)
            if matched:
                costs[k], image[:] = _matched_cost(sort.values, target[k]), target[k]
            else:
                costs[k] = _maps(sort.values, levels, target[k], target_levels[k % len(target_levels)], image, beyond)
            _share_ties(sort.values, levels, image)
            _residual(sort.values, sort.order, image, rows[k])

    run_blocks(worker, len(rows))
    return costs, _back(rows, directions, x.dtype)


def transport_potentials(
    x: np.ndarray,
    weights: np.ndarray,
    directions: np.ndarray,
    equal: bool,
    target: np.ndarray,
    target_levels: np.ndarray,
    at: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Σ_θ φ_θ (p,) at the points `at` (p, d), and its gradient Σ_θ φ_θ′ θ (p, d)."""
    rows, points = _project(x, directions), _project(at, directions)
    potentials = np.empty(points.shape)

    def worker(indices: Iterator[int]) -> None:
        sort, sort_points = _Sorter(len(x)), _Sorter(len(at))
        image, beyond = np.empty(len(x)), np.empty(len(x))
        for k in indices:
            levels = sort(rows[k], None if equal else weights)
            if np.isnan(sort.values[0]):
                points[k] = potentials[k] = np.nan
                continue
            sort_points(points[k])
            _maps(sort.values, levels, target[k], target_levels[k % len(target_levels)], image, beyond)
            _share_ties(sort.values, levels, image)
            _potential(
                sort.values, levels, image, beyond, target[k, 0],
                sort_points.values, sort_points.order, points[k], potentials[k],
            )  # fmt: skip

    run_blocks(worker, len(rows))
    return potentials.sum(0), _back(points, directions, at.dtype)
