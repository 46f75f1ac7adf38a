"""The command line `wgf`, with the commands run, sweep, compare, new, report, tune, bench, study and info."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from ..process import signals
from ..process.signals import Mode

if TYPE_CHECKING:
    from .common import app as app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the command `wgf`.

    While there is nothing to lose, as during imports, a signal ends the process at once: without a traceback, and
    without an exception that an import turns into another one. When all is done signals are ignored, so that the exit
    code stands.
    """
    sys.unraisablehook = signals.quiet
    with signals.during(Mode.LEAVE, then=signal.SIG_IGN):
        _app()()


def _app() -> Any:
    from . import bench, many, runs, study  # noqa: F401 - importing them registers their commands
    from .common import app

    return app


def __getattr__(name: str) -> Any:
    if name == "app":  # imported when it is used, so that `main` has the signals in hand before
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
