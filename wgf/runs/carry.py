"""One call that begins the run of a configuration, resumes it if it died, or reads it if it is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import LockedError, shown
from . import store
from .config import Config
from .resume import resume
from .run import run
from .standing import Standing, standing


def carry_on(
    config: Config, directory: str | os.PathLike[str], progress: bool = False, report: bool = True
) -> dict[str, Any]:
    """Begin the run of a configuration in a directory, or resume it if it died, or read it if it is done.

    Parameters
    ----------
    config : Config
        The configuration. A run that is resumed or done goes by the one with which it was begun.
    directory : str or Path
        The run directory.
    progress : bool, default False
        Whether to show the progress.
    report : bool, default True
        Whether to draw the report of a run that is begun or resumed.

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

    See Also
    --------
    wgf.runs.run, wgf.runs.resume, wgf.runs.standing

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> first = wgf.runs.carry_on(config, folder, report=False)  # begins the run
    >>> again = wgf.runs.carry_on(config, folder, report=False)  # reads it
    >>> again["final"]["t"]
    0.2
    """
    path, stands = Path(directory), standing(directory)
    if stands is Standing.RUNNING:
        raise LockedError(f"{shown(str(path))} is being written by another process. Wait for its end, or stop it.")
    if stands is Standing.DONE:
        return store.read_json(path / store.SUMMARY)
    if stands is Standing.BROKEN:
        return resume(path, progress=progress, report=report).summary
    return run(config, path, progress, report).summary
