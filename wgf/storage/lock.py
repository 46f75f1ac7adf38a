"""The lock of a directory: one process writes it at a time. A lock that was left behind is taken over."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import CheckpointError, LockedError, WgfWarning
from ..process import identity

INTERVAL = 10.0
"""Seconds from one heartbeat to the next."""
STALE = 120.0
"""A lock of another machine is left behind if its heartbeat is older than so many seconds."""
NAME = "lock.json"


class DirectoryLock:
    """Holds a directory for this process during a `with` block.

    The lock is the file lock.json, which names host and process. A thread sets its time every 10 seconds: the
    heartbeat. A lock is left behind if its process on this machine is dead, or its heartbeat is older than `stale`
    seconds. It is taken over then, with a WgfWarning. A process that is alive on this machine keeps its lock, even if
    it sleeps.

    Parameters
    ----------
    folder : str or Path
        The directory; it must exist.
    stale : float, default 120
        The age of a heartbeat in seconds above which a lock of another machine, or of another container, is left
        behind.
    interval : float, default 10
        Seconds between heartbeats.

    Raises
    ------
    LockedError
        On entering, if another process holds the directory. The message names its host and its number.
    CheckpointError
        On entering, if the directory cannot be written.

    Notes
    -----
    Ages are differences of times that the file system of the directory sets, so clocks of machines need not agree.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, DirectoryLock(folder):
    ...     try:
    ...         DirectoryLock(folder).__enter__()
    ...     except LockedError as error:
    ...         "is being written by process" in str(error)
    True
    """

    def __init__(self, folder: str | os.PathLike[str], stale: float = STALE, interval: float = INTERVAL) -> None:
        self.folder, self.path = Path(folder), Path(folder) / NAME
        self._stale, self._interval = stale, interval
        self._token = uuid.uuid4().hex
        self._owner = 0
        self._ended = threading.Event()
        self.lost = ""
        """Who took the lock away, if that happened; empty while it is held."""

    def __enter__(self) -> DirectoryLock:
        try:
            self._take()
        except OSError as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"cannot lock {self.folder}: {error.strerror or error}.") from error
        self._owner = os.getpid()
        threading.Thread(target=self._beat, daemon=True, name="wgf-lock").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._owner == os.getpid() and _read(self.path).get("token") == self._token:
            with suppress(OSError):
                self.path.unlink()

    def require(self) -> None:
        """Make sure that the lock is still held. It may have been taken away, as after a long sleep of this machine.

        Raises
        ------
        LockedError
            If another process has it now.
        """
        if self.lost:
            raise LockedError(f"{self.folder} was taken over {self.lost}; this process writes it no more.")

    def held(self) -> bool:
        """Tell whether a process holds the directory now. False also where the lock was left behind."""
        found = _read(self.path)
        if not found:
            return False
        mine = self.folder / f"{NAME}.{self._token}"
        try:
            mine.touch()
            return self._left_behind(found, mine, self.path) == ""
        except OSError:  # the directory cannot be written here, or has gone
            return self.path.exists()
        finally:
            with suppress(OSError):
                mine.unlink()

    # ------------------------------------------------------------------------------------------------- taking

    def _take(self) -> None:
        """Make the lock file, or take over one that was left behind."""
        mine = self.folder / f"{NAME}.{self._token}"
        me = os.getpid()
        said = {"token": self._token, "host": identity.host(), "machine": identity.here(), "pid": me}
        mine.write_text(json.dumps(said | {"begun": identity.begun(me)}), encoding="utf-8")
        try:
            for _ in range(100):
                if _linked(mine, self.path):
                    return
                found = _read(self.path)
                left = self._left_behind(found, mine, self.path)
                if left is None:
                    continue  # it has gone meanwhile
                if not left:
                    raise LockedError(
                        f"{self.folder} is being written by process {found.get('pid')} on {found.get('host')}. Wait "
                        "for its end, or stop it."
                    )
                if self._inherited(found, mine):
                    warnings.warn(f"{self.folder}: took over the lock of {left}.", WgfWarning, stacklevel=4)
                    return
                time.sleep(0.02)  # another process takes it over now
            raise LockedError(f"{self.folder} is being locked by others again and again.")
        finally:
            with suppress(OSError):
                mine.unlink()

    def _left_behind(self, found: dict[str, Any], mine: Path, path: Path) -> str | None:
        """Whose lock it is that was left behind, with the reason; empty if it is held, None if it has gone."""
        who = f"process {found.get('pid')} on {found.get('host')}"
        if found.get("machine") == identity.here():
            return "" if identity.alive(int(found["pid"]), str(found.get("begun"))) else f"{who}, which is dead"
        try:
            os.utime(mine)
            age = mine.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return None
        return f"{who}, which gave no sign for {age:.0f} s" if age > self._stale else ""

    def _inherited(self, found: dict[str, Any], mine: Path) -> bool:
        """Replace a lock that was left behind. False where another process does so.

        Who made the file that is named by the token of the old lock is its heir. There is one heir at a time, and only
        an heir replaces a lock.
        """
        heir = self.folder / f"{NAME}.{found.get('token', 'none')}.heir"
        if not _linked(mine, heir):
            other = _read(heir)
            if other and self._left_behind(other, mine, heir):  # it was killed in the middle
                heir.unlink(missing_ok=True)
            return False
        try:
            if _read(self.path).get("token") != found.get("token"):
                return False
            os.replace(heir, self.path)
            return True
        finally:
            heir.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------- heartbeat

    def _beat(self) -> None:
        """Set the time of the lock file as long as it is ours."""
        while not self._ended.wait(self._interval):
            found = _read(self.path)
            if found.get("token") == self._token:
                with suppress(OSError):
                    os.utime(self.path)
            elif found or not self.path.exists():
                self.lost = f"by process {found['pid']} on {found['host']}" if found else "or removed"
                return


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name if it is free. False if there is a file of that name."""
    try:
        os.link(source, target)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            number = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with open(number, "wb") as file:
            file.write(source.read_bytes())
        return True


def _read(path: Path) -> dict[str, Any]:
    """What a lock file says; empty if it is not there or damaged."""
    for wait in (0.0, 0.05, 0.2):  # on file systems without links it may be half written
        time.sleep(wait)
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict) and isinstance(found.get("pid"), int) and isinstance(found.get("host"), str):
                return found
    return {}
