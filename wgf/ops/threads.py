"""Run blocks of work in threads, with the same bits for every number of threads.

The blocks are fixed by the sizes of the data. Threads decide who computes a block, never what is in it.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import SimpleNamespace, TracebackType

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """The thread pool of this process.

    The key has the process id, because a forked child cannot use the threads of its parent.
    """
    key = (os.getpid(), threads)
    with _lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="wgf")
        return _pools[key]


HANDOVER = 200_000
"""Work in nanoseconds below which one thread does it all.

To wake another thread and to wait for it takes 30 to 60 µs on two idle cores. Where other programs use the cores it
takes milliseconds, since the thread has to wait for its turn. (Measured on an EPYC with two cores: a Langevin step of
4·10⁴ numbers took 1.2 ms with one thread and 26 ms with two, while two other programs computed.)
"""


def run_blocks(worker: Callable[[Iterator[int]], None], blocks: int, work: float = math.inf) -> None:
    """Run a worker in several threads, which share blocks of work.

    Parameters
    ----------
    worker : callable
        Called once in each thread with an iterator of block numbers, and computes every block that it draws. It can
        therefore allocate its scratch memory once.
    blocks : int
        Number of blocks.
    work : float
        About how many nanoseconds one thread needs for all blocks, from the sizes of the data. Below `HANDOVER` the
        caller's thread does them alone. By default the work counts as large.

    Raises
    ------
    Exception
        What a worker raised. Blocks that are not yet begun are then dropped.

    Notes
    -----
    `count()` threads run, the caller's among them. All draw from one iterator, so that a slow thread
    does less. Workers should release the GIL, as compiled code does. Numpy's warnings about overflow are silenced here:
    numbers that are not finite are found and named later, by the flow.

    Examples
    --------
    >>> done = [0] * 4
    >>> def worker(indices):
    ...     for i in indices:
    ...         done[i] = i * i
    >>> run_blocks(worker, 4)
    >>> done
    [0, 1, 4, 9]
    """
    indices = iter(range(blocks))  # drawing from it is atomic under the GIL

    def quietly() -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                worker(indices)
            except BaseException:
                for _ in indices:  # empty the iterator: no thread begins another block
                    pass
                raise

    others = min(count(), blocks) - 1 if work >= HANDOVER else 0
    if others <= 0:
        quietly()
        return
    futures: list[Future[None]] = []
    try:
        for _ in range(others):
            futures.append(_pool(others).submit(quietly))
        quietly()
    finally:
        begun = [future for future in futures if not future.cancel()]  # cancelled ones never started
        wait(begun)
    for future in begun:
        future.result()


@contextmanager
def beside(function: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Call a function in another thread, if one is free, during a `with` block. It must return when the block ends."""
    future = _pool(1).submit(function, *arguments)
    try:
        yield
    finally:
        if not future.cancel():  # it began
            wait([future])
    if not future.cancelled():
        future.result()


class _Held:
    """A context that changes a setting while any caller is inside, and restores it when the last one leaves."""

    def __init__(self, enter: Callable[[], Callable[[], None]]) -> None:
        self._enter, self._scope, self._guard = enter, SimpleNamespace(), threading.Lock()

    def unlock(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._guard = threading.Lock()

    def __call__(self) -> _Held:
        return self

    def __enter__(self) -> None:
        scope = self._scope
        with self._guard:
            scope.holders = getattr(scope, "holders", 0) + 1
            if scope.holders == 1:
                scope.restore = self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        scope = self._scope
        with self._guard:
            scope.holders -= 1
            if scope.holders == 0:
                scope.restore()


_controller: ThreadpoolController | None = None


def _limit_blas() -> Callable[[], None]:
    global _controller
    if _controller is None:  # finding the loaded libraries takes milliseconds
        _controller = ThreadpoolController().select(user_api="blas")
    before = [(library, library.get_num_threads()) for library in _controller.lib_controllers]
    wide = [(library, threads) for library, threads in before if threads != 1]
    for library, _ in wide:
        library.set_num_threads(1)

    def restore() -> None:
        for library, threads in wide:
            library.set_num_threads(threads)

    return restore


class _OneTorchThread(threading.local):
    """A context in which torch uses one thread. Torch has one setting for each thread, so no lock is needed."""

    depth, before, process = 0, 1, 0

    def __call__(self) -> _OneTorchThread:
        return self

    def __enter__(self) -> None:
        if not self.depth:
            self.before = torch.get_num_threads()
            if self.before != 1:
                self.process = os.getpid()
                torch.set_num_threads(1)
        self.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.depth -= 1
        if not self.depth and self.before != 1 and os.getpid() == self.process:  # a forked child keeps one thread
            torch.set_num_threads(self.before)


one_blas_thread = _Held(_limit_blas)  # OpenBLAS has one setting for the whole process
"""Context in which numpy's BLAS uses one thread: blocks are parallel already, and BLAS threads change the bits."""

one_torch_thread = _OneTorchThread()
"""Context for the user's torch code: sums and products would differ in the last bits with more threads."""


_given = threading.local()  # .threads: what torch had before `small_steps` took all but one


def count() -> int:
    """The number of threads for compiled code: that of torch, or what torch had before `small_steps`."""
    return getattr(_given, "threads", 0) or torch.get_num_threads()


class small_steps:
    """Context for steps of a small ensemble: torch uses one thread for operations on arrays of n·d numbers.

    Torch divides such an operation from 2¹⁵ numbers on. The threads meet after each of them, which takes as long as
    the operation itself, and milliseconds where other programs use the cores. Compiled sums over pairs still use all
    threads. Elementwise operations have the same bits with any number of threads.

    Parameters
    ----------
    numbers : int
        The size of the arrays. From `SMALL` on nothing is changed.
    """

    SMALL = 2**18

    def __init__(self, numbers: int) -> None:
        self._small, self._before = numbers < self.SMALL, 0

    def __enter__(self) -> None:
        if self._small and not getattr(_given, "threads", 0) and torch.get_num_threads() > 1:
            self._before = _given.threads = torch.get_num_threads()
            torch.set_num_threads(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before:
            torch.set_num_threads(self._before)
            self._before = _given.threads = 0


class all_threads:
    """Context inside `small_steps`: torch has all its threads again, for code whose arrays may be larger than n·d."""

    def __enter__(self) -> None:
        self._before = getattr(_given, "threads", 0)
        if self._before:
            torch.set_num_threads(self._before)
            _given.threads = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before:
            torch.set_num_threads(1)
            _given.threads = self._before


def _after_fork() -> None:
    """In a forked child: torch uses one thread, and the locks are free.

    The threads of OpenMP do not survive a fork, and the child would wait for them for ever. So it sets one thread
    before its first parallel work. The numbers do not depend on the number of threads.
    """
    global _lock
    _given.threads = 0
    _lock = threading.Lock()  # another thread of the parent may have held it
    one_blas_thread.unlock()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_after_fork)
