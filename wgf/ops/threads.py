"""Work in fixed blocks: threads decide who computes a block, never what is in it, so the bits do not change."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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


def run_blocks(worker: Callable[[range], None], blocks: int) -> None:
    """Call `worker(indices)` on disjoint strides of range(blocks), one per thread of `torch.get_num_threads()`.

    A worker gets a range rather than one index so that it can allocate its scratch once. Bodies release the GIL.
    """
    threads = min(torch.get_num_threads(), blocks)
    if threads <= 1:
        worker(range(blocks))
        return
    futures = [_pool(threads).submit(worker, range(start, blocks, threads)) for start in range(threads)]
    for future in futures:
        future.result()


class _Shared:
    """A process-wide setting held at one value while anybody needs it, and put back by the last who leaves."""

    def __init__(self, enter: Callable[[], Callable[[], None]]) -> None:
        self._enter, self._holders, self._restore = enter, 0, lambda: None
        self._guard = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._guard:
            if self._holders == 0:
                self._restore = self._enter()
            self._holders += 1
        try:
            yield
        finally:
            with self._guard:
                self._holders -= 1
                if self._holders == 0:
                    self._restore()


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


one_blas_thread = _Shared(_limit_blas)
"""Context in which numpy's BLAS runs one thread: our blocks are the parallelism, and its own threads change bits."""

one_torch_thread = _Shared(_limit_torch)
"""Context for the user's torch code: its reductions and products would differ in the last bits with two threads."""
