"""Showing the progress of a run: a bar on a terminal or in a notebook, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .monitor import Monitor, Row


def _describe(t: float, row: Row | None) -> str:
    """The time and the main numbers of a record, as text."""
    parts = [f"t = {t:.4g}"]
    for name, label in (("free_energy", "F"), ("test_accuracy", "test accuracy"), ("test_loss", "test loss")):
        if row and name in row:
            parts.append(f"{label} = {row[name]:.4g}")
    return "  ".join(parts)


COMPILING = "compiling the code of this run; it is kept on disk for the next one"


def _say(text: str, stream: Any = None) -> None:
    """Print a line on a stream, by default on the standard error."""
    print(text, file=stream or sys.stderr, flush=True)


class _Way:
    """How far a run is: its steps, or the flow time where a scheme chooses its steps."""

    def __init__(self, steps: int | None, t_end: float) -> None:
        self._steps, self._end = steps, t_end
        self._start: float | None = None

    def share(self, done: int, t: float) -> float:
        """The share that is done, from 0 to 1."""
        if self._steps is not None:
            return done / self._steps if self._steps else 1.0
        self._start = t if self._start is None else self._start
        return (t - self._start) / (self._end - self._start) if self._end > self._start else 1.0

    def count(self, done: int) -> str:
        """The steps, as text."""
        return f"{done} steps" if self._steps is None else f"{done}/{self._steps}"


class LineProgress(Monitor):
    """Prints a line at regular intervals, with an estimate of the time left. It suits logs.

    Parameters
    ----------
    interval : float, default 10.0
        Seconds of wall-clock time between two lines.
    stream : file, optional
        Where to print. By default it is the standard error.
    """

    def __init__(self, interval: float = 10.0, stream: Any = None) -> None:
        self._interval, self._stream = interval, stream
        self._row: Row | None = None
        self._said = False

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        self._way, self._start = _Way(steps, t_end), time.monotonic()
        self._next = self._start + self._interval
        yield

    def advance(self, done: int, t: float, row: Row | None) -> None:
        self._row = row or self._row
        now, share = time.monotonic(), self._way.share(done, t)
        if now < self._next or done == 0:
            return
        self._next = now + self._interval
        left = f"  about {(now - self._start) * (1 - share) / share:.0f} s left" if share else ""
        _say(f"{self._way.count(done).removesuffix(' steps')} steps  {_describe(t, self._row)}{left}", self._stream)

    def compiling(self) -> None:
        if not self._said:
            self._said = True
            _say(COMPILING, self._stream)


def _bar() -> Any:
    """A bar of `rich` on the standard error. Count and estimate are always whole; the text gets what room is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    whole = Column(no_wrap=True)
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return Progress(
        BarColumn(max(4, min(40, console.width // 6))), TextColumn("{task.fields[count]}", table_column=whole),
        TimeRemainingColumn(table_column=whole.copy()), TextColumn("{task.description}", table_column=rest),
        console=console, transient=True, expand=True,
    )  # fmt: skip


class BarProgress(Monitor):
    """Shows a bar on a terminal, by `rich`."""

    _bar: Any = None
    _said = False

    def compiling(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=COMPILING)
        elif not self._said:
            self._said = True
            _say(COMPILING)

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        self._row: Row | None = None
        with _bar() as self._bar:
            self._way = _Way(steps, t_end)
            self._task = self._bar.add_task("", total=1.0, count="")
            yield

    def advance(self, done: int, t: float, row: Row | None) -> None:
        self._row = row or self._row
        self._bar.update(
            self._task,
            completed=self._way.share(done, t),
            count=self._way.count(done),
            description=_describe(t, self._row),
        )


class NotebookProgress(Monitor):
    """Shows a bar in a notebook, by `tqdm`."""

    _bar: Any = None

    def compiling(self) -> None:
        if self._bar is not None:
            self._bar.set_description(COMPILING)

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        from tqdm.auto import tqdm

        with tqdm(total=steps) as self._bar:
            yield

    def advance(self, done: int, t: float, row: Row | None) -> None:
        self._bar.update(done - self._bar.n)
        if row:
            self._bar.set_description(_describe(t, row))


def reporter(progress: bool | Monitor) -> Monitor:
    """Choose the monitor for the argument `progress` of `solve`.

    Parameters
    ----------
    progress : bool or Monitor
        Whether to show the progress, or a monitor of the user's own.

    Returns
    -------
    Monitor
        The given monitor. For True a bar in a notebook or on a terminal, and lines elsewhere. For False one that shows
        nothing.
    """
    if isinstance(progress, Monitor):
        return progress
    if not progress:
        return Monitor()
    if "ipykernel" in sys.modules:
        try:
            import tqdm.auto  # noqa: F401
        except ImportError:
            return LineProgress()
        return NotebookProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


@contextmanager
def counting(what: str, total: int, shown: bool = True, interval: float = 10.0) -> Iterator[Callable[..., None]]:
    """Show the progress of a number of tasks during a `with` block.

    Parameters
    ----------
    what : str
        What is being done, to be shown.
    total : int
        The number of tasks.
    shown : bool, default True
        Whether to show anything.
    interval : float, default 10.0
        Seconds between two lines where the output is no terminal.

    Yields
    ------
    callable
        To be called with the number of tasks done so far, with parts of tasks, and what else to show.
    """
    if not shown:
        yield lambda done, said="": None
    elif sys.stderr.isatty() and "ipykernel" not in sys.modules:
        with _bar() as bar:
            task = bar.add_task(what, total=total, count=f"0/{total}")
            yield lambda done, said="": bar.update(
                task, completed=done, count=f"{int(done)}/{total}", description=f"{what}  {said}".rstrip()
            )
    else:
        start = time.monotonic()
        due, before = start + interval, -1.0

        def line(done: float, said: str = "") -> None:
            nonlocal due, before
            now = time.monotonic()
            before = done if before < 0 else before  # tasks that an earlier call did say nothing of the speed
            if now >= due and before < done < total:
                due = now + interval
                left = (now - start) * (total - done) / (done - before)
                said = f"  {said}" if said else ""
                print(f"{what}: {int(done)}/{total}{said}  about {left:.0f} s left", file=sys.stderr, flush=True)

        yield line
