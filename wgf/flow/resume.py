"""`resume`, which goes on with a stored run, and `load`, which reads one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..domains import Domain
from ..errors import CheckpointError, ConfigError
from ..functional import Functional
from ..ledger import read_records
from ..measure import NoiseSource
from ..protocol import Solver
from ..storage import Checkpoints
from ..wire import TIMEOUT
from .arguments import Arguments
from .callbacks import Callback
from .describing import Description, warn_of_other_versions
from .divided import keeping_in, store_at
from .division import whole
from .keeping import trajectory_in
from .loop import Run
from .monitor import Monitor
from .observers import Observers
from .parts import Found
from .solution import Outcome, Solution, Status
from .solve import attended, build, limits, require_seconds
from .store import CHECKPOINTS, METRICS, RunStore
from .timing import Stopwatch, Timing


def resume(
    store: str | os.PathLike[str],
    F: Functional | None = None,
    *,
    t_end: float | None = None,
    solver: Solver | None = None,
    observers: Observers = (),
    until: Callable[[Mapping[str, float]], bool] | None = None,
    domain: Domain | None = None,
    noise: NoiseSource | None = None,
    max_steps: int | None = None,
    checkpoint_every: float | None = 60.0,
    throw: bool = True,
    progress: bool | Monitor = False,
    device: str | None = None,
    callbacks: Callback | Iterable[Callback] = (),
    timeout: float = TIMEOUT,
) -> Solution:
    """Go on with a run of `solve(store=)` that was killed or stopped, or take an ended one further.

    It goes on from the last checkpoint. Particles, ledger and trajectory are those of the unbroken run, to the last
    bit, and the ledger is one table.

    Parameters
    ----------
    store : str or Path
        The directory of the run.
    F : Functional, optional
        The free energy. It is needed where the stored description cannot hold it: functions of your own, more than
        64 MiB of data, or a run of another version of wgf.
    t_end : float, optional
        Another end, in flow time. By default that of the run.
    solver, domain, noise : Solver, Domain, NoiseSource, optional
        As for `solve`. They are needed where they are classes of your own.
    observers : mapping or iterable, optional
        The observers of the run, if it has any, in the same order.
    until : callable, optional
        As for `solve`. It is needed where the run has one that is a function.
    max_steps : int, optional
        How many further steps may be taken. By default what is left of those of the run.
    checkpoint_every : float or None, default 60
        Seconds of wall-clock between two checkpoints.
    throw : bool, default True
        As for `solve`.
    progress : bool or Monitor, default False
        As for `solve`.
    device : str, optional
        Where tensors go. By default each goes to the device on which it was.
    callbacks : Callback or iterable of Callback, optional
        As for `solve`. They are not stored.
    timeout : float, default 300
        Seconds after which a collective that hangs ends in a `CommunicationError`, where the particles of the run are
        divided among processes. The number of processes may be another one than before.

    Returns
    -------
    Solution
        The solution of the whole run. Its timing is that of this call.

    Raises
    ------
    ConfigError
        If F, the scheme or something else is needed, or is not that of the run. The message says in what it differs.
    CheckpointError
        If the directory holds no run, or no whole checkpoint, or records or frames were lost.
    LockedError
        If another process writes the directory.
    WgfError
        What `solve` raises.

    Notes
    -----
    Same bits need the same versions of wgf and torch, the same kind of machine and the same number of threads. A
    WgfWarning tells where they differ.

    With another t_end the records stay as far apart as they were. The last one of the run before stays in the ledger.
    Where its last step was shortened to end at t_end, the grid of steps begins anew there.

    See Also
    --------
    wgf.solve : begins a run.
    wgf.load : reads a stored run, also while it lives.

    Examples
    --------
    >>> import tempfile, wgf
    >>> F, mu = wgf.Quadratic() - 0.1 * wgf.Shannon(), wgf.Ensemble.gaussian(100, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sol = wgf.solve(F, mu, wgf.solvers.Langevin(), dt=0.1, t_end=1.0, record_every=5, store=folder + "/run")
    ...     sol = wgf.resume(folder + "/run", t_end=2.0)
    >>> sol.ledger["t"].tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    stopwatch, path = Stopwatch(), Path(store)
    stored = Description.read(path, device)
    parts = {"F": F, "solver": solver, "domain": domain, "noise": noise, "until": until}
    given = stored.given(parts, observers)
    with store_at(path, require_seconds(checkpoint_every), timeout) as keep:
        found = keep.resume(device)
        run = continued(keep, found, stored, given, stopwatch, t_end=t_end, max_steps=max_steps, progress=progress)
        return attended(run, callbacks).go(throw)


def continued(
    keep: RunStore,
    found: Found,
    stored: Description,
    given: Mapping[str, Any],
    stopwatch: Stopwatch,
    *,
    t_end: float | None = None,
    max_steps: int | None = None,
    progress: bool | Monitor = False,
) -> Run:
    """Build the run that goes on in a store.

    Parameters
    ----------
    keep : RunStore
        The directory, resumed.
    found : Found
        What was found there.
    stored : Description
        What the run is.
    given : mapping of str to object
        F, the scheme and the other parts: `Description.given`.
    stopwatch : Stopwatch
        What adds up the seconds.
    t_end, max_steps, progress
        As for `resume`.

    Returns
    -------
    Run
        The run, not yet started.
    """
    said, head = stored.said, found.head
    left = head["limit"] - found.state.step if max_steps is None else max_steps
    if left < 1:
        raise ConfigError(f"the run in {keep.folder} ended at its max_steps; give max_steps= for further steps.")
    arguments = Arguments.checked(
        given["F"], None, given["solver"], dt=said["dt"], t_end=head["t_end"] if t_end is None else t_end, t0=0.0,
        state=found.state, seed=0, record_every=None, trajectory_every=said["trajectory_every"] or None,
        observers=given["observers"], until=given["until"], domain=given["domain"], rtol=None, atol=None,
        max_steps=left, progress=progress, noise=given["noise"], store=keep.folder,
    )  # fmt: skip
    run = build(replace(arguments, records=given["records"]), stopwatch)
    run.books.recall(found.books, found.ledger)
    warn_of_other_versions(said["versions"], keep.folder)
    keep.head |= limits(arguments.plan, arguments.max_steps)
    if arguments.plan.t_end != head["t_end"] or max_steps is not None:
        keep.soon()
    run.keeping = keeping_in(keep, found.frame_time, bool(head["observed"]))
    return run


def load(store: str | os.PathLike[str], device: str | None = None) -> Solution:
    """Read a stored run, or a solution of `sol.save`. A run may go on writing meanwhile.

    Parameters
    ----------
    store : str or Path
        The directory.
    device : str, optional
        Where tensors go. By default each goes to the device on which it was.

    Returns
    -------
    Solution
        The run up to its last checkpoint: particles, ledger, state, and a trajectory that is read from the disk when it
        is asked for. A run that was killed has the status INTERRUPTED.

    Raises
    ------
    CheckpointError
        If there is no whole checkpoint, or the files are damaged.

    See Also
    --------
    wgf.resume : goes on with a run.
    wgf.Solution.save : writes a solution.

    Examples
    --------
    >>> import tempfile, wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    ...     sol.save(folder + "/result")
    ...     again = wgf.load(folder + "/result")
    >>> again.status.name, bool((again.ensemble.x == sol.ensemble.x).all())
    ('COMPLETED', True)
    """
    path = Path(store)
    found = Checkpoints(path / CHECKPOINTS).newest(device)
    head, state, books = found.head, found.content["state"], found.content["books"]
    state = whole(state, found.content.get("division"), path / CHECKPOINTS, device)
    try:
        ledger = read_records(path / METRICS, int(head["rows"]), str(head["metrics"]))
        ended = head.get("status") is not None
        outcome = Outcome(Status[head["status"]], str(head["message"])) if ended else _going(path, state.step)
        ledger.notes.update(found.content["notes"] if books is None else books.notes)
        timing = Timing(**head.get("timing", {}))
        kept = trajectory_in(path) if int(head["frames"]) else {}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{found.path} is no checkpoint of this version: {error}.") from error
    return Solution(state.mu, ledger, outcome, state, timing=timing, **kept)


def _going(path: Path, step: int) -> Outcome:
    """The outcome of a run that lives, or was killed."""
    return Outcome(Status.INTERRUPTED, f"up to the checkpoint at step {step}; wgf.resume({str(path)!r}) goes on")
