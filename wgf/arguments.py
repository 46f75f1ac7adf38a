"""What `solve` accepts: every argument is looked at before the first step, and refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .diagnostics.ledger import COLUMNS, Observer
from .ensemble import Ensemble, require_ensemble
from .entropies.shannon import SURROGATES
from .errors import ConfigError, require_integer, require_seed
from .functional import FreeEnergy, Functional
from .plan import Plan
from .protocol import Solver, State, realised_by_noise

Observers = Mapping[str, Observer] | Iterable[Observer]


def require_solver(free_energy: FreeEnergy, solver: Solver) -> None:
    """A scheme, and one that can realise every entropy in F."""
    if not hasattr(solver, "step"):
        raise ConfigError(f"solver = {solver!r}: wanted a scheme of wgf.solvers, such as wgf.solvers.Heun().")
    if isinstance(solver, type):
        raise ConfigError(f"solver = {solver.__name__}: wanted an instance, {solver.__name__}().")
    if not solver.stochastic and any(realised_by_noise(term) for term in free_energy.terms):
        raise ConfigError(
            f"{type(solver).__name__} is deterministic and cannot realise the Shannon entropy, whose force −∇log ρ "
            "does not exist on particles; use a stochastic solver (wgf.solvers.Langevin) or a surrogate with a force: "
            f"{', '.join(SURROGATES)}."
        )


def require_schedules(free_energy: FreeEnergy, plan: Plan) -> None:
    """Look ahead along the run, so that a schedule which goes wrong late is refused at once."""
    stride = max(1, plan.steps // 1000)
    for step in (*range(plan.first, plan.last, stride), max(plan.first, plan.last)):
        free_energy.at(plan.time(step))
        if not free_energy.varies:
            return


def require_no_extras(solver: Solver, domain: None, rtol: float | None, atol: float | None) -> None:
    """Tolerances and domains are for schemes that know what to do with them."""
    if (rtol is not None or atol is not None) and not getattr(solver, "adaptive", False):
        raise ConfigError(f"rtol and atol: {type(solver).__name__} takes fixed steps; leave them out and choose dt.")
    if domain is not None:
        raise ConfigError(f"domain = {domain!r}: {type(solver).__name__} moves particles in all of space only.")


def require_free_energy(F: Any) -> FreeEnergy:
    """A term or a sum of terms as a free energy."""
    if not isinstance(F, Functional):
        raise ConfigError(f"F = {F!r}: wanted a term or a sum of terms, such as wgf.Quadratic() - 0.1 * wgf.LogDet().")
    return FreeEnergy(F._terms())


def initial_ensemble(mu: Ensemble | None, t0: float, state: State | None) -> Ensemble:
    """A continued run has its particles and its time from the state; arguments that say otherwise are a mistake."""
    if state is None:
        return require_ensemble("mu", mu)
    if t0 not in (0.0, state.origin_t, state.t):
        raise ConfigError(f"t0 = {t0:g}, but the state continues at t = {state.t:g}; leave t0 out.")
    if mu is not None and (not isinstance(mu, Ensemble) or mu.x.shape != state.mu.x.shape):
        raise ConfigError(f"mu = {mu!r} does not fit the state, which continues {state.mu!r}; pass None.")
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
        raise ConfigError(f"observers = {observers!r}: wanted a mapping of names to functions, or a list of functions.")
    for name, observe in pairs:
        if not callable(observe):
            raise ConfigError(f"observer {name!r} is {observe!r}: wanted a function of the ensemble.")
        if name in COLUMNS or str(name).startswith("term:"):
            raise ConfigError(f"observer {name!r}: the ledger has a column of this name; give the observer another.")
        if [other for other, _ in pairs].count(name) > 1:
            raise ConfigError(f"observer {name!r} is there twice; give names by a mapping, {{'name': function}}.")
    return dict(pairs)
