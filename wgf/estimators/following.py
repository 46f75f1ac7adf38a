"""The flow of one fit: when it stops, and how it is repeated with smaller steps where they were too large."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import DivergenceError, ResourceError, StepSizeError, WgfWarning
from ..flow import Solution, solve
from ..flow.observers import Observers
from ..functional import Functional
from ..ledger.balance import CLOSURE_LIMIT
from ..measure import Ensemble
from ..protocol import Solver

REFINEMENTS = 2
"""How many times a flow is repeated with smaller steps, at most."""
FINER_TOLERANCE, FINER_STEP = 0.1, 0.25
"""What a refinement multiplies: the tolerances of an adaptive scheme, the step of another one."""
PATIENCE = 5
"""A least validation loss stands if so many records after it are larger, and the time has doubled since."""
VALIDATION = "validation_loss"
"""The column of the ledger with the loss on the rows that are held out."""


@dataclass(frozen=True)
class Course:
    """How the flow of a fit runs.

    Attributes
    ----------
    solver : Solver
        The scheme.
    dt, t_end : float
        The first step, or all of them, and the last time.
    max_steps : int
        The largest number of steps.
    tol : float
        The flow ends where what F can still release until t_end is below this part of what it has released.
    """

    solver: Solver
    dt: float
    t_end: float
    max_steps: int
    tol: float

    def finer(self) -> Course:
        """The same course with smaller steps."""
        if self.solver.adaptive:
            solver: Any = self.solver
            tolerances = {name: FINER_TOLERANCE * getattr(solver, name) for name in ("rtol", "atol")}
            return replace(self, solver=replace(solver, **tolerances))
        return replace(self, dt=FINER_STEP * self.dt)


@dataclass
class Stop:
    """The rule by which a flow ends before t_end. It sees every record.

    Attributes
    ----------
    course : Course
        How the flow runs.
    by_closure : bool
        Whether a closure beyond its limit ends the flow, so that it can be repeated with smaller steps.
    best : (float, float)
        The least validation loss so far, and its time.
    """

    course: Course
    by_closure: bool
    best: tuple[float, float] = (math.inf, 0.0)
    released: float = 0.0
    _since: int = field(default=0)

    def __call__(self, row: Mapping[str, float]) -> bool:
        self.released += row["released"]
        if self.by_closure and beyond(row):
            return True
        if VALIDATION in row:
            if row[VALIDATION] < self.best[0]:
                self.best, self._since = (row[VALIDATION], row["t"]), 0
            else:
                self._since += 1
            return self._since >= PATIENCE and row["t"] >= 2 * self.best[1]
        rest = row["dissipation"] * (self.course.t_end - row["t"])
        return self.released > 0 and rest <= self.course.tol * self.released


def beyond(row: Mapping[str, float]) -> bool:
    """Whether the closure since the start is beyond its limit: the steps were too large."""
    return abs(row["closure_total"]) > CLOSURE_LIMIT


def follow(F: Functional, mu: Ensemble, course: Course, observers: Observers = ()) -> tuple[Solution, float, str]:
    """Follow the flow of F from μ, with smaller steps where the closure says so or the flow diverges.

    Parameters
    ----------
    F : Functional
        The free energy.
    mu : Ensemble
        The particles at the start.
    course : Course
        How the flow runs.
    observers : mapping of str to callable
        Columns of the ledger. One called `VALIDATION` decides when the flow ends.

    Returns
    -------
    solution : Solution
        The last run.
    best : float
        The time of the least validation loss; 0 without one.
    complaint : str
        What whoever uses the result must know; empty where all is well.

    Raises
    ------
    DivergenceError, StepSizeError
        If the flow fails with the smallest steps as well.
    """
    for attempt in range(REFINEMENTS + 1):
        last = attempt == REFINEMENTS
        stop = Stop(course, by_closure=not last)
        try:
            solution = _quiet(F, mu, course, observers, stop)
        except (DivergenceError, StepSizeError):
            if last:
                raise
        else:
            if last or not beyond(solution.ledger.row(-1)):
                break
        course = course.finer()
    return solution, stop.best[1], _complaint(solution, course)


def _quiet(F: Functional, mu: Ensemble, course: Course, observers: Observers, stop: Stop) -> Solution:
    """One run, without the warning of its closure, which `follow` answers itself."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", WgfWarning)
        try:
            solution = solve(
                F, mu, course.solver, dt=min(course.dt, course.t_end), t_end=course.t_end, observers=observers,
                until=stop, max_steps=course.max_steps,
            )  # fmt: skip
        except ResourceError as error:
            if error.solution is None:
                raise
            solution = error.solution
    for other in caught:
        if not (issubclass(other.category, WgfWarning) and str(other.message).startswith("closure ")):
            warnings.warn(other.message, stacklevel=2)
    return solution


def _complaint(solution: Solution, course: Course) -> str:
    row = solution.ledger.row(-1)
    if not solution.status.ok:
        return (
            f"the flow took max_steps = {course.max_steps} steps and stands at t = {row['t']:g}, before t_end = "
            f"{course.t_end:g}: raise max_steps, or lower t_end."
        )
    if beyond(row):
        return (
            f"closure {row['closure_total']:+.1%}: the steps do not resolve the flow, also after {REFINEMENTS} "
            "refinements. The predictions are those of the particles found; a smaller temperature, weight_decay or dt, "
            "or standardised data, may help."
        )
    return ""
