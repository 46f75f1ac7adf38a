"""Runs for tests of the store: five for each of no noise, noise, minibatches, drives and adaptive steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from resumed import same_ledgers
from wgf.solvers import (
    Accelerated,
    BirthDeath,
    BogackiShampine,
    Euler,
    ExponentialEuler,
    Heun,
    Langevin,
    LeimkuhlerMatthews,
    RungeKutta4,
    Stein,
    Underdamped,
)

import wgf
from wgf import kernels as K
from wgf.flow.store import METRICS

D = wgf.drives


@dataclass(frozen=True)
class Case:
    """A run: F and the scheme are made anew each time, as another process would."""

    F: Callable[[], Any]
    solver: Callable[[], wgf.solvers.Solver]
    dim: int = 2
    more: dict[str, Any] = field(default_factory=dict)

    def begin(self, folder: Path, **given: Any) -> wgf.Solution:
        """Begin it in a directory."""
        settings = {"dt": 0.05, "t_end": 2.0, "record_every": 3, "trajectory_every": 4, "seed": 5, "throw": False}
        mu = wgf.Ensemble.gaussian(40, self.dim, cov=0.5, seed=1)
        return wgf.solve(self.F(), mu, self.solver(), store=folder, **settings | self.more | given)

    def go_on(self, folder: Path, **given: Any) -> wgf.Solution:
        """Go on with it."""
        kept = {name: self.more[name] for name in ("observers", "until") if name in self.more}
        F = self.F() if any("lambda" in repr(term.coefficient) for term in self.F()._terms()) else None
        return wgf.resume(folder, F, **{"throw": False} | kept | given)


def plain() -> Any:
    return wgf.Quadratic(center=0.3) + wgf.Interaction(K.Gaussian(1.0)) - 0.05 * wgf.Blob("silverman")


def noisy() -> Any:
    return wgf.Quadratic() - (lambda t: 0.2 + 0.1 * t) * wgf.Shannon()


def batches() -> Any:
    data = wgf.NetworkRisk([[1.0], [2.0], [0.5], [3.0]], [0.0, 1.0, 1.0, 0.0], batch=2)
    return data + 0.1 * wgf.Quadratic() - 0.01 * wgf.LogDet(ridge=1e-2)


def hot_batches() -> Any:
    return batches() - D.Linear(0.1, 0.2, t1=2.0) * wgf.Shannon()


def driven() -> Any:
    control = D.Controller(0.1, ratio=0.5)
    return wgf.Quadratic(center=1.0) + D.Budget(D.Displacement(), 0.1) - control * wgf.LogDet(ridge=1e-2)


def scheduled() -> Any:
    return D.Linear(1.0, 3.0, t1=1.0) * wgf.Quadratic() - D.Exponential(0.5, 0.1, t1=2.0) * wgf.LogDet(ridge=1e-2)


def spread(mu: wgf.Ensemble, t: float) -> float:
    return float(t * mu.x.std())


def cold(row: Any) -> bool:
    return bool(row["t"] > 1.4)


fixed = {"adaptive": False}
loose = {"rtol": 1e-3, "atol": 1e-4}
few = {"record_every": None, "trajectory_every": 3, "t_end": 4.0}
CASES: dict[str, Case] = {
    "none Heun": Case(plain, Heun),
    "none RungeKutta4": Case(plain, RungeKutta4, more={"record_every": None, "dt": 0.03}),
    "none Accelerated": Case(plain, Accelerated, more={"observers": {"spread": spread}}),
    "none BogackiShampine": Case(plain, lambda: BogackiShampine(**fixed), more={"until": cold}),
    "none Stein": Case(lambda: wgf.Quadratic() - 0.1 * wgf.Shannon(), lambda: Stein(K.Gaussian(1.0))),
    "noise Langevin": Case(noisy, Langevin),
    "noise LeimkuhlerMatthews": Case(noisy, LeimkuhlerMatthews, more={"record_every": None}),
    "noise Underdamped": Case(noisy, Underdamped),
    "noise ExponentialEuler": Case(lambda: wgf.Quadratic() - 0.2 * wgf.Shannon(), ExponentialEuler),
    "noise BirthDeath": Case(noisy, BirthDeath),
    "minibatch Euler": Case(batches, Euler, 3),
    "minibatch Heun": Case(batches, Heun, 3, {"observers": {"spread": spread}}),
    "minibatch Accelerated": Case(batches, Accelerated, 3),
    "minibatch Langevin": Case(hot_batches, Langevin, 3),
    "minibatch Underdamped": Case(hot_batches, Underdamped, 3, {"until": cold}),
    "drives Euler": Case(driven, Euler),
    "drives Heun": Case(driven, Heun),
    "drives Accelerated": Case(driven, Accelerated),
    "drives BogackiShampine": Case(driven, lambda: BogackiShampine(**fixed)),
    "drives Langevin": Case(lambda: driven() - 0.1 * wgf.Shannon(), Langevin),
    "adaptive plain": Case(plain, BogackiShampine, more=few),
    "adaptive loose": Case(plain, lambda: BogackiShampine(**loose), more=few | {"record_every": 2}),
    "adaptive scheduled": Case(scheduled, BogackiShampine, more=few),
    "adaptive driven": Case(driven, lambda: BogackiShampine(**loose), more=few | {"observers": {"spread": spread}}),
    "adaptive box": Case(plain, BogackiShampine, more=few | {"domain": wgf.domains.Box(-9.0, 9.0), "until": cold}),
}


def difference(one: wgf.ledger.Ledger, other: wgf.ledger.Ledger) -> str:
    """The first difference of two ledgers."""
    if one.rows != other.rows:
        return f"{one.rows} and {other.rows} rows"
    for k in range(one.rows):
        for name, value in one.row(k).items():
            if value.hex() != other.row(k).get(name, 0.5).hex():
                return f"row {k}, {name}: {value!r} and {other.row(k).get(name)!r}"
    return f"notes {one.notes} and {other.notes}; columns {one.columns} and {other.columns}"


def same(one: wgf.Solution, other: wgf.Solution, folders: tuple[Path, Path]) -> bool:
    """Whether two stored runs are the same to the last bit; an AssertionError says in what they differ."""
    assert one.status.name == other.status.name, (str(one.status), str(other.status))
    for part in ("x", "weights", "ids"):
        assert torch.equal(getattr(one.ensemble, part), getattr(other.ensemble, part)), f"{part} differ"
    assert one.state.step == other.state.step
    assert one.state.t == other.state.t
    assert same_ledgers(one.ledger, other.ledger), f"the ledgers differ: {difference(one.ledger, other.ledger)}"
    lines = [(folder / METRICS).read_bytes() for folder in folders]
    assert lines[0] == lines[1], "the files of records differ"
    assert (one.trajectory is None) == (other.trajectory is None)
    if one.trajectory is not None:
        assert one.trajectory_times.tolist() == other.trajectory_times.tolist()
        for part in ("trajectory", "trajectory_weights", "trajectory_ids"):
            for k, frame in enumerate(getattr(one, part)):
                assert torch.equal(frame, getattr(other, part)[k]), f"frame {k} of {part} differs"
    return True
