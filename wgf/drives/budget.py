"""Resource constraints: a budget kept by dual ascent, transport spent since the start, a cap on evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, DivergenceError, require_integer, require_number
from ..functional import (
    Coefficient,
    Control,
    DrivenFunctional,
    Evaluation,
    FreeEnergy,
    Functional,
    Term,
    View,
    number_at,
)
from ..measure import Ensemble, NoiseSource, require_ensemble
from ..ops import linalg
from .plain import require_plain


class Displacement(Functional):
    """½ ∫ |x − x(0)|² dμ: how far the particles are from where they started, with ∇ = x − x(0).

    x(0) is that of the particle with the same id in `start`, by default the ensemble that the run begins with (kept
    when it goes on by `state=`). Pairing each particle with its own start is one transport plan, so the value is an
    upper bound of ½ W₂²(μ₀, μ), and equal to it where the pairing is optimal (in one dimension: where order is kept).
    It belongs to labelled particles of fixed weight, not to the measure: ConfigError for particles that were not there
    at the start, weights that changed, or a first variation at points that are no particles. Distances are those of
    the space, not of a periodic domain.

    >>> mu = Ensemble([[0.0], [1.0]])
    >>> Displacement(start=mu).value(Ensemble([[1.0], [1.0]])).item()
    0.25
    """

    def __init__(self, start: Ensemble | None = None) -> None:
        self._start = None if start is None else require_ensemble("Displacement start", start)

    def __repr__(self) -> str:
        return "Displacement()" if self._start is None else f"Displacement({self._start!r})"

    def prepare(self, mu: Ensemble) -> Functional:
        return Displacement(mu) if self._start is None else self

    def _offset(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        start = self._start
        if start is None:
            raise ConfigError("Displacement: from where? Give start=, or let wgf.solve settle it when a run begins.")
        if at is not None:
            raise ConfigError(
                "Displacement: asked at points that are no particles and have no start; it is a function of labelled "
                "particles. Use a scheme that needs gradients at the particles only, or a Quadratic."
            )
        if mu.ids is start.ids and mu.weights is start.weights:
            return mu.x - start.x
        order = torch.argsort(start.ids)
        ids = start.ids[order]
        rows = order[torch.searchsorted(ids, mu.ids).clamp(max=len(ids) - 1)]
        unknown = torch.nonzero(start.ids[rows] != mu.ids)
        if len(unknown):
            raise ConfigError(
                f"Displacement: particle id {int(mu.ids[unknown[0, 0]])} was not there at the start; wanted a scheme "
                "that keeps its particles."
            )
        share = start.weights[rows]
        if not torch.allclose(mu.weights * linalg.total(share), share, rtol=1e-9, atol=0.0):
            raise ConfigError(
                "Displacement: the weights changed since the start, so particles do not carry their mass along; wanted "
                "a scheme that keeps weights (not BirthDeath, not Grid)."
            )
        return mu.x - start.x[rows]

    @property
    def infimum(self) -> float:
        return 0.0

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        offset = self._offset(mu, at)
        return (0.5 * linalg.row_dot(offset, offset)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._offset(mu, at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        offset = self._offset(mu, None)
        return Evaluation(0.5 * mu.inner(offset, offset), offset)


class Excess(DrivenFunctional):
    """cost[μ] − limit(t): what a budget multiplies; positive where the budget is overdrawn.

    It remembers the ensemble that the run began with, from which the rules of the cost (`Displacement`) are settled.
    """

    def __init__(self, cost: Functional, limit: float | Callable[[float], float], lowest: float | None = None) -> None:
        self.cost, self.limit, self.lowest = cost, limit, lowest
        if not callable(limit):
            self._require_feasible(limit, "")

    def _require_feasible(self, limit: float, when: str) -> float:
        if self.lowest is not None and not limit > self.lowest:
            raise ConfigError(
                f"Budget: limit = {limit:g}{when} for {self.cost!r}, which is at least {self.lowest:g}: infeasible, or "
                f"met by a single measure and by no finite multiplier; wanted a limit above {self.lowest:g}."
            )
        return limit

    @property
    def varies(self) -> bool:
        return callable(self.limit) or self.cost.varies

    def at(self, t: float) -> Functional:
        if not self.varies:
            return self
        limit = self._require_feasible(number_at("the limit of a Budget", self.limit, t), f" at t = {t:g}")
        return Excess(self.cost.at(t), limit, self.lowest)

    @property
    def sampled(self) -> bool:
        return self.cost.sampled

    def draw(self, noise: NoiseSource, step: int) -> Functional:
        return Excess(self.cost.draw(noise, step), self.limit, self.lowest) if self.sampled else self

    def begin(self, mu: Ensemble, t: float) -> Ensemble:
        return mu

    def advance(self, memory: Ensemble, view: View, h: float) -> Ensemble:
        return memory

    def resolve(self, memory: Ensemble) -> Functional:
        return Excess(self.cost.prepare(memory), self.limit, self.lowest)

    def _number(self) -> float:
        if callable(self.limit):
            raise ConfigError("Budget: the limit depends on t; freeze it with .at(t) first.")
        return self.limit

    def _value(self, mu: Ensemble) -> Tensor:
        return self.cost._value(mu) - self._number()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self.cost._first_variation(mu, at)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self.cost._gradient(mu, at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        part = self.cost._evaluate(mu)
        return Evaluation(part.value - self._number(), part.gradient)


@dataclass(frozen=True)
class Multiplier(Control):
    """The price λ ≥ 0 of a constraint g ≤ 0, by dual ascent: λ ← max(0, λ + h·rate·g) after a step of length h.

    The coefficient is max(0, λ + damping·g), the derivative of the augmented Lagrangian in g. It remembers λ and the
    coefficient.
    """

    rate: float
    damping: float
    start: float
    ceiling: float

    @property
    def name(self) -> str:
        return "Budget"

    def begin(self, mu: Ensemble, t: float) -> tuple[float, float]:
        return self.start, self.start

    def advance(self, memory: tuple[float, float], view: View, h: float) -> tuple[float, float]:
        excess = float(view.terms[0].value)
        if math.isnan(excess):
            raise DivergenceError(f"t = {view.t:g}: the cost of {self.name} is not a number; try a smaller dt.")
        price = max(0.0, memory[0] + h * self.rate * excess)
        if price > self.ceiling:
            raise ConfigError(
                f"t = {view.t:g}: the multiplier of {self.name} passed its ceiling {self.ceiling:g}, with cost − limit "
                f"= {excess:g}: either rate = {self.rate:g} is too fast for dt = {h:g} (explicit steps "
                "need dt·multiplier·stiffness of the cost < 2), or the budget is infeasible. Lower rate or dt, or "
                "raise the limit."
            )
        later = (price, max(0.0, price + self.damping * excess))
        return memory if later == memory else later

    def value(self, memory: tuple[float, float]) -> float:
        return memory[1]


class Budget(FreeEnergy):
    """The constraint cost[μ] ≤ limit as a term λ (cost[μ] − limit), with λ ≥ 0 by dual ascent.

    Add it to a free energy, `F + Budget(wgf.Quadratic(), limit=0.5)`. The multiplier follows
    dλ/dt = rate·(cost − limit) and stays at 0 while the budget is not used up. It is constant over a step and changes
    between steps, which is work; the ledger has it as `drive:Budget`, and λ(cost − limit) as `term:Budget`, which is 0
    in the end whether the budget is used up or not (complementary slackness).

    Parameters
    ----------
    cost : a term such as `wgf.Quadratic()` (the weight norm ½∫|x|²) or `Displacement()` (transport spent).
    limit : in the units of the cost; a number or a callable of t.
    rate : how fast the multiplier follows, in units of F/(cost² · time). Its scale is that of the problem: with the
        price λ* expected, about ‖∇E‖/‖∇cost‖ where the budget is used up, λ*/(limit · τ) settles within a few τ.
    damping : ρ ≥ 0 in units of F/cost²; the coefficient is then max(0, λ + ρ(cost − limit)), the augmented Lagrangian.
    start : λ at the start of the run.
    ceiling : a multiplier beyond it ends the run, for it grows without bound where the budget is infeasible.
    lowest : the smallest value of the cost; known for squares, discrepancies, risks and positive sums of them.

    Convergence: with F and the cost convex along the flow, descent in μ with ascent in λ goes to the saddle (Arrow,
    Hurwicz & Uzawa 1958). Near it, with b = ‖∇_W cost‖ and k the convexity of F + λ cost along that direction, both go
    as exp(st), s² + (k + ρb²)s + b² rate = 0: they turn around the saddle while k + ρb² < 2b√rate, damped at the rate
    (k + ρb²)/2, and come in without turning, most quickly, at ρ = (2b√rate − k)/b² (Platt & Barr 1988); more damping
    is slower again. An explicit scheme needs dt (k + ρb²) < 2, and k grows with λ: a rate that is too fast for a start
    far beyond the limit winds λ up until a step cannot follow. Nothing is promised where F is not convex.

    ConfigError for a limit that is not above the smallest value of the cost, and where the multiplier passes `ceiling`.

    >>> import wgf
    >>> F = wgf.Quadratic(center=2.0) + wgf.drives.Budget(wgf.Quadratic(), limit=0.5, damping=2.0)
    >>> sol = wgf.solve(F, wgf.Ensemble([[0.0]]), wgf.solvers.Heun(), dt=0.05, t_end=40.0)
    >>> round(sol.ensemble.x.item(), 4), round(float(sol.ledger["drive:Budget"][-1]), 4)
    (1.0, 1.0)
    """

    def __init__(
        self,
        cost: Functional,
        limit: float | Callable[[float], float],
        rate: float = 1.0,
        *,
        damping: float = 0.0,
        start: float = 0.0,
        ceiling: float = 1e6,
        lowest: float | None = None,
    ) -> None:
        cost = require_plain("Budget", cost)
        if not callable(limit):
            limit = require_number("Budget limit", limit)
        known = cost.infimum if lowest is None else require_number("Budget lowest", lowest)
        excess = Excess(cost, limit, known)
        multiplier = Multiplier(
            require_number("Budget rate", rate, positive=True),
            require_number("Budget damping", damping, nonnegative=True),
            require_number("Budget start", start, nonnegative=True),
            require_number("Budget ceiling", ceiling, positive=True),
        )
        super().__init__((Term("Budget", Coefficient().times(multiplier), excess),))


@dataclass(frozen=True)
class EvaluationCap:
    """A stop rule for `until=`: true once `limit` gradient evaluations were made, by the ledger's column `evaluations`.

    It is looked at at records: the run stops at the first record that has reached the cap, with status CONVERGED, so a
    cap to the step asks for record_every=1. A run that goes on by `state=` counts anew. `also` is another stop rule
    that may end the run first.

    >>> import wgf
    >>> cap = wgf.drives.EvaluationCap(20)
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Heun(), dt=0.1, t_end=9.0, until=cap)
    >>> sol.ledger["evaluations"][-1]
    np.float64(21.0)
    """

    limit: int
    also: Callable[[Mapping[str, float]], bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", require_integer("EvaluationCap limit", self.limit, low=1))
        if not (self.also is None or callable(self.also)):
            raise ConfigError(f"EvaluationCap(also={self.also!r}): wanted a function of a row of the ledger.")

    def __call__(self, row: Mapping[str, Any]) -> bool:
        return row["evaluations"] >= self.limit or (self.also is not None and bool(self.also(row)))
