"""Many jobs, one after the other or in parallel, with their results kept, so that a killed call goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError, JobError, LockedError, WgfError, require_integer
from ..flow import counting
from ..process import signals
from ..process.workers import processors
from .identity import identity
from .results import Results
from .workers import Call, Ended, Task, ended

Result = TypeVar("Result")
LOSSES = 3
"""After so many losses of workers without a finished job between them, the call gives up."""
AGAIN = 0.5
"""Seconds until jobs that other processes do are looked at again."""
LOOK = 1.0
"""Seconds between two looks at how far the running jobs are."""


class Work:
    """Call a function on many tasks, in this process or in parallel ones.

    The results come in the order of the tasks. They do not depend on `jobs`, because every run has its own seed.

    Parameters
    ----------
    jobs : int ≥ 1, default 1
        Number of processes. They share the processors: never more processes than processors, and never more threads
        in all. With 1 everything runs in this process. They end with this process, however it ends.
    progress : bool, default False
        Whether to show the progress.
    backend : str, default "loky"
        Where the jobs are done: "loky" for processes of this machine, "threading", "dask", "ray", or another backend
        that is registered with joblib.
    scheduler : str, optional
        The address of a Dask scheduler or of a Ray cluster. Without it one is started on this machine, with `jobs`
        workers. The workers must see the same files.
    results : Results, optional
        Where results are kept. A job whose result is there is not done again.

    Raises
    ------
    ConfigError
        For fewer than one job, or a scheduler with a backend that has none.

    See Also
    --------
    wgf.sweep, wgf.sweeps.run_sweep, wgf.sweeps.Results

    Notes
    -----
    A job is done again where its worker was lost. A job that another process does at this time is waited for, so that
    several calls can share one folder of results.

    Examples
    --------
    >>> Work().each("squares", pow, [(2, 2), (3, 2)])
    [4, 9]
    """

    def __init__(
        self,
        jobs: int = 1,
        progress: bool = False,
        *,
        backend: str = "loky",
        scheduler: str | None = None,
        results: Results | None = None,
    ) -> None:
        self.jobs = require_integer("jobs", jobs, low=1)
        if scheduler is None or backend in ("loky", "threading"):
            self.jobs = min(self.jobs, processors())
        if scheduler is not None and backend in ("loky", "threading"):
            raise ConfigError(f"scheduler = {scheduler!r}: the backend {backend!r} has none; wanted 'dask' or 'ray'.")
        self.progress, self.backend, self.scheduler, self.results = progress, backend, scheduler, results

    def kept_in(self, folder: Path) -> Work:
        """The same, with results kept in a folder."""
        return Work(self.jobs, self.progress, backend=self.backend, scheduler=self.scheduler, results=Results(folder))

    def each(self, what: str, function: Callable[..., Result], tasks: Iterable[Sequence[object]]) -> list[Result]:
        """[function(*task) for task in tasks], with kept results where there are some.

        `what` names the tasks in the progress display, as in "runs over n". With jobs > 1 the function must be one that
        other processes can have: one of a module, or one that cloudpickle can send. The first error of a task ends
        them all and is raised here.
        """
        tasks = list(tasks)
        names = [identity(function, *task) for task in tasks] if self.results is not None else None
        found: dict[int, Result] = {}
        with closing(self.ended(what, function, tasks, names)) as endings:
            for index, ending in endings:
                if ending.error is not None:
                    raise ending.error
                found[index] = ending.value
        return [found[index] for index in range(len(tasks))]

    def ended(
        self,
        what: str,
        function: Callable[..., Any],
        tasks: Sequence[Task],
        names: Sequence[str] | None = None,
        *,
        done: int = 0,
        running: Callable[[], tuple[float, str]] | None = None,
    ) -> Generator[tuple[int, Ended], None, None]:
        """What each task gave, an error included, in the order in which they end.

        Parameters
        ----------
        what : str
            What is done, for the display.
        function : callable
            Called as function(*task).
        tasks : sequence of sequences
            The arguments of each task.
        names : sequence of str, optional
            The ids of the tasks, where results are kept.
        done : int, default 0
            How many others are done already, for the display.
        running : callable, optional
            Says how much the tasks that are running have done, in tasks, and something about them. It is asked every
            second for the display.

        Yields
        ------
        (int, Ended)
            The number of a task and what it gave.

        Raises
        ------
        JobError
            Where workers are lost again and again.
        """
        call = Call(function, self.results)
        left = {index: (task, names[index] if names else "") for index, task in enumerate(tasks)}
        with _shown(what, len(tasks) + done, self.progress, running) as advance:
            advance(done)
            for index, name in [(index, name) for index, (_, name) in left.items()]:
                if self.results is not None and name in self.results:
                    del left[index]
                    yield index, call.here((), name)
                    done += 1
                    advance(done)
            losses = 0
            while left:
                before = len(left)
                try:
                    with closing(self._round(call, left)) as endings:
                        for index, ending in endings:
                            del left[index]
                            yield index, ending
                            done, losses = done + 1, 0
                            advance(done)
                            signals.check()
                except _Lost as lost:
                    losses += 1
                    if losses == LOSSES:
                        raise JobError(
                            f"{what}: workers were lost {LOSSES} times, and no job ended between: "
                            f"{type(lost.reason).__name__}: {lost.reason}. The system kills processes that take too "
                            "much memory; take fewer jobs at a time or smaller ones. What is done is kept."
                        ) from lost.reason
                if left and len(left) == before:  # all of them are with other processes
                    signals.check()
                    time.sleep(AGAIN)

    def _round(self, call: Call, left: dict[int, Any]) -> Generator[tuple[int, Ended], None, None]:
        """Do the jobs that are left once, but those that another process has."""
        jobs = min(self.jobs, len(left))
        endings = ended(call, dict(left), jobs, self.backend, self.scheduler)
        with closing(endings):
            while True:
                try:
                    index, ending = next(endings)
                except StopIteration:
                    return
                except WgfError:
                    raise
                except Exception as error:
                    raise _Lost(error) from error
                if ending.stopped:
                    raise _Lost(JobError("a signal stopped it"))
                if isinstance(ending.error, LockedError):
                    continue
                yield index, ending


class _Lost(Exception):
    """A worker was lost."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def _shown(
    what: str, total: int, shown: bool, running: Callable[[], tuple[float, str]] | None
) -> Iterator[Callable[[int], None]]:
    """Show how many jobs are done, and every second how far the running ones are."""
    over, done = threading.Event(), 0
    with counting(what, total, shown) as advance:

        def told(count: int) -> None:
            nonlocal done
            done = count
            if running is None:
                advance(count)

        def look() -> None:
            while not over.wait(LOOK):
                if running is not None:
                    part, said = running()
                    advance(min(done + part, total), said)

        watching = threading.Thread(target=look, daemon=True, name="wgf-progress")
        if shown and running is not None:
            watching.start()
        try:
            yield told
        finally:
            over.set()
            if watching.is_alive():
                watching.join()
