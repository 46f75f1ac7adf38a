"""What a run will need of memory and disk, estimated before its first step. What cannot fit is refused then."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from ..errors import CheckpointError, ResourceError
from ..measure import Ensemble
from ..ops.memory import machine_memory, require_memory, written

_NUMBER = 10
"""Bytes of a number in a record, about: a float, with room for more at the end of the array."""
_CHECKPOINTS = 3
"""How many checkpoints are on the disk at once: the last two, and the one that is being written."""
_ARRAYS = 4
"""How many arrays (n, d) a checkpoint has, about: particles, weights and ids, and what the scheme remembers."""


def require_kept(
    steps: int,
    records: int,
    columns: int,
    trajectory_every: int,
    mu: Ensemble,
    store: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse a run whose records or frames need more than there is.

    Parameters
    ----------
    steps : int
        The number of steps.
    records : int
        The number of records.
    columns : int
        The length of a record.
    trajectory_every : int
        The number of steps from one frame to the next. 0 means no frames.
    mu : Ensemble
        The particles.
    store : str or Path, optional
        The directory in which frames and checkpoints are kept. By default frames are kept in memory.

    Raises
    ------
    ResourceError
        If they do not fit. The message names the estimate, the limit and the ways out.

    Notes
    -----
    The estimates are lower bounds: frames in memory are counted without weights and ids, which most schemes share
    between frames, and twice, one by one and all in one array at the end. Other things that grow are bounded where they
    are made: sums over pairs go through tiles, and the modes of a Fourier sum take at most 256 MiB.
    """
    require_memory(f"{records} records", _NUMBER * columns * records, "raise record_every or dt")
    if store is not None:
        _require_disk(Path(store), steps // trajectory_every + 2 if trajectory_every else 0, steps, mu)
    elif trajectory_every:
        frames, limit = steps // trajectory_every, machine_memory()
        size = 2 * frames * mu.x.nbytes
        if size > limit:
            raise ResourceError(
                f"{frames} frames of {mu.n} particles need {written(size)} of memory, and there are {written(limit)} "
                "here: keep them on the disk by store=DIR, or take fewer frames"
                f"{_fewer(steps, limit, 2 * mu.x.nbytes)}."
            )


def _require_disk(folder: Path, frames: int, steps: int, mu: Ensemble) -> None:
    """Refuse a trajectory and checkpoints that the disk has no room for."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise CheckpointError(f"cannot write to {folder}: {error.strerror or error}.") from error
    frame, checkpoints = mu.x.nbytes + 2 * mu.n, _CHECKPOINTS * _ARRAYS * mu.x.nbytes
    size = frames * frame + checkpoints
    if size > free:
        fewer = f", or take fewer frames{_fewer(steps, free - checkpoints, frame)}" if frames else ""
        what = f"{frames} frames of {mu.n} particles" if frames else f"checkpoints of {mu.n} particles"
        raise ResourceError(
            f"{what} need {written(size)} of disk, and there are {written(free)} free at {existing}: "
            f"choose another disk by store=DIR{fewer}."
        )


def _fewer(steps: int, room: int, frame: int) -> str:
    """How few frames fit, as a setting; empty where not even one does."""
    most = room // frame
    return f" (trajectory_every={math.ceil(steps / most)})" if most >= 1 else ""
