"""Exact pair sums on a line in O(n log n) time, for kernels that are polynomials times exponentials of |u|.

Each term is p(s) e^(−λs) with s = a|u|, p of degree ≤ 2, and λ = 1 or 0. After sorting, the moments

    A_k(x) = Σ_{y < x} w s^k e^(−λs),   s = a(x − y),   k = 0, 1, 2,

are carried from point to point. Over a gap t they become e^(−λt) times binomial sums with t, and nothing cancels. In a
block the moments start from 0. The moments of all earlier blocks are then carried to each of its points in one step, so
that rounding grows with the length of a block and the number of blocks, not with n.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..cpu.jit import compiled
from ..threads import run_blocks

Term = tuple[tuple[float, float, float], float, bool]
"""(p₀, p₁, p₂), the rate a in inverse units of x, and whether the term decays (λ = 1)."""

_BLOCK = 1024


@compiled
def _block(z, w, rate, decays, first, last, moments, carried):
    """The moments at each point of a block, of the points before it in that block.

    Points at one place are not before each other. `carried` gets the moments at the last point, that point included,
    and the length of the block times the rate.
    """
    a0, a1, a2, waiting = 0.0, 0.0, 0.0, 0.0  # `waiting`: weight at the present place
    for i in range(first, last):
        t = rate * abs(z[i] - z[i - 1]) if i > first else 0.0
        if t > 0.0:
            a0 += waiting
            waiting = 0.0
            a2 += t * (2.0 * a1 + t * a0)
            a1 += t * a0
            if decays:
                e = math.exp(-t)
                a0, a1, a2 = e * a0, e * a1, e * a2
        moments[0, i], moments[1, i], moments[2, i] = a0, a1, a2
        waiting += w[i]
    span = rate * abs(z[last - 1] - z[first])
    carried[0], carried[1], carried[2], carried[3] = a0 + waiting, a1, a2, span


@compiled
def _chain(rate, decays, z, starts, carried, before):
    """The moments of all earlier blocks, at the first point of each block."""
    a0, a1, a2 = 0.0, 0.0, 0.0
    for b in range(starts.size - 1):
        before[b, 0], before[b, 1], before[b, 2] = a0, a1, a2
        if b + 2 == starts.size:
            break
        t = carried[b, 3]
        for step in range(2):  # first to the last point of this block and add its own moments, then over the gap
            a2 += t * (2.0 * a1 + t * a0)
            a1 += t * a0
            if decays:
                e = math.exp(-t)
                a0, a1, a2 = e * a0, e * a1, e * a2
            if step == 0:
                a0, a1, a2 = a0 + carried[b, 0], a1 + carried[b, 1], a2 + carried[b, 2]
                t = rate * abs(z[starts[b + 1]] - z[starts[b + 1] - 1])


@compiled
def _collect(z, rate, decays, p, slope, sign, first, last, moments, before, value, gradient):
    """Add the earlier blocks to the moments in a block, and add the term and its derivative to the results."""
    for i in range(first, last):
        t = rate * abs(z[i] - z[first])
        e = math.exp(-t) if decays else 1.0
        b0 = before[0]
        b1 = before[1] + t * b0
        b2 = before[2] + t * (2.0 * before[1] + t * b0)
        a0, a1, a2 = moments[0, i] + e * b0, moments[1, i] + e * b1, moments[2, i] + e * b2
        value[i] += p[0] * a0 + p[1] * a1 + p[2] * a2
        gradient[i] += sign * (slope[0] * a0 + slope[1] * a1 + slope[2] * a2)


@compiled
def _ties(z, w, total):
    """The total weight at the place of each point of a sorted list, its own included."""
    start = 0
    for stop in range(1, z.size + 1):
        if stop == z.size or z[stop] != z[start]:
            weight = 0.0
            for i in range(start, stop):
                weight += w[i]
            for i in range(start, stop):
                total[i] = weight
            start = stop


def _starts(z: np.ndarray) -> np.ndarray:
    """Where blocks begin, and the end of the last: about every _BLOCK points, never between points at one place."""
    wanted = np.arange(0, len(z), _BLOCK)
    moved = np.where(z[wanted] == z[wanted - 1], np.searchsorted(z, z[wanted], side="right"), wanted)
    moved[0] = 0
    return np.unique(np.append(moved, len(z)))


def _one_way(z: np.ndarray, w: np.ndarray, term: Term, starts: np.ndarray, sign: float, out: tuple) -> None:
    """Add the contribution of all points before each point. For descending z these are the points to its right."""
    p, rate, decays = term
    slope = (rate * (p[1] - decays * p[0]), rate * (2.0 * p[2] - decays * p[1]), -rate * decays * p[2])
    blocks = len(starts) - 1
    moments, carried, before = np.empty((3, len(z))), np.empty((blocks, 4)), np.empty((blocks, 3))

    def begin(indices: Iterator[int]) -> None:
        for b in indices:
            _block(z, w, rate, decays, starts[b], starts[b + 1], moments, carried[b])

    def finish(indices: Iterator[int]) -> None:
        for b in indices:
            _collect(z, rate, decays, p, slope, sign, starts[b], starts[b + 1], moments, before[b], *out)

    run_blocks(begin, blocks)
    _chain(rate, decays, z, starts, carried, before)
    run_blocks(finish, blocks)


def sorted_sums(
    terms: Sequence[Term], x: np.ndarray, y: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum a kernel on a line: Σⱼ wⱼ K(xᵢ − yⱼ) and its derivative in xᵢ, for K = Σ terms.

    Parameters
    ----------
    terms : sequence of Term
        The terms of the kernel.
    x : ndarray
        Points (m,), float64 and finite.
    y : ndarray or None
        Particles (n,). None stands for x.
    weights : ndarray
        Weights of the particles (n,).

    Returns
    -------
    value : ndarray
        The sums (m,). Particles at one place with xᵢ, itself included, count with K(0).
    derivative : ndarray
        The derivatives (m,). Particles at the place of xᵢ exert no force on it.

    Notes
    -----
    Exact up to rounding. Memory is 9 numbers a point.

    Examples
    --------
    >>> import numpy as np
    >>> laplace = ((1.0, 0.0, 0.0), 1.0, True)  # exp(-|u|)
    >>> value, slope = sorted_sums([laplace], np.array([0.0, 1.0]), None, np.array([0.5, 0.5]))
    >>> [round(float(v), 4) for v in value]
    [0.6839, 0.6839]
    """
    both = x if y is None else np.concatenate([x, y])
    mass = weights if y is None else np.concatenate([np.zeros(len(x)), weights])
    order = np.argsort(both)
    z, w = both[order], mass[order]
    tied = np.empty_like(z)
    _ties(z, w, tied)
    value, gradient = sum(p[0] for p, _, _ in terms) * tied, np.zeros_like(z)
    starts = _starts(z)
    backwards = (np.ascontiguousarray(z[::-1]), np.ascontiguousarray(w[::-1]))
    for term in terms:
        _one_way(z, w, term, starts, 1.0, (value, gradient))
        _one_way(*backwards, term, len(z) - starts[::-1], -1.0, (value[::-1], gradient[::-1]))
    back = np.empty((2, len(both)))
    back[0, order], back[1, order] = value, gradient
    return back[0, : len(x)], back[1, : len(x)]
