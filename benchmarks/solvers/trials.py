"""One scheme on one problem: the functional, the number of particles and the time steps that it runs with."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ... import solvers
from ...errors import ConfigError, WgfError
from ...flow import Monitor, solve
from ...functional import Functional
from ...protocol import Solver
from .problems import Problem

NO_RECORDS = 10**9


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
class Scheme:
    """How a scheme takes part: the flow it follows, the largest size, and its settings."""

    flow: bool = True  # whether it follows the Wasserstein flow in time; else only its equilibrium is compared
    most: int = 10**9  # the most particles, for schemes that cost more than O(n) a step
    options: Mapping[str, Any] = field(default_factory=dict)  # arguments of its constructor
    by_problem: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # further arguments by problem
    left_out: Mapping[str, str] = field(default_factory=dict)  # problems where it is left out, with the reason
    gridded: bool = False  # whether it needs the domain of the problem for its cells
    pace: float = 1.0  # factor on h and t_end, for schemes with a time scale of their own


_NO_PAIRS = "there is no sum over pairs to make of batches, so that it would be its inner scheme"
_NO_QUADRATIC = "F has no quadratic term here, so that it would be Euler"
_COARSE = {"cells": 64}  # per side; implicit steps in the plane solve for all cells at once
SCHEMES: dict[str, Scheme] = {
    "ExponentialEuler": Scheme(
        left_out={"barenblatt": _NO_QUADRATIC, "aggregation": _NO_QUADRATIC, "double-well": _NO_QUADRATIC}
        | {"logistic-regression": _NO_QUADRATIC}
    ),
    "JKO": Scheme(most=2000),
    "Underdamped": Scheme(flow=False, pace=4.0),
    "Accelerated": Scheme(flow=False),
    "Stein": Scheme(flow=False, most=1000, pace=5.0),
    "AffineInvariant": Scheme(flow=False),
    "BirthDeath": Scheme(flow=False, most=2000),
    "RandomBatch": Scheme(
        left_out=dict.fromkeys(("ornstein-uhlenbeck", "gaussian-target", "logistic-regression"), _NO_PAIRS)
    ),
    "Grid": Scheme(gridded=True, by_problem={"ornstein-uhlenbeck": _COARSE, "gaussian-target": _COARSE}),
}
"""The schemes with special settings. Every other scheme of the registry takes part with its own defaults."""
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The rtol of schemes that adapt their steps; atol is a hundredth of it."""


@dataclass(frozen=True)
class Trial:
    """A solver with its functional and its number of particles on a problem, or the reason why it is left out."""

    name: str
    problem: Problem
    solver: Solver | None = None
    F: Functional | None = None
    particles: int = 0
    noisy: bool = False
    reason: str = ""

    @property
    def efforts(self) -> tuple[float, ...]:
        """The time steps h, or the tolerances, from coarse to fine."""
        if self.solver is not None and self.solver.adaptive:
            return TOLERANCES
        return tuple(self.pace * h for h in self.problem.hs)

    @property
    def pace(self) -> float:
        """The factor between the time of the scheme and the time of the problem."""
        return SCHEMES.get(self.name, Scheme()).pace

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
        assert self.solver is not None
        assert self.F is not None
        watch = Stopwatch(limit)
        settings: dict[str, Any] = {"dt": effort}
        if self.solver.adaptive:
            settings = {"dt": self.problem.hs[-1], "rtol": effort, "atol": effort / 100}
        if SCHEMES.get(self.name, Scheme()).gridded:
            settings["domain"] = self.problem.domain
        mu = self.problem.start(self.particles)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coarse steps are intended here
            try:
                solution = solve(
                    self.F, mu, self.solver, t_end=self.pace * self.problem.t_end, seed=seed, record_every=NO_RECORDS,
                    progress=watch, max_steps=max_steps, **settings,
                )  # fmt: skip
            except OutOfTime:
                return {"failed": f"beyond {limit:.3g} s"}
            except WgfError as error:
                return {"failed": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        return {
            "error": self.problem.error(solution.ensemble),
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


def trial(name: str, problem: Problem) -> Trial:
    """How the scheme `name` of the registry takes part in a problem, or why it does not."""
    kind, scheme = solvers.REGISTRY[name], SCHEMES.get(name, Scheme())
    if problem.name in scheme.left_out:
        return Trial(name, problem, reason=scheme.left_out[problem.name])
    if problem.transient and not scheme.flow:
        return Trial(name, problem, reason="it follows another flow, which shares only the equilibrium")
    noisy = kind.realises_shannon and problem.noisy is not None
    if kind.stochastic and not noisy and name != "ExponentialEuler":
        return Trial(name, problem, reason="there is no Shannon entropy here for its noise to realise")
    F = problem.noisy if noisy else problem.smooth
    if F is None:
        return Trial(name, problem, reason="it does not realise Shannon, and no entropy with a force has this answer")
    if scheme.gridded and problem.domain is None:
        return Trial(name, problem, reason="the problem has no density on a grid of one or two dimensions")
    if problem.exact_rest and scheme.flow and not noisy:
        return Trial(name, problem, reason="it reaches the answer exactly with any step: there is nothing to compare")
    particles = min(problem.n_noisy if noisy else problem.n_smooth, scheme.most)
    try:
        solver = kind(**{**scheme.options, **scheme.by_problem.get(problem.name, {})})
    except (TypeError, ConfigError) as error:
        return Trial(name, problem, reason=f"its settings are refused: {error}")
    return Trial(name, problem, solver, F, particles, noisy)
