"""One scheme on one problem at many step lengths: what is run, and how a run is timed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..domains import Domain
from ..errors import ConfigError, WgfError
from ..flow import Monitor, solve
from ..functional import Functional
from ..measure import Ensemble
from ..protocol import Solver

NO_RECORDS = 10**9
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The rtol of schemes that adapt their steps; atol is a hundredth of it."""


class OutOfTime(Exception):
    """Raised to stop a run that takes longer than its time limit."""


class Stopwatch(Monitor):
    """Times a run from the end of its first record to the beginning of its last, in seconds.

    A run that takes longer than `limit` seconds is stopped.
    """

    def __init__(self, limit: float) -> None:
        self.limit, self.seconds = limit, 0.0

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        self._began: float | None = None
        yield

    def recording(self, t: float) -> None:
        if self._began is not None:
            self.seconds = time.perf_counter() - self._began

    def advance(self, done: int, t: float, row: Any) -> None:
        if self._began is None:
            self._began = time.perf_counter()
        elif row is None and time.perf_counter() - self._began > self.limit:
            raise OutOfTime


@dataclass(frozen=True)
class LeftOut:
    """A scheme that takes no part, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A scheme that takes part.

    Attributes
    ----------
    name : str
        How the table calls it.
    solver, F : Solver and Functional
        The scheme and the free energy that it follows.
    start : callable () -> Ensemble
        The first particles.
    error : callable (Ensemble) -> float
        The distance of the result from the answer.
    t_end : float
        The last time, in flow time.
    efforts : tuple of float
        The step lengths, or the tolerances of a scheme that adapts its steps, from coarse to fine.
    first : float
        The first step of a scheme that adapts its steps.
    domain : Domain or None
        Where the particles may be.
    entropy : str
        How the scheme has its entropy, for the results.
    """

    name: str
    solver: Solver
    F: Functional
    start: Callable[[], Ensemble]
    error: Callable[[Ensemble], float]
    t_end: float
    efforts: tuple[float, ...]
    first: float
    domain: Domain | None = None
    entropy: str = ""

    def run(self, effort: float, seed: int, limit: float, max_steps: int = 10_000_000) -> dict[str, Any]:
        """Do one run and measure it.

        Parameters
        ----------
        effort : float
            The time step h, or rtol of a scheme that adapts.
        seed : int
            Seed of the noise.
        limit : float
            Seconds after which the run is stopped.
        max_steps : int
            The most steps.

        Returns
        -------
        dict
            "error", "steps", "evaluations" of ∇_W F and "seconds"; or "failed" with the reason.
        """
        watch = Stopwatch(limit)
        settings: dict[str, Any] = {"dt": effort}
        if self.solver.adaptive:
            settings = {"dt": self.first, "rtol": effort, "atol": effort / 100}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coarse steps are intended here
            try:
                solution = solve(
                    self.F, self.start(), self.solver, t_end=self.t_end, seed=seed, record_every=NO_RECORDS,
                    progress=watch, max_steps=max_steps, domain=self.domain, **settings,
                )  # fmt: skip
                error = self.error(solution.ensemble)
            except OutOfTime:
                return {"failed": f"beyond {limit:.3g} s"}
            except WgfError as failure:
                return {"failed": f"{type(failure).__name__}: {str(failure).splitlines()[0]}"}
        return {
            "error": error,
            "steps": solution.state.step,
            "evaluations": int(solution.ledger["evaluations"][-1]) - 1,  # without that of the start
            "seconds": watch.seconds,
        }

    def warm_up(self, limit: float) -> float:
        """Take the first step, which may compile; return its seconds. ConfigError if the solver refuses the problem."""
        began = time.perf_counter()
        answer = self.run(self.efforts[-1], 0, limit, max_steps=1)
        if answer.get("failed", "").startswith("ConfigError"):
            raise ConfigError(answer["failed"].removeprefix("ConfigError: "))
        return time.perf_counter() - began

    def curve(self) -> dict[str, Any]:
        """The curve before anything is measured."""
        return {
            "solver": self.name,
            "settings": repr(self.solver),
            "order": self.solver.order,
            "effort": "rtol" if self.solver.adaptive else "h",
            "entropy": self.entropy,
            "particles": self.start().n,
            "points": [{"effort": effort} for effort in self.efforts],
        }
