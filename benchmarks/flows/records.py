"""One record of a noisy run: F, the entropy, scores of both halves, and with them the dissipation and its error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...energies import Quadratic
from ...entropies import Shannon
from ...flow import solve
from ...measure import Ensemble
from ...solvers import Langevin
from ..frame.case import OURS, Arrays, Body, Case, Target, power

VARIANCES = (4.0, 0.25)
"""Of the Gaussian whose entropy and score are estimated."""


def cloud(n: int) -> Arrays:
    """n points of the Gaussian N(0, diag(4, ¼)) in the plane."""
    return {"x": np.random.default_rng(0).standard_normal((n, 2)) * np.sqrt(VARIANCES)}


def truth(arrays: Arrays) -> np.ndarray:
    """The entropy of the Gaussian, and its dissipation ∫|x + ∇log ρ|² dρ = Σ (variance − 2 + 1/variance)."""
    v = np.array(VARIANCES)
    return np.array([0.5 * (1 + np.log(2 * np.pi * v)).sum(), (v - 2 + 1 / v).sum()])


def worst(result: np.ndarray, known: np.ndarray) -> float:
    """The larger of the two relative errors."""
    return float((np.abs(result - known) / np.abs(known)).max())


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    """A run without a step: what `solve` does for its first record."""
    F, mu = Quadratic() - Shannon(), Ensemble(arrays["x"])

    def call() -> np.ndarray:
        row = solve(F, mu, Langevin(), dt=0.1, t_end=0.0).ledger.row(0)
        return np.array([row["entropy"], row["dissipation"]])

    return call


def _sklearn(arrays: Arrays) -> Callable[[], Any]:
    """The log density of a kernel estimate at its own points, by a tree: less than half of a record."""
    from sklearn.neighbors import KernelDensity

    x = arrays["x"] / arrays["x"].std(0)

    def call() -> None:
        KernelDensity(bandwidth=len(x) ** (-1 / 6), rtol=1e-3).fit(x).score_samples(x)

    return call


def _case(n: int, least: float, stretch: float) -> Case:
    bodies: dict[str, Body] = {OURS: _wgf}
    if n <= 2000:
        bodies["scikit-learn: density alone"] = _sklearn
    return Case(
        name=f"one Shannon record, d = 2, n = {power(n)}",
        family="records",
        arrays=partial(cloud, n),
        bodies=bodies,
        oracle=truth,
        bound=0.05 * max(1.0, 20_000 / n) ** 0.5,
        targets=[Target("seconds", (), least, stretch)],
        gap=GAP,
        error=worst,
        unit="larger relative error of entropy and dissipation of a Gaussian with variances 4 and ¼",
    )


def cases(quick: bool) -> list[Case]:
    """The rows of a record."""
    sizes = ((500, 6e-3, 3e-3),) if quick else ((2000, 6e-3, 3e-3), (20_000, 30e-3, 15e-3), (100_000, 150e-3, 80e-3))
    return [_case(*size) for size in sizes]


GAP = (
    "A partition into leaves with neighbours for the entropy, and local fits in windows of several widths, from both "
    "halves of the particles, for the score. No peer has all of it."
)
