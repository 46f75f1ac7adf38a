"""Worker processes as seen from the benchmark: one for each peer, with time limits, restarted after a crash.

The code inside such a process is in `worker.py`.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

import wgf

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wgf-bench"
"""Where KeOps keeps its compiled code: one folder for each set of flags, because its own cache ignores the flags."""

ENVIRONMENT: dict[str, dict[str, str]] = {
    "KeOps": {"KEOPS_CACHE_FOLDER": str(CACHE / "keops"), "PYKEOPS_VERBOSE": "0"},
    "KeOps native": {
        "KEOPS_CACHE_FOLDER": str(CACHE / "keops-native"),
        "PYKEOPS_VERBOSE": "0",
        "CXXFLAGS": "-march=native -ffast-math",
    },
}
_START = "from wgf.benchmarks.frame.worker import main; main()"


ALONE = ", one thread"
"""The end of the name of a process that has one thread."""


def threads(process: str) -> dict[str, str]:
    """The variables that give a process its number of threads: OpenMP's, which torch and BLAS read, and that of XLA."""
    if process.endswith(ALONE):
        return {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PJRT_NPROC": "1"}
    return {"PJRT_NPROC": str(torch.get_num_threads())}


@contextmanager
def spinning(programs: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many programs that do nothing but compute, while the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield started
    finally:
        for program in started:
            program.kill()
            program.wait()


def environment(**changes: str) -> dict[str, str]:
    """The environment for a child process that must import this same package, with some variables changed."""
    path = [str(Path(wgf.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), **changes}


class Worker:
    """One worker process. After a crash or a timeout `ask` returns {"failed": reason}; the next request restarts it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str | None] = queue.Queue()
        self._log: Any = None

    def _start(self) -> subprocess.Popen[str]:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in stop
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(**threads(self.name), **ENVIRONMENT.get(self.name, {})),
            text=True,
            encoding="utf-8",
        )
        self._replies = queue.Queue()
        threading.Thread(target=_forward, args=(process.stdout, self._replies), daemon=True).start()
        return process

    def send(self, **request: Any) -> None:
        """Send a request without waiting for its answer."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = self._start()
        assert self._process.stdin is not None
        with suppress(OSError):  # the process died; `receive` reports it
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def receive(self, timeout: float) -> dict[str, Any]:
        """The answer to the last request, or {"failed": reason} after `timeout` seconds or a crash."""
        try:
            line = self._replies.get(timeout=timeout)
        except queue.Empty:
            self.stop()
            return {"failed": f"no answer in {timeout:.0f} s"}
        if line is None:
            code = self._process.wait() if self._process else 0
            said = self._last_words()
            self.stop()
            return {"failed": f"its process ended with code {code}{said}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, timeout: float, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send(**request)
        return self.receive(timeout)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # data that was not sent yet cannot be sent any more
                        pipe.close()
            self._log.close()
        self._process = None


def _forward(pipe: Any, replies: queue.Queue[str | None]) -> None:
    with suppress(ValueError):  # `stop` closed the pipe
        for line in pipe:
            replies.put(line)
    replies.put(None)
