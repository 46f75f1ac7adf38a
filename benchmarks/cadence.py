"""Measure the costs of steps and records, by which `solve` chooses how many records a run makes.

    python -m wgf.benchmarks.cadence          # prints the table
    python -m wgf.benchmarks.cadence --write  # and puts it in the place of the committed one

It takes about a minute. Run it while the machine is idle. Each constant comes from two runs that differ in one thing.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

import torch

from ..energies import Interaction, NetworkRisk, Quadratic
from ..entropies import LogDet, Shannon
from ..flow import Solution, solve
from ..flow.cadence import TABLE
from ..functional import Functional
from ..kernels import Gaussian
from ..measure import Ensemble
from ..protocol import Solver
from ..runs import store
from ..solvers import Euler, Langevin

REPEATS = 5
BOTH_ENDS = 10**9
SMALL, LARGE = 32, 200_000
"""Numbers of particles between which the cost of a number is measured, in two dimensions."""
SHANNON = {"1": (1, 1000, 20_000), "2": (2, 1000, 20_000), "3": (3, 1000, 10_000), "more": (5, 1000, 4000)}
"""By row of the table: a dimension and two numbers of particles."""


def _median(F: Functional, solver: Solver, mu: Ensemble, steps: int, every: int) -> tuple[float, float]:
    """The nanoseconds of a step and of a record: medians of a few runs, after one that is not counted."""
    runs: list[Solution] = [
        solve(F, mu, solver, dt=1e-4, t_end=1e-4 * steps, record_every=every) for _ in range(REPEATS + 1)
    ]
    step = statistics.median(sol.timing.steps / steps for sol in runs[1:])
    return 1e9 * step, 1e9 * statistics.median(sol.timing.records / sol.ledger.rows for sol in runs[1:])


def _step(F: Functional, solver: Solver, mu: Ensemble, steps: int) -> float:
    return _median(F, solver, mu, steps, BOTH_ENDS)[0]


def _record(F: Functional, solver: Solver, mu: Ensemble, steps: int) -> float:
    return _median(F, solver, mu, steps, 1)[1]


def measured() -> dict[str, Any]:
    """The table, with the machine on which it was measured."""
    few, many = Ensemble.gaussian(SMALL, 2), Ensemble.gaussian(LARGE, 2)
    numbers = 2.0 * (LARGE - SMALL)
    one = _step(Quadratic(), Euler(), few, 2000)
    five = _step(sum((Quadratic(1.0 + k).named(f"term {k}") for k in range(4)), start=Quadratic()), Euler(), few, 1000)
    term = (five - one) / 4
    large = _step(Quadratic(), Euler(), many, 50)
    noisy = _step(Quadratic() - 1.0 * Shannon(), Langevin(), many, 50)
    some = Ensemble.gaussian(2000, 2)
    pairs = _step(Interaction(Gaussian(1.0), method="dense"), Euler(), some, 20)
    z = Ensemble.gaussian(1000, 64).x
    risk = NetworkRisk(z, torch.tanh(z[:, 0]))
    network = risk.initial(1000)
    products = _step(risk, Euler(), network, 20)
    step = {
        "fixed": one - term,
        "term": term,
        "number": (large - one) / numbers,
        "pair": (pairs - one) / some.n**2,
        "product": (products - one) / (len(z) * network.n * network.dim),
        "noise": (noisy - large) / (2.0 * LARGE),
    }
    exact = Quadratic() - 1.0 * LogDet()
    fixed = _record(exact, Euler(), few, 200)
    record = {"fixed": fixed, "number": (_record(exact, Euler(), many, 10) - fixed) / numbers}
    shannon = {row: _shannon(*sizes, record) for row, sizes in SHANNON.items()}
    step, record = ({name: _rounded(value) for name, value in part.items()} for part in (step, record))
    machine = {key: store.versions()[key] for key in ("cpu", "threads", "python", "torch", "numba")}
    return {"step": step, "record": record, "shannon": shannon, "machine": machine}


def _shannon(dim: int, n: int, more: int, record: dict[str, float]) -> list[float]:
    """The nanoseconds of any estimate of Shannon entropy and score, and of each particle."""
    F = Quadratic() - 1.0 * Shannon()
    first, last = (
        _record(F, Langevin(), Ensemble.gaussian(k, dim), 10) - record["fixed"] - record["number"] * k * dim
        for k in (n, more)
    )
    each = max(last - first, 0.0) / (more - n)
    return [_rounded(first - each * n), _rounded(each)]


def _rounded(value: float) -> float:
    """Three digits; noise below 0 counts as 0."""
    return float(f"{max(value, 0.0):.3g}")


def main() -> None:
    """Print the table; with --write, also store it where `solve` reads it."""
    text = json.dumps(measured(), indent=1) + "\n"
    print(text, end="")
    if "--write" in sys.argv[1:]:
        TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
