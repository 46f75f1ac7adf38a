"""The loop of a run: take steps, book them, make records and stop. What was computed is kept, whatever ends the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .. import ops
from ..errors import CheckpointError, DivergenceError, ResourceError, StepSizeError, require_truth
from ..extension import guarded
from ..extension.reading import versions, written
from ..ledger import Bookkeeper, BookMemory
from ..measure import checks
from ..protocol import State
from .cadence import Cadence, Every
from .callbacks import Callbacks
from .keeping import Keeping
from .monitor import Monitor
from .parts import Flow, Stops
from .pointwise import Gears
from .solution import Outcome, Solution, Status
from .timing import Stopwatch
from .unbounded import falling, warn_of_falling

_ADVICE = r"; try|; what|\. If F|\. Raise"
"""Where the advice of a message begins. It is wrong where F has no lower bound."""

Result = TypeVar("Result")


@dataclass
class Run:
    """One run. `go` carries it out.

    Attributes
    ----------
    state : State
        Where the run stands now.
    flow : Flow
        What is integrated, and how.
    books : Bookkeeper
        The bookkeeper, which holds the ledger.
    cadence : Cadence
        When there is a record or a frame.
    stops : Stops
        What ends the run before t_end.
    monitor : Monitor
        What watches the run.
    stopwatch : Stopwatch
        What adds up the seconds of its parts.
    keeping : Keeping
        Where the frames and the run itself are kept.
    callbacks : Callbacks
        What the user wants to be done.
    """

    state: State
    flow: Flow
    books: Bookkeeper
    cadence: Cadence
    stops: Stops
    monitor: Monitor = field(default_factory=Monitor)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    keeping: Keeping = field(default_factory=Keeping)
    callbacks: Callbacks = field(default_factory=Callbacks)

    def __post_init__(self) -> None:
        self.dynamics, self.plan = self.flow.dynamics, self.flow.plan
        flow, mu = self.flow, self.state.mu
        self.deferred = checks.deferred_on(mu.device, not mu.whole)
        plain = not ((self.deferred and mu.whole) or flow.steering.drives)
        self.gear = Gears(flow.dynamics, flow.solver, flow.plan, flow.noise, flow.history, plain)
        self._observed = -1
        self._before_record: tuple[BookMemory, Any] | None = None
        self._mark()

    def _mark(self) -> None:
        """Remember a whole step, for a checkpoint after an error: that may leave half of the next one in the books."""
        self._whole = self.state, self.books.booked, self.dynamics.evaluations

    def go(self, throw: bool = True) -> Solution:
        """Carry out the run.

        Parameters
        ----------
        throw : bool, default True
            Whether a failure raises its error, with `.solution` attached. Else it is the status of the solution.

        Returns
        -------
        Solution
            What was computed.

        Raises
        ------
        Exception
            What failed in the run, if `throw` is true.
        """
        with self.keeping.ending(), ops.while_compiling(self.monitor.compiling):
            outcome, error = self._carried_out()
            solution = self._solution(outcome)
            self.callbacks.end(solution)
            if error is not None and throw:
                error.solution = solution  # type: ignore[union-attr]
                raise error
        if outcome.ok:
            self.books.close(wanted=isinstance(self.cadence.records, Every))
            warn_of_falling(self.state.evaluation.terms, self.books.ledger.row(0))
        return solution

    def _carried_out(self) -> tuple[Outcome, Exception | KeyboardInterrupt | None]:
        """All of the run: how it ended, and the error that ended it."""
        outcome, error = Outcome(Status.COMPLETED), None
        self.stopwatch.turn("records")
        self._mark()  # of a run that goes on: after its books were recalled
        if self.keeping.observed:
            self._observed = self.state.step
        try:
            self.callbacks.start(self.state.step, self.books.ledger)
            with self.keeping.going(), self.monitor.running(self.plan.steps, self.plan.t_end):
                outcome = self._advance()
            self._frame()
        except (Exception, KeyboardInterrupt) as raised:  # what was computed is kept, whatever ends the run
            self._explain(raised)
            outcome, error = Outcome.of(raised), raised
        try:
            self._keep(outcome)
            if error is not None:
                self._frame()  # of no use to a run that goes on, so the checkpoint does not count it
            self.keeping.close()
        except CheckpointError as raised:  # the first error counts
            outcome, error = (Outcome.of(raised), raised) if error is None else (outcome, error)
        return outcome, error

    def _explain(self, error: BaseException) -> None:
        """Where F ran to −∞, the message of the error says so in place of the advice to try a smaller dt."""
        if isinstance(error, (DivergenceError, StepSizeError)) and self.books.ledger.rows:
            reason = falling(self.state.evaluation.terms, self.books.ledger.row(0))
            if reason:
                error.args = (f"{re.split(_ADVICE, str(error))[0].rstrip('.')}. {reason}",)

    def _advance(self) -> Outcome:
        """All steps and records, up to the end of the plan or a true `until`."""
        row = self._last_row() if self._observed == self.state.step else self._observe()
        while row is None or not self._stop(row):
            if self.keeping.pause():
                self._keep()
            if self.plan.done(self.state):
                return Outcome(Status.COMPLETED)
            if self.state.step - self.plan.first >= self.stops.max_steps:
                what = "the tolerances" if self.plan.adaptive else "dt"
                raise ResourceError(
                    f"step {self.state.step}, t = {self.state.t:g}: max_steps = {self.stops.max_steps} were taken "
                    f"before t_end = {self.plan.t_end:g}; raise max_steps or {what}."
                )
            with self.stopwatch.counting("steps"):
                self._stretch(self._next_stop())
            row = self._observe()
        return Outcome(Status.CONVERGED)

    def _last_row(self) -> dict[str, float] | None:
        """The record of the state with which a run goes on, if it has one."""
        row = self.books.ledger.row(-1)
        return row if row["step"] == self.state.step else None

    def _next_stop(self) -> int:
        """The number of the step at which the state is needed next: for a record, for a frame, or as the last one."""
        if self.plan.adaptive and not self.gear.open:  # the scheme reads its error at each step anyway
            return self.state.step + 1
        stop = min(self.plan.bound(self.stops.max_steps), self.cadence.after(self.state.step))
        return self.callbacks.before(self.state.step, stop) if self.callbacks.stepping else stop

    def _stretch(self, stop: int) -> None:
        """Take the steps up to `stop`, with finiteness checks at once, or after the last of them (`deferred`).

        Deferred checks do not stop a GPU, or other processes, at every step. If one has failed, the steps are taken
        again with immediate checks, so that the error is the one that the CPU gives. This works because a step depends
        on its state alone: noise is keyed by the step. If the second pass finds no error (a check may be stricter than
        the term), its steps stand, and the run goes on with immediate checks. Of several processes all take the steps
        again, or none: not after an error, which the others may not have.
        """
        if not self.deferred:
            return self._steps(stop)
        begun, raised, mu = (self.state, self.books.booked, self.dynamics.evaluations), None, self.state.mu
        try:
            with checks.deferred(mu.device) as noted, mu.postponing(noted):
                self._steps(stop)
        except BaseException as error:
            raised = error
        alone = raised is not None and not mu.whole
        if alone or not noted.held():
            self.state, self.books.booked, self.dynamics.evaluations = self._whole = begun
            self.dynamics.replace_free_energy(self.flow.steering.resolve(self.state.drives))
            if not (alone or isinstance(raised, KeyboardInterrupt)):
                self.deferred = False
                return self._steps(stop)
        if raised is not None:
            raise raised
        return None

    def _steps(self, stop: int) -> None:
        """Take the steps up to `stop`, or to a pause for a checkpoint. The monitor is told of all but the last."""
        while self.state.step < stop:
            leapt = self.gear.leap(self.state, stop, self.books, self.cadence.records)
            if leapt is None:
                self._single_steps(self.state.step + 1 if self.gear.open or self.plan.adaptive else stop)
            else:
                self.state = leapt
                self._mark()
            if self.plan.adaptive or (self.state.step < stop and self.keeping.pausing):
                return  # where the scheme chooses its steps, a record may be due by its time
            if self.state.step < stop:
                self.monitor.advance(self.state.step - self.plan.first, self.state.t, None)

    def _single_steps(self, stop: int) -> None:
        """Take the steps up to `stop` one by one."""
        with ops.small_steps(self.state.mu.x.numel() if self.flow.solver.elementwise else ops.small_steps.SMALL):
            while True:
                self._step()
                if self.state.step >= stop or self.keeping.pausing:
                    return
                self.monitor.advance(self.state.step - self.plan.first, self.state.t, None)

    def _step(self) -> None:
        """Take one step: solver, domain, evaluation, booking, drives."""
        before, h = self.state, self.plan.next(self.state)
        solver, dynamics = self.flow.solver, self.dynamics
        seen = (before.mu.x, before.mu.weights)
        counted = versions(seen)
        step = solver.step(dynamics, before, h, self.flow.noise)
        if versions(seen) != counted:
            raise written(f"step {before.step}: {solver.name}, a term or a schedule")
        taken = h if step.h is None else step.h
        after = self.plan.after(before, h, taken)
        mu = self.dynamics.fold(step.mu, before.mu)
        if self.flow.history and mu.history != self.flow.history:
            mu = mu.remembering(self.flow.history)
        evaluation = step.evaluation
        if evaluation is None or (self.dynamics.drift.varies and after.t != before.t + taken):  # t differs by rounding
            evaluation = self.dynamics.evaluate(mu, after.t, after.step)
        after = after.with_(mu=mu, memory=step.memory, evaluation=evaluation)
        self.books.add(before, after, taken, step)
        self.state = self._steered(after, taken)
        self._mark()

    def _steered(self, state: State, h: float) -> State:
        """The state after the drives have seen it. What they change in F is booked as work."""
        if not self.flow.steering.drives:
            return state
        advance, seen = self.flow.steering.advance, (state.mu.x, state.mu.weights)
        with ops.all_threads():
            drives = guarded("a drive", seen, advance, state.drives, state.mu, state.t, state.evaluation, h)
        if drives is state.drives:
            return state
        before = self.dynamics.free_energy
        self.dynamics.replace_free_energy(self.flow.steering.resolve(drives))
        if not self.flow.steering.acted(state.drives, drives):
            return state.with_(drives=drives)
        if self.flow.steering.replaced(state.drives, drives):
            evaluation = self.dynamics.evaluate(state.mu, state.t, state.step)
        else:  # only coefficients changed, so the terms need no new evaluation
            evaluation = self.dynamics.drift.at(state.t).combined(state.evaluation.terms, state.mu)
        after = state.with_(drives=drives, evaluation=evaluation)
        self.books.jump(before, state, after)
        return after

    def _observe(self) -> dict[str, float] | None:
        """The record of this state, or None where none is due."""
        done, state = self.state.step - self.plan.first, self.state
        final, first = self.plan.done(state), not self.books.ledger.rows
        if self.callbacks.stepping and done:
            self._reading("a callback", self.callbacks.step, state.step, state.t, state.mu)
        if first or (self.cadence.frames and state.step % self.cadence.frames == 0):
            self._frame()
        if not (final or first or self.cadence.records.due(state, self.books.ledger)):
            self._observed = state.step
            self.monitor.advance(done, state.t, None)
            return None
        self.monitor.recording(state.t)
        if self.keeping.stored:  # half a record is of no use
            self._before_record = self.books.memory(), self.keeping.beside()
        row = self._reading("an observer, a term or a schedule", self.books.record, state)
        self.keeping.record(row)
        self._observed, self._before_record = state.step, None
        self._mark()
        self.monitor.advance(done, state.t, row)
        self._reading("a callback", self.callbacks.record, row, state.mu)
        return row

    def _frame(self) -> None:
        """Add the particles to the trajectory, once at each time."""
        if self.cadence.frames and self.keeping.last != self.state.t:
            self.keeping.frame(self.state.mu, self.state.t)

    def _keep(self, outcome: Outcome | None = None) -> None:
        """Write a checkpoint of the last whole step; with the outcome at the end of the run."""
        if not self.keeping.stored:
            return
        state, self.books.booked, self.dynamics.evaluations = self._whole
        whole = self._before_record is None
        books, beside = self._before_record or (self.books.memory(), self.keeping.beside())
        said = {} if outcome is None else {"status": outcome.name, "message": outcome.detail}
        self.keeping.checkpoint(state, books, beside, whole and self._observed == state.step, **said)

    def _stop(self, row: Mapping[str, float]) -> bool:
        """Whether `until` is true for this record."""
        until = self.stops.until
        met = until is not None and require_truth("until", self._reading("until", until, dict(row)))
        return not self.state.mu.everywhere(not (met or self.callbacks.stopping))

    def _reading(self, who: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Make a call in which nobody may write to the particles and weights of the state."""
        return guarded(f"step {self.state.step}: {who}", (self.state.mu.x, self.state.mu.weights), call, *arguments)

    def _solution(self, outcome: Outcome) -> Solution:
        ledger, kept = self.books.ledger, self.keeping.trajectory()
        return Solution(self.state.mu, ledger, outcome, self.state, timing=self.stopwatch.timing, **kept)
