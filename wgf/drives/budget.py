"""Resource constraints: a budget held by a multiplier, the transport spent since the start, a cap on evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, DivergenceError, require_number
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
    """Half the mean squared distance of the particles from where they started: the transport spent.

        𝓕 = ½ ∫ |x − x(0)|² dμ,    δ𝓕/δμ = ½ |x − x(0)|²,    ∇_W 𝓕 = x − x(0)

    It is an upper bound of ½ W₂²(μ₀, μ), since pairing each particle with its own start is one transport plan. The two
    are equal where that plan is optimal; in one dimension, where order is kept. It is a function of labelled particles,
    not of the measure. Distances are those of ℝᵈ, not of a periodic domain.

    Parameters
    ----------
    start : Ensemble, optional
        The particles x(0), paired by id. By default the ensemble that the run begins with; a continued run keeps it.

    Raises
    ------
    ConfigError
        For a particle that was not there at the start, weights that changed, or points that are no particles.

    See Also
    --------
    wgf.drives.Budget, wgf.drives.EvaluationCap

    Examples
    --------
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
    """The excess cost[μ] − limit(t), which a budget multiplies. It resolves the cost from the start of the run."""

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
    """The multiplier λ ≥ 0 of a constraint g ≤ 0, by dual ascent: λ ← max(0, λ + h·rate·g) after a step of length h.

    The coefficient is max(0, λ + damping·g), the derivative of the augmented Lagrangian by g. It remembers both.
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
    """The constraint cost[μ] ≤ limit, as a term λ (cost[μ] − limit) with a multiplier λ ≥ 0 that adapts.

    Use it as `F + Budget(wgf.Quadratic(), limit=0.5)`. Between steps λ ascends, dλ/dt = rate·(cost − limit).

    Parameters
    ----------
    cost : Functional
        Such as `wgf.Quadratic()` (the weight norm ½∫|x|²) or `Displacement()` (transport spent).
    limit : float or callable of t
        In the units of the cost.
    rate : float
        In F/(cost² · time): at λ*/(limit · τ), with λ* ≈ ‖∇E‖/‖∇cost‖ at the limit, λ arrives within a few τ.
    damping : float
        ρ ≥ 0, in units of F/cost². The coefficient is then max(0, λ + ρ(cost − limit)), the augmented Lagrangian.
    start, ceiling : float
        λ at the start, and a bound that ends the run: λ grows without bound where the limit cannot be met.
    lowest : float, optional
        The least value of the cost, where the cost does not know it.

    Raises
    ------
    ConfigError
        If the limit is not above the least value of the cost, or λ passes the ceiling.

    See Also
    --------
    wgf.drives.Displacement, wgf.drives.EvaluationCap

    Notes
    -----
    λ stays 0 while the budget is not used up. Its change is booked as work. The ledger has the coefficient as
    `drive:Budget` and λ(cost − limit) as `term:Budget`, which ends at 0 in either case (complementary slackness).

    If F and the cost are convex along the flow, it converges to the saddle point (Arrow, Hurwicz & Uzawa 1958). Near
    it, with b = ‖∇_W cost‖ and k the convexity of F + λ cost in that direction, both go as exp(st) with s² + (k + ρb²)s
    + b² rate = 0. For k + ρb² < 2b√rate they oscillate, damped at the rate (k + ρb²)/2. ρ = (2b√rate − k)/b² is
    fastest; more damping is slower (Platt & Barr 1988, NIPS). An explicit scheme needs dt (k + ρb²) < 2, and k grows
    with λ: a large rate and a start far above the limit make λ too large for a step. No promise for other F.

    Examples
    --------
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
