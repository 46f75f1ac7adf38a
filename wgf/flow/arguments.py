"""The arguments of `solve`, all checked before anything is built; each refusal is one sentence."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..domains import Domain
from ..entropies import REGISTRY as ENTROPIES
from ..errors import ConfigError, require_integer, require_number, require_seed, shown
from ..functional import FreeEnergy, Functional
from ..ledger import COLUMNS, Observer
from ..measure import Ensemble, Noise, NoiseSource, require_ensemble
from ..protocol import Solver, State, realised_by_noise
from .monitor import Monitor
from .plan import Plan
from .progress import reporter

Observers = Mapping[str, Callable[..., float]] | Iterable[Callable[..., float]]
Until = Callable[[Mapping[str, float]], bool]
RECORDS = 100
"""About how many records a run makes by default."""


@dataclass(frozen=True, eq=False)
class Arguments:
    """The checked arguments of one call of `solve`: F as a free energy, μ and times from the state where there is one.

    `record_every` and `trajectory_every` are in steps; 0 means no frames.
    """

    free_energy: FreeEnergy
    mu: Ensemble
    solver: Solver
    plan: Plan
    state: State | None
    seed: int
    noise: NoiseSource
    domain: Domain | None
    observers: dict[str, Observer]
    until: Until | None
    max_steps: int
    record_every: int
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
    ) -> Arguments:
        """Check every argument; ConfigError or ShapeError for the first that is not acceptable."""
        free_energy = require_free_energy(F)
        require_solver(free_energy, solver)
        solver = with_tolerances(solver, rtol, atol)
        if not (state is None or isinstance(state, State)):
            raise ConfigError(f"state is {type(state).__name__}: wanted sol.state of an earlier run.")
        length = require_number("dt", dt, positive=True)
        start = require_number("t0", t0) if state is None else state.t
        plan = Plan.make(start, require_number("t_end", t_end), length, state, solver.adaptive)
        if not (until is None or callable(until)):
            raise ConfigError(f"until = {shown(until)}: wanted a function of a row of the ledger.")
        first = initial_ensemble(mu, t0, state)
        require_domain(domain, first)
        by_default = 1 if plan.steps is None else max(1, math.ceil(plan.steps / RECORDS))
        key = noise_seed(seed, state)
        return Arguments(
            free_energy=free_energy,
            mu=first,
            solver=solver,
            plan=plan,
            state=state,
            seed=key,
            noise=noise or Noise(key),
            domain=domain,
            observers=named_observers(observers),
            until=until,
            max_steps=require_integer("max_steps", max_steps, low=1),
            record_every=cadence("record_every", record_every, by_default),
            trajectory_every=cadence("trajectory_every", trajectory_every, 0),
            monitor=reporter(progress),
        )


def require_solver(free_energy: FreeEnergy, solver: Solver) -> None:
    """A scheme, and one that can realise every entropy in F."""
    if isinstance(solver, type):
        raise ConfigError(f"solver = {solver.__name__}: wanted an instance, {solver.__name__}().")
    if not isinstance(solver, Solver):
        raise ConfigError(f"solver = {shown(solver)}: wanted a scheme of wgf.solvers, such as wgf.solvers.Heun().")
    if not solver.realises_shannon and any(realised_by_noise(term) for term in free_energy.terms):
        raise ConfigError(
            f"{solver.name} is deterministic and cannot realise the Shannon entropy, whose force −∇log ρ "
            "does not exist on particles; use a stochastic solver (wgf.solvers.Langevin) or a surrogate with a force: "
            f"{', '.join(name for name, entropy in ENTROPIES.items() if not entropy.realised_by_noise)}."
        )


def with_tolerances(solver: Solver, rtol: float | None, atol: float | None) -> Solver:
    """The scheme with the tolerances of this run in place of its own; ConfigError where it takes fixed steps."""
    given = {name: value for name, value in (("rtol", rtol), ("atol", atol)) if value is not None}
    if not given:
        return solver
    if not (isinstance(solver, Solver) and solver.adaptive):
        name = getattr(solver, "name", type(solver).__name__)
        raise ConfigError(f"{' and '.join(given)}: {name} takes fixed steps; leave them out and choose dt.")
    changed: Solver = replace(solver, **given)  # type: ignore[type-var]
    return changed


def require_schedules(free_energy: FreeEnergy, plan: Plan) -> None:
    """Look ahead along the run, so that a schedule which goes wrong late is refused at once."""
    for t in plan.times():
        free_energy.at(t)
        if not free_energy.varies:
            return


def require_domain(domain: Domain | None, mu: Ensemble) -> None:
    """A domain of the dimension of the particles, with all of them inside."""
    if domain is None:
        return
    if not isinstance(domain, Domain):
        raise ConfigError(f"domain = {shown(domain)}: wanted one of wgf.domains, such as wgf.domains.Box(0.0, 1.0).")
    domain.require_inside(mu)


def require_free_energy(F: Any) -> FreeEnergy:
    """A term or a sum of terms as a free energy."""
    if not isinstance(F, Functional):
        raise ConfigError(
            f"F = {shown(F)}: wanted a term or a sum of terms, such as wgf.Quadratic() - 0.1 * wgf.LogDet()."
        )
    return FreeEnergy(F._terms())


def initial_ensemble(mu: Ensemble | None, t0: float, state: State | None) -> Ensemble:
    """A continued run has its particles and its time from the state; arguments that say otherwise are a mistake."""
    if state is None:
        return require_ensemble("mu", mu)
    if t0 not in (0.0, state.origin_t, state.t):
        raise ConfigError(f"t0 = {t0:g}, but the state continues at t = {state.t:g}; leave t0 out.")
    if mu is not None and (not isinstance(mu, Ensemble) or mu.x.shape != state.mu.x.shape):
        raise ConfigError(f"mu = {shown(mu)} does not fit the state, which continues {shown(state.mu)}; pass None.")
    return state.mu


def noise_seed(seed: int, state: State | None) -> int:
    """The seed of the run: a continued run keeps the one of its state."""
    seed = require_seed(seed)
    if state is None:
        return seed
    if seed not in (0, state.seed):
        raise ConfigError(f"seed = {seed}, but the state continues a run with seed {state.seed}; leave it out.")
    return state.seed


def cadence(name: str, every: int | None, default: int) -> int:
    """A number of steps between records or frames."""
    return default if every is None else require_integer(name, every, low=1)


def named_observers(observers: Observers) -> dict[str, Observer]:
    """Observers by the name of their column; names must be distinct and none of the ledger's own."""
    if isinstance(observers, Mapping):
        pairs = list(observers.items())
    elif isinstance(observers, Iterable):
        pairs = [(getattr(observe, "__name__", type(observe).__name__), observe) for observe in observers]
    else:
        raise ConfigError(
            f"observers = {shown(observers)}: wanted a mapping of names to functions, or a list of functions."
        )
    for name, observe in pairs:
        if not callable(observe):
            raise ConfigError(
                f"observer {shown(name)} is {shown(observe)}: wanted a function of the ensemble, or of it and t."
            )
        if name in COLUMNS or str(name).startswith("term:"):
            raise ConfigError(
                f"observer {shown(name)}: the ledger has a column of this name; give the observer another."
            )
        if [other for other, _ in pairs].count(name) > 1:
            raise ConfigError(f"observer {shown(name)} is there twice; give names by a mapping, {{'name': function}}.")
    return {name: _with_time(observe) for name, observe in pairs}


def _with_time(observe: Callable[..., float]) -> Observer:
    """The observer as a function of the ensemble and the time, which it is given if it has a second argument."""
    try:
        parameters = list(inspect.signature(observe).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell its signature
        return lambda mu, t: observe(mu)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    wanted = len(positional) > 1 and (positional[1].default is inspect.Parameter.empty or positional[1].name == "t")
    return observe if wanted else lambda mu, t: observe(mu)
