"""Minimisation of a function Φ of the particles: by limited-memory BFGS, or inside walls by projected gradients.

Inner products are those of L²(μ). The result has the same bits for every number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from wgf.errors import WgfError
from wgf.functional import FreeEnergyEvaluation

HISTORY = 12
"""How many pairs (displacement, change of the gradient) BFGS keeps to model the curvature."""
ARMIJO, CURVATURE = 1e-4, 0.9
"""The weak Wolfe conditions: Φ falls by at least ARMIJO of the first-order decrease; at most CURVATURE of the slope is
left."""
TRIALS = 40
"""The largest number of points tried in one line search."""
NARROW = 1e-6
"""A line search ends when its bracket is this narrow, relative to its place: Φ has a kink or a jump there."""
ROUGH = 3
"""The descent ends after so many line searches that could not meet the conditions: Φ is not smooth there."""

_NOTHING = (None, None, True)
"""The result of a line search that is not begun, since the direction does not lead down."""

Inner = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True, eq=False)
class Point:
    """A place with the value and the gradient of Φ there.

    Attributes
    ----------
    x : Tensor
        Positions (n, d), float64.
    value : float
        Φ, in units of F.
    gradient : Tensor
        The gradient of Φ in L²(μ), (n, d), float64.
    rounding : float
        How much the value may be off by rounding.
    evaluation : FreeEnergyEvaluation
        F and ∇_W F at x.
    """

    x: Tensor
    value: float
    gradient: Tensor
    rounding: float
    evaluation: FreeEnergyEvaluation


@dataclass(frozen=True, eq=False)
class Descent:
    """The end of a descent.

    Attributes
    ----------
    point : Point
        The lowest place found.
    lines : int
        Number of line searches.
    obstacle : WgfError or None
        The error of Φ, if the descent had to stop where Φ is not finite.
    """

    point: Point
    lines: int
    obstacle: WgfError | None = None


def minimise(
    objective: Callable[[Tensor], Point], start: Point, inner: Inner, length: float, target: float, lines: int
) -> Descent:
    """Minimise Φ by limited-memory BFGS with a line search.

    Parameters
    ----------
    objective : callable
        Maps positions (n, d) to a `Point`. If it raises a WgfError, the line search stays below that place.
    start : Point
        Where to begin.
    inner : callable
        The inner product of two arrays (n, d), a float. No other sum over particles is taken.
    length : float
        The first direction is −length ∇Φ.
    target : float
        Stop when the norm of ∇Φ is at most this.
    lines : int
        Stop after so many line searches.

    Returns
    -------
    Descent
        Where the descent ended.

    Notes
    -----
    Each line search ends at a lower value or, if rounding hides the difference, at a smaller slope. Φ therefore never
    rises by more than the rounding of a value. Memory is 2·HISTORY arrays (n, d).

    References
    ----------
    Nocedal (1980), Updating quasi-Newton matrices with limited storage, Math. Comp. 35, 773–782.
    Lewis & Overton (2013), Nonsmooth optimization via quasi-Newton methods, Math. Program. 141, 135–163. (The line
    search.)
    Hager & Zhang (2005), A new conjugate gradient method with guaranteed descent and an efficient line search, SIAM J.
    Optim. 16, 170–192. (Values within rounding.)

    Examples
    --------
    The minimum of (x − 3)²/2 for one particle:

    >>> import torch, wgf
    >>> F, mu = wgf.Quadratic(1.0, center=3.0), wgf.Ensemble([[0.0]])
    >>> def objective(x: torch.Tensor) -> Point:
    ...     here = mu.moved(x)
    ...     return Point(x, float(F.value(here)), F.gradient(here), 1e-15, None)
    >>> found = minimise(objective, objective(mu.x), lambda a, b: float(mu.inner(a, b)), 1.0, 1e-9, 10)
    >>> round(found.point.x.item(), 6), found.lines
    (3.0, 1)
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
            if not pairs:  # no lower point even along the gradient: only rounding is left
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
    """Minimise Φ over a convex set, by projected gradients with a line search.

        x ← x + α (nearest(x − s∇Φ) − x),   0 < α ≤ 1,   s the step length of Barzilai and Borwein

    Parameters
    ----------
    nearest : callable
        Maps positions (n, d) to the nearest points of the set.
    objective, start, inner, length, lines
        As in `minimise`. `length` is the first s.
    target : float
        Stop when |nearest(x − length ∇Φ) − x| ≤ length · target.

    Returns
    -------
    Descent
        Where the descent ended, inside the set.

    References
    ----------
    Birgin, Martínez & Raydan (2000), Nonmonotone spectral projected gradient methods on convex sets, SIAM J. Optim. 10,
    1196–1211. (Here Φ falls in every line search.)
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
    """A displacement s and the change y of the gradient over it: ⟨s, y⟩, ⟨s, y⟩/⟨y, y⟩ and ⟨s, s⟩ are kept too."""

    s: Tensor
    y: Tensor
    product: float
    scale: float
    moved: float

    @staticmethod
    def between(a: Point, b: Point, inner: Inner) -> _Pair | None:
        """The pair of two points; None if Φ is not convex between them, since the model must be convex."""
        s, y = b.x - a.x, b.gradient - a.gradient
        product, square, moved = inner(s, y), inner(y, y), inner(s, s)
        if not product > 1e-12 * math.sqrt(moved * square):
            return None
        return _Pair(s, y, product, product / square, moved)


def _direction(gradient: Tensor, pairs: list[_Pair], inner: Inner, length: float) -> Tensor:
    """The direction −H∇Φ by the two-loop formula of BFGS; without pairs H is length · I.

    Products and sums are separate operations, since fused ones would round differently with the number of threads.
    """
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
    """Search x + α · direction, 0 < α ≤ `most`, for a point that meets the weak Wolfe conditions.

    Returns three things. First the point, or the lowest one found if none meets the conditions, or None if no point is
    lower; at α = `most` the first condition is enough. Then the error of Φ, if it ended the search. Last, whether Φ
    seems smooth: False if lower points were found but none that meets the conditions.
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
    """The minimum of the parabola through Φ and its slope at 0 and Φ at `high`, kept inside the bracket."""
    bend = change - slope * high
    lowest = -slope * high * high / (2 * bend) if bend > 0 else high
    return min(max(lowest, low + 1e-3 * (high - low)), low + 0.5 * (high - low))
