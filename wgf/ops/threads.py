"""Work in fixed blocks: threads decide who computes a block, never what is in it, so the bits do not change."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """A pool of this process; a forked child cannot use its parent's threads, hence the process id in the key."""
    key = (os.getpid(), threads)
    with _lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="wgf")
        return _pools[key]


def run_blocks(worker: Callable[[Iterator[int]], None], blocks: int) -> None:
    """Call `worker(indices)` in each of `torch.get_num_threads()` threads, the caller's among them.

    All draw from one range(blocks), so that a thread that falls behind does less. A worker gets an iterator rather than
    one index so that it can allocate its scratch once. Bodies release the GIL. Numpy is silent about overflow in them:
    what is not finite is found, and named, by the flow.
    """
    indices = iter(range(blocks))  # the GIL makes each draw one step

    def quietly() -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                worker(indices)
            except BaseException:
                for _ in indices:  # nobody begins another block
                    pass
                raise

    futures: list[Future[None]] = []
    others = min(torch.get_num_threads(), blocks) - 1
    try:
        for _ in range(others):
            futures.append(_pool(others).submit(quietly))
        quietly()
    finally:
        begun = [future for future in futures if not future.cancel()]  # for the others nothing is left to do
        wait(begun)
    for future in begun:
        future.result()


class _Held:
    """A setting held at one value while anybody in its scope needs it, and put back by the last who leaves."""

    def __init__(self, enter: Callable[[], Callable[[], None]], scope: Any) -> None:
        self._enter, self._scope, self._guard = enter, scope, threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        scope = self._scope
        with self._guard:
            scope.holders = getattr(scope, "holders", 0) + 1
            if scope.holders == 1:
                scope.restore = self._enter()
        try:
            yield
        finally:
            with self._guard:
                scope.holders -= 1
                if scope.holders == 0:
                    scope.restore()


_controller: ThreadpoolController | None = None


def _limit_blas() -> Callable[[], None]:
    global _controller
    if _controller is None:  # scanning the loaded libraries takes milliseconds: once
        _controller = ThreadpoolController().select(user_api="blas")
    return _controller.limit(limits=1).restore_original_limits


def _limit_torch() -> Callable[[], None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    return lambda: torch.set_num_threads(before)


one_blas_thread = _Held(_limit_blas, SimpleNamespace())  # OpenBLAS has one setting for the process
"""Context in which numpy's BLAS runs one thread: our blocks are the parallelism, and its own threads change bits."""

one_torch_thread = _Held(_limit_torch, threading.local())  # torch has one for each thread
"""Context for the user's torch code: its reductions and products would differ in the last bits with two threads."""
