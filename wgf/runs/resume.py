"""What `wgf resume` does: go on with a run that was killed or interrupted, or take an ended one further."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import CheckpointError, ConfigError, LockedError
from ..flow import reporter
from ..flow.store import CHECKPOINTS
from ..process import signals
from ..process.signals import Mode
from ..storage import Checkpoints, write_whole
from ..wire import TIMEOUT
from . import store
from .config import Config, dump, load_config
from .directory import partial_of, writing
from .job import Clock, Watch
from .jobs import prepare
from .run import RunResult, carried_out, drawn, run, with_costs
from .standing import Standing, standing


def resume(
    directory: str | os.PathLike[str],
    until: float | None = None,
    progress: bool = True,
    report: bool = True,
    timeout: float = TIMEOUT,
) -> RunResult:
    """Go on with the run in a directory.

    Parameters
    ----------
    directory : str or Path
        The run directory, with or without ".partial".
    until : float, optional
        Another end, in flow time. It is needed where the run has reached its own.
    progress : bool, default True
        Whether to show the progress.
    report : bool, default True
        Whether to draw the report.
    timeout : float
        As for `run`.

    Returns
    -------
    RunResult
        The directory, the summary and the solution of the whole run.

    Raises
    ------
    ConfigError
        If there is no run, or it has reached its end and `until` is not later, or its data are no longer the same.
    LockedError
        If a living process writes the directory.
    WgfError
        What `run` raises. What there is of the run is kept.

    See Also
    --------
    wgf.runs.run, wgf.runs.carry_on, wgf.resume

    Notes
    -----
    The result has the bits of the unbroken run, as `wgf.resume` says. A run that was killed before its first checkpoint
    begins anew.

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> _ = wgf.runs.run(config, folder, progress=False, report=False)
    >>> further = wgf.runs.resume(folder, until=0.4, progress=False, report=False)
    >>> round(further.solution.state.t, 9)
    0.4
    """
    path = Path(os.path.abspath(str(directory).removesuffix(".partial")))
    stands, partial = standing(path), partial_of(path)
    if stands is Standing.RUNNING:
        raise LockedError(f"{partial} is being written by another process. Wait for its end, or stop it.")
    folder = partial if partial.is_dir() else path
    if folder is partial and not (folder / store.CONFIG).exists():
        raise ConfigError(
            f"{partial} holds no {store.CONFIG}: the run was killed as it began, before anything was computed. Remove "
            "this directory, and start the run again."
        )
    if stands is Standing.NEW or not (folder / store.CONFIG).exists():
        raise ConfigError(f"{path} holds no run of `wgf run`.")
    config = load_config(folder / store.CONFIG)
    if stands is Standing.DONE:
        _require_further(path, config, until)
    checkpoints = Checkpoints(folder / CHECKPOINTS)
    if not checkpoints.paths():
        if folder is path:
            raise CheckpointError(f"{path} has no checkpoint to go on from, as runs of earlier versions.")
        shutil.rmtree(partial)
        return run(config, path, progress, report, timeout)
    t_end = checkpoints.newest(config.device).head["t_end"] if until is None else float(until)
    config = config.model_copy(update={"solver": config.solver.model_copy(update={"t_end": t_end})})
    return _gone_on(path, config, progress, report, timeout)


def _require_further(path: Path, config: Config, until: float | None) -> None:
    """Refuse to take a run further that has reached its end."""
    summary = store.read_json(path / store.SUMMARY)
    if summary["ok"] and not (until is not None and until > summary["t"]):
        raise ConfigError(
            f"{path} is done: it ended at t = {summary['t']:g}. To take it further: wgf resume DIR --until T, with a "
            "later T."
        )


def _gone_on(path: Path, config: Config, progress: bool, report: bool, timeout: float) -> RunResult:
    """Go on from the last checkpoint."""
    clock, partial = Clock(), partial_of(path)
    with signals.caught():
        with signals.during(Mode.RAISE):
            job = prepare(config).divided(timeout, partial if partial.is_dir() else path)
        if not partial.is_dir():
            _reopen(path, partial)
        with writing(None, config.name, again=path) as place:
            write_whole(partial / store.CONFIG, dump(with_costs(job.config, partial)).encode(), store.CONFIG)
            watch, shown = Watch(job, clock), reporter(progress)
            result = carried_out(place, watch, lambda keep: job.go_on(keep, watch, shown), again=True)
        return drawn(result, report)


def _reopen(path: Path, partial: Path) -> None:
    """Give an ended run its partial name again, and remove what is made at the end; the summary first."""
    try:
        os.rename(path, partial)
        for name in (store.SUMMARY, store.REPORT, store.FINAL, store.FRAMES):
            (partial / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot go on in {path}: {error.strerror or error}.") from error
