"""Sinkhorn's algorithm between two weighted clouds, and of a cloud with itself: potentials, without the plan.

An iteration takes two soft minima (`soft_minimum`), so memory is O((n + m)·d). Four things make iterations few: the
start from the potentials of Gaussians with the same moments, or from given ones; coarser problems first, with fewer
points and a larger ε; Anderson's mixing of the last iterates; and float32 for all but the last digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from . import linalg
from .moments import moments
from .softmin import soft_minimum
from .threads import one_torch_thread

DEPTH = 20
"""Iterates that are mixed."""
SINGLE = 1e-7
"""What rounding in float32 does to a marginal, for a variance of ε."""
COARSE, STRIDE = 1_500_000, 4
"""Above so many pairs the problem of every fourth point is solved first."""
SPREAD, FALL = 0.1, 0.25
"""ε falls from this part of the variance, by this factor from problem to problem."""
SELF_STEP = 2.0 / 3.0
"""How far an update of a cloud with itself goes: its errors change by factors between −1 and 0, which become ± 1/3."""
WIDEST = 512
"""Up to so many dimensions the iteration begins from Gaussian potentials."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Weighted points, seen from their centre.

    Parameters
    ----------
    points : Tensor
        Points (n, d).
    weights : Tensor
        Their weights (n,) ≥ 0, of sum 1.
    """

    points: Tensor
    weights: Tensor
    centre: Tensor = field(init=False)
    x: Tensor = field(init=False)
    covariance: Tensor = field(init=False)

    def __post_init__(self) -> None:
        points = self.points.detach().double().contiguous()
        object.__setattr__(self, "weights", self.weights.detach().double())
        _, centre, covariance = moments(points, self.weights)
        for name, value in (("points", points), ("centre", centre), ("x", points - centre), ("covariance", covariance)):
            object.__setattr__(self, name, value)

    @cached_property
    def single(self) -> Tensor:
        """The points in float32."""
        return self.x.float()

    @cached_property
    def logs(self) -> Tensor:
        """The logarithms of the weights."""
        return torch.log(self.weights)

    @cached_property
    def variance(self) -> float:
        """∫ |x − c|² dμ."""
        return float(self.covariance.diagonal().sum())

    @cached_property
    def coarser(self) -> Cloud:
        """Every fourth point."""
        weights = self.weights[::STRIDE]
        total = float(weights.sum())
        return self if total <= 0 else Cloud(self.points[::STRIDE], weights / total)

    def mean(self, values: Tensor) -> float:
        """∫ v dμ."""
        return total(self.weights, values)


def total(weights: Tensor, values: Tensor) -> float:
    """Σ w v, with the same bits for every number of threads."""
    with one_torch_thread():
        return float((weights * values).sum())


@dataclass(frozen=True)
class Problem:
    """The regularisation, and when iterations end.

    Attributes
    ----------
    epsilon : float
        ε > 0, in squared units of x.
    rho : float or None
        The penalty ρ on differences of mass, in the same units; None keeps all mass.
    tolerance : float
        The marginal error at which iterations end.
    iterations : int
        The largest number of iterations of the whole problem.
    """

    epsilon: float
    rho: float | None
    tolerance: float
    iterations: int

    @property
    def damping(self) -> float:
        """ρ/(ρ + ε), by which an update is multiplied."""
        return 1.0 if self.rho is None else self.rho / (self.rho + self.epsilon)

    def mass(self, potential: Tensor) -> Tensor:
        """The mass of the plan at a point over the weight of the point."""
        return torch.ones_like(potential) if self.rho is None else torch.exp(-potential / self.rho)

    def worth(self, potential: Tensor) -> Tensor:
        """What a potential adds to the value at a point."""
        return potential if self.rho is None else -self.rho * torch.expm1(-potential / self.rho)

    def variation(self, potential: Tensor) -> Tensor:
        """The first variation of the value in the weights, from the potential."""
        return potential if self.rho is None else -(self.rho + self.epsilon) * torch.expm1(-potential / self.rho)

    def error(self, cloud: Cloud, old: Tensor, new: Tensor) -> float:
        """The marginal error of a plan, Σ |mass that it has − mass that it should have|, by an update."""
        ratio = torch.expm1((old - new) / (self.damping * self.epsilon))
        return total(cloud.weights, ratio.abs() * self.mass(old))

    def noise(self, *clouds: Cloud) -> float:
        """The marginal error that rounding in float32 may cause."""
        return SINGLE * (10.0 + sum(cloud.variance for cloud in clouds) / self.epsilon)


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
    single : bool
        Whether the last of them were in float32.
    """

    f: Tensor
    g: Tensor
    error: float
    iterations: int
    single: bool


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
    tilt = at.x @ shift + 0.5 * shift.square().sum()
    logits = of.logs + (potential + of.x @ shift) / epsilon
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
        f, g = _quadratic(x, y, problem)[0], start
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
    h = _quadratic(x, x, problem)[1] if start is None else start
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


def worth(x: Cloud, f: Tensor, y: Cloud, g: Tensor, problem: Problem) -> float:
    """The dual value of OT_ε, where f is the update by g. Its error is of second order in that of g."""
    mass = 0.0 if problem.rho is None else problem.epsilon * x.mean(torch.expm1(-f / problem.rho))
    return x.mean(problem.worth(f)) + y.mean(problem.worth(g)) - mass


def centred(x: Cloud, f: Tensor, y: Cloud, g: Tensor, problem: Problem) -> Tensor:
    """g with the constant that makes ∫ f dμ = ∫ g dν. Where all mass is kept, a constant may go from g to f."""
    return g if problem.rho is not None else g - 0.5 * (y.mean(g) - x.mean(f))


def guessed(x: Cloud, y: Cloud, problem: Problem) -> Tensor:
    """About the potential of x, without iterations."""
    return _quadratic(x, y, problem)[0]


def _begin(x: Cloud, y: Cloud, problem: Problem) -> tuple[Tensor, Tensor]:
    """Potentials from problems with fewer points and larger ε; f is a guess alone."""
    f, g = _quadratic(x, y, problem)
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
            f, g = _quadratic(x, y, wide)
        found = _iterate(x, y, f, g, wide, wide.tolerance, wide.noise(x, y) <= 0.05, 0)
        f, g = found.f, found.g
    return f, g


def _quadratic(x: Cloud, y: Cloud, problem: Problem) -> tuple[Tensor, Tensor]:
    """The potentials of Gaussians with the moments of the clouds (Janati et al. 2020), up to constants.

    With C_x, C_y the covariances and Δ the difference of the centres, g(y) = ½ y·(1 − G)y − Δ·y for y seen from its
    centre, and G = C_y^{−½} ½((4 C_y^½ C_x C_y^½ + ε²)^½ − ε) C_y^{−½} is the linear map that takes y to its images.
    """
    shift = x.centre - y.centre
    forms = []
    for one, other, sign in ((x, y, 1.0), (y, x, -1.0)):
        g = one.x @ (sign * shift)
        if one.x.shape[1] <= WIDEST:
            g = g + 0.5 * linalg.row_dot(one.x, one.x - one.x @ _map(one.covariance, other.covariance, problem.epsilon))
        forms.append(g)
    return forms[0] + 0.5 * shift.square().sum(), forms[1]


def _map(covariance: Tensor, other: Tensor, epsilon: float) -> Tensor:
    """The symmetric map of a Gaussian to its images under the entropic plan (d, d)."""
    values, vectors = linalg.symmetric_eigen(covariance)
    values = values.clamp(min=0.0) + 1e-3 * epsilon + 1e-6 * values.abs().max()
    with one_torch_thread():
        root = (vectors * values.sqrt()) @ vectors.T
        back = (vectors / values.sqrt()) @ vectors.T
        spectrum, basis = linalg.symmetric_eigen(root @ other @ root)
        middle = 0.5 * (torch.sqrt(4.0 * spectrum.clamp(min=0.0) + epsilon**2) - epsilon)
        return back @ ((basis * middle) @ basis.T) @ back
