"""Our bodies of a whole run: the call with its defaults, and with records at both ends only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...flow import solve
from ...flow.gear import forced
from ...functional import Functional
from ...measure import Ensemble
from ...protocol import Solver
from ..frame.case import OURS, Arrays, Body, Target
from ..frame.processes import ALONE

ENDS = f"{OURS}: both ends"
"""The run whose ledger has two records only: the bare steps, with the checks and the booking of each."""
PIECES = f"{OURS}: its operations"
"""The operations of the steps alone, called one by one: no checks, no booking, no ledger."""
OURS_ALONE = f"{OURS}{ALONE}"
THREADS = Target("slower", (OURS_ALONE,), 2.0, 1.1, ours=ENDS)
"""On a busy machine the run with all threads takes at most twice the time of that with one."""

Setup = Callable[[Arrays], tuple[Functional, Ensemble, Solver]]
Result = Callable[[Any], Any]


def run(setup: Setup, h: float, steps: int, result: Result, every: int | None, arrays: Arrays) -> Callable[[], Any]:
    """The call of `solve` for so many steps of length h; `result` makes what is compared from the final particles.

    Compiled steps are made before, as for every body. In a session a run of half a minute would make them.
    """
    F, mu, solver = setup(arrays)
    with forced(second=True):
        solve(F, mu, solver, dt=h, t_end=3 * h, record_every=3, seed=1)

    def call() -> Any:
        return result(solve(F, mu, solver, dt=h, t_end=steps * h, record_every=every, seed=1).ensemble.x)

    return call


def bodies(setup: Setup, h: float, steps: int, result: Result = lambda x: x) -> dict[str, Body]:
    """The default call, and the call with records at both ends."""
    return {
        OURS: partial(run, setup, h, steps, result, None),
        ENDS: partial(run, setup, h, steps, result, steps),
    }
