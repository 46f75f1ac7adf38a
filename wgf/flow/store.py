"""The directory of a run while it lives: records, frames and checkpoints, written so that a kill at any moment is safe.

    lock.json                  who writes it
    run.safetensors            what it is: F, the scheme and the other arguments, by description
    metrics.jsonl              records, one line each
    trajectory.zarr            frames
    checkpoints/               the last two checkpoints: state and books, and how many records and frames count

A checkpoint is written after the records and frames that it counts. What comes after them is removed by a run that
goes on, which makes it again, to the same bits.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import CheckpointError
from ..ledger import BookMemory, Ledger, Lines
from ..measure import Ensemble
from ..protocol import State
from ..storage import (
    Checkpoint,
    Checkpoints,
    DirectoryLock,
    TrajectoryWriter,
    digest,
    pack,
    require_digest,
    tensor_bytes,
    write_whole,
)
from ..storage.lock import NAME
from .parts import Found

METRICS, TRAJECTORY, CHECKPOINTS, RUN = "metrics.jsonl", "trajectory.zarr", "checkpoints", "run.safetensors"
FORMAT = "wgf-run-1"
"""The format of run.safetensors."""
WAITING = 2
"""How many frames may wait to be written. One more makes the run wait, so that memory stays bounded."""


class RunStore:
    """Writes the directory of a run. Use it in a `with` block, which holds the lock of the directory.

    Call `begin` for a new run or `resume` for one that goes on. Then call `record` for every record, `frame` for every
    frame, `checkpoint` where `due` is true and at the end, and `commit` after frames that no checkpoint counts.

    Parameters
    ----------
    folder : str or Path
        The directory; made if it is not there.
    checkpoint_every : float or None, default 60
        Seconds of wall-clock from one checkpoint to the next. None means one at the end only.
    head : mapping of str to object, optional
        What checkpoints say of the run: versions, the hash of the configuration.
    ours : collection of str, default ()
        Names of other files that may be in the directory of a new run. Where there are more, it is somebody else's.
    going_on : str, optional
        How one goes on with the run, for messages.

    Attributes
    ----------
    head : dict
        What checkpoints say of the run.
    beside : callable or None
        Gives what else checkpoints hold, as the pictures of a report. Set it before the run begins.

    Raises
    ------
    LockedError
        On entering, if another process writes the directory.
    CheckpointError
        If something cannot be written or read. The last good checkpoint is untouched.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        checkpoint_every: float | None = 60.0,
        head: Mapping[str, Any] | None = None,
        ours: Collection[str] = (),
        going_on: str | None = None,
    ) -> None:
        self.folder, self._every, self.head = Path(folder), checkpoint_every, dict(head or {})
        self._lock = DirectoryLock(self.folder)
        self._checkpoints = Checkpoints(self.folder / CHECKPOINTS)
        self._lines: Lines | None = None
        self._frames: TrajectoryWriter | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()
        self._rows, self._counted, self._next = 0, 0, -math.inf
        self._ours = {NAME, RUN, METRICS, TRAJECTORY, CHECKPOINTS, *ours}
        self.going_on = f"wgf.resume({str(self.folder)!r})" if going_on is None else going_on
        self.beside: Callable[[], Any] | None = None
        self._lost: Exception | None = None
        self.read: Checkpoint

    def __enter__(self) -> RunStore:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writer is not None:
                self._writer.shutdown(wait=True, cancel_futures=True)
            if self._lines is not None:
                self._lines.close()
        finally:
            self._lock.__exit__(kind, error, trace)

    # ------------------------------------------------------------------------------------------ begin

    def begin(self, described: Any = None) -> None:
        """Begin a new run. What a run left behind that was killed before its first checkpoint is removed.

        Parameters
        ----------
        described : tree, optional
            What the run is, for `read_description`.

        Raises
        ------
        CheckpointError
            If there is a run in the directory, or something else.
        """
        try:
            names = (path.name.removesuffix(".partial") for path in self.folder.iterdir())
            there = {name for name in names if not name.startswith(NAME)}
            if self._checkpoints.paths() or (METRICS in there and RUN not in there):
                raise CheckpointError(f"{self.folder} holds a run; resume it, or choose another directory.")
            if there - self._ours:
                found = ", ".join(sorted(there - self._ours)[:3])
                raise CheckpointError(f"{self.folder} holds something else ({found}); wanted a new or empty directory.")
            (self.folder / METRICS).unlink(missing_ok=True)
            for name in (TRAJECTORY, CHECKPOINTS):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        except OSError as error:
            raise self._failed(error) from error
        text, tensors = pack(described)
        content = tensor_bytes(tensors, FORMAT, text)
        write_whole(self.folder / RUN, content, "the run")
        self.head["run"] = digest(content)
        self._lines = Lines(self.folder / METRICS)

    def _failed(self, error: OSError) -> CheckpointError:
        if isinstance(error, CheckpointError):
            return error
        return CheckpointError(f"cannot write to {self.folder}: {error.strerror or error}.")

    def resume(self, device: str | None = None) -> Found:
        """Find the last whole checkpoint, and go on from it: remove the records and frames after it.

        Parameters
        ----------
        device : str, optional
            Where its tensors go. By default each goes to the device on which it was.

        Returns
        -------
        Found
            Where the run stands.

        Raises
        ------
        CheckpointError
            If there is no whole checkpoint, or records or frames were lost.
        """
        self.read = found = self._checkpoints.newest(device)
        self.head["run"] = found.head.get("run")
        try:
            require_digest((self.folder / RUN).read_bytes(), self.head["run"], self.folder / RUN)
        except OSError as error:
            raise self._failed(error) from error
        self._rows, self._counted = int(found.head["rows"]), int(found.head["frames"])
        self._lines = Lines(self.folder / METRICS, self._rows, str(found.head["metrics"]))
        last, trajectory = None, self.folder / TRAJECTORY
        if self._counted:
            if not trajectory.exists():
                raise CheckpointError(f"{trajectory} is gone; {self._counted} frames were made.")
            self._frames = TrajectoryWriter.resume(trajectory, self._counted)
            last = self._frames.last
        else:  # what there is of it was never counted
            shutil.rmtree(trajectory, ignore_errors=True)
        self._next = self._later()
        content = found.content
        return Found(content["state"], content["books"], self._lines.ledger, found.head, last, content.get("beside"))

    # ------------------------------------------------------------------------------------------ write

    def record(self, row: Mapping[str, float]) -> None:
        """Write a record."""
        assert self._lines is not None, "begin or resume first"
        self._lines.append(row)
        self._rows += 1

    def complete(self, ledger: Ledger) -> None:
        """Write the records of a ledger that an error kept from being written, if there is room for them now."""
        for index in range(self._rows, ledger.rows):
            self.record(ledger.row(index))

    def frame(self, mu: Ensemble, t: float) -> None:
        """Write a frame, beside the next steps. An error comes with the next call."""
        if self._frames is None:
            kind = str(mu.dtype).removeprefix("torch.")
            self._frames = TrajectoryWriter(self.folder / TRAJECTORY, mu.n, mu.dim, kind)
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="wgf-frames")
        self._wait(WAITING - 1)
        here = mu.to("cpu")
        self._waiting.append(self._writer.submit(self._append, t, here))

    def _more(self) -> dict[str, Any]:
        """What else a checkpoint holds."""
        return {}

    def due(self) -> bool:
        """Tell whether the time for the next checkpoint has come."""
        return time.monotonic() >= self._next

    def soon(self) -> None:
        """Let a checkpoint be due at the next step, as for a run that gets another end."""
        self._next = -math.inf

    def _later(self) -> float:
        """When the next checkpoint is due, if there is one now."""
        return math.inf if self._every is None else time.monotonic() + self._every

    def commit(self) -> None:
        """Bring all frames to the disk, and count them for readers.

        Raises
        ------
        CheckpointError
            If a frame cannot be written.
        """
        self._wait(0)
        if self._frames is not None:
            self._frames.commit()

    def _append(self, t: float, mu: Ensemble) -> None:
        """Write a frame, unless one before it is lost: later ones would take its place."""
        assert self._frames is not None
        if self._lost is None:
            try:
                self._frames.append(t, mu.x, mu.weights, mu.ids)
            except Exception as error:
                self._lost = error

    def _wait(self, most: int) -> None:
        """Wait until at most so many frames are to be written. After a lost one no checkpoint is written any more."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()
        if self._lost is not None:
            raise self._lost

    def checkpoint(self, state: State, books: BookMemory, beside: Any = None, **said: Any) -> Path:
        """Write a checkpoint: frames and records to the disk first, then state and books.

        Parameters
        ----------
        state : State
            Where the run stands.
        books : BookMemory
            Its books: `Bookkeeper.memory()`.
        beside : object, optional
            What else is to be remembered.
        **said
            What else the head says, such as the status at the end.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        LockedError
            If another process has taken over the directory.
        CheckpointError
            If something cannot be stored or written.
        """
        assert self._lines is not None, "begin or resume first"
        self._lock.require()
        self._lines.require()
        self.commit()
        self._counted = 0 if self._frames is None else self._frames.committed
        self._lines.sync()
        if books.rows != self._rows:
            raise CheckpointError(f"{self.folder}: {books.rows} records were made and {self._rows} written.")
        told = {"rows": self._rows, "metrics": self._lines.digest(), "frames": self._counted}
        head = self.head | {"step": state.step, "t": state.t} | told | said
        path = self._checkpoints.write({"state": state, "books": books, "beside": beside} | self._more(), head)
        self._next = self._later()
        return path
