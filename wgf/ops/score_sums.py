"""Sums over scores from windows of several widths, and combinations of these scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .registry import later
from .threads import run_blocks

cpu = later("score_sums")

_BLOCK = 4096  # particles in a block
_RIDGE = 1e-9
_NANOSECONDS = 0.5  # for one score in one sum, about


def _in_blocks(n: int, body: Callable[[int, int, int], None], work: float) -> None:
    """Call body(block, first, last) in threads for blocks of n particles. Blocks do not depend on the threads."""

    def worker(indices: Iterator[int]) -> None:
        for index in indices:
            body(index, index * _BLOCK, min((index + 1) * _BLOCK, n))

    run_blocks(worker, _blocks(n), _NANOSECONDS * n * work)


def _blocks(n: int) -> int:
    return -(-n // _BLOCK)


def width_sums(scores: np.ndarray, common: float) -> tuple[np.ndarray, np.ndarray]:
    """How much the scores of several widths agree.

    Parameters
    ----------
    scores : ndarray
        Two estimates for each width (w, 2, d, n).
    common : float
        The part of all particles whose |s₁ − s₂|² counts as it is; larger ones count as the largest of these.

    Returns
    -------
    (ndarray, ndarray)
        The mean of s₁·s₂ for the first estimate of one width and the second of another (w, w), and the mean of
        |s₁ − s₂|² of each width (w,).
    """
    widths, _, d, n = scores.shape
    products, squares, apart = np.empty((_blocks(n), widths, widths)), np.empty((widths, n)), np.empty((widths, 1))
    _in_blocks(n, lambda k, a, b: cpu.width_sums(scores, a, b, products[k], squares), widths * (widths + 2) * d)
    rank = int(common * (n - 1))

    def worker(indices: Iterator[int]) -> None:
        spare = np.empty((2, n))
        for index in indices:
            cpu.mean_at_most(squares[index], rank, spare, apart[index])

    run_blocks(worker, widths, 10.0 * _NANOSECONDS * widths * n)
    return products.sum(0) / n, apart[:, 0]


def mixed(factors: np.ndarray, scores: np.ndarray, points: np.ndarray, turn: np.ndarray | None) -> np.ndarray:
    """Combinations Σ factor·s of the scores of several widths, with the affine part that partial integration gives.

    For every density that vanishes far out ∫ s dμ = 0 and ∫ s yᵀ dμ = −W.

    Parameters
    ----------
    factors : ndarray
        The factors of each combination (f, w).
    scores : ndarray
        Two estimates for each width (w, 2, d, n).
    points : ndarray
        The particles y (d, n and more), with mean 0 and covariance 1.
    turn : ndarray or None
        W (d, d), where y = (x − m) W. None leaves the affine part as it is.

    Returns
    -------
    ndarray
        The combinations (f, 2, n, d).
    """
    _, _, d, n = scores.shape
    count = len(factors)
    found, sums = np.empty((count, 2, d, n)), np.empty((_blocks(n), count, 2, d, d + 1))
    work = count * 2 * d * (d + 4.0)
    _in_blocks(n, lambda k, a, b: cpu.mixtures(factors, scores, points, a, b, found, sums[k]), work)
    shifts = sums.sum(0) / n
    if turn is None:
        shifts[:] = 0.0
    else:
        shifts[..., 1:] += turn - shifts[..., :1] * points[:, :n].mean(1)
    out = np.empty((count, 2, n, d))
    _in_blocks(n, lambda _, a, b: cpu.turned_back(found, points, shifts, a, b, out), work)
    return out


def divergence(x: np.ndarray, g: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """∇·g at all points (n,), from an affine fit of g to the points of each small box.

    Parameters
    ----------
    x, g : ndarray
        Points and the field at them (n, d), float64.
    order : ndarray
        The rows, box after box (n,).
    starts : ndarray
        Where boxes begin, and n at the end.

    Returns
    -------
    ndarray
        The divergence (n,), float64.
    """
    n, d = x.shape
    together = -(-4 * (d + 1) * (len(starts) - 1) // n)  # so many boxes that a fit has points enough
    out, joined = np.empty(n), np.append(starts[:-1:together], n)
    cpu.divergences(np.ascontiguousarray(x), np.ascontiguousarray(g), order, joined, _RIDGE, out)
    return out
