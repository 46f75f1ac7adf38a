"""The runs of a study, one after the other or in parallel processes, with a progress display."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import TypeVar

from ...errors import require_integer
from ...flow import counting
from ...process import signals
from ...process.workers import follow

Result = TypeVar("Result")


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
"""Libraries whose environment variable NAME_NUM_THREADS (NAME_THREADS where it ends in MAXIMUM) is 1 in workers."""


class Work:
    """Call a function on many tasks, in this process or in parallel ones.

    The results come in the order of the tasks. They do not depend on `jobs`, because every run has its own seed.

    Parameters
    ----------
    jobs : int ≥ 1
        Number of processes, each with one thread, by loky. With 1 everything runs in this process. They end with
        this process, however it ends.
    progress : bool
        Whether to show the progress.
    """

    def __init__(self, jobs: int = 1, progress: bool = False) -> None:
        self.jobs = require_integer("jobs", jobs, low=1)
        self.progress = progress

    def each(self, what: str, function: Callable[..., Result], tasks: Iterable[Sequence[object]]) -> list[Result]:
        """[function(*task) for task in tasks].

        `what` names the tasks in the progress display, as in "runs over n". With jobs > 1 the function must be defined
        at the top level of a module, because other processes must be able to import it.
        """
        tasks = list(tasks)
        jobs, results = min(self.jobs, len(tasks)), []
        with counting(what, len(tasks), self.progress) as advance:
            found = _in_processes(jobs, function, tasks) if jobs > 1 else _here(function, tasks)
            with closing(found):
                for result in found:
                    results.append(result)
                    advance(len(results))
                    signals.check()
        return results


def _here(function: Callable[..., Result], tasks: Sequence[Sequence[object]]) -> Generator[Result, None, None]:
    """The results of the tasks, one after the other in this process."""
    yield from (function(*task) for task in tasks)


def _in_processes(
    jobs: int, function: Callable[..., Result], tasks: Sequence[Sequence[object]]
) -> Generator[Result, None, None]:
    """The results of the tasks, in their order, from worker processes; they are killed where this does not end well."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky import get_reusable_executor

    one = {f"{name}{'' if name.endswith('MAXIMUM') else '_NUM'}_THREADS": "1" for name in ONE_THREAD}
    with signals.blocked():  # also for the tracker of shared resources, which unblocks SIGINT when it starts
        resource_tracker.ensure_running()
        executor = get_reusable_executor(jobs, env=one, initializer=follow, initargs=(os.getpid(),))
    try:
        with signals.blocked():  # the workers start at the first task
            futures = [executor.submit(function, *task) for task in tasks]
        for future in futures:
            yield future.result()
    except BaseException:
        for process in list(executor._processes.values()):  # its own way to kill them may fail with a traceback
            process.terminate()
        executor.shutdown(wait=True)
        raise
