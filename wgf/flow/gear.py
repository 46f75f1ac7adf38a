"""The second gear: a whole stretch of steps in one compiled call, where scheme and terms have bodies.

It covers explicit Runge–Kutta schemes, `Langevin`, `LeimkuhlerMatthews`, `Underdamped`, `ExponentialEuler` and `Stein`,
for the terms that have a `body`; and `BogackiShampine`, whose steps are accepted and rejected in the compiled code. A
temperature that depends on t, and coefficients of terms whose value has a compiled form (`integral` of the body), are
arrays over the steps. `Stein` needs a constant temperature, `ExponentialEuler` a constant K, and a scheme that chooses
its steps a constant F. Terms that depend on t themselves, minibatches, domains and drives stay in the first gear.

Both gears give the same bits. So which one a run is in depends on sizes and terms, and on whether the compiled code is
there, never on a clock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import WgfError
from ..extension import guarded
from ..ledger import Bookkeeper, Driven
from ..measure import Ensemble, NoiseSource
from ..ops import bodies
from ..protocol import Dynamics, Solver, State
from .cadence import Records
from .plan import Plan
from .scheduled import MOST, Scheduled

if TYPE_CHECKING:
    from ..ops.cpu.stretch import Stretch

_OVERHEAD = 6e4  # nanoseconds that a step in the first gear takes beyond its arithmetic, for each term
_ARITHMETIC = 20.0  # nanoseconds for each number, at most, that blocks of particles in cache save in a step
_SHORT = 2e6  # nanoseconds that must be saved so that looking for the code pays
_LOADED, _COMPILED = 3e7, 3e8  # the same for loading the code, and for compiling it
_SPREAD = 3e5  # nanoseconds that threads must save in a step in which particles meet: here one works, for pairs two
_LOOK, _MORE = 64, 4  # adaptive schemes: steps until the first look, and how many times as many are thought to come
_PIECE, _MOST = 2e8, 2**17  # nanoseconds and steps in one call, which cannot be interrupted

_missed: dict[Any, float] = {}
"""Nanoseconds that earlier runs of one kind in this process would have saved: many short runs pay for loading too."""

_forced: ContextVar[bool | None] = ContextVar("wgf.flow.gear: whether runs take the second gear", default=None)


def _least() -> float:
    """Nanoseconds that a run must save at least: less where this process may have the code already."""
    return _SHORT if "wgf.ops.cpu.stretch" in sys.modules else _LOADED


@contextmanager
def forced(second: bool) -> Iterator[None]:
    """Make runs take the second gear wherever they can, or never, inside a `with` block; for tests.

    Parameters
    ----------
    second : bool
        True: however short the run is. False: never.
    """
    token = _forced.set(second)
    try:
        yield
    finally:
        _forced.reset(token)


class Gear:
    """The base class of what takes several steps of a run at once.

    Parameters
    ----------
    dynamics, solver, plan, noise : Dynamics, Solver, Plan, NoiseSource
        The parts of the run.
    history : int
        What the particles remember of the noise (`Flow.history`).
    plain : bool
        False where something looks at the run after every step. Single steps are then taken.

    Attributes
    ----------
    open : bool
        Whether several steps at once may be possible.
    """

    def __init__(
        self, dynamics: Dynamics, solver: Solver, plan: Plan, noise: NoiseSource, history: int, plain: bool
    ) -> None:
        self._dynamics, self._solver, self._plan, self._noise = dynamics, solver, plan, noise
        self._history = history
        simple = not (dynamics.free_energy.sampled or dynamics.domain is not None)
        self.open = plain and simple and _forced.get() is not False  # until a stretch is known to be impossible

    def _after(self, state: State, x: torch.Tensor) -> State | None:
        """The state with the particles x, at its time and step; None where something is not finite."""
        mu, evaluations = state.mu.moved(x), self._dynamics.evaluations
        mu = mu.remembering(self._history) if self._history else mu
        if not mu.whole or bool(torch.isfinite(x).all()):  # of several processes one may have lost a particle
            try:
                return state.with_(mu=mu, evaluation=self._dynamics.evaluate(mu, state.t, state.step))
            except WgfError:
                self._dynamics.evaluations = evaluations
        return None


class SecondGear(Gear):
    """Takes several steps of a run in one compiled call. Parameters: as `Gear`.

    Notes
    -----
    Finiteness is checked at the end of a call: what is not finite stays so. The first gear then takes the steps again,
    so that the error is the one that it gives.
    """

    def __init__(
        self, dynamics: Dynamics, solver: Solver, plan: Plan, noise: NoiseSource, history: int, plain: bool
    ) -> None:
        super().__init__(dynamics, solver, plan, noise, history, plain)
        self._scheduled = Scheduled(dynamics, plan)
        self._stretches: dict[bool, tuple[Stretch, int]] = {}  # for steps with noise and for others; and the most steps
        self.open = self.open and self._scheduled.fits and not (plan.adaptive and self._scheduled.changes)
        self._look = 0 if _forced.get() else _LOOK

    def leap(self, state: State, stop: int, books: Bookkeeper, records: Records) -> State | None:
        """Take steps towards `stop` in one compiled call, and book them.

        Parameters
        ----------
        state : State
            Where the run stands.
        stop : int
            The number of the last step to take at most.
        books : Bookkeeper
            Where the steps are booked.
        records : Records
            When a record is due. A scheme that chooses its steps ends the call there.

        Returns
        -------
        State or None
            The state after these steps. None where the first gear has to take the next step.
        """
        adaptive = self._plan.adaptive
        last = stop if self._plan.whole or adaptive else min(stop, self._plan.last - 1)
        if not self.open or last - state.step < 2:
            return None
        seen = state.mu.x, state.mu.weights
        prepared = guarded(f"step {state.step}: a schedule", seen, self._prepared, state, last - state.step)
        if prepared is None:
            return None
        stretch, count, driven = prepared
        memory = state.memory.clone() if isinstance(stretch.step, bodies.REMEMBERING) else None
        x = state.mu.x.clone()
        if adaptive:
            marks = records.marks(books.ledger)
            step = stretch.step.between(state.t, state.memory or (state.dt, 1.0), self._plan.t_end, marks, count)
            stretch = stretch._replace(step=step)
        sums = _taken(stretch, state.mu, x, memory, state.step, count)
        if adaptive:
            t, *memory, done, tried = stretch.step.control.tolist()
            count, evaluations = int(done), int(tried) * stretch.step.stages
            if count == 0 or sums is None:  # the next step may fail
                return None
            step, sums = state.step + count, sums[:count]
            end = state.with_(t=t, step=step, origin_t=t, origin_step=step, memory=tuple(memory))
        else:
            step, evaluations = state.step + count, count * stretch.step.stages
            evaluations += self._scheduled.repeated(stretch.step, state.step, count)
            end = state.with_(t=self._plan.time(step), step=step, memory=memory)
        after = self._after(end, x)
        if after is None or not (sums is None or np.isfinite(sums).all()):
            self.open = False
            return None
        self._dynamics.evaluations += evaluations - 1
        self._book(stretch, np.empty((count, 0)) if sums is None else sums, driven, after, books)
        return after

    def _prepared(self, state: State, most: int) -> tuple[Stretch, int, Driven | None] | None:
        """The compiled steps from this state on, how many they are, and what of them depends on t.

        None where the next step is a single one: also where a schedule fails before the end, so that single steps get
        there.
        """
        try:
            noisy = self._scheduled.noisy(state.step)
        except Exception:
            self.open = False
            return None
        if noisy is None:
            return None
        if noisy not in self._stretches:
            done = state.step - self._plan.first
            if self._plan.adaptive and done < self._look:
                return None
            found = self._engaged(state)
            self._look = 2 * done
            agreed = state.mu.everywhere(found is not None)
            self.open = agreed or (self._plan.adaptive and not _forced.get())  # such a run may prove to be longer
            if found is None or not agreed:
                return None
            self._stretches[noisy] = found
        stretch, piece = self._stretches[noisy]
        if isinstance(stretch.step, bodies.REMEMBERING) and state.memory is None:
            return None
        if not self._scheduled.changes:
            return stretch, min(most, piece), None
        try:
            prepared = self._scheduled.stretch(stretch, state.step, min(most, piece, MOST))
        except Exception:
            self.open = False
            return None
        return prepared if prepared[1] else None

    def _book(self, stretch: Stretch, sums: np.ndarray, driven: Driven | None, after: State, books: Bookkeeper) -> None:
        """Book these steps. `sums` are those that `Stretch.take` gives."""
        weights, dissipation = stretch.step.quadrature, None
        if weights is not None:
            dissipation = weights[0] * sums[:, 0]
            for i in range(1, len(weights)):
                dissipation = dissipation + weights[i] * sums[:, i]
            sums = sums[:, len(weights) :]
        if driven is not None:
            driven = self._scheduled.valued(driven, stretch.terms, sums, after)
        adaptive = self._plan.adaptive
        books.along(stretch.step.lengths[: len(sums)] if adaptive else self._plan.dt, dissipation, driven)

    def _engaged(self, state: State) -> tuple[Stretch, int] | None:
        """The compiled steps of this run, and the most in one call; None where there are none or they do not pay."""
        mu, plan = state.mu, self._plan
        kinds = [type(term.functional) for term in self._dynamics.drift.terms]
        overhead = _OVERHEAD * max(1, len(kinds))
        most = self._remaining(state) * (overhead + _ARITHMETIC * mu.n * mu.dim)
        if mu.device.type != "cpu" or mu.period is not None:
            return None
        kind = type(self._solver), tuple(kinds), mu.dtype, mu.dim
        hoped = _missed[kind] = _missed.get(kind, 0.0) + most
        if not _forced.get() and (most < _SHORT or hoped < _least()):
            return None
        drift = self._dynamics.drift.at(state.t)
        terms = tuple(term.functional.body(mu) for term in drift.terms)
        if None in terms:
            return None
        step = self._solver.body(self._dynamics, state, plan.dt, self._noise)
        driven = self._scheduled.driven
        if step is None or ((step.quadrature is not None or driven is not None) and mu.dim > bodies.SUMMED):
            return None
        if driven is not None and not (mu.whole and all(terms[k].integral for k in np.flatnonzero(driven))):
            return None  # values that come from other processes may come later
        if self._scheduled.warming and isinstance(step, bodies.MEETING):
            return None
        if plan.adaptive != isinstance(step, bodies.AdaptiveRungeKutta):
            return None
        each = step.nanoseconds(mu.n, mu.dim)
        each += step.stages * sum(term.nanoseconds(mu.n, mu.dim) for term in terms)
        apart = all(term.separable for term in terms) and not isinstance(step, bodies.MEETING)
        place, threads = bodies.shareable(terms), torch.get_num_threads()
        shared = 0.0 if place is None else step.stages * terms[place].nanoseconds(mu.n, mu.dim)
        spread = each - shared * (1.0 - 1.0 / min(2, threads)) - each / threads > _SPREAD
        if not apart and (spread or mu.n > bodies.BLOCK or not mu.whole):
            return None
        numbers = np.array([[term.coefficient.number for term in drift.terms]], mu.x.numpy().dtype)
        saved = overhead + (min(each, _ARITHMETIC * mu.n * mu.dim) if apart else 0.0)
        stretch = self._paying(step, terms, numbers, state, saved, hoped)
        if stretch is None:
            _missed[kind] = 0.0  # looking for the code takes time too
            return None
        return stretch, max(1, min(_MOST, int(_PIECE / each)))

    def _remaining(self, state: State) -> int:
        """How many steps the run has left; a few times as many as it has taken, where the scheme chooses them."""
        plan = self._plan
        if not plan.adaptive:
            return plan.last - state.step
        length = state.memory[0] if state.memory else state.dt
        return int(min((plan.t_end - state.t) / length, _MORE * (state.step - plan.first)))

    def _paying(
        self, step: Any, terms: Any, numbers: np.ndarray, state: State, saved: float, hoped: float
    ) -> Stretch | None:
        """The stretch, if the run is long enough to compile its code, or runs of its kind to load it.

        `saved` is for one step, `hoped` for this run and earlier ones.
        """
        mu, saved = state.mu, saved * self._remaining(state)
        always, x = _forced.get() is True, mu.x.numpy()
        if not always and (saved < _SHORT or max(saved, hoped) < _least()):
            return None
        from ..ops.cpu.stretch import Stretch

        stretch = Stretch(step, terms, numbers, mu.weights.numpy(), mu.ids.numpy(), self._scheduled.driven)
        return stretch if always or saved >= _COMPILED or stretch.built(x, max(saved, hoped) < _LOADED) else None


def _taken(
    stretch: Stretch, mu: Ensemble, x: torch.Tensor, memory: torch.Tensor | None, first: int, count: int
) -> np.ndarray | None:
    """Take the steps of a stretch with the particles x and the memory, in place, and give the sums for the books.

    Where particles are divided, these are summed over the blocks of all processes: one message.
    """

    def rows(part: slice) -> np.ndarray | None:
        own = stretch._replace(weights=stretch.weights[part], ids=stretch.ids[part])
        return own.take(x[part].numpy(), None if memory is None else memory[part].numpy(), first, count)

    if mu.whole or (stretch.step.quadrature is None and stretch.driven is None):
        return rows(slice(None))
    return mu.over_blocks(lambda part: torch.from_numpy(rows(part))).numpy()
