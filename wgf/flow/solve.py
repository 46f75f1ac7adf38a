"""`solve`: its arguments are checked, then a run is built from them and carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..domains import Domain
from ..functional import FreeEnergy, Functional, Resolved, Steering
from ..ledger import Bookkeeper
from ..measure import Ensemble, NoiseSource
from ..protocol import Dynamics, Solver, State
from .arguments import Arguments, Observers, require_schedules
from .loop import Cadence, Flow, Run, Stops
from .monitor import Monitor
from .plan import Plan
from .solution import Solution


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
    domain: Domain | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int = 10_000_000,
    throw: bool = True,
    progress: bool | Monitor = False,
    noise: NoiseSource | None = None,
) -> Solution:
    """Follow the Wasserstein gradient flow ẋ = −∇_W F_t[μ](x) from `mu` to the time `t_end`.

    Parameters
    ----------
    F : a term or a sum of terms; coefficients may be callables of t. A negative temperature is refused.
    mu : the initial ensemble; with `state` the particles come from the state, and `mu` may be None.
    solver : a scheme of `wgf.solvers`.
    dt, t_end, t0 : step and absolute times; steps are at t0 + k·dt, the last one shortened to hit t_end. A scheme that
        adapts tries dt first and then takes what its tolerances allow, up to t_end exactly.
    state : `sol.state` of an earlier run, to go on exactly: the same bits as an unbroken run. Of an adaptive run that
        holds for a cut where the unbroken run has a step too (by `max_steps` or `until`); a t_end shortens a step.
    seed : keys all noise and minibatches; a continued run keeps the seed of its state.
    record_every, trajectory_every : in steps, accepted ones where the scheme adapts; by default about 100 records
        (every step of an adaptive run) and no trajectory.
    observers : functions of the ensemble, or of the ensemble and t, that add columns: a mapping by name, or named
        functions.
    until : a function of the row just recorded; a true result stops the run with status CONVERGED.
    throw : raise a typed error that carries `.solution` when the run fails, else return the solution with its status.
    max_steps : stop with status STEP_LIMIT after so many steps.
    domain : one of `wgf.domains`; the ensemble is folded into it after every step, and inside a step before F is asked.
    rtol, atol : tolerances of a scheme that adapts, in place of its own; the others refuse them.
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
    arguments = Arguments.checked(
        F, mu, solver, dt=dt, t_end=t_end, t0=t0, state=state, seed=seed, record_every=record_every,
        trajectory_every=trajectory_every, observers=observers, until=until, domain=domain, rtol=rtol, atol=atol,
        max_steps=max_steps, progress=progress, noise=noise,
    )  # fmt: skip
    return build(arguments).go(throw)


# ------------------------------------------------------------------------------------------------------ building


def build(given: Arguments) -> Run:
    """Build a run from checked arguments, each part once: F, prepared, steered, dynamics, state, run.

    F as the scheme integrates it, with its rules resolved from μ, with its drives at the start, as a drift with noise.
    """
    solver, plan, state = given.solver, given.plan, given.state
    prepared, resolved = _prepare(solver.rewrite(given.free_energy), given.mu, {} if state is None else state.resolved)
    steering = Steering(prepared)
    steering.require(plan.start, plan.t_end, resumed=state is not None)
    drives = steering.begin(given.mu, plan.start, {} if state is None else state.drives)
    steered = steering.resolve(drives)
    require_schedules(steered, plan)
    dynamics = Dynamics(steered, given.noise, given.domain)
    solver.require(dynamics, given.mu, plan.start)
    if state is None:
        first = _initial_state(dynamics, solver, given.mu, plan, given.seed)
    else:
        first = _resume(dynamics, solver, state, plan)
    return Run(
        state=replace(first, resolved=resolved, drives=drives),
        flow=Flow(dynamics, steering, solver, plan, given.noise),
        books=Bookkeeper(dynamics, steering, solver, given.observers),
        cadence=Cadence(given.record_every, given.trajectory_every),
        stops=Stops(given.max_steps, given.until),
        monitor=given.monitor,
    )


def _initial_state(dynamics: Dynamics, solver: Solver, mu: Ensemble, plan: Plan, seed: int) -> State:
    t = plan.origin_t
    mu = solver.start(dynamics, dynamics.fold(mu), t)
    evaluation = dynamics.evaluate(mu, t, 0)
    memory = solver.init(dynamics, mu, t)
    return State(mu, t, 0, seed, evaluation, t, 0, plan.dt, memory, solver=solver.name)


def _resume(dynamics: Dynamics, solver: Solver, state: State, plan: Plan) -> State:
    """The state under the free energy and the solver given now, which may differ from those it was made with."""
    t, mu = state.t if plan.adaptive else plan.time(state.step), dynamics.fold(state.mu)
    memory = state.memory
    if state.solver != solver.name:
        mu = solver.start(dynamics, mu, t)
        memory = solver.init(dynamics, mu, t)
    return replace(
        state,
        mu=mu,
        t=t,
        evaluation=dynamics.evaluate(mu, t, state.step),
        origin_t=plan.origin_t,
        origin_step=plan.origin_step,
        dt=plan.dt,
        memory=memory,
        solver=solver.name,
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
