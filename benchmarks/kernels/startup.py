"""The compilation time of the default run, which a new user waits for, with numba's cache empty and then filled."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..frame.case import Case, Target
from ..frame.measure import Row, told
from ..frame.processes import environment

# Numba holds its compiler lock while it compiles and while it loads from the cache. Several threads may hold or wait
# for it at once, so the time of the union is taken. A run of two steps compiles the same as a run of a hundred.
_CODE = """
import sys, time
from numba.core import event

class Clock(event.Listener):
    def __init__(self):
        self.open, self.began, self.seconds = 0, 0.0, 0.0
    def on_start(self, _):
        self.open += 1
        if self.open == 1:
            self.began = time.perf_counter()
    def on_end(self, _):
        self.open -= 1
        if self.open == 0:
            self.seconds += time.perf_counter() - self.began

clock = Clock()
event.register("numba:compiler_lock", clock)
start = time.perf_counter()
from wgf.runs import load_config, run
run(load_config(None, ["solver.t_end=4"]), sys.argv[1], progress=False)
print(clock.seconds, time.perf_counter() - start)
"""

CASE = Case(
    name="compilation in the default run",
    family="startup",
    arrays=dict,
    bodies={},
    targets=[Target("seconds", ("wgf: cold",), 20), Target("seconds", ("wgf: warm",), 2)],
    gap="Cold: numba's type inference and LLVM, one kernel after the other. Warm: reading machine code from disk.",
)


def rows(quick: bool) -> Iterator[Row]:
    """One row: the seconds in numba's compiler or its cache, cold and warm, each in a new process."""
    times: dict[str, list[float]] = {}
    wall: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="wgf-bench-") as folder:
        for state in ("cold", "warm"):
            times[f"wgf: {state}"], wall[state] = _default_run(Path(folder), state)
    yield told(CASE, times, wall=wall)


def _default_run(folder: Path, state: str) -> tuple[list[float], float]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CODE, str(folder / state)],
        env=environment(NUMBA_CACHE_DIR=str(folder / "cache")),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the default run failed: {done.stderr.strip().splitlines()[-1:]}")
    compiling, whole = (float(part) for part in done.stdout.split()[-2:])
    return [compiling], whole
