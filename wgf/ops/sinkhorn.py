"""Sinkhorn's algorithm between two weighted clouds, and of a cloud with itself: potentials, without the plan.

An iteration takes two soft minima (`soft_minimum`), so memory is O((n + m)·d). Four things make iterations few: the
start from the potentials of Gaussians with the same moments, or from given ones; coarser problems first, with fewer
points and a larger ε; Anderson's mixing of the last iterates; and float32 for all but the last digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import linalg
from .clouds import Cloud as Cloud
from .clouds import Found, gaussian_potentials
from .clouds import Problem as Problem
from .softmin import soft_minimum
from .threads import one_torch_thread

DEPTH = 20
"""Iterates that are mixed."""
COARSE = 1_500_000
"""Above so many pairs the problem of every fourth point is solved first."""
SPREAD, FALL = 0.1, 0.25
"""ε falls from this part of the variance, by this factor from problem to problem."""
LARGE = 2**30
"""Up to so many pairs the last sums, which make value and gradient, are float64."""
SELF_STEP = 2.0 / 3.0
"""How far an update of a cloud with itself goes: its errors change by factors between −1 and 0, which become ± 1/3."""


class Mixing:
    """Anderson's mixing of iterates g ← g + r(g): the combination of the last ones whose residual r is least."""

    def __init__(self, weights: Tensor) -> None:
        self._root = torch.sqrt(weights)
        self._points: list[Tensor] = []
        self._residuals: list[Tensor] = []

    def forget(self) -> None:
        self._points, self._residuals = [], []

    def next(self, g: Tensor, residual: Tensor) -> Tensor:
        self._points, self._residuals = [*self._points[-DEPTH:], g], [*self._residuals[-DEPTH:], residual]
        if len(self._points) == 1:
            return g + residual
        steps = torch.diff(torch.stack(self._points), dim=0)
        changes = torch.diff(torch.stack(self._residuals), dim=0)
        with one_torch_thread():
            seen = changes * self._root
            gram, rest = seen @ seen.T, seen @ (residual * self._root)
            gram += (1e-14 * gram.diagonal().sum()) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            factors, _ = torch.linalg.solve_ex(gram, rest)
            mixed = g + residual - factors @ (steps + changes)
        return mixed if bool(mixed.isfinite().all()) else g + residual


def update(
    at: Cloud, of: Cloud, potential: Tensor, guess: Tensor, problem: Problem, single: bool, slopes: bool = False
) -> tuple[Tensor, Tensor]:
    """The update of the potential of `at` by that of `of`: the damped soft minimum, and the slope of the minimum.

    Clouds are seen from their own centres. With Δ = c_at − c_of the cost is ½|x − y|² + Δ·(x − y) + ½|Δ|² there.
    """
    epsilon, shift = problem.epsilon, at.centre - of.centre
    here, there = (at.single, of.single) if single else (at.x, of.x)
    tilt = linalg.row_dot(at.x, shift.expand_as(at.x)) + 0.5 * shift.square().sum()
    logits = of.logs + (potential + linalg.row_dot(of.x, shift.expand_as(of.x))) / epsilon
    value, slope = soft_minimum(here, there, logits, guess / problem.damping - tilt, epsilon, slopes)
    return problem.damping * (value + tilt), slope + shift if slopes else slope


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
    for single in (True, False):
        goal = max(problem.tolerance, problem.noise(x, y)) if single else problem.tolerance
        if single and goal > 0.05:
            continue
        found = _iterate(x, y, f, g, problem, goal, single, 0)
        f, g = found.f, found.g
        if found.error <= problem.tolerance:
            break
    return found


def _iterate(x: Cloud, y: Cloud, f: Tensor, g: Tensor, problem: Problem, goal: float, single: bool, done: int) -> Found:
    """Iterate until the error of the marginal of y is at most `goal`, or no longer falls in float32."""
    mixing, last, best, count = Mixing(y.weights), math.inf, math.inf, done
    while True:
        f, _ = update(x, y, g, f, problem, single)
        new, _ = update(y, x, f, g, problem, single)
        error, count = problem.error(y, g, new), count + 1
        if error <= goal or count >= problem.iterations or not math.isfinite(error):
            return Found(f, new, error, count, single)
        if error > 2.0 * last:
            mixing.forget()
        if single and error < 0.1 and error > 0.9 * best and count > 3 * DEPTH:
            return Found(f, new, error, count, True)  # rounding
        last, best = error, min(error, best)
        g = mixing.next(g, new - g)


def within(x: Cloud, problem: Problem, start: Tensor | None = None) -> Found:
    """The potential of a cloud with itself; both potentials of the result are this one, before and after an update."""
    h = gaussian_potentials(x, x, problem)[1] if start is None else start
    for single in (True, False):
        goal = max(problem.tolerance, problem.noise(x, x)) if single else problem.tolerance
        if single and goal > 0.05:
            continue
        mixing, last, count = Mixing(x.weights), math.inf, 0
        while True:
            new, _ = update(x, x, h, h, problem, single)
            error, count = problem.error(x, h, new), count + 1
            if error <= goal or count >= problem.iterations or not math.isfinite(error):
                break
            if error > 2.0 * last:
                mixing.forget()
            last, h = error, mixing.next(h, SELF_STEP * (new - h))
        h = h + 0.5 * (new - h)
        if error <= problem.tolerance:
            break
    return Found(new, h, error, count, single)


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
    f, slope = update(x, y, g, plan.f, problem, plan.single and _large(x, y), slopes)
    own, own_slope = update(x, x, alone.g, alone.f, problem, alone.single and _large(x, x), slopes)
    value = _worth(x, f, y, g, problem) - 0.5 * _worth(x, own, x, alone.g, problem) - rest
    error = math.nan if math.isnan(plan.error + alone.error) else max(plan.error, alone.error)
    return Divergence(value, f, g, alone.g, own, slope, own_slope, error, max(plan.iterations, alone.iterations))


def self_cost(x: Cloud, problem: Problem) -> tuple[float, float, int]:
    """½ OT_ε of a cloud with itself, its marginal error, and the number of iterations."""
    found = within(x, problem)
    own, _ = update(x, x, found.g, found.f, problem, found.single and _large(x, x))
    return 0.5 * _worth(x, own, x, found.g, problem), found.error, found.iterations


def _large(x: Cloud, y: Cloud) -> bool:
    """Whether the last sums are in float32, too: in float64 they would take as long as all others."""
    return len(x.x) * len(y.x) > LARGE


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
        return f, update(y, x.coarser, found.f, g, problem, True)[0]
    largest = float(y.covariance.diagonal().max())
    epsilon = SPREAD * largest
    steps = max(0, math.ceil(math.log(max(epsilon / problem.epsilon, 1.0)) / -math.log(FALL)))
    for step in range(steps):
        wide = Problem(problem.epsilon * FALL ** (step - steps), problem.rho, 0.1, 20)
        if step == 0:
            f, g = gaussian_potentials(x, y, wide)
        found = _iterate(x, y, f, g, wide, wide.tolerance, wide.noise(x, y) <= 0.05, 0)
        f, g = found.f, found.g
    return f, g
