"""When a run makes its records: every so many steps where the user says so, else as many as a table of costs allows."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..functional import FreeEnergy, Work
from ..ledger import Ledger
from ..ledger.shannon import FEWEST_PARTICLES, LARGEST_DIM
from ..measure import Ensemble
from ..protocol import Solver, State, realised_by_noise
from .plan import Plan

FEWEST, MOST = 11, 101
"""The least and the largest number of records that a run makes by default, the first one included."""
PAYS = 2
"""Where there are more than FEWEST records, the steps cost at least so many times as much, by default."""
TABLE = Path(__file__).with_name("cadence.json")
"""The committed costs of steps and records. `python -m wgf.benchmarks.cadence` measures them."""


# ------------------------------------------------------------------------------------------------- when


class Records(ABC):
    """When a run makes its records, apart from the first and the last."""

    @abstractmethod
    def due(self, state: State, ledger: Ledger) -> bool:
        """Whether there is a record at this state, after those that the ledger has."""

    @abstractmethod
    def after(self, step: int) -> int:
        """The number of the next step after `step` at which there may be a record, by its number alone."""

    def marks(self, ledger: Ledger) -> tuple[tuple[float, float], ...]:
        """When the next record is due, for a scheme that chooses its steps.

        It is due at the first state whose number of the step and time reach both numbers of a pair.
        """
        return ()

    @abstractmethod
    def within(self, steps: int) -> int:
        """The number of records in so many steps, about."""


@dataclass(frozen=True)
class Every(Records):
    """A record at every step whose number is a multiple of `steps`: what `solve(record_every=)` says."""

    steps: int

    def due(self, state: State, ledger: Ledger) -> bool:
        return state.step % self.steps == 0

    def after(self, step: int) -> int:
        return (step // self.steps + 1) * self.steps

    def within(self, steps: int) -> int:
        return steps // self.steps


@dataclass(frozen=True)
class Spread(Records):
    """`count` records, as evenly as it goes, over `steps` steps that follow the step `first`."""

    first: int
    steps: int
    count: int

    def due(self, state: State, ledger: Ledger) -> bool:
        return self._before(state.step) > self._before(state.step - 1)

    def _before(self, step: int) -> int:
        """The number of records up to a step."""
        return (step - self.first) * self.count // self.steps

    def after(self, step: int) -> int:
        return self.first - (-(self._before(step) + 1) * self.steps) // self.count

    def within(self, steps: int) -> int:
        return self.count


@dataclass(frozen=True)
class Adaptive(Records):
    """Records of a scheme that chooses its steps, whose number is not known.

    There is at most one for every `apart` steps, so that they take at most their share of the run. The first half of
    MOST come as soon as they may, since a flow changes most at its start. The others are spread evenly over the time.
    FEWEST of them come in any case: half at the first steps, and half spread over the time.

    Attributes
    ----------
    first : int
        The number of steps made before the run.
    start, t_end : float
        The times at which the run starts and ends.
    apart : int
        How many steps pay for a record.
    """

    first: int
    start: float
    t_end: float
    apart: int

    def due(self, state: State, ledger: Ledger) -> bool:
        rows, done, half = ledger.rows, state.step - self.first, FEWEST // 2
        if rows < FEWEST and (done <= half or rows <= half + self._part(state.t, half)):
            return True
        early, parts = MOST // 2, MOST - 1 - MOST // 2
        late = self._part(state.t, parts) > self._part(ledger.row(-1)["t"], parts)
        return done >= self.apart * rows and (rows <= early or late)

    def _part(self, t: float, parts: int) -> int:
        """How many of the equal parts of the run have passed at time t."""
        return math.floor(parts * (t - self.start) / (self.t_end - self.start)) if self.t_end > self.start else parts

    def after(self, step: int) -> int:
        return 2**62

    def marks(self, ledger: Ledger) -> tuple[tuple[float, float], ...]:
        rows, half, early, parts = ledger.rows, FEWEST // 2, MOST // 2, MOST - 1 - MOST // 2
        last, found = ledger.row(-1), []
        if rows < FEWEST:
            found = [(last["step"] + 1, -math.inf)] if last["step"] + 1 - self.first <= half else []
            found += [(0.0, self._reaching(rows - half, half))]
        late = -math.inf if rows <= early else self._reaching(self._part(last["t"], parts) + 1, parts)
        return (*found, (self.first + self.apart * rows, late))

    def _reaching(self, part: int, parts: int) -> float:
        """The least time at which so many parts have passed."""
        if part <= 0 or not self.t_end > self.start:
            return -math.inf
        t = self.start + part * (self.t_end - self.start) / parts
        while self._part(t, parts) >= part:
            t = math.nextafter(t, -math.inf)
        while self._part(t, parts) < part:
            t = math.nextafter(t, math.inf)
        return t

    def within(self, steps: int) -> int:
        return MOST


@dataclass(frozen=True)
class Cadence:
    """When there is a record, and the number of steps from one frame to the next (0: no frames)."""

    records: Records
    frames: int

    def after(self, step: int) -> int:
        """The number of the next step after `step` at which there may be a record or a frame, by its number alone."""
        record = self.records.after(step)
        return min(record, Every(self.frames).after(step)) if self.frames else record


# ------------------------------------------------------------------------------------------------- at what cost


@dataclass(frozen=True)
class Prices:
    """The costs of steps and records in nanoseconds, on the machine that the table names.

        step = fixed + evaluations · Σ_terms (term + number · numbers + pair · pairs + product · products) + noise · n·d
        record = fixed + number · n·d + Shannon(n, d) + what else it evaluates

    Attributes
    ----------
    step, record : mapping of str to float
        The constants, by the names in the formulas. Those of an evaluation stand with the step.
    shannon : mapping of str to (float, float)
        By dimension, "1", "2", "3" or "more", the cost of an estimate of Shannon entropy and score: of any, and for
        each particle.
    machine : mapping
        The machine on which they were measured.
    """

    step: Mapping[str, float]
    record: Mapping[str, float]
    shannon: Mapping[str, tuple[float, float]]
    machine: Mapping[str, Any]

    def evaluation(self, work: Work) -> float:
        """The cost of one evaluation of one term."""
        costs = self.step
        counted = costs["number"] * work.numbers + costs["pair"] * work.pairs + costs["product"] * work.products
        return costs["term"] + counted

    def of_step(self, free_energy: FreeEnergy, solver: Solver, mu: Ensemble) -> float:
        """Estimate the cost of a step.

        Parameters
        ----------
        free_energy : FreeEnergy
            F as the user gave it.
        solver : Solver
            The scheme.
        mu : Ensemble
            The initial particles (n, d).

        Returns
        -------
        float
            Nanoseconds.
        """
        terms = [term for term in solver.rewrite(free_energy).terms if not realised_by_noise(term)]
        once = sum(self.evaluation(term.functional.work(mu)) for term in terms)
        drawn = self.step["noise"] * mu.n * mu.dim if solver.stochastic else 0.0
        return self.step["fixed"] + solver.evaluations * once + drawn

    def of_record(self, free_energy: FreeEnergy, solver: Solver, mu: Ensemble) -> float:
        """Estimate the cost of a record, without observers.

        Parameters
        ----------
        free_energy : FreeEnergy
            F as the user gave it.
        solver : Solver
            The scheme.
        mu : Ensemble
            The initial particles (n, d).

        Returns
        -------
        float
            Nanoseconds.
        """
        cost = self.record["fixed"] + self.record["number"] * mu.n * mu.dim
        if any(term.functional.is_entropy for term in free_energy.terms):  # beside the gradient of log-det
            cost += self.step["product"] * mu.n * mu.dim**2
        if solver.rewrite(free_energy).sampled:  # a record has all data
            still = [term.functional for term in free_energy.terms if not realised_by_noise(term)]
            cost += sum(self.evaluation(functional.work(mu, whole=True)) for functional in still)
        noisy = any(realised_by_noise(term) for term in free_energy.terms)
        if noisy and not _knows_density(solver) and mu.dim <= LARGEST_DIM and mu.n >= FEWEST_PARTICLES:
            fixed, particle = self.shannon[str(mu.dim) if mu.dim <= 3 else "more"]
            cost += fixed + particle * mu.n
        return cost


def _knows_density(solver: Solver) -> bool:
    """Whether the scheme gives the Shannon entropy itself; one around another scheme as that one does."""
    inner = getattr(solver, "inner", None)
    return _knows_density(inner) if isinstance(inner, Solver) else type(solver).entropy is not Solver.entropy


@cache
def prices() -> Prices:
    """The committed table of costs."""
    return Prices(**json.loads(TABLE.read_text(encoding="utf-8")))


def by_default(
    plan: Plan, free_energy: FreeEnergy, solver: Solver, mu: Ensemble, table: Prices | None = None
) -> Records:
    """Choose when a run makes its records, where the user does not say so.

    Parameters
    ----------
    plan : Plan
        The times of the steps.
    free_energy : FreeEnergy
        F as the user gave it.
    solver : Solver
        The scheme.
    mu : Ensemble
        The initial particles (n, d).
    table : Prices, optional
        The costs. By default the committed table.

    Returns
    -------
    Records
        From FEWEST to MOST of them: as many as take at most a third of the run, by the table, or FEWEST. A run of fewer
        steps has one for each step.
    """
    table = prices() if table is None else table
    steps_each = table.of_record(free_energy, solver, mu) / table.of_step(free_energy, solver, mu)
    steps_each *= PAYS  # so many steps pay for a record
    if plan.steps is None:
        return Adaptive(plan.first, plan.start, plan.t_end, max(1, math.ceil(steps_each)))
    affordable = int(min(plan.steps / steps_each, MOST)) - 1
    count = min(plan.steps, max(FEWEST - 1, min(MOST - 1, affordable)))
    return Spread(plan.first, plan.steps, count) if count else Every(1)
