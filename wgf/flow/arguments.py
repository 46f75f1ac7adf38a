"""The checks of the arguments of `solve`, made before anything is built. Each refusal is one sentence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..domains import Domain
from ..errors import ConfigError, WgfWarning, require_integer, require_number, require_seed, shown
from ..extension import same_value
from ..functional import FreeEnergy, Functional
from ..ledger import COLUMNS, Observer
from ..measure import Ensemble, Noise, NoiseSource, digest, require_ensemble
from ..protocol import Solver, State, realised_by_noise
from .cadence import Every, Records, by_default
from .monitor import Monitor
from .observers import Observers, named_observers
from .plan import Plan
from .preflight import require_kept
from .progress import reporter

Until = Callable[[Mapping[str, float]], bool]
"""A function of a record that returns true to end the run."""


@dataclass(frozen=True, eq=False)
class Arguments:
    """The checked arguments of one call of `solve`. `solve` documents them.

    Attributes
    ----------
    free_energy : FreeEnergy
        F as a sum of terms.
    mu : Ensemble
        The initial particles: those of the state, where one is given.
    solver : Solver
        The scheme, with the tolerances of this run.
    plan : Plan
        The times of the steps.
    state : State or None
        The state that the run continues from.
    seed : int
        The seed of the run: that of the state, where one is given.
    leg : int
        The number of the leg, which keys its noise: 0 for a fresh ensemble at t0 = 0, else that of t0 and of the
        noise that made the particles.
    noise : NoiseSource
        The source of noise of this leg.
    domain : Domain or None
        Where the particles may be.
    observers : dict of str to Observer
        Functions of the ensemble, t and the evaluation, by column.
    until : callable or None
        What ends the run early.
    max_steps : int
        The limit on steps.
    records : Records
        When there is a record.
    trajectory_every : int
        The number of steps from one frame to the next. 0 means no frames.
    monitor : Monitor
        What watches the run.
    """

    free_energy: FreeEnergy
    mu: Ensemble
    solver: Solver
    plan: Plan
    state: State | None
    seed: int
    leg: int
    noise: NoiseSource
    domain: Domain | None
    observers: dict[str, Observer]
    until: Until | None
    max_steps: int
    records: Records
    trajectory_every: int
    monitor: Monitor

    @staticmethod
    def checked(
        F: Any,
        mu: Ensemble | None,
        solver: Any,
        *,
        dt: float,
        t_end: float,
        t0: float,
        state: State | None,
        seed: int,
        record_every: int | None,
        trajectory_every: int | None,
        observers: Observers,
        until: Until | None,
        domain: Domain | None,
        rtol: float | None,
        atol: float | None,
        max_steps: int,
        progress: bool | Monitor,
        noise: NoiseSource | None,
        store: str | os.PathLike[str] | None = None,
    ) -> Arguments:
        """Check the arguments of `solve`. The first that is not acceptable raises a ConfigError or ShapeError."""
        free_energy = require_free_energy(F)
        require_solver(free_energy, solver)
        solver = with_tolerances(solver, rtol, atol)
        if not (state is None or isinstance(state, State)):
            raise ConfigError(f"state is {type(state).__name__}: wanted sol.state of an earlier run.")
        require_whole(state)
        h = require_number("dt", dt, positive=True)
        start = require_number("t0", t0) if state is None else state.t
        plan = Plan.make(start, require_number("t_end", t_end), h, state, solver.adaptive)
        if not (until is None or callable(until)):
            raise ConfigError(f"until = {shown(until)}: wanted a function of a row of the ledger.")
        first = on_domain(initial_ensemble(mu, t0, state), domain)
        key = noise_seed(seed, state)
        watchers = named_observers(observers)
        most = require_integer("max_steps", max_steps, low=1)
        frames = 0 if trajectory_every is None else require_integer("trajectory_every", trajectory_every, low=1)
        if record_every is None:
            records = by_default(plan, free_energy, solver, first)
        else:
            records = Every(require_integer("record_every", record_every, low=1))
        if plan.steps is not None and until is None:  # else it is not known how long the run is
            columns = len(COLUMNS) + len(free_energy.terms) + len(watchers)
            steps = min(plan.steps, most)
            require_kept(steps, records.within(steps), columns, frames, first, store)
        leg = leg_number(first, plan.start) if state is None else state.leg
        return Arguments(
            free_energy=free_energy,
            mu=first,
            solver=solver,
            plan=plan,
            state=state,
            seed=key,
            leg=leg,
            noise=noise_of(leg, Noise(key) if noise is None else noise, state),
            domain=domain,
            observers=watchers,
            until=until,
            max_steps=most,
            records=records,
            trajectory_every=frames,
            monitor=reporter(progress),
        )


def require_whole(state: State | None) -> None:
    """A state that nothing was left out of when it was pickled."""
    if state is not None and state.left_out:
        names = ", ".join(state.left_out)[:100]
        raise ConfigError(
            f"state: {names} could not be pickled and was left out, so this state cannot go on exactly. Define its "
            "functions at the top level of a module, or start anew from state.mu."
        )


def require_solver(free_energy: FreeEnergy, solver: Solver) -> None:
    """Refuse what is no scheme, and a scheme that cannot realise an entropy of F."""
    if isinstance(solver, type):
        raise ConfigError(f"solver = {solver.__name__}: wanted an instance, {solver.__name__}().")
    if not isinstance(solver, Solver):
        raise ConfigError(f"solver = {shown(solver)}: wanted a scheme of wgf.solvers, such as wgf.solvers.Heun().")
    if not solver.realises_shannon and any(realised_by_noise(term) for term in free_energy.terms):
        raise ConfigError(
            f"{solver.name} is deterministic and cannot realise the Shannon entropy, whose force −∇log ρ "
            "does not exist on particles; use a stochastic solver (wgf.solvers.Langevin) or a surrogate "
            "with a force, such as LogDet, Variance or Blob."
        )


def with_tolerances(solver: Solver, rtol: float | None, atol: float | None) -> Solver:
    """Give the scheme the tolerances of this run. A scheme with fixed steps refuses them."""
    given = {name: value for name, value in (("rtol", rtol), ("atol", atol)) if value is not None}
    if not given:
        return solver
    if not (isinstance(solver, Solver) and solver.adaptive):
        name = getattr(solver, "name", type(solver).__name__)
        raise ConfigError(f"{' and '.join(given)}: {name} takes fixed steps; leave them out and choose dt.")
    changed: Solver = replace(solver, **given)  # type: ignore[type-var]
    return changed


def require_schedules(free_energy: FreeEnergy, plan: Plan) -> None:
    """Evaluate all schedules at times along the run, so that a mistake late in the run is found before it starts."""
    for t in plan.times():
        free_energy.at(t)
        if not free_energy.varies:
            return


def on_domain(mu: Ensemble, domain: Domain | None) -> Ensemble:
    """The ensemble with the period of its domain. Refuses what is no domain, another dimension, particles outside."""
    if not (domain is None or isinstance(domain, Domain)):
        raise ConfigError(f"domain = {shown(domain)}: wanted one of wgf.domains, such as wgf.domains.Box(0.0, 1.0).")
    period = None if domain is None else domain.period(mu.dim)
    if mu.period is not None and not same_value(mu.period, period):
        raise ConfigError(
            f"mu repeats after {mu.period.tolist()}, the domain is {domain!r}; wanted a PeriodicBox of that period, or "
            "mu.on(None) to leave the torus."
        )
    if domain is None:
        return mu
    mu.together(lambda: domain.require_inside(mu))
    return mu.on(period)


def require_free_energy(F: Any) -> FreeEnergy:
    """Take a term or a sum of terms as a free energy, and refuse anything else."""
    if not isinstance(F, Functional):
        raise ConfigError(
            f"F = {shown(F)}: wanted a term or a sum of terms, such as wgf.Quadratic() - 0.1 * wgf.LogDet()."
        )
    return FreeEnergy(F._terms())


def initial_ensemble(mu: Ensemble | None, t0: float, state: State | None) -> Ensemble:
    """Give the initial particles. With a state they come from it, and a `mu` or `t0` that does not fit is refused."""
    if state is None:
        return require_ensemble("mu", mu)
    if t0 not in (0.0, state.origin_t, state.t):
        raise ConfigError(f"t0 = {t0:g}, but the state continues at t = {state.t:g}; leave t0 out.")
    if mu is not None and (not isinstance(mu, Ensemble) or mu.x.shape != state.mu.x.shape):
        raise ConfigError(f"mu = {shown(mu)} does not fit the state, which continues {shown(state.mu)}; pass None.")
    return state.mu


def noise_seed(seed: int, state: State | None) -> int:
    """Give the seed of the run. With a state it is that of the state, and another seed is refused."""
    seed = require_seed(seed)
    if state is None:
        return seed
    if seed not in (0, state.seed):
        raise ConfigError(f"seed = {seed}, but the state continues a run with seed {state.seed}; leave it out.")
    return state.seed


def leg_number(mu: Ensemble, start: float) -> int:
    """Number a leg by its first time and the noise that made its particles; a first run at t0 = 0 has the number 0."""
    return digest(float(start), mu.history) if start != 0 or mu.history else 0


def noise_of(leg: int, source: NoiseSource, state: State | None) -> NoiseSource:
    """Give the noise of a leg. Steps are counted from 0 in every leg, so only other noise does not repeat."""
    if type(source) is Noise:
        return source.leg(leg)
    if leg and state is None:
        warnings.warn(
            f"noise = {type(source).__name__}: this source sees steps from 0 again, although the run starts at another "
            "t0 or from particles of a noisy run; its numbers may repeat. Continue by state=sol.state.",
            WgfWarning,
            stacklevel=4,
        )
    return source
