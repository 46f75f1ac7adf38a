"""Where jobs are done: in this process, in worker processes, on a Dask or Ray cluster, or by another backend of joblib.

Each way gives what the jobs gave in the order in which they end. A job itself never raises an error here: it is part of
what it gives. So an error of a backend says that a worker was lost.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import BackendError, ConfigError, JobError, WgfError, closest
from ..ops import one_blas_thread, one_torch_thread
from ..process import signals
from ..process.workers import processors, serve
from ..protocol.sending import comes_through, refusal
from .results import Results

BACKENDS = ("loky", "threading", "dask", "ray")
"""The backends by name; others that joblib knows go too."""
GRACE = 10.0
"""Seconds that jobs in worker processes have to bring what they have to the disk when they are stopped."""
ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
"""Libraries whose environment variable NAME_NUM_THREADS (NAME_THREADS where it ends in MAXIMUM) a worker sets."""

Task = Sequence[object]
_stopped: list[str] = []
"""The job of this worker that a signal stopped."""


@dataclass(frozen=True)
class Ended:
    """How a job ended: with a value, or with an error. `stopped` says that a signal stopped it."""

    value: Any = None
    error: Exception | None = None
    stopped: bool = False


@dataclass(frozen=True)
class Call:
    """A function that jobs call, and where their results are kept; it is sent to other processes."""

    function: Callable[..., Any]
    results: Results | None = None

    def here(self, task: Task, name: str) -> Ended:
        """Do a job in this process, with all threads that it has."""
        try:
            if self.results is None:
                return Ended(self.function(*task))
            return Ended(self.results.made(name, partial(self.function, *task)))
        except Exception as error:
            return Ended(error=error)

    def apart(self, task: Task, name: str) -> Ended:
        """Do a job in a worker process. A signal stops the job, and the worker does no other one afterwards."""
        try:
            with signals.during(signals.Mode.RAISE):
                signals.check()
                if _stopped:
                    raise KeyboardInterrupt
                ended = self.here(task, name)
                signals.check()
        except KeyboardInterrupt:
            _stopped.append(name)
            return Ended(stopped=True)
        return _to_send(ended)

    def alone(self, task: Task, name: str) -> Ended:
        """Do a job in one of several threads of a process, with one thread of its own."""
        with one_torch_thread(), one_blas_thread():
            return _to_send(self.here(task, name))


def _to_send(ended: Ended) -> Ended:
    """An error with its traceback as a note; one that other processes cannot receive becomes a JobError."""
    error = ended.error
    if error is None:
        return ended
    if not isinstance(error, WgfError):
        error.add_note("".join(traceback.format_exception(error)).rstrip())
    if not comes_through(error):
        told = JobError(f"{type(error).__name__}: {error}")
        told.__notes__ = list(getattr(error, "__notes__", ()))
        error = told
    return Ended(error=error)


Found = Generator[tuple[int, Ended], None, None]


def ended(call: Call, tasks: Mapping[int, tuple[Task, str]], jobs: int, backend: str, scheduler: str | None) -> Found:
    """What each job gave, with its number, in the order in which they end. Closed early, it stops the others.

    Parameters
    ----------
    call : Call
        What a job does.
    tasks : mapping
        The arguments and the id of each job, by its number.
    jobs : int
        How many are done at a time. With 1 the backend "loky" does them in this process.
    backend, scheduler : str
        As for `Work`.

    Yields
    ------
    (int, Ended)
        The number of a job and what it gave.

    Raises
    ------
    Exception
        What the backend raises where a worker was lost.
    """
    if backend == "loky":
        yield from _here(call, tasks) if jobs == 1 else _in_processes(call, tasks, jobs)
    elif backend == "dask":
        yield from _by_dask(call, tasks, jobs, scheduler)
    else:
        yield from _by_joblib(call, tasks, jobs, backend, scheduler)


def _here(call: Call, tasks: Mapping[int, tuple[Task, str]]) -> Found:
    for index, task in tasks.items():
        yield index, call.here(*task)


def _in_processes(call: Call, tasks: Mapping[int, tuple[Task, str]], jobs: int) -> Found:
    """By the worker processes of loky, which share the threads of this machine."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky import as_completed, get_reusable_executor, wait

    threads = str(max(1, processors() // jobs))
    each = {f"{name}{'' if name.endswith('MAXIMUM') else '_NUM'}_THREADS": threads for name in ONE_THREAD}
    with signals.blocked():  # also for the tracker of shared resources, which unblocks SIGINT when it starts
        resource_tracker.ensure_running()
        executor = get_reusable_executor(jobs, env=each, initializer=serve, initargs=(os.getpid(),))
    futures: dict[Any, int] = {}
    try:
        with signals.blocked():  # the workers start at the first task
            futures = {executor.submit(call.apart, *task): index for index, task in tasks.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        workers = list(executor._processes.values())  # its own way to kill them may fail with a traceback
        try:
            running = [future for future in futures if not future.cancel() and not future.done()]
            for worker in workers:
                worker.terminate()
            wait(running, timeout=GRACE)
        finally:
            for worker in workers:
                with suppress(OSError):
                    os.kill(worker.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            executor.shutdown(wait=True)
        raise


def _by_dask(call: Call, tasks: Mapping[int, tuple[Task, str]], jobs: int, scheduler: str | None) -> Found:
    """On a Dask cluster. Dask does a job again where the worker that had it is lost."""
    with importing("dask", "distributed"):
        from distributed import Client, LocalCluster, as_completed
    with ExitStack() as stack:
        stack.enter_context(environment_kept())
        try:
            if scheduler is None:
                place = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=40)
                scheduler = stack.enter_context(place)
            client = stack.enter_context(Client(scheduler, set_as_default=False))
        except (OSError, ValueError, TimeoutError) as error:
            raise BackendError(f"no Dask scheduler at {scheduler!r}: {error}.") from error
        _require_received(client, call)
        futures = {client.submit(call.alone, *task, pure=False): index for index, task in tasks.items()}
        try:
            for future in as_completed(list(futures), raise_errors=False, loop=client.loop):
                yield futures[future], future.result()
        finally:
            client.cancel(list(futures))


def _require_received(client: Any, call: Call) -> None:
    """Refuse a function of a module that a worker cannot import. Dask would wait for it for ever."""
    from cloudpickle import dumps  # by which Dask sends functions

    for worker, why in client.run(refusal, dumps(call)).items():
        if why:
            raise JobError(
                f"the worker {worker} cannot receive the function: {why}. Install its module where the workers are, "
                "send its file by `Client.upload_file`, or define the function in the script."
            )


def _by_joblib(
    call: Call, tasks: Mapping[int, tuple[Task, str]], jobs: int, backend: str, scheduler: str | None
) -> Found:
    """By any other backend of joblib: "threading", "ray", and those that are registered there."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.parallel import BACKENDS as KNOWN

    with ExitStack() as stack:
        if backend == "ray":
            stack.enter_context(_ray(jobs, scheduler))
        if backend not in KNOWN:
            raise ConfigError(f"backend {backend!r}{closest(backend, {*BACKENDS, *KNOWN})}")
        stack.enter_context(parallel_config(backend, n_jobs=jobs))
        streams = bool(KNOWN[backend]().supports_return_generator)
        parallel = Parallel(batch_size=1, return_as="generator_unordered" if streams else "list")
        found = parallel(delayed(_numbered)(index, call, *task) for index, task in tasks.items())
        if isinstance(found, Generator):
            with closing(found):
                yield from found
        else:
            yield from found


def _numbered(index: int, call: Call, task: Task, name: str) -> tuple[int, Ended]:
    return index, call.alone(task, name)


@contextmanager
def _ray(jobs: int, scheduler: str | None) -> Iterator[None]:
    """Ray as a backend of joblib: on the cluster at this address, or on this machine."""
    with importing("ray", "ray"):
        import ray
        from ray.util.joblib import register_ray

    try:
        with signals.blocked():
            ray.init(scheduler, num_cpus=None if scheduler else jobs, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, OSError, ValueError) as error:
        raise BackendError(f"no Ray cluster at {scheduler!r}: {error}.") from error
    register_ray()
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def environment_kept() -> Iterator[None]:
    """Put the variables of the environment back at the end: a local cluster of Dask sets those of its workers here."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@contextmanager
def importing(backend: str, package: str) -> Iterator[None]:
    """Say which package a backend needs where it is not installed."""
    try:
        yield
    except ImportError as error:
        raise BackendError(
            f"backend {backend!r} needs the package {package}: pip install 'wgflow[cluster]' ({error})."
        ) from error
