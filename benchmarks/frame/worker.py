"""A worker process: it prepares and times bodies on request, with JSON lines as requests and as answers.

Each peer has its own process. So a crash does not harm the others, and settings that a library reads at import (such
as the compiler flags of KeOps) can differ between processes.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Arrays, Case, TooSlow, Unavailable, as_array, digest

SETTLE = 0.005  # seconds of rest after work, until the threads of OpenMP stop spinning
SHORT = 0.2  # seconds; a faster body is called once untimed before it is timed, to fill caches and raise the clock


class Bench:
    """Holds the arrays and the prepared bodies of one case at a time. Its public methods answer requests."""

    def __init__(self) -> None:
        self._case: Case | None = None
        self._arrays: Arrays = {}
        self._calls: dict[str, Callable[[], Any]] = {}
        self._seconds: dict[str, float] = {}

    def _open(self, module: str, name: str, quick: bool) -> Case:
        if self._case is None or self._case.name != name:
            self.close()
            case: Case = next(c for c in importlib.import_module(module).cases(quick) if c.name == name)
            self._case, self._arrays = case, case.arrays()
        return self._case

    def close(self) -> dict[str, Any]:
        """Drop the case and free its memory."""
        self._case, self._arrays, self._calls, self._seconds = None, {}, {}, {}
        gc.collect()
        return {}

    def oracle(self, module: str, name: str, quick: bool, path: str) -> dict[str, Any]:
        """Compute the oracle of a case and save it to `path`."""
        case = self._open(module, name, quick)
        if case.oracle is not None:
            np.save(path, case.oracle(self._arrays), allow_pickle=False)
        return {"digest": digest(self._arrays), "stored": case.oracle is not None}

    def prepare(self, module: str, name: str, quick: bool, body: str, oracle: str | None) -> dict[str, Any]:
        """Prepare a body, call it once, and compare its result with the stored oracle."""
        case = self._open(module, name, quick)
        build = case.bodies.get(body) or importlib.import_module(".machine", __package__).BODIES[body]
        call = build(self._arrays)
        start = time.perf_counter()
        result = as_array(call())
        first = time.perf_counter() - start
        error = None
        if oracle is not None and result is not None:
            error = case.error(result[case.rows], np.load(oracle, allow_pickle=False))
            if not np.isfinite(error):
                return {"failed": "the result is not finite"}
        self._calls[body], self._seconds[body] = call, first
        return {"first": first, "error": error, "digest": digest(self._arrays)}

    def turn(self, body: str, seconds: float) -> dict[str, Any]:
        """Call a body repeatedly for about `seconds`, at least once, and measure the seconds per call."""
        call = self._calls[body]
        if self._seconds[body] < SHORT:
            call()
        calls, start = 0, time.perf_counter()
        while True:
            call()
            calls += 1
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                break
        self._seconds[body] = elapsed / calls
        time.sleep(SETTLE)
        return {"seconds": elapsed / calls, "calls": calls}

    def memory(self, body: str) -> dict[str, Any]:
        """Peak memory of one call beyond what the process held before, in bytes (Linux only)."""
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # give freed memory back to the system, so that new memory is counted
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # resets the high-water mark
            before = _status("VmRSS")
            result = self._calls[body]()
            peak = _status("VmHWM") - before
            del result
        except (OSError, AttributeError):
            return {"bytes": None}
        return {"bytes": max(0, peak)}

    def bits(self, body: str) -> dict[str, Any]:
        """Whether one thread gives the same bits as all threads."""
        import torch

        threads = torch.get_num_threads()
        digests = []
        try:
            for count in (threads, 1):
                torch.set_num_threads(count)
                result = as_array(self._calls[body]())
                digests.append(None if result is None else hashlib.sha256(np.ascontiguousarray(result).data).digest())
        finally:
            torch.set_num_threads(threads)
        return {"same": None if digests[0] is None else digests[0] == digests[1]}


def _status(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def main() -> None:
    """Answer requests {"do": method, ...} from standard input until it ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    bench = Bench()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(bench, request.pop("do"))(**request)
        except TooSlow as reason:
            answer = {"absent": str(reason), "beyond": reason.bound}
        except (Unavailable, ImportError) as reason:
            missing = getattr(reason, "name", None)
            answer = {"absent": f"{missing} is not installed" if missing else str(reason)}
        except Exception as error:  # an error of a peer is a result; the benchmark goes on
            answer = {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
