"""Descent in L²(μ), by limited-memory BFGS or, within walls, by projected gradients; the same bits for all threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from wgf.errors import WgfError
from wgf.functional import FreeEnergyEvaluation

HISTORY = 12
"""Pairs of displacements and changes of the gradient that model the curvature."""
ARMIJO, CURVATURE = 1e-4, 0.9
"""Of the weak Wolfe conditions: the least fraction of the first-order decrease, the most of the slope that is left."""
TRIALS = 40
"""Points tried along one line."""
NARROW = 1e-6
"""Relative width of a bracket around a kink or jump of Φ, at which the line ends."""
ROUGH = 3
"""Lines that may end so before the descent does: Φ is not smooth there."""

_NOTHING = (None, None, True)
"""Of a search that was not begun."""

Inner = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True, eq=False)
class Point:
    """A place (n, d) with the value Φ there, its L²(μ) gradient (n, d), and how far rounding may put the value off."""

    x: Tensor
    value: float
    gradient: Tensor
    rounding: float
    evaluation: FreeEnergyEvaluation


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended and after how many lines; `obstacle` is why Φ ceased to be finite where it led on."""

    point: Point
    lines: int
    obstacle: WgfError | None = None


def minimise(
    objective: Callable[[Tensor], Point], start: Point, inner: Inner, length: float, target: float, lines: int
) -> Descent:
    """Descend from `start` until the norm of the gradient is at most `target`, at most so many lines.

    Each line ends at a lower value, or, where rounding hides the difference, at a smaller slope, so that Φ never rises
    by more than the rounding of a value. `length` scales the first direction, −length ∇Φ. The vectors of the curvature
    and all products are those of `inner`; there is no randomness and no sum outside it. Points where the objective
    raises a WgfError bound the line from above. (Nocedal 1980; Lewis & Overton 2013 on the bisection of the line;
    Hager & Zhang 2005 on values within rounding.)
    """
    point, pairs, done, rough = start, list[_Pair](), 0, 0
    while done < lines and rough < ROUGH and math.sqrt(inner(point.gradient, point.gradient)) > target:
        direction = _direction(point.gradient, pairs, inner, length)
        slope = inner(point.gradient, direction)
        found, obstacle, smooth = _search(objective, point, direction, slope, inner) if slope < 0 else _NOTHING
        done, rough = done + 1, rough + (not smooth)
        if obstacle is not None:
            return Descent(found or point, done, obstacle)
        if found is None:
            if not pairs:  # not even along the gradient: what is left is rounding
                return Descent(point, done)
            length, pairs = pairs[-1].scale, []
            continue
        pair = _Pair.between(point, found, inner)
        pairs = [*pairs, pair][-HISTORY:] if pair is not None else pairs
        point = found
    return Descent(point, done)


def minimise_within(
    nearest: Callable[[Tensor], Tensor],
    objective: Callable[[Tensor], Point],
    start: Point,
    inner: Inner,
    length: float,
    target: float,
    lines: int,
) -> Descent:
    """The same over a convex set, to whose points `nearest` brings: x ← x + α (nearest(x − s∇Φ) − x), s by Barzilai.

    Until |nearest(x − length ∇Φ) − x| ≤ length · target. (Birgin, Martínez & Raydan 2000, with monotone lines.)
    """
    point, scale, done, rough = start, length, 0, 0
    while done < lines and rough < ROUGH:
        gap = nearest(point.x - length * point.gradient) - point.x
        if math.sqrt(inner(gap, gap)) <= length * target:
            break
        direction = nearest(point.x - scale * point.gradient) - point.x
        slope = inner(point.gradient, direction)
        found, obstacle, smooth = _search(objective, point, direction, slope, inner, 1.0) if slope < 0 else _NOTHING
        done, rough = done + 1, rough + (not smooth)
        if obstacle is not None:
            return Descent(found or point, done, obstacle)
        if found is None:
            break
        pair = _Pair.between(point, found, inner)
        scale = pair.moved / pair.product if pair is not None else length
        point = found
    return Descent(point, done)


@dataclass(frozen=True, eq=False)
class _Pair:
    """A displacement s and the change y of the gradient over it."""

    s: Tensor
    y: Tensor
    product: float
    scale: float
    moved: float

    @staticmethod
    def between(a: Point, b: Point, inner: Inner) -> _Pair | None:
        """None where Φ is not convex along the displacement: the model of the curvature has to be."""
        s, y = b.x - a.x, b.gradient - a.gradient
        product, square, moved = inner(s, y), inner(y, y), inner(s, s)
        if not product > 1e-12 * math.sqrt(moved * square):
            return None
        return _Pair(s, y, product, product / square, moved)


def _direction(gradient: Tensor, pairs: list[_Pair], inner: Inner, length: float) -> Tensor:
    """−H∇Φ by the two loops; H is length · I before there are pairs. Products and sums apart: no fused roundings."""
    q, factors = gradient, []
    for pair in reversed(pairs):
        factor = inner(pair.s, q) / pair.product
        factors.append(factor)
        q = q - factor * pair.y
    q = (pairs[-1].scale if pairs else length) * q
    for pair, factor in zip(pairs, reversed(factors), strict=True):
        q = q + (factor - inner(pair.y, q) / pair.product) * pair.s
    return -q


def _search(
    objective: Callable[[Tensor], Point],
    point: Point,
    direction: Tensor,
    slope: float,
    inner: Inner,
    most: float = math.inf,
) -> tuple[Point | None, WgfError | None, bool]:
    """A point along the line, at most `most` directions away, that meets the weak Wolfe conditions, else the lowest.

    At the end `most` of the line the first of them is enough. None where no point is lower. With it, the reason why Φ
    could not be had farther on, where that is what ended the search, and whether the conditions could be met.
    """
    low, high, best, obstacle, length = 0.0, math.inf, None, None, 1.0
    for _ in range(TRIALS):
        try:
            trial = objective(point.x + length * direction)
        except WgfError as error:
            high, obstacle = length, error
            length = low + 0.1 * (high - low)
            continue
        change, end = trial.value - point.value, inner(trial.gradient, direction)
        resolved = change <= ARMIJO * length * slope
        if not resolved and not (change <= point.rounding and end <= (2 * ARMIJO - 1) * slope):
            high, obstacle = length, None
            length = _between(low, high, change, slope)
        elif end < CURVATURE * slope and length < most:
            low, best = length, trial
            length = 4.0 * low if math.isinf(high) else 0.5 * (low + high)
        else:
            return trial, None, True
        if low >= (1 - NARROW) * high:
            break
    return best, obstacle, best is None or math.isinf(high)


def _between(low: float, high: float, change: float, slope: float) -> float:
    """Where the parabola through Φ and its slope at 0 and Φ at `high` is lowest, kept inside the bracket."""
    bend = change - slope * high
    lowest = -slope * high * high / (2 * bend) if bend > 0 else high
    return min(max(lowest, low + 1e-3 * (high - low)), low + 0.5 * (high - low))
