"""One scheme on one problem: the functional, the number of particles and the time steps that it runs with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ... import solvers
from ...errors import ConfigError
from ...functional import Functional
from ...precision.entry import TOLERANCES, Entry, LeftOut
from ...protocol import Solver
from .problems import Problem


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
    def entry(self) -> Entry | LeftOut:
        """The scheme as the measurement takes it."""
        if self.solver is None or self.F is None:
            return LeftOut(self.name, self.reason)
        scheme, problem = SCHEMES.get(self.name, Scheme()), self.problem
        adaptive = self.solver.adaptive
        return Entry(
            self.name, self.solver, self.F, lambda: problem.start(self.particles), problem.error,
            t_end=scheme.pace * problem.t_end,
            efforts=TOLERANCES if adaptive else tuple(scheme.pace * h for h in problem.hs),
            first=problem.hs[-1],
            domain=problem.domain if scheme.gridded else None,
            entropy="Shannon" if self.noisy else "force or none",
        )  # fmt: skip


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
