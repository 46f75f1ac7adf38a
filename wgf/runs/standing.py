"""Where a run directory stands: new, running, broken or done."""

from __future__ import annotations

import enum
import os
from pathlib import Path

from ..storage import DirectoryLock
from . import store
from .directory import partial_of


class Standing(enum.Enum):
    """Where the run in a directory stands: NEW, RUNNING, BROKEN or DONE. The value says it in words.

    See Also
    --------
    wgf.runs.standing, wgf.runs.carry_on

    Examples
    --------
    >>> Standing.BROKEN.value
    'it was killed or interrupted, and can go on'
    """

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

    See Also
    --------
    wgf.runs.Standing, wgf.runs.carry_on

    Examples
    --------
    >>> import tempfile
    >>> standing(tempfile.mkdtemp())
    <Standing.NEW: 'there is no run'>
    """
    path = Path(directory)
    partial = partial_of(path)
    if partial.is_dir():
        return Standing.RUNNING if DirectoryLock(partial).held() else Standing.BROKEN
    if not (path / store.SUMMARY).exists():
        return Standing.NEW
    interrupted = store.read_json(path / store.SUMMARY)["status"] == "INTERRUPTED"
    return Standing.BROKEN if interrupted else Standing.DONE
