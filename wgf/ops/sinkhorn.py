"""Sinkhorn's algorithm between two weighted clouds, and of a cloud with itself: potentials, without the plan.

An iteration takes two soft minima (`Meeting.update`), so memory is O((n + m)·d). Three things make iterations few: the
start from the potentials of Gaussians with the same moments, or from given ones; coarser problems first, with fewer
points and a larger ε; and Anderson's mixing of the last iterates. Two make them fast: a grid in one and two dimensions,
where there are many points, and float32 for all but the last digits elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .clouds import Cloud as Cloud
from .clouds import Problem as Problem
from .clouds import gaussian_potentials
from .meeting import Meeting
from .threads import one_torch_thread

DEPTH = 20
"""Iterates that are mixed."""
COARSE = 1_500_000
"""Above so many pairs the problem of every fourth point is solved first."""
SPREAD, FALL = 0.1, 0.25
"""ε falls from this part of the variance, by this factor from problem to problem."""
LARGE = 2**30
"""Up to so many pairs the last sums, which make value and gradient, have errors far below the tolerance."""
COARSEST = 0.05
"""Where rounding in float32 may cause a larger marginal error, all iterations are in float64."""
NEGLIGIBLE = 0.01
"""Errors of rounding that are so small a part of the tolerance are small enough for the last sums."""
SELF_STEP = 2.0 / 3.0
"""How far an update of a cloud with itself goes: its errors change by factors between −1 and 0, which become ± 1/3."""


@dataclass(frozen=True, eq=False)
class Found:
    """The potentials where iterations ended.

    Attributes
    ----------
    f, g : Tensor
        The potentials of the two clouds; f is the update by g, or about it.
    error : float
        The marginal error that was reached.
    iterations : int
        The number of iterations of the whole problem.
    quick : bool
        Whether the last of them were in float32 or by a grid.
    meeting : Meeting
        The clouds, for further updates.
    """

    f: Tensor
    g: Tensor
    error: float
    iterations: int
    quick: bool
    meeting: Meeting


class Mixing:
    """Anderson's mixing of iterates g ← g + r(g): the combination of the last ones whose residual r is least."""

    def __init__(self, weights: Tensor) -> None:
        self._root = torch.sqrt(weights)
        self._moves, self._seen = weights.new_empty((2, DEPTH, len(weights)))
        self._gram = weights.new_zeros((DEPTH, DEPTH))
        self._last: tuple[Tensor, Tensor] | None = None
        self._count = 0

    def forget(self) -> None:
        self._last, self._count = None, 0

    def next(self, g: Tensor, residual: Tensor) -> Tensor:
        last, self._last = self._last, (g, residual)
        if last is None:
            return g + residual
        with one_torch_thread():
            change, slot = residual - last[1], self._count % DEPTH
            self._count += 1
            size = min(self._count, DEPTH)
            torch.add(g - last[0], change, out=self._moves[slot])
            torch.mul(change, self._root, out=self._seen[slot])
            seen = self._seen[:size]
            self._gram[slot, :size] = self._gram[:size, slot] = seen @ seen[slot]
            gram = self._gram[:size, :size]
            ridge = (1e-14 * gram.diagonal().sum()) * torch.eye(size, dtype=gram.dtype, device=gram.device)
            factors, _ = torch.linalg.solve_ex(gram + ridge, seen @ (residual * self._root))
            mixed = g + residual - factors @ self._moves[:size]
        return mixed if bool(mixed.isfinite().all()) else g + residual


def update(at: Cloud, of: Cloud, potential: Tensor, guess: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """The update of the potential of `at` by that of `of`, in float64 over pairs, and its slope."""
    return Meeting(at, of, problem).update(0, potential, guess, False, True)


def across(x: Cloud, y: Cloud, problem: Problem, start: Tensor | None = None) -> Found:
    """The potentials of two clouds, from a start g (m,) or from none.

    Parameters
    ----------
    x, y : Cloud
        The two clouds.
    problem : Problem
        ε, ρ and when to end.
    start : Tensor, optional
        About g, such as the one of a moment ago.

    Returns
    -------
    Found
        f, g, and the error of the marginal of y.
    """
    if start is not None:
        f, g = gaussian_potentials(x, y, problem)[0], start
    else:
        f, g = _begin(x, y, problem)
    meeting = Meeting(x, y, problem)
    quick = meeting.noise() <= COARSEST
    while True:
        found = _iterate(meeting, f, g, meeting.goal(quick), quick)
        f, g = found.f, found.g
        if quick and meeting.leave_grid(f, g):
            quick = meeting.noise() <= COARSEST
        elif quick and found.error > problem.tolerance:
            quick = False
        else:
            return found


def _iterate(meeting: Meeting, f: Tensor, g: Tensor, goal: float, quick: bool) -> Found:
    """Iterate until the error of the marginal of y is at most `goal`, or no longer falls in float32."""
    problem, y = meeting.problem, meeting.clouds[1]
    mixing, last, best, count = Mixing(y.weights), math.inf, math.inf, 0
    while True:
        f, _ = meeting.update(0, g, f, quick)
        new, _ = meeting.update(1, f, g, quick)
        error, count = problem.error(y, g, new), count + 1
        if error <= goal or count >= problem.iterations or not math.isfinite(error):
            return Found(f, new, error, count, quick, meeting)
        if error > 2.0 * last:
            mixing.forget()
        if quick and error < 0.1 and error > 0.9 * best and count > 3 * DEPTH:
            return Found(f, new, error, count, True, meeting)  # rounding
        last, best = error, min(error, best)
        g = mixing.next(g, new - g)


def within(x: Cloud, problem: Problem, start: Tensor | None = None) -> Found:
    """The potential of a cloud with itself; both potentials of the result are this one, before and after an update."""
    h = gaussian_potentials(x, x, problem)[1] if start is None else start
    meeting = Meeting(x, x, problem)
    quick = meeting.noise() <= COARSEST
    while True:
        goal, mixing, last, count = meeting.goal(quick), Mixing(x.weights), math.inf, 0
        while True:
            new, _ = meeting.update(0, h, h, quick)
            error, count = problem.error(x, h, new), count + 1
            if error <= goal or count >= problem.iterations or not math.isfinite(error):
                break
            if error > 2.0 * last:
                mixing.forget()
            last, h = error, mixing.next(h, SELF_STEP * (new - h))
        h = h + 0.5 * (new - h)
        if quick and meeting.leave_grid(h, h):
            quick = meeting.noise() <= COARSEST
        elif quick and error > problem.tolerance:
            quick = False
        else:
            return Found(new, h, error, count, quick, meeting)


@dataclass(frozen=True, eq=False)
class Divergence:
    """The debiased value of two clouds, and what its gradient needs.

    Attributes
    ----------
    value : float
        OT_ε(μ, ν) − ½ OT_ε(μ, μ), or with ½ OT_ε(ν, ν) subtracted where that was given.
    f, g : Tensor
        The potentials of the plan; f is the update by g.
    h, own : Tensor
        The potential of μ with itself, and its update.
    slope, own_slope : Tensor
        ∇f and ∇h of the soft minima (n, d), empty where they are not wanted.
    error : float
        The largest marginal error.
    iterations : int
        The largest number of iterations.
    """

    value: float
    f: Tensor
    g: Tensor
    h: Tensor
    own: Tensor
    slope: Tensor
    own_slope: Tensor
    error: float
    iterations: int


def divergence(
    x: Cloud,
    y: Cloud,
    problem: Problem,
    rest: float,
    starts: tuple[Tensor | None, Tensor | None] = (None, None),
    slopes: bool = True,
) -> Divergence:
    """The Sinkhorn divergence of two clouds.

    Parameters
    ----------
    x, y : Cloud
        The two clouds.
    problem : Problem
        ε, ρ and when to end.
    rest : float
        ½ OT_ε(ν, ν) from `self_cost`.
    starts : (Tensor or None, Tensor or None)
        About g and h.
    slopes : bool
        Whether the slopes are wanted.

    Returns
    -------
    Divergence
        The value and its parts, whether the tolerance was reached or not.
    """
    plan, alone = across(x, y, problem, starts[0]), within(x, problem, starts[1])
    g = _centred(x, plan.f, y, plan.g, problem)
    f, slope = plan.meeting.update(0, g, plan.f, _enough(plan), slopes)
    own, own_slope = alone.meeting.update(0, alone.g, alone.f, _enough(alone), slopes)
    value = _worth(x, f, y, g, problem) - 0.5 * _worth(x, own, x, alone.g, problem) - rest
    error = math.nan if math.isnan(plan.error + alone.error) else max(plan.error, alone.error)
    return Divergence(value, f, g, alone.g, own, slope, own_slope, error, max(plan.iterations, alone.iterations))


def self_cost(x: Cloud, problem: Problem) -> tuple[float, float, int]:
    """½ OT_ε of a cloud with itself, its marginal error, and the number of iterations."""
    found = within(x, problem)
    own, _ = found.meeting.update(0, found.g, found.f, _enough(found))
    return 0.5 * _worth(x, own, x, found.g, problem), found.error, found.iterations


def _enough(found: Found) -> bool:
    """Whether the last sums are by the grid or in float32, too, since their errors are small against the tolerance.

    So they are, too, over many pairs, since in float64 they would take as long as all others.
    """
    meeting = found.meeting
    many = meeting.plane is None and len(meeting.clouds[0].x) * len(meeting.clouds[1].x) > LARGE
    return found.quick and (many or meeting.noise() <= NEGLIGIBLE * meeting.problem.tolerance)


def _worth(x: Cloud, f: Tensor, y: Cloud, g: Tensor, problem: Problem) -> float:
    """The dual value of OT_ε, where f is the update by g. Its error is of second order in that of g."""
    mass = 0.0 if problem.rho is None else problem.epsilon * x.mean(torch.expm1(-f / problem.rho))
    return x.mean(problem.worth(f)) + y.mean(problem.worth(g)) - mass


def _centred(x: Cloud, f: Tensor, y: Cloud, g: Tensor, problem: Problem) -> Tensor:
    """g with the constant that makes ∫ f dμ = ∫ g dν. Where all mass is kept, a constant may go from g to f."""
    return g if problem.rho is not None else g - 0.5 * (y.mean(g) - x.mean(f))


def guessed(x: Cloud, y: Cloud, problem: Problem) -> Tensor:
    """About the potential of x, without iterations."""
    return gaussian_potentials(x, y, problem)[0]


def _begin(x: Cloud, y: Cloud, problem: Problem) -> tuple[Tensor, Tensor]:
    """Potentials from problems with fewer points and larger ε; f is a guess alone."""
    f, g = gaussian_potentials(x, y, problem)
    if len(x.x) * len(y.x) > COARSE and x.coarser is not x and y.coarser is not y:
        rough = Problem(problem.epsilon, problem.rho, max(0.03, problem.tolerance), problem.iterations)
        found = across(x.coarser, y.coarser, rough)
        return f, Meeting(x.coarser, y, problem).update(1, found.f, g, True)[0]
    largest = float(y.covariance.diagonal().max())
    epsilon = SPREAD * largest
    steps = max(0, math.ceil(math.log(max(epsilon / problem.epsilon, 1.0)) / -math.log(FALL)))
    for step in range(steps):
        wide = Problem(problem.epsilon * FALL ** (step - steps), problem.rho, 0.1, 20)
        if step == 0:
            f, g = gaussian_potentials(x, y, wide)
        meeting = Meeting(x, y, wide)
        found = _iterate(meeting, f, g, wide.tolerance, meeting.noise() <= COARSEST)
        f, g = found.f, found.g
    return f, g
