"""`solve`, the main entry of the package: check the arguments, build a run, carry it out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import ops
from ..domains import Domain
from ..errors import require_number
from ..functional import Functional, Steering
from ..ledger import Bookkeeper
from ..measure import Ensemble, NoiseSource
from ..protocol import Dynamics, Solver, State
from ..protocol.requirements import require_domain
from .arguments import Arguments, require_schedules
from .attraction import warn_of_attraction
from .beginning import history, initial_state, prepared_terms, resumed_state
from .cadence import Cadence
from .callbacks import Callback, Callbacks
from .describing import described
from .divided import keeping_in, store_for
from .loop import Run
from .monitor import Monitor
from .observers import Observers
from .parts import Flow, Stops
from .plan import Plan
from .sharding import require_divisible, speaking
from .solution import Solution
from .store import RunStore
from .timing import Stopwatch

MOST_STEPS = 10_000_000
"""The default of `max_steps`."""


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
    max_steps: int = MOST_STEPS,
    throw: bool = True,
    progress: bool | Monitor = False,
    noise: NoiseSource | None = None,
    store: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = 60.0,
    callbacks: Callback | Iterable[Callback] = (),
) -> Solution:
    """Follow the Wasserstein gradient flow of a free energy F from the ensemble `mu` to the time `t_end`.

        ẋᵢ = −∇_W F_t[μ](xᵢ)

    Parameters
    ----------
    F : Functional
        The free energy: a term or a sum of terms, such as `risk - 0.1 * LogDet()`. Coefficients may be functions of t.
    mu : Ensemble or None
        The initial particles (n, d), float64 or float32. With `state` the particles come from the state, and `mu` may
        be None.
    solver : Solver
        A scheme of `wgf.solvers`, such as `wgf.solvers.Heun()`.
    dt : float
        The length h of a step, in flow time. Flow time has the unit of |x|²/F. Step k is at t0 + k·dt, and the last
        step is shortened to end at t_end. An adaptive scheme tries dt first, and then takes what its tolerances
        allow.
    t_end, t0 : float
        The last and the first time, in flow time. Both are absolute. t0 is 0 by default.
    state : State, optional
        `sol.state` of an earlier run, to continue it. The result has the same bits as one unbroken run.
    seed : int, default 0
        The key of all noise and minibatches. A continued run keeps the seed of its state. A leg has other noise under
        the same seed: see Notes.
    record_every : int, optional
        The number of steps from one record of the ledger to the next. By default there are from 11 to 101 records: as
        many as take at most a third of the run by a table of costs, or 11. A run of fewer steps has one for each step.
    trajectory_every : int, optional
        The number of steps from one frame of the trajectory to the next. By default there is no trajectory. A frame has
        particles, weights and ids: `sol.frame(k)`.
    observers : mapping of str to callable, or iterable of callable
        Functions of the ensemble that return a number, such as `f(mu)`, `f(mu, t)` or `f(mu, t, evaluation)`. The last
        has F, ∇_W F and those of each term at a record, which cost nothing more. Each function adds a column to the
        ledger. In a plain list the functions must have names.
    until : callable, optional
        A function of the row just recorded that returns True or False. If True, the run stops with the status
        CONVERGED.
    domain : Domain, optional
        One of `wgf.domains`. Particles are folded into it after every step, and within a step before F is evaluated.
    rtol, atol : float, optional
        Relative and absolute tolerance of an adaptive scheme, in place of its own. Other schemes refuse them.
    max_steps : int, default 10_000_000
        The run stops after so many steps, with the status STEP_LIMIT.
    throw : bool, default True
        Whether a failed run raises its error, with the solution so far as `error.solution`. With False the solution is
        returned, and its status tells what failed.
    progress : bool or Monitor, default False
        Whether to show the progress, on a terminal, in a notebook or in a log. Or a `Monitor` of your own.
    noise : NoiseSource, optional
        Another source of noise than `Noise(seed)`, such as one that shares Brownian paths between step sizes. It sees
        steps from 0 in every run that does not continue by `state=`.
    store : str or Path, optional
        A new directory, in which the run is kept while it lives: records, frames and checkpoints. After a kill
        `wgf.resume(store)` goes on to the same bits. The trajectory is on the disk then, and `sol.trajectory` reads it.
    checkpoint_every : float or None, default 60
        Seconds of wall-clock between two checkpoints of a run with a `store`. There is one at the start and at the end
        in any case, also after SIGINT and SIGTERM.
    callbacks : Callback or iterable of Callback, optional
        What is to be done at records, at steps and at the end, such as `wgf.callbacks.EarlyStopping("free_energy")`.

    Returns
    -------
    Solution
        The final particles, the ledger, the trajectory, how the run ended, a state to continue from, and where its
        time went.

    Raises
    ------
    ConfigError
        For an argument that is not acceptable, a negative temperature, or a term that the solver cannot handle.
    ShapeError
        For arrays that do not fit.
    DivergenceError
        If a value or a force becomes NaN or infinite. Often a smaller dt helps.
    StepSizeError
        If an adaptive scheme finds no step length that it may take.
    ResourceError
        If `max_steps` is reached before t_end. Before the first step: if frames or checkpoints have no room.
    CheckpointError
        If the store cannot be written, or its directory holds something else. A run that fails so has its solution,
        and its last good checkpoint is untouched.

    Notes
    -----
    Stability: explicit schemes need h of the order of 1/k or less, with k the largest curvature of F (`Heun`: h < 2/k).
    The column `closure` of the ledger is the error bar of the time step. A run warns if it is above 10 %, with noise
    also above three standard errors. The warning says what helps: a smaller dt, or more records.

    Noise and an attraction that is infinite at distance 0 (`-c * Log()`, gravity) give a WgfWarning at the start: no dt
    resolves particles that meet, and they are thrown far away. A softening of the kernel helps.

    Functions of the user read the particles. What one writes to x or weights is refused by a ConfigError that names it.
    The check counts writes by torch. Writes by numpy or `.data` are found at the first call of a function in a term,
    and at every record for observers, which see a copy.

    A start at which F cannot be evaluated raises, whatever `throw` says. An error raised by a function of the user
    comes through as it is, with `.solution` attached.

    Several processes: with `mu.shard()` in each process of torch.distributed the particles are divided among them. The
    process of rank 0 shows the progress and writes the store. What needs all particles in one process is refused by
    name.

    Finiteness checks: immediate on the CPU, deferred to the next record or frame on a GPU and in several processes. If
    one fails, the steps since then are taken again with immediate checks: error and last good state are the same.

    Legs: a run that starts at t0 ≠ 0, or from particles that a run with noise or minibatches has moved, has noise of
    its own. It is keyed by the seed, t0 and the history of the particles (`Ensemble.history`), so nothing is used
    twice. Particles that come as bare numbers, `Ensemble(sol.ensemble.x)`, have no history: give such a leg its t0 or
    another seed. Two legs with the same seed, start and t0 have the same noise.

    An adaptive run continues with the same bits only from a state that `max_steps` or `until` ended. A t_end shortens a
    step, so an unbroken run has no step there.

    See Also
    --------
    wgf.solvers : the schemes.
    wgf.Solution : what is returned.
    wgf.resume, wgf.load : go on with a stored run, or read it.
    wgf.collapse_index : compare a run with the same run without its entropy.
    wgf.diagnostics.force_report : what the forces in the ledger say about the entropy.

    References
    ----------
    K. P. Tran, Human-Centered Learning Mechanics, arXiv:2605.22940 (2026).

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2, cov=4.0)
    >>> F = wgf.Quadratic() - 0.5 * wgf.LogDet()
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.05, t_end=5.0)
    >>> sol.status.ok, sol.state.t
    (True, 5.0)
    >>> variance = sol.ensemble.covariance().diagonal()  # tends to T = 0.5
    >>> bool((variance - 0.5).abs().max() < 1e-2)
    True
    """
    stopwatch = Stopwatch()
    arguments = Arguments.checked(
        F, mu, solver, dt=dt, t_end=t_end, t0=t0, state=state, seed=seed, record_every=record_every,
        trajectory_every=trajectory_every, observers=observers, until=until, domain=domain, rtol=rtol, atol=atol,
        max_steps=max_steps, progress=progress, noise=noise, store=store,
    )  # fmt: skip
    run = attended(build(arguments, stopwatch), callbacks)
    if store is None:
        return run.go(throw)
    with store_for(run.state.mu, store, require_seconds(checkpoint_every)) as keep:
        return begun(keep, run, arguments, noise).go(throw)


def attended(run: Run, callbacks: Callback | Iterable[Callback]) -> Run:
    """Give the run with callbacks. One that shows the progress takes the place of `progress`."""
    run.callbacks = Callbacks.checked(callbacks).heard(run.state.mu.speaks)
    run.monitor = run.monitor if (shown := run.callbacks.monitor) is None else run.stopwatch.watched(shown)
    return run


def begun(keep: RunStore, run: Run, arguments: Arguments, noise: NoiseSource | None, alone: bool = True) -> Run:
    """Give the run as one that is kept in a directory from now on. `alone` is that of `described`."""
    keep.head |= limits(arguments.plan, arguments.max_steps)
    keep.begin(described(arguments, noise, alone))
    run.keeping = keeping_in(keep)
    return run


def require_seconds(checkpoint_every: float | None) -> float | None:
    """The seconds between two checkpoints; None where there are none but at the ends."""
    return None if checkpoint_every is None else require_number("checkpoint_every", checkpoint_every, nonnegative=True)


def limits(plan: Plan, max_steps: int) -> dict[str, Any]:
    """What a checkpoint says of the end of the run, since a run that goes on may have another one."""
    return {"t_end": plan.t_end, "limit": plan.first + max_steps}


# ------------------------------------------------------------------------------------------------------ building


def build(given: Arguments, stopwatch: Stopwatch | None = None) -> Run:
    """Build a run from checked arguments, each part once.

    The parts are made in this order: F as the scheme integrates it, F with its rules resolved from μ, F with its drives
    at the start, the dynamics, the state, the run.

    Parameters
    ----------
    given : Arguments
        The checked arguments of `solve`.
    stopwatch : Stopwatch, optional
        What adds up the seconds of the run.

    Returns
    -------
    Run
        The run, not yet started.

    Raises
    ------
    ConfigError
        If the solver refuses F, or a schedule or a drive does not fit the times of the run.
    """
    solver, plan, state = given.solver, given.plan, given.state
    prepared, resolved = prepared_terms(
        solver.rewrite(given.free_energy), given.mu, {} if state is None else state.resolved
    )
    steering = Steering(prepared)
    steering.require(plan.start, plan.t_end, resumed=state is not None)
    drives = steering.begin(given.mu, plan.start, {} if state is None else state.drives)
    steered = steering.resolve(drives)
    require_schedules(steered, plan)
    dynamics = Dynamics(steered, given.noise, given.domain)
    require_divisible(steered, steering, solver, given.mu)
    require_domain(solver, dynamics)
    solver.require(dynamics, given.mu, plan.start)
    warn_of_attraction(given.free_energy, steered, solver, given.mu, plan)
    monitor = speaking(given.monitor, given.mu)
    with ops.while_compiling(monitor.compiling):
        first = (
            initial_state(dynamics, solver, given) if state is None else resumed_state(dynamics, solver, given, state)
        )
    stopwatch = stopwatch or Stopwatch()
    observers = {name: stopwatch.timed("observers", observe) for name, observe in given.observers.items()}
    return Run(
        state=first.with_(resolved=resolved, drives=drives),
        flow=Flow(dynamics, steering, solver, plan, given.noise, history(solver, dynamics, given)),
        books=Bookkeeper(dynamics, steering, solver, observers),
        cadence=Cadence(given.records, given.trajectory_every),
        stops=Stops(given.max_steps, given.until),
        monitor=stopwatch.watched(monitor),
        stopwatch=stopwatch,
    )
