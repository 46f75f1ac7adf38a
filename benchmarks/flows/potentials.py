"""Flows without noise, by their potentials and pairs, and the particles that plain formulas in float64 find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...energies import Interaction, Potential, Quadratic
from ...entropies import LogDet
from ...functional import Functional
from ...kernels import Gaussian
from ...ops.cpu.jit import compiled
from ..frame.case import Arrays

H, WIDTH, PAIRS, TEMPERATURE = 0.01, 1.0, 1.0, 0.1


@dataclass(frozen=True)
class Flow:
    """F = V + c·(Gaussian pairs) − T·LogDet, with ∇V in the notation of arrays.

    `slope` is ∇V(x), written with operators that numpy, torch and JAX have. `pairs` is c, and `temperature` is T.
    """

    title: str
    potential: Callable[[], Functional]
    slope: Callable[[Any], Any]
    pairs: float = 0.0
    temperature: float = 0.0

    def functional(self) -> Functional:
        """F in our terms."""
        F = self.potential()
        if self.pairs:
            F = F + self.pairs * Interaction(Gaussian(WIDTH))
        return F - self.temperature * LogDet() if self.temperature else F


@compiled
def _double_well(x: Any) -> Any:
    """Σ x⁴/4 − x²/2 over the coordinates of one particle."""
    total = 0.0
    for c in range(x.size):
        total += 0.25 * x[c] ** 4 - 0.5 * x[c] ** 2
    return total


@compiled
def _double_well_slope(x: Any, out: Any) -> None:
    for c in range(x.size):
        out[c] = x[c] * x[c] * x[c] - x[c]


QUADRATIC = Flow("Quadratic", Quadratic, lambda x: x)
AUTOGRAD = Flow("Quadratic as a torch potential", lambda: Potential(lambda x: 0.5 * (x * x).sum(1)), lambda x: x)
AGGREGATION = Flow("Quadratic + Gaussian pairs − LogDet", Quadratic, lambda x: x, PAIRS, TEMPERATURE)
DOUBLE_WELL = Flow(
    "Double well + Gaussian pairs − LogDet",
    lambda: Potential(_double_well, _double_well_slope),
    lambda x: x**3 - x,
    PAIRS,
    TEMPERATURE,
)


def cloud(n: int, d: int) -> Arrays:
    """n points of N(1, I) in d dimensions."""
    return {"x": 1.0 + np.random.default_rng(0).standard_normal((n, d))}


# ------------------------------------------------------------------------------------------- the reference


def force(flow: Flow, x: np.ndarray) -> np.ndarray:
    """∇_W F by differences of all pairs, in float64."""
    g = np.array(flow.slope(x), np.float64)
    if flow.pairs:
        u = x[:, None] - x
        k = np.exp(-(u * u).sum(2) / (2 * WIDTH**2))
        g -= flow.pairs / (WIDTH**2 * len(x)) * (k[:, :, None] * u).sum(1)
    if flow.temperature:
        away = x - x.mean(0)
        g -= flow.temperature * np.linalg.solve(away.T @ away / len(x), away.T).T
    return g


def end(flow: Flow, steps: int, arrays: Arrays) -> np.ndarray:
    """The particles after so many Euler steps."""
    x = arrays["x"]
    for _ in range(steps):
        x = x - H * force(flow, x)
    return x
