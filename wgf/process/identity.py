"""Which process this is, and whether another one of this machine is still alive."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def here() -> str:
    """A name for what can see the processes of this one: the host, and its container where it runs in one."""
    space = ""
    with suppress(OSError, AttributeError):
        space = os.readlink("/proc/self/ns/pid")
    return f"{_boot()} {space}".strip()


def host() -> str:
    """The name of this machine, for messages."""
    return socket.gethostname()


def begun(pid: int) -> str:
    """When a process of this machine began, as the system counts it; empty where the system does not say."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def alive(pid: int, since: str) -> bool:
    """Whether a process of this machine is alive. A later process of the same number is another one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        pass
    return not since or begun(pid) in ("", since)


def _boot() -> str:
    """What tells this machine from others of the same name, and from itself before it was started again."""
    with suppress(OSError):
        return f"{host()} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    return host()
