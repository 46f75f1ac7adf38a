"""The runs of a study, one after the other or in parallel processes, with a progress display."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ...errors import require_integer
from ...flow import counting

Result = TypeVar("Result")


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Work:
    """Call a function on many tasks, in this process or in parallel ones.

    The results come in the order of the tasks. They do not depend on `jobs`, because every run has its own seed.

    Parameters
    ----------
    jobs : int ≥ 1
        Number of processes, each with one thread, by joblib. With 1 everything runs in this process.
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
        with counting(what, len(tasks), self.progress) as advance:
            results = []
            for result in self._results(function, tasks):
                results.append(result)
                advance(len(results))
        return results

    def _results(self, function: Callable[..., Result], tasks: Sequence[Sequence[object]]) -> Iterable[Result]:
        jobs = min(self.jobs, len(tasks))
        if jobs <= 1:
            return (function(*task) for task in tasks)
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
        return parallel(delayed(function)(*task) for task in tasks)
