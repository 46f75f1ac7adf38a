"""`wgf run` in several processes that torchrun started: one writes the run directory, the others follow it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import CommunicationError, ConfigError
from ..flow import Monitor
from ..measure import Ensemble, ShardedEnsemble
from ..process import signals
from ..process.signals import Mode
from ..wire import TIMEOUT, restarts
from .config import Config
from .directory import partial_of
from .job import Job, Watch
from .jobs import prepare
from .standing import Standing, standing


def ended(directory: Path) -> bool:
    """Whether the run had ended when torchrun restarted the processes: one of them may die while it leaves."""
    return bool(restarts()) and standing(directory) is Standing.DONE


def begun_before(name: str, directory: Path | None) -> Path | None:
    """The run directory with which restarted processes go on; None where they begin.

    torchrun restarts all processes after one has died. Without a given directory it is the newest of this name.
    """
    if not restarts():
        return None
    there = (
        [partial_of(directory)]
        if directory is not None
        else sorted(Path("runs").glob(f"{name}-*.partial"), key=lambda path: path.stat().st_mtime)
    )
    found = [
        path for path in there if path.is_dir() and standing(str(path).removesuffix(".partial")) is Standing.BROKEN
    ]
    return Path(str(found[-1]).removesuffix(".partial")) if found else None


def tell(job: Job, folder: Path, again: bool) -> None:
    """Tell the processes that follow where the store is, whether the run goes on, and until when."""
    if isinstance(job.start, ShardedEnsemble):
        job.start.group.say((str(folder), again, job.config.solver.t_end))


def require_heard(mu: Ensemble, message: str) -> None:
    """Raise a CommunicationError where the processes do not hear each other any more: the run is as it was kept."""
    if isinstance(mu, ShardedEnsemble) and mu.group.broken:
        raise CommunicationError(message)


def follow(config: Config, timeout: float = TIMEOUT) -> None:
    """Take part in the run of another process, which calls `run` or `resume` with the same configuration.

    Parameters
    ----------
    config : Config
        The configuration.
    timeout : float, default 300
        As for `run`.

    Raises
    ------
    WgfError
        What the run raises.
    """
    with signals.caught():
        with signals.during(Mode.RAISE):
            job = prepare(config).divided(timeout)
        if not isinstance(job.start, ShardedEnsemble):
            raise ConfigError("follow: there is no process group; wanted a process that torchrun started.")
        folder, again, t_end = job.start.group.say()
        solver = job.config.solver.model_copy(update={"t_end": t_end})
        job = replace(job, config=job.config.model_copy(update={"solver": solver}))
        watch = Watch(job)
        with job.store(Path(folder)) as keep:
            with signals.during(Mode.WAIT):
                keep.beside = watch.memory
                run = job.go_on(keep, watch, Monitor()) if again else job.begin(keep, watch, Monitor())
            require_heard(job.start, run.go(throw=False).status.message)
