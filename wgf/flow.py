"""`solve`: the loop that advances an ensemble along its free energy; of solvers it knows only the protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from . import checks
from .arguments import (
    Observers,
    cadence,
    initial_ensemble,
    named_observers,
    noise_seed,
    require_free_energy,
    require_no_extras,
    require_schedules,
    require_solver,
)
from .diagnostics.ledger import Bookkeeper
from .ensemble import Ensemble
from .errors import (
    ConfigError,
    DivergenceError,
    ResourceError,
    StepSizeError,
    WgfError,
    require_integer,
    require_number,
)
from .functional import FreeEnergy, Functional, Resolved
from .noise import Noise, NoiseSource
from .plan import Plan
from .progress import Progress, reporter
from .protocol import Dynamics, Solver, State
from .solution import Outcome, Solution, Status

RECORDS = 100
"""About how many records a run makes unless told."""


def solve(
    F: Functional,
    mu: Ensemble | None,
    solver: Solver,
    *,
    dt: float,
    t_end: float,
    t0: float = 0.0,
    state: State | None = None,
    seed: int = 0,
    record_every: int | None = None,
    trajectory_every: int | None = None,
    observers: Observers = (),
    until: Callable[[Mapping[str, float]], bool] | None = None,
    domain: None = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int = 10_000_000,
    throw: bool = True,
    progress: bool | Progress = False,
    noise: NoiseSource | None = None,
) -> Solution:
    """Follow the Wasserstein gradient flow ẋ = −∇_W F_t[μ](x) from `mu` to the time `t_end`.

    Parameters
    ----------
    F : a term or a sum of terms; coefficients may be callables of t. A negative temperature is refused.
    mu : the initial ensemble; with `state` the particles come from the state, and `mu` may be None.
    solver : a scheme of `wgf.solvers`.
    dt, t_end, t0 : step and absolute times; steps are at t0 + k·dt, the last one shortened to hit t_end.
    state : `sol.state` of an earlier run, to go on exactly: the same bits as an unbroken run.
    seed : keys all noise and minibatches; a continued run keeps the seed of its state.
    record_every, trajectory_every : in steps; about 100 records and no trajectory by default.
    observers : functions of the ensemble that add columns, as a mapping by name or as named functions.
    until : a function of the row just recorded; a true result stops the run with status CONVERGED.
    throw : raise a typed error that carries `.solution` when the run fails, else return the solution with its status.
    max_steps : stop with status STEP_LIMIT after so many steps.
    domain, rtol, atol : for schemes that know boundaries or adapt their step; the others refuse them.
    progress : show progress on a terminal, in a notebook or in a log.
    noise : another source of noise than Philox by `seed` (to share Brownian paths between step sizes).

    On a GPU values are looked at when a record or frame is due; where one is bad the steps since the last are done
    again, looking at each, so that the error and the last good state are the same as on the CPU.

    Raises ConfigError, ShapeError, DivergenceError, StepSizeError, ResourceError; a start where F cannot be evaluated
    raises whatever `throw` says. What the user's own functions raise comes through, with `.solution` attached.

    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2, cov=4.0)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> sol.status.ok, sol.ledger["t"][-1]
    (True, np.float64(1.0))
    """
    require_no_extras(solver, domain, rtol, atol)
    free_energy = require_free_energy(F)
    require_solver(free_energy, solver)
    dt = require_number("dt", dt, positive=True)
    if not (state is None or isinstance(state, State)):
        raise ConfigError(f"state is {type(state).__name__}: wanted sol.state of an earlier run.")
    start = require_number("t0", t0) if state is None else state.t
    plan = Plan.make(start, require_number("t_end", t_end), dt, state)
    if not (until is None or callable(until)):
        raise ConfigError(f"until = {until!r}: wanted a function of a row of the ledger.")
    start_from = initial_ensemble(mu, t0, state)
    source = noise or Noise(noise_seed(seed, state))
    free_energy, resolved = _prepare(free_energy, start_from, {} if state is None else state.resolved)
    require_schedules(free_energy, plan)
    dynamics = Dynamics(free_energy, source)
    if state is None:
        begun = _initial_state(dynamics, solver, start_from, plan, noise_seed(seed, None), resolved)
    else:
        begun = _resume(dynamics, state, plan, resolved)
    run = _Run(
        dynamics, solver, plan, source, until, require_integer("max_steps", max_steps, low=1),
        Bookkeeper(dynamics, named_observers(observers)),
        cadence("record_every", record_every, max(1, math.ceil(plan.steps / RECORDS))),
        cadence("trajectory_every", trajectory_every, 0),
        reporter(progress),
    )  # fmt: skip
    return run.go(begun, throw)


# --------------------------------------------------------------------------------------------------- the loop


@dataclass
class _Run:
    dynamics: Dynamics
    solver: Solver
    plan: Plan
    noise: NoiseSource
    until: Callable[[Mapping[str, float]], bool] | None
    max_steps: int
    books: Bookkeeper
    record_every: int
    trajectory_every: int
    progress: Progress
    frames: list[Tensor] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def go(self, state: State, throw: bool) -> Solution:
        outcome, error = Outcome(Status.COMPLETED), None
        self.state, self.put_off = state, checks.put_off(state.mu.device)
        try:
            with self.progress.running(self.plan.steps, self.plan.t_end):
                outcome = self._advance()
        except (Exception, KeyboardInterrupt) as raised:  # whatever ends the run, what was computed is kept
            outcome, error = Outcome(_status(raised), _message(raised)), raised
        self._frame()
        solution = self._solution(outcome)
        if error is not None and throw:
            error.solution = solution  # type: ignore[union-attr]
            raise error
        if outcome.ok:
            self.books.close()
        return solution

    def _advance(self) -> Outcome:
        row = self._observe()
        while row is None or not self._stop(row):
            if self.state.step >= self.plan.last:
                return Outcome(Status.COMPLETED)
            if self.state.step - self.plan.first >= self.max_steps:
                raise ResourceError(
                    f"step {self.state.step}, t = {self.state.t:g}: max_steps = {self.max_steps} were taken before "
                    f"t_end = {self.plan.t_end:g}; raise max_steps or dt."
                )
            self._stretch(self._next_stop())
            row = self._observe()
        return Outcome(Status.CONVERGED)

    def _next_stop(self) -> int:
        """The step at which the state is wanted next, for a record, a frame or an end."""
        cadences = [every for every in (self.record_every, self.trajectory_every) if every]
        due = [(self.state.step // every + 1) * every for every in cadences]
        return min(self.plan.last, self.plan.first + self.max_steps, *due)

    def _stretch(self, stop: int) -> None:
        """The steps up to `stop`, looked at one by one or, where that would stop a device, when they are done.

        A step depends on its state alone (noise is keyed by the step), so a stretch in which a check failed is done
        again, looking at each step, and fails where and as it should. Where it does not (a check may be stricter than
        the term) it stands, and the run goes on looking at each step.
        """
        if not self.put_off:
            return self._steps(stop)
        begun, raised = (self.state, self.books.booked, self.dynamics.evaluations), None
        try:
            with checks.deferred(self.state.mu.device) as noted:
                self._steps(stop)
        except BaseException as error:
            raised = error
        if not noted.held():
            self.state, self.books.booked, self.dynamics.evaluations = begun
            if raised is None or isinstance(raised, Exception):  # else interrupted: no time to find out what happened
                self.put_off = False
                return self._steps(stop)
        if raised is not None:
            raise raised
        return None

    def _steps(self, stop: int) -> None:
        while True:
            self._step()
            if self.state.step >= stop:
                return
            self.progress.advance(self.state.step - self.plan.first, self.state.t, None)

    def _step(self) -> None:
        before = self.state
        h, after = self.plan.next(before)
        step = self.solver.step(self.dynamics, before, h, self.noise)
        evaluation = self.dynamics.evaluate(step.mu, after.t, after.step)
        after = replace(after, mu=step.mu, memory=step.memory, evaluation=evaluation)
        self.books.add(before, after, h, step)
        self.state = after

    def _observe(self) -> dict[str, float] | None:
        """Record the state where the cadence asks for it."""
        done, state = self.state.step - self.plan.first, self.state
        final = state.step >= self.plan.last
        if done == 0 or (self.trajectory_every and state.step % self.trajectory_every == 0):
            self._frame()
        if not (final or done == 0 or state.step % self.record_every == 0):
            self.progress.advance(done, state.t, None)
            return None
        row = self.books.record(state)
        self.progress.advance(done, state.t, row)
        return row

    def _frame(self) -> None:
        """Keep the particles for the trajectory, once at each time."""
        if self.trajectory_every and (not self.times or self.times[-1] != self.state.t):
            self.frames.append(self.state.mu.x.cpu())
            self.times.append(self.state.t)

    def _stop(self, row: Mapping[str, float]) -> bool:
        return self.until is not None and bool(self.until(row))

    def _solution(self, outcome: Outcome) -> Solution:
        frames = torch.stack(self.frames) if self.frames else None
        times = torch.tensor(self.times, dtype=torch.float64) if self.frames else None
        return Solution(self.state.mu, self.books.ledger, outcome, self.state, frames, times)


def _message(error: BaseException) -> str:
    if isinstance(error, WgfError):
        return str(error)
    return Status.INTERRUPTED.value if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"


def _status(error: BaseException) -> Status:
    kinds: list[tuple[type[BaseException], Status]] = [
        (KeyboardInterrupt, Status.INTERRUPTED),
        (DivergenceError, Status.DIVERGED),
        (StepSizeError, Status.STEP_UNDERFLOW),
        (ResourceError, Status.STEP_LIMIT),
    ]
    return next((status for kind, status in kinds if isinstance(error, kind)), Status.FAILED)


# ------------------------------------------------------------------------------------------------------ states


def _initial_state(
    dynamics: Dynamics, solver: Solver, mu: Ensemble, plan: Plan, seed: int, resolved: Resolved
) -> State:
    t = plan.origin_t
    evaluation = dynamics.evaluate(mu, t, 0)
    return State(mu, t, 0, seed, evaluation, t, 0, plan.dt, solver.init(dynamics, mu, t), resolved)


def _resume(dynamics: Dynamics, state: State, plan: Plan, resolved: Resolved) -> State:
    """The state under the free energy given now, which may differ from the one it was made with."""
    t = plan.time(state.step)
    return replace(
        state,
        t=t,
        evaluation=dynamics.evaluate(state.mu, t, state.step),
        origin_t=plan.origin_t,
        origin_step=plan.origin_step,
        dt=plan.dt,
        resolved=resolved,
    )


def _prepare(free_energy: FreeEnergy, mu: Ensemble, kept: Resolved) -> tuple[FreeEnergy, Resolved]:
    """Resolve rules from the initial ensemble, and remember what was resolved."""
    prepared = free_energy.prepare(mu, kept)
    resolved = {
        new.name: (old.functional, new.functional)
        for old, new in zip(free_energy.terms, prepared.terms, strict=True)
        if new.functional is not old.functional
    }
    return prepared, resolved
