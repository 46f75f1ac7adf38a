"""The beginning of a run: its rules resolved, and its first state, made anew or taken from an earlier run."""

from __future__ import annotations

from ..functional import FreeEnergy, Kept, Resolved, recalled
from ..measure import Ensemble, Noise, digest
from ..protocol import Dynamics, Solver, State
from .arguments import Arguments


def initial_state(dynamics: Dynamics, solver: Solver, given: Arguments) -> State:
    """The state of a new run at its first time."""
    t, dt = given.plan.origin_t, given.plan.dt
    mu = solver.start(dynamics, dynamics.fold(given.mu), t)
    evaluation = dynamics.evaluate(mu, t, 0)
    memory = solver.init(dynamics, mu, t)
    return State(mu, t, 0, given.seed, evaluation, t, 0, dt, memory, solver=solver.name, leg=given.leg)


def history(solver: Solver, dynamics: Dynamics, given: Arguments) -> int:
    """What particles remember of the noise of this run; 0 where the run has none."""
    if not (solver.stochastic or dynamics.free_energy.sampled):
        return 0
    return digest(given.noise.seed if isinstance(given.noise, Noise) else given.seed, given.leg)


def resumed_state(dynamics: Dynamics, solver: Solver, given: Arguments, state: State) -> State:
    """The given state, evaluated under the F and the solver of this run, which may differ from those that made it."""
    plan = given.plan
    t, mu = state.t if plan.adaptive else plan.time(state.step), dynamics.fold(state.mu)
    memory = state.memory
    if state.solver != solver.name:
        mu = solver.start(dynamics, mu, t)
        # a scheme draws its memory at step 0, whose noise an earlier scheme may have used
        apart = given.noise.leg(digest(state.leg, state.step)) if isinstance(given.noise, Noise) else given.noise
        memory = solver.init(Dynamics(dynamics.free_energy, apart, dynamics.domain), mu, t)
    return state.with_(
        mu=mu,
        t=t,
        evaluation=dynamics.evaluate(mu, t, state.step),
        origin_t=plan.origin_t,
        origin_step=plan.origin_step,
        dt=plan.dt,
        memory=memory,
        solver=solver.name,
    )


def prepared_terms(free_energy: FreeEnergy, mu: Ensemble, kept: Kept) -> tuple[FreeEnergy, Resolved]:
    """F with its rules resolved from μ, and the resolved terms by name. `kept` is what an earlier run resolved."""
    prepared = free_energy.prepare(mu, recalled(kept, free_energy))
    resolved = {
        new.name: (old.functional, new.functional)
        for old, new in zip(free_energy.terms, prepared.terms, strict=True)
        if new.functional is not old.functional
    }
    return prepared, resolved
