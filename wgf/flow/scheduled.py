"""What depends on t in a stretch of steps: coefficients and the temperature of the noise, as arrays over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ledger import Driven
from ..ops import bodies
from ..protocol import Dynamics, State
from .plan import Plan

if TYPE_CHECKING:
    from ..ops.cpu.stretch import Stretch

MOST = 2**14
"""Steps in one call: schedules are functions in Python."""


class Scheduled:
    """The schedules of a run over stretches of its steps, at the times at which single steps ask for them.

    Parameters
    ----------
    dynamics : Dynamics
        The free energy.
    plan : Plan
        The times of the steps.

    Attributes
    ----------
    fits : bool
        False where a term itself depends on t. It then has no compiled form.
    changes : bool
        Whether there is a schedule.
    warming : bool
        Whether the temperature of the noise has one.
    driven : ndarray or None
        Which terms that act by force have a coefficient that changes (terms,), bool. None where none has.
    """

    def __init__(self, dynamics: Dynamics, plan: Plan) -> None:
        self._dynamics, self._plan = dynamics, plan
        self.fits = not any(term.functional.varies for term in dynamics.free_energy.terms)
        self.warming = dynamics.shannon.varies
        self.driven = np.array([term.driven for term in dynamics.drift.terms]) if dynamics.driven else None
        self.changes = self.warming or self.driven is not None
        self._places = () if self.driven is None else tuple(np.flatnonzero(self.driven).tolist())

    def noisy(self, step: int) -> bool | None:
        """Whether a step has noise, and the next one too; None where one of them has and the other has not."""
        if not self.warming:
            return True
        now, then = (self._temperature(self._plan.time(k)) > 0 for k in (step, step + 1))
        return now if now == then else None

    def _temperature(self, t: float) -> float:
        """The temperature of the noise, as `Dynamics.noise_temperature` has it."""
        return sum((-term.factor(t).number for term in self._dynamics.shannon.terms), 0.0)

    def stretch(self, stretch: Stretch, first: int, count: int) -> tuple[Stretch, int, Driven]:
        """The compiled steps from `first` on with their coefficients, how many they are, and what the books need.

        They end before the first step that has noise where the stretch has none, or none where the stretch has it.
        The books also need the values of the driven terms, which are not known yet.
        """
        step, dt = stretch.step, self._plan.dt
        times = [self._plan.time(first + k) for k in range(count + 1)]
        temperatures = None
        if self.warming:
            temperatures = np.array([self._temperature(t) for t in times])
            heats = temperatures[:-1]
            if isinstance(step, bodies.Underdamped):
                heats = np.array([self._temperature(t + 0.5 * dt) for t in times[:-1]])
            noisy = not isinstance(step, bodies.RungeKutta)
            other = np.flatnonzero((heats > 0) != noisy)
            count = int(other[0]) if len(other) else count
            step = step.heated(heats[:count]) if noisy else step
            temperatures, times = temperatures[: count + 1], times[: count + 1]
        terms = self._dynamics.driven
        coefficients, numbers = np.empty((count + 1, len(terms))), stretch.numbers
        if self.driven is not None:
            numbers = np.repeat(numbers[:1], count * len(step.nodes), axis=0)
            rows = numbers.reshape(count, len(step.nodes), -1)
        for column, (j, term) in enumerate(zip(self._places, terms, strict=True)):
            made = [term.coefficient.at(t) for t in times]
            coefficients[:, column] = [coefficient.number for coefficient in made]
            for i, node in enumerate(map(float, step.nodes)):
                if node:
                    rows[:, i, j] = [term.factor(t + node * dt).number for t in times[:-1]]
                else:
                    rows[:, i, j] = [term.allowed(*at).number for at in zip(made[:-1], times[:-1], strict=True)]
        driven = Driven(np.array(times), coefficients, np.empty_like(coefficients), temperatures)
        return stretch._replace(step=step, numbers=numbers), count, driven

    def repeated(self, step: Any, first: int, count: int) -> int:
        """How often single steps evaluate ∇F again, because the end of a step is the next start only up to rounding."""
        ends = step.ending if isinstance(step, bodies.RungeKutta) else isinstance(step, bodies.ENDING)
        if self.driven is None or not ends:
            return 0
        time, dt = self._plan.time, self._plan.dt
        return sum(time(k + 1) != time(k) + dt for k in range(first, first + count))

    def valued(self, driven: Driven, terms: Any, sums: np.ndarray, after: State) -> Driven:
        """Add the values of the driven terms: `sums` are those over the particles at the starts of the steps.

        `terms` are the bodies of all terms, and `after` is the state at the end.
        """
        for column, j in enumerate(self._places):
            driven.values[:-1, column] = terms[j].integral * sums[:, column]
            driven.values[-1, column] = float(after.evaluation.terms[j].value)
        return driven
