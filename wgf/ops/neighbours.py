"""The k-th nearest neighbour of every point: which particle it is, and the square of its distance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .local_scores import arrange
from .reference import row_blocks
from .registry import array, custom_op, later, native, register
from .threads import run_blocks

cpu = later("trees")
registers = later("registers")

_SMALL, _LARGE = 16, 128  # particles in a leaf, up to `cpu.FEW` dimensions and above
_BLOCKS = 8  # blocks of points in one piece of work


class _Tree(NamedTuple):
    """Points in the order of a partition into 2^D boxes, and these boxes with all that join them."""

    points: np.ndarray  # (n, d), float64
    order: np.ndarray  # which row each of them is (n,)
    starts: np.ndarray  # where leaves begin
    low: np.ndarray  # corners of the boxes (2^(D+1), d); node 1 is the root, node 0 is none
    high: np.ndarray

    @staticmethod
    def of(x: np.ndarray) -> _Tree:
        """The tree of points (n, d)."""
        n, d = x.shape
        size = _SMALL if d <= cpu.FEW else _LARGE
        leaves = 2 ** max(0, math.ceil(math.log2(max(1.0, n / size))))
        columns, order, starts = x.T.copy(), np.arange(n, dtype=np.float64), np.empty(leaves + 1, np.int64)
        starts[0], starts[leaves] = 0, n
        arrange(columns, order, starts)
        points = np.ascontiguousarray(columns.T)
        low, high = np.empty((2, 2 * leaves, d))
        cpu.corners(points, starts, low[leaves:], high[leaves:])
        cpu.join(low, high)
        return _Tree(points, order.astype(np.int64), starts, low, high)


def _products(tree: _Tree, asked: _Tree) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, float]:
    """What `cpu.search` needs to find candidates by products in float32; empty where there are few dimensions."""
    (n, d), leaves = tree.points.shape, len(tree.starts) - 1
    none = np.empty((0, 1), np.float32)
    if d <= cpu.FEW:
        return none, none[None], np.zeros(leaves, np.int64), np.empty(0), 1.0, 0.0
    centre = 0.5 * (tree.low[1] + tree.high[1])
    farthest = max(float(np.abs(part.points - centre).max()) for part in (tree, asked)) * math.sqrt(d)
    s = 1.0 / farthest if farthest > 0 else 1.0
    width = registers.PANEL * registers.lanes(np.dtype(np.float32))
    counts = np.diff(tree.starts)
    lefts = np.concatenate([[0], np.cumsum(-(-counts // width) * width)])
    columns = np.zeros((lefts[-1], d + 1), np.float32)
    columns[:, d] = -1e30  # what fills a panel is far away
    places = np.arange(n) + np.repeat(lefts[:-1] - tree.starts[:-1], counts)
    scaled = ((tree.points - centre) * s).astype(np.float32)
    columns[places, :d], columns[places, d] = scaled, -0.5 * (scaled.astype(np.float64) ** 2).sum(1)
    rows = np.zeros((len(asked.points) + registers.COUNT, d + 1), np.float32)
    rows[: len(asked.points), :d], rows[:, d] = (asked.points - centre) * s, 1.0
    lengths = (rows[:, :d].astype(np.float64) ** 2).sum(1)
    slack = 4.0 * (d + 4) * float(np.finfo(np.float32).eps)  # |s x| and |s y| are at most 1
    return rows, registers.panels(columns), lefts[:-1], lengths, s * s, slack


def _neighbours(x: np.ndarray, y: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the distances to the k-th nearest particles of y (m,), and which they are (m,). y None is x itself."""
    tree = _Tree.of(x if y is None else y)
    asked = tree if y is None else _Tree.of(x)
    m, count = len(x), len(asked.starts) - 1
    squares, found = np.empty((m, k)), np.empty((m, k), np.int64)
    here = tree.points, tree.starts, tree.low, tree.high
    there = asked.points, asked.starts, asked.low[count:], asked.high[count:]
    products = _products(tree, asked)
    widest, longest = (int(np.diff(one.starts).max()) for one in (asked, tree))

    def worker(indices: Iterator[int]) -> None:
        tile = registers.tile_of(widest, longest, np.dtype(np.float32))
        for index in indices:
            begin, end = index * _BLOCKS, min((index + 1) * _BLOCKS, count)
            cpu.search(here, there, y is None, products, tile, begin, end, squares, found)

    run_blocks(worker, -(-count // _BLOCKS))
    values, which = np.empty(m), np.empty(m, np.int64)
    values[asked.order], which[asked.order] = squares[:, -1], tree.order[found[:, -1]]
    return values, which


@custom_op("wgf::neighbours", mutates_args=(), device_types="cpu")
def neighbours(x: Tensor, y: Tensor, k: int, same: bool) -> tuple[Tensor, Tensor]:
    """Find the k-th nearest particle of every point.

    Parameters
    ----------
    x : Tensor
        Points (m, d), float32 or float64.
    y : Tensor
        Particles (n, d).
    k : int
        Which neighbour, 1 ≤ k ≤ n, and k < n with `same`.
    same : bool
        Whether the points are the particles, row by row. No particle is its own neighbour then.

    Returns
    -------
    squares : Tensor
        |x − y|² (m,), float64, exact to rounding. All NaN if a coordinate is not finite.
    found : Tensor
        The row of y (m,), int64. Of particles at the same distance it is any, and the same one each time.

    Notes
    -----
    By a tree: O(n log n) time in low dimensions, up to O(m n d) in high ones. Memory O((m + n)(d + k)).

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.0], [1.0], [3.0]])
    >>> squares, found = neighbours(x, x, 1, True)
    >>> squares.tolist(), found.tolist()
    ([1.0, 1.0, 4.0], [1, 0, 1])
    """
    points, particles = array(x), None if same else array(y)
    with np.errstate(all="ignore"):
        good = all(
            np.isfinite(part.sum()) or np.isfinite(part).all() for part in (points, particles) if part is not None
        )
        if not good:
            return torch.full((len(x),), math.nan, dtype=torch.float64), torch.zeros(len(x), dtype=torch.int64)
        squares, found = _neighbours(points, particles, k)
    return torch.from_numpy(squares), torch.from_numpy(found)


def _elsewhere(x: Tensor, y: Tensor, k: int, same: bool) -> tuple[Tensor, Tensor]:
    """All pairs in plain torch, for one block of rows at a time."""
    squares, found = [], []
    for rows in row_blocks(len(x), y.numel()):
        apart = (x[rows, None].double() - y.double()).square().sum(-1)
        if same:
            apart[:, rows].fill_diagonal_(math.inf)
        values, which = apart.kthvalue(k, dim=1)
        squares.append(values)
        found.append(which)
    every = torch.cat(squares)
    good = torch.isfinite(x).all() & torch.isfinite(y).all()
    return torch.where(good, every, math.nan), torch.cat(found)


register(
    neighbours,
    _elsewhere,
    lambda x, y, k, same: (x.new_empty(len(x), dtype=torch.float64), x.new_empty(len(x), dtype=torch.int64)),
)


@custom_op("wgf::log_distance_slopes", mutates_args=(), device_types="cpu")
def log_distance_slopes(x: Tensor, weights: Tensor, found: Tensor, squares: Tensor) -> Tensor:
    """The derivative of Σᵢ wᵢ log rᵢ by each particle, over its weight.

        (xᵢ − x_ν(i))/rᵢ² + (1/wᵢ) Σ_{l: ν(l) = i} w_l (xᵢ − x_l)/r_l²

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    weights : Tensor
        Weights (n,) > 0.
    found : Tensor
        The neighbour ν(i) of each particle (n,), from `neighbours`.
    squares : Tensor
        rᵢ² (n,).

    Returns
    -------
    Tensor
        Shape (n, d), float64.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> log_distance_slopes(x, torch.tensor([0.5, 0.5]), *neighbours(x, x, 1, True)[::-1]).tolist()
    [[-1.0], [1.0]]
    """
    out = np.zeros(tuple(x.shape))
    cpu.pushes(native(x), array(weights), array(found, np.int64), array(squares), out)
    return torch.from_numpy(out)


def _slopes_elsewhere(x: Tensor, weights: Tensor, found: Tensor, squares: Tensor) -> Tensor:
    push = (x.double() - x[found].double()) / squares[:, None]
    back = (weights / weights[found])[:, None] * push
    return push.index_put((found,), -back, accumulate=True)


register(
    log_distance_slopes,
    _slopes_elsewhere,
    lambda x, weights, found, squares: x.new_empty(tuple(x.shape), dtype=torch.float64),
)
