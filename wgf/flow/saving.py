"""Writing a solution into a directory, in the files of a stored run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..ledger import Lines
from ..storage import Checkpoints, DirectoryLock, TrajectoryWriter
from .store import CHECKPOINTS, METRICS, TRAJECTORY


def save(solution: Any, folder: str | os.PathLike[str]) -> None:
    """Write a `Solution`, whose method `save` documents it."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise CheckpointError(f"{path} has something in it; wanted a new or empty directory.")
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"cannot write to {path}: {error.strerror or error}.") from error
    with DirectoryLock(path):
        _write(solution, path)


def _write(solution: Any, path: Path) -> None:
    """Write records, frames, and the state last, which counts them."""
    ledger, status = solution.ledger, solution.status
    lines = Lines(path / METRICS)
    for index in range(ledger.rows):
        lines.append(ledger.row(index))
    lines.sync()
    lines.close()
    frames = _frames(solution, path / TRAJECTORY)
    head = {
        "step": solution.state.step, "t": solution.state.t, "rows": ledger.rows, "metrics": lines.digest(),
        "frames": frames, "status": status.name, "message": status.detail, "timing": solution.timing.parts(),
    }  # fmt: skip
    content = {"state": solution.state, "books": None, "notes": dict(ledger.notes)}
    Checkpoints(path / CHECKPOINTS).write(content, head, leave_out=True)


def _frames(solution: Any, folder: Path) -> int:
    """Write the frames one by one, and tell how many there are."""
    x, times = solution.trajectory, solution.trajectory_times
    weights, ids = solution.trajectory_weights, solution.trajectory_ids
    if x is None or times is None or weights is None or ids is None:
        return 0
    writer = TrajectoryWriter(folder, x.shape[1], x.shape[2], str(x.dtype).removeprefix("torch."))
    for index, t in enumerate(times.tolist()):
        writer.append(t, x[index], weights[index], ids[index])
    writer.commit()
    return len(times)
