"""The scheme of Jordan, Kinderlehrer and Otto: each step minimises F plus the squared distance to where it started."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from wgf.diagnostics.transport import wasserstein
from wgf.errors import DivergenceError, WgfError, WgfWarning, require_integer, require_number
from wgf.extension import renamed
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Solver, State, Step

from .descent import Descent, Point, minimise, minimise_within


@dataclass(frozen=True)
class Proximal:
    """How the last step was solved, and the worst of the run: `sol.state.memory`.

    `residual` is the L²(μ) norm of the gradient of the proximal objective over that at x_k (1 where nothing was
    gained), `lines` how many were searched. `excess` is by how much the squared length of the step exceeds W₂² at
    last, relative to it: 0 where x_k ↦ x is an optimal coupling, NaN where that was not looked at. `relabelled` counts
    the steps of the run whose labels were changed.
    """

    residual: float = 0.0
    lines: int = 0
    excess: float = math.nan
    worst: float = 0.0
    relabelled: int = 0


@renamed(lines="max_line_searches")
@dataclass(frozen=True)
class JKO(Solver):
    """x_{k+1} = argmin_x Φ(x),   Φ(x) = F_{t+h}[μ_x] + ∫ |x − x_k|² dμ / (2h),   by descent from x_k.

    Implicit Euler in Lagrangian coordinates: order 1, stable at every h, and F_{t+h}[μ_{k+1}] ≤ F_{t+h}[μ_k] at every h
    (to the rounding of F) however well Φ is minimised, since only lower values are accepted. Where F is not convex the
    minimum found is a lower one, and not always that of the basin of x_k. h is a time of the flow. Φ is minimised by
    L-BFGS in L²(μ) until the norm of its gradient is `tolerance` of that at x_k, or after `max_line_searches` line
    searches; the residual of each step is in `sol.state.memory`, and the first above √tolerance is a WgfWarning. A step
    costs one evaluation
    of ∇_W F a line and one or two more: 5 where h is short, 10 to 20 where it is not, on smooth F. Where F is not
    finite on the way down, the step fails with the error of F. Within walls Φ is minimised over the domain, by
    projected gradients. On a torus F has to be periodic: the descent ends at the seam where Φ jumps there.

    After the descent the coupling x_k ↦ x must be optimal, or its cost is not W₂². It is compared with W₂ of POT (up to
    `check_up_to` particles, in one dimension at any number, by sorting; not in a domain). Where it costs more and the
    weights are equal, an optimal assignment hands the same places to other rows, which lowers Φ and leaves μ as it is,
    and the descent goes on from there. A row and its id thus stand for the mass that left x_k there, and go where
    optimal transport takes it. With unequal weights, which would have to be split, the excess is reported only.

    The dissipation of a step is ∫|x − x_k|² dμ / h², that is D at its end, the quadrature of implicit Euler: with
    x_k = x + h∇_W F[μ_x], F[μ_k] − F[μ_x] = hD + ½h² ⟨∇_W F, Hess F ∇_W F⟩ + …, so that the closure is
    ½h ⟨v, Hess F v⟩/|v|² + O(h²), order 1; hk/2 exactly under k|x|²/2. Shannon has no value on particles: use LogDet,
    Blob or another surrogate. (Jordan, Kinderlehrer & Otto 1998; Carrillo, Craig, Wang & Wei 2022 on particles.)
    """

    tolerance: float = 1e-8
    max_line_searches: int = 200
    check_up_to: int = 500

    order: ClassVar[int] = 1
    ROUNDS: ClassVar[int] = 5
    """Descents in one step, each from new labels."""
    OPTIMAL: ClassVar[float] = 1e-9
    """The excess, relative to W₂², below which a coupling is optimal."""

    def __post_init__(self) -> None:
        require_number("tolerance", self.tolerance, positive=True)
        require_integer("max_line_searches", self.max_line_searches, low=1)
        require_integer("check_up_to", self.check_up_to, low=0)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Proximal:
        return Proximal()

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; its record becomes the memory."""
        mu, before = state.mu, state.memory
        objective = _Objective(dynamics, state, h)
        start = objective.start()
        # below this the gradient at x_k is rounding, and a part of it cannot be asked for
        scale = max(objective.gap(start), objective.rounding(start) / self.tolerance)
        if scale == 0:
            return Step(mu.moved(mu.x.clone()), torch.zeros_like(start.evaluation.value), replace(before, residual=0.0))
        found, excess, rounds = self._descend(objective, start, scale * self.tolerance)
        residual = objective.gap(found.point) / scale
        record = Proximal(residual, found.lines, excess, max(before.worst, residual), before.relabelled + (rounds > 0))
        if residual > math.sqrt(self.tolerance) >= before.worst:  # once in a run, where it begins
            warnings.warn(self._loose(state, residual, found), WgfWarning, stacklevel=2)
        away = objective.away(found.point.x)
        new = mu.moved(found.point.x.to(mu.dtype, copy=True))
        evaluation = None if dynamics.drift.sampled else found.point.evaluation
        return Step(new, mu.inner(away, away) / h**2, record, evaluation=evaluation)

    def _descend(self, objective: _Objective, point: Point, target: float) -> tuple[Descent, float, int]:
        """The descent, repeated where the coupling that it found is not optimal; its excess, and how often."""
        lines = 0
        for relabelled in range(self.ROUNDS):
            found = objective.minimise(point, target, self.max_line_searches)
            if found.obstacle is not None:
                raise found.obstacle
            lines += found.lines
            found = replace(found, lines=lines)
            excess, order = self._coupling(objective, found.point)
            if order is None or relabelled == self.ROUNDS - 1:
                break
            point = objective(found.point.x[order])
        return found, excess, relabelled

    def _coupling(self, objective: _Objective, point: Point) -> tuple[float, Tensor | None]:
        """By how much x_k ↦ x costs more than W₂², and the rows in a better order where there is one."""
        mu = objective.mu
        if objective.dynamics.domain is not None or (mu.dim > 1 and mu.n > self.check_up_to):
            return math.nan, None
        cost = objective.norm(objective.away(point.x)) ** 2
        if cost == 0:
            return 0.0, None
        new = mu.to(dtype=torch.float64).moved(point.x)
        distance = wasserstein(mu, new, method="1d" if mu.dim == 1 else "emd").distance
        excess = max(cost / distance**2 - 1.0, 0.0) if distance > 0 else math.inf
        if excess <= self.OPTIMAL or not mu.equal_weights:
            return excess, None
        return excess, optimal_order(mu.x, point.x)

    def _loose(self, state: State, residual: float, found: Descent) -> str:
        return (
            f"step {state.step}, t = {state.t:g}: JKO solved the proximal problem to a residual of {residual:.1e} in "
            f"{found.lines} lines; wanted {self.tolerance:.0e}. F falls all the same; raise "
            f"max_line_searches = {self.max_line_searches}, or "
            "shorten dt, for the minimum itself."
        )


class _Objective:
    """Φ and its L²(μ) gradient, in float64 whatever the particles are kept in."""

    def __init__(self, dynamics: Dynamics, state: State, h: float) -> None:
        self.dynamics, self.state, self.h, self.mu = dynamics, state, h, state.mu
        self._origin = state.mu.x.double()
        self._walls = dynamics.domain is not None and dynamics.domain.walls

    def inner(self, a: Tensor, b: Tensor) -> float:
        """∫ a·b dμ."""
        return float(self.mu.inner(a, b))

    def norm(self, a: Tensor) -> float:
        return math.sqrt(self.inner(a, a))

    def away(self, x: Tensor) -> Tensor:
        """x − x_k, for x as the particles' dtype has it."""
        return x.to(self.mu.dtype).double() - self._origin

    def start(self) -> Point:
        """At x_k, where the state knows F unless it depends on t."""
        known = None if self.dynamics.drift.varies else self.state.evaluation
        return self(self._origin, known)

    def __call__(self, x: Tensor, evaluation: FreeEnergyEvaluation | None = None) -> Point:
        dynamics, t = self.dynamics, self.state.t + self.h
        x = x.to(self.mu.dtype)
        if evaluation is None:
            evaluation = dynamics.evaluate(self.mu.moved(x), t, self.state.step)
        away = self.away(x)
        gradient = evaluation.gradient.double() + away / self.h
        prox = self.inner(away, away) / (2 * self.h)
        value = float(evaluation.value) + prox
        if not math.isfinite(value + self.norm(gradient)):
            raise DivergenceError(f"step {self.state.step}, t = {t:g}: F or its force is not finite; try a smaller dt.")
        size = prox + sum(abs(p.term.coefficient.number) * abs(float(p.value)) for p in evaluation.terms)
        return Point(x.double(), value, gradient, 8 * torch.finfo(self.mu.dtype).eps * size, evaluation)

    def _nearest(self, x: Tensor) -> Tensor:
        """In the dtype of the particles, in which it has to be inside."""
        assert self.dynamics.domain is not None
        return self.dynamics.domain.nearest(x.to(self.mu.dtype)).double()

    def minimise(self, start: Point, target: float, lines: int) -> Descent:
        """Down from `start`: by L-BFGS, within walls by projected gradients."""
        length = self._length(start)
        if self._walls:
            return minimise_within(self._nearest, self, start, self.inner, length, target, lines)
        return minimise(self, start, self.inner, length, target, lines)

    def _length(self, start: Point) -> float:
        """How far along −∇Φ to go first: 1/(its rate of change there), at most h.

        Φ may have lower places beyond a long step, where the particles have passed each other: under log-det the
        reflected ensemble is one. One evaluation tells the rate, which a small h does without.
        """
        size, steep = self.norm(start.x) or 1.0, self.norm(start.gradient)
        near = torch.finfo(self.mu.dtype).eps ** (1 / 3) * size
        if self.h * steep <= near:
            return self.h
        away = -(near / steep) * start.gradient
        try:
            probe = self(self._nearest(start.x + away) if self._walls else start.x + away)
        except WgfError:
            return near / steep
        moved = self.norm(probe.x - start.x)
        rate = self.norm(probe.gradient - start.gradient) / moved if moved > 0 else 0.0
        return min(self.h, 1 / rate) if rate > 0 else self.h

    def gap(self, point: Point) -> float:
        """The norm of the gradient, of which what points into a wall does not count."""
        if not self._walls:
            return self.norm(point.gradient)
        return self.norm(self._nearest(point.x - self.h * point.gradient) - point.x) / self.h

    def rounding(self, point: Point) -> float:
        """What the terms of the gradient leave of rounding in their sum."""
        eps = torch.finfo(self.mu.dtype).eps
        return 8 * eps * sum(abs(p.term.coefficient.number) * self.norm(p.gradient) for p in point.evaluation.terms)


def optimal_order(x: Tensor, y: Tensor) -> Tensor:
    """The permutation σ that makes x_i ↦ y_{σ(i)} an optimal coupling of equal weights: by sorting, or assignment."""
    if x.shape[1] == 1:
        order = torch.empty(len(x), dtype=torch.int64, device=x.device)
        order[torch.argsort(x[:, 0], stable=True)] = torch.argsort(y[:, 0], stable=True)
        return order
    a, b = (part.detach().cpu().numpy().astype(np.float64) for part in (x, y))
    return torch.from_numpy(linear_sum_assignment(cdist(a, b, "sqeuclidean"))[1]).to(x.device)
