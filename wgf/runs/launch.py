"""What `wgf run` starts: a run in this process, or one that several processes of torchrun share."""

from __future__ import annotations

from pathlib import Path

from ..process.launcher import launched, speaks
from ..wire import TIMEOUT, joined
from . import store, together
from .config import Config, load_config
from .directory import partial_of
from .resume import resume
from .run import RunResult
from .run import run as alone


def run(
    config: Config, directory: Path | None = None, progress: bool = True, timeout: float = TIMEOUT
) -> RunResult | None:
    """Carry out the run of a configuration; under torchrun with the particles divided among its processes.

    Parameters
    ----------
    config : Config
        The checked configuration.
    directory : Path, optional
        As for `wgf.runs.run`.
    progress : bool, default True
        Whether to show the progress.
    timeout : float, default 300
        Under torchrun: seconds after which a collective that hangs ends in a `CommunicationError`.

    Returns
    -------
    RunResult or None
        The result. None in processes that follow another one.

    Notes
    -----
    Where torchrun restarted the processes, the run goes on from its last checkpoint.
    """
    if directory is not None and together.ended(directory):
        return None
    with joined(config.device, timeout):
        if not speaks():
            together.follow(config, timeout)
            return None
        before = together.begun_before(config.name, directory) if launched() else None
        if before is not None:
            return resume(before, None, progress, timeout=timeout)
        return alone(config, directory, progress, timeout=timeout)


def go_on(
    directory: Path, until: float | None = None, progress: bool = True, timeout: float = TIMEOUT
) -> RunResult | None:
    """Go on with the run in a directory, under torchrun with the particles divided among its processes.

    Parameters
    ----------
    directory, until, progress
        As for `wgf.runs.resume`.
    timeout : float, default 300
        As for `run`.

    Returns
    -------
    RunResult or None
        The result. None in processes that follow another one.
    """
    if not launched():
        return resume(directory, until, progress)
    path = Path(str(directory).removesuffix(".partial"))
    folder = partial_of(path) if partial_of(path).is_dir() else path
    config = load_config(folder / store.CONFIG)  # read by all before one of them begins
    with joined(config.device, timeout):
        if not speaks():
            together.follow(config, timeout)
            return None
        return resume(directory, until, progress, timeout=timeout)
