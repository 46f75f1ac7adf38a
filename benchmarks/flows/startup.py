"""What a user waits for before the first step: importing wgf, the help of its command, the first run of a session."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from ..frame.case import Case, Target
from ..frame.measure import Row, told
from ..frame.processes import environment

IMPORT, FIRST, HELP = "wgf: import", "wgf: first run", "wgf: --help"
ROUNDS = 5

# torch is imported before, as its own two seconds are not ours. Names of wgf are imported when they are first used.
_CODE = """
import time, torch
start = time.perf_counter()
import wgf
wgf.solve, wgf.Ensemble, wgf.Quadratic, wgf.Shannon, wgf.solvers.Langevin
imported = time.perf_counter()
mu = wgf.Ensemble.gaussian(512, 3)
wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, wgf.solvers.Langevin(), dt=0.01, t_end=0.1)
print(imported - start, time.perf_counter() - imported)
"""
_HELP = "import sys; from wgf.cli import main; sys.argv = ['wgf', '--help']; main()"

CASE = Case(
    name="before the first step, with warm caches, beyond importing torch",
    family="startup",
    arrays=dict,
    bodies={},
    targets=[Target("seconds", (IMPORT,), 0.3), Target("seconds", (HELP,), 0.5), Target("seconds", (FIRST,), 0.3)],
    gap=(
        "Import: the modules of wgf. First run: numba is imported, and reads machine code from its cache. Help: a "
        "whole process, with the start of Python and typer. Python keeps the bytecode of all modules, its default."
    ),
)


def rows(quick: bool) -> Iterator[Row]:
    """One row. Each time is that of a new process; the first is not counted, as it may fill caches."""
    times: dict[str, list[float]] = {IMPORT: [], FIRST: [], HELP: []}
    for number in range(1 if quick else 1 + ROUNDS):
        imported, first = (float(part) for part in _output(_CODE).split()[-2:])
        start = time.perf_counter()
        _output(_HELP)
        taken = {IMPORT: imported, FIRST: first, HELP: time.perf_counter() - start}
        for name, seconds in taken.items() if number or quick else ():
            times[name].append(seconds)
    yield told(CASE, times)


def _output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=environment(PYTHONDONTWRITEBYTECODE=""),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"a new process failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
