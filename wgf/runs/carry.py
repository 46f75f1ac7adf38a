"""Runs that are carried on: where a run directory stands, and a call that begins the run, resumes it, or reads it."""

from __future__ import annotations

import enum
import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import LockedError, shown
from ..storage import DirectoryLock
from . import store
from .config import Config
from .directory import partial_of
from .run import run


class Standing(enum.Enum):
    """Where the run in a directory stands. The value of each member says it in words."""

    NEW = "there is no run"
    RUNNING = "a living process writes it"
    BROKEN = "it was killed or interrupted, and can go on"
    DONE = "it has ended: it reached t_end, or failed; its summary says which"


def standing(directory: str | os.PathLike[str]) -> Standing:
    """Tell where the run in a directory stands.

    Parameters
    ----------
    directory : str or Path
        The run directory, as it was given to `run` or `carry_on`. While the run lives, and after it was killed, its
        files are in DIRECTORY.partial.

    Returns
    -------
    Standing
        NEW, RUNNING, BROKEN or DONE.

    Raises
    ------
    CheckpointError
        If the summary of an ended run is damaged.
    """
    path = Path(directory)
    partial = partial_of(path)
    if partial.is_dir():
        return Standing.RUNNING if DirectoryLock(partial).held() else Standing.BROKEN
    if not (path / store.SUMMARY).exists():
        return Standing.NEW
    interrupted = store.read_json(path / store.SUMMARY)["status"] == "INTERRUPTED"
    return Standing.BROKEN if interrupted else Standing.DONE


def carry_on(config: Config, directory: str | os.PathLike[str], progress: bool = False) -> dict[str, Any]:
    """Begin the run of a configuration in a directory, or resume it if it died, or read it if it is done.

    Parameters
    ----------
    config : Config
        The configuration. A run that is resumed or done must have been begun with the same one.
    directory : str or Path
        The run directory.
    progress : bool, default False
        Whether to show the progress.

    Returns
    -------
    dict
        The summary of the run, as in its summary.json. Its status may be that of a failed or interrupted run.

    Raises
    ------
    LockedError
        If a living process writes the directory.
    WgfError
        What `run` raises.
    """
    path, stands = Path(directory), standing(directory)
    if stands is Standing.RUNNING:
        raise LockedError(f"{shown(str(path))} is being written by another process. Wait for its end, or stop it.")
    if stands is Standing.DONE:
        return store.read_json(path / store.SUMMARY)
    if stands is Standing.BROKEN:
        for old in (partial_of(path), path):
            shutil.rmtree(old, ignore_errors=True)
    return run(config, path, progress).summary
