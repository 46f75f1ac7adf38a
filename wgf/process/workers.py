"""Worker processes: they end when their parent has ended, however it ended."""

from __future__ import annotations

import os
import threading
import time

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
