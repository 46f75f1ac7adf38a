"""Independent schemes agree: one free energy, solved by each in its own way, has one law."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from wgf.solvers import JKO, BirthDeath, Grid, Langevin, RungeKutta4, Stein

import wgf
from wgf import kernels as K
from wgf.diagnostics import wasserstein
from wgf.protocol import Solver

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")  # steps are coarse on purpose here

TEMPERATURE = 0.5
"""The barrier of the double well is ¼, half of it."""
BOX = wgf.domains.Box(-4.0, 4.0)


def energy():
    """A double well with repulsion, so that the mean is held too."""
    V = wgf.Potential(lambda x: (x**4 / 4 - x**2 / 2).sum(1), grad=lambda x: x**3 - x)
    return V + wgf.Interaction(K.Gaussian(0.8))


def start(n):
    return wgf.Ensemble.gaussian(n, 1, mean=0.2, cov=0.1, seed=1)


@cache
def law():
    """The stationary law by Grid, whose own error (Δ²) is below 1e-3."""
    F = energy() - TEMPERATURE * wgf.Shannon()
    return wgf.solve(F, start(400), Grid(200), dt=2.0, t_end=60.0, domain=BOX).ensemble


@dataclass(frozen=True)
class Row:
    """How one scheme comes to the law, and how far from it in W₂ it may end."""

    solver: Solver
    error: float
    why: str  # where the error comes from
    entropy: wgf.Functional = field(default_factory=wgf.Shannon)
    n: int = 400
    dt: float = 0.02
    t_end: float = 10.0
    settings: dict[str, Any] = field(default_factory=dict)


TABLE = [
    Row(Langevin(), 0.06, "1.25/√n = .02 of sampling, with 4.9 times its scatter of .008", n=4000),
    Row(RungeKutta4(), 0.03, "the blob widens the law by about h²/(2T) = .01; 200 quantiles", wgf.Blob(0.1), n=200),
    Row(JKO(), 0.03, "that of the blob, whose minimiser both descend to", wgf.Blob(0.1), n=200, dt=0.5),
    Row(Stein(), 0.04, "200 particles at rest where the kernelised force vanishes", n=200, dt=0.1, t_end=60.0),
    Row(BirthDeath(), 0.085, "1.25/√n = .028 of sampling, with 4.9 times its scatter of .011", n=2000, dt=0.05),
    Row(Grid(100), 0.025, "the atoms of two grids, Δ/√12 = .023", dt=1.0, t_end=30.0, settings={"domain": BOX}),
]


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(row, id=repr(row.solver)) for row in TABLE])
def test_independent_schemes_have_the_same_law(row):
    F = energy() - TEMPERATURE * row.entropy
    mu = start(row.n)
    assert float(wasserstein(mu, law())) > 5 * row.error
    sol = wgf.solve(F, mu, row.solver, dt=row.dt, t_end=row.t_end, seed=3, record_every=10**6, **row.settings)
    assert float(wasserstein(sol.ensemble, law())) < row.error
