"""Requests to stop: SIGINT (Ctrl-C), SIGTERM and SIGHUP, and what each of them does while this or that is going on.

A signal can come at any moment, and an exception that is raised at any moment is lost in callbacks of other libraries,
turned into another error by an import, or stops a file half-written. So what is going on says what a signal does then.
"""

from __future__ import annotations

import _thread
import enum
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE = 1.0
"""After so many seconds a signal that waits for the end of a step becomes an exception."""


class Mode(enum.Enum):
    """What a signal does."""

    LEAVE = "end the process at once: there is nothing to lose yet"
    RAISE = "raise KeyboardInterrupt"
    WAIT = "wait for `check`; raise KeyboardInterrupt if that takes long or another signal comes"
    HOLD = "only remember it"


class _Now:
    """The mode of this process, and the signals that came since handlers were installed."""

    mode: Mode | None = None
    first: int | None = None
    count = 0
    turn = 0
    """Counts the blocks, so that a reminder of one does not end another."""


def code(stop: object = None) -> int:
    """The exit code for a KeyboardInterrupt, or for the signal that came: 130 for SIGINT, 143 for SIGTERM."""
    arguments = getattr(stop, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else _Now.first
    return 128 + int(number or signal.SIGINT)


def arrived() -> bool:
    """Whether a signal came since handlers were installed, or since the last one was taken."""
    return _Now.count > 0


def taken() -> bool:
    """Whether a signal came; it counts as dealt with from now on."""
    came, _Now.count = _Now.count > 0, 0
    return came


def check() -> None:
    """Raise KeyboardInterrupt where a signal has come."""
    if _Now.count and _Now.mode is not None and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt(_Now.first)


@contextmanager
def during(mode: Mode, then: signal.Handlers | None = None) -> Iterator[bool]:
    """Set what signals do in a block. Does nothing in other threads than the main one, which get no signals.

    The outermost block installs the handlers, in place of the default ones alone: signals that are ignored, as SIGHUP
    by nohup, stay ignored, and handlers of a caller stay in charge. At its end the handlers before come back, or `then`
    does. It yields whether it is the outermost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before, replaced = _Now.mode, {}
    if before is None:
        _Now.first, _Now.count = None, 0
    _Now.mode, _Now.turn = mode, _Now.turn + 1
    try:
        if before is None:
            for number in STOPS:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    replaced[number] = signal.signal(number, _handle)
        yield before is None
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler if then is None else then)
        _Now.mode, _Now.turn = before, _Now.turn + 1


@contextmanager
def caught() -> Iterator[None]:
    """A block of work that saves what it has: signals are held, unless an inner block says otherwise.

    Where no outer block has handlers, a SIGTERM or SIGHUP that came is sent again at the end, to end the process.
    """
    outermost = False
    try:
        with during(Mode.HOLD) as outermost:
            yield
    finally:
        if outermost and _Now.first not in (None, signal.SIGINT):
            signal.raise_signal(_Now.first)


@contextmanager
def blocked() -> Iterator[None]:
    """Processes that are started in this block never see SIGINT or SIGHUP: their parent gets them, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number for number in STOPS if number != signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def quiet(unraisable: Any) -> None:
    """For `sys.unraisablehook`: a KeyboardInterrupt that a callback loses is remembered, and needs no traceback."""
    if not (unraisable.exc_type and issubclass(unraisable.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(unraisable)


def _handle(number: int, frame: FrameType | None) -> None:
    _Now.first = _Now.first or number
    _Now.count += 1
    if _Now.mode is Mode.LEAVE:
        os.write(2, b"interrupted\n")
        os._exit(128 + number)
    if _Now.mode is Mode.HOLD:
        return
    if _Now.mode is Mode.WAIT and _Now.count == 1:
        _thread.start_new_thread(_remind, (number, _Now.turn))
        return
    raise KeyboardInterrupt(number)


def _remind(number: int, turn: int) -> None:
    """Send a signal again as long as it waits, for a step that takes long."""
    time.sleep(PATIENCE)
    while _Now.turn == turn:
        _thread.interrupt_main(signal.Signals(number))
        time.sleep(PATIENCE)
