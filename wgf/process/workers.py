"""Worker processes: they end when their parent has ended, however it ended."""

from __future__ import annotations

import os
import threading
import time
from contextlib import AbstractContextManager

from . import signals

INTERVAL = 0.5
"""How often a worker looks whether its parent lives, in seconds."""


def follow(parent: int) -> None:
    """End this process, whatever it does, soon after the process `parent` that started it has ended.

    A parent that was killed cannot tell its workers. They would wait for tasks for minutes, with all their memory. The
    system gives an orphan another parent, which a thread looks for; on Windows it does not, and nothing is done.
    """
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="wgf-parent").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL)
    os._exit(1)


_held: list[AbstractContextManager[bool]] = []


def serve(parent: int) -> None:
    """What a worker process does first: it follows its parent, and a SIGTERM ends its job instead of the process.

    So a job can bring what it has to the disk. The parent ends the process afterwards.
    """
    follow(parent)
    if not _held:
        _held.append(signals.during(signals.Mode.HOLD))
        _held[0].__enter__()


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
