"""Coefficients and temperatures by schedule in the second gear: particles and books have the bits of single steps."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import pytest
import torch
from gears import ends, in_gear, slope, well

import wgf
from wgf import kernels as K
from wgf import solvers
from wgf.drives import Linear
from wgf.errors import WgfError
from wgf.flow import gear
from wgf.ops.cpu import stretch

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

Q, SHANNON = wgf.Quadratic(1.3, 0.2), wgf.Shannon()
COOLING = Linear(0.4, 0.0, t1=0.55)  # ends in the middle of the run


def wave(t):
    return 1.0 + 0.3 * math.cos(3.0 * t)


COUPLED = wave * Q + wave * wgf.Interaction(K.Gaussian(1.0)) - COOLING * wgf.LogDet()
RUNS = {
    "Langevin": (Q - COOLING * SHANNON, solvers.Langevin()),  # the noise ends, and Euler goes on
    "LeimkuhlerMatthews": (Q - Linear(0.0, 0.4, t1=0.5) * SHANNON, solvers.LeimkuhlerMatthews()),  # the noise begins
    "ExponentialEuler": (Q - COOLING * SHANNON, solvers.ExponentialEuler()),
    "Underdamped": (wave * Q - COOLING * SHANNON, solvers.Underdamped()),  # t + h may round differently
    "Damped": (wave * Q, solvers.Underdamped()),
    "Heun": (COUPLED, solvers.Heun()),
    "RungeKutta4": (COUPLED, solvers.RungeKutta4()),  # the code of Heun
    "Stein": (wave * Q - 0.7 * SHANNON, solvers.Stein(1.3)),
    "each term": (
        wave * wgf.Quadratic([1.0, 2.0, 3.0]) + wave * wgf.Quadratic(torch.eye(3) + 0.1, 0.3)
        + wave * wgf.Potential(well, slope) - COOLING * wgf.Softmax(0.6),
        solvers.Euler(),
    ),
}  # fmt: skip
QUICK = {("Langevin", "float64"), ("Underdamped", "float64"), ("Heun", "float32"), ("RungeKutta4", "float32")}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=() if (name, dtype) in QUICK else pytest.mark.slow)
        for name in RUNS
        for dtype in ("float64", "float32")
    ],
)
def test_both_gears_have_the_same_bits(name, dtype):
    """With records inside, frames, and a last step that is shorter."""
    (F, solver), mu = RUNS[name], wgf.Ensemble.gaussian(141, 3, seed=1, dtype=dtype)
    first, second = (in_gear(s, F, mu, solver, t_end=1.02, record_every=5, trajectory_every=7) for s in (False, True))
    ends(first, second)
    assert abs(first.ledger["work"]).max() > 0 or "Shannon" in F._terms()[-1].name
    for k in range(len(first.trajectory_times)):
        assert torch.equal(first.frame(k).x, second.frame(k).x)


def test_blocks_and_threads():
    """The values of driven terms are sums over blocks of particles; weights differ."""
    mu, n = wgf.Ensemble.gaussian(5000, 2, seed=1), 5000
    mu = mu.reweighted(torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5)
    threads, sols = torch.get_num_threads(), []
    try:
        for count, second in ((1, False), (1, True), (2, True)):
            torch.set_num_threads(count)
            sols.append(in_gear(second, wave * Q, mu, solvers.Underdamped(), t_end=0.4, record_every=4))
    finally:
        torch.set_num_threads(threads)
    ends(sols[0], sols[1])
    ends(sols[0], sols[2])


@pytest.mark.parametrize("name", ["Langevin", "Underdamped"])
def test_a_run_in_pieces_is_the_unbroken_one(name):
    (F, solver), mu = RUNS[name], wgf.Ensemble.gaussian(40, 3, seed=1)
    whole = in_gear(True, F, mu, solver, t_end=1.0)
    for one, other in ((True, True), (True, False), (False, True)):
        first = in_gear(one, F, mu, solver, t_end=1.0, max_steps=7, throw=False)
        second = in_gear(other, F, None, solver, state=first.state, seed=6, t_end=1.0)
        assert torch.equal(second.ensemble.x, whole.ensemble.x)


def failing(t):
    if t > 0.6:
        raise KeyError("no value")
    return 1.0


@pytest.mark.parametrize("F", [
    failing * Q, Q - failing * SHANNON, Q - Linear(0.4, -0.2, t1=0.9) * SHANNON, Linear(1.0, 1e200, t1=1.0) * Q,
])  # fmt: skip
def test_a_schedule_that_fails_is_met_by_single_steps(F):
    """The error, the state and the ledger are those of the first gear."""
    mu = wgf.Ensemble.gaussian(40, 3, seed=1)
    errors: list[Any] = []
    checks = mock.patch.object(wgf.flow.Plan, "times", return_value=(0.0,))  # what looks at schedules beforehand
    for second in (False, True):
        with pytest.raises((KeyError, WgfError)) as raised, checks:
            in_gear(second, F, mu, solvers.Langevin(), t_end=1.0, record_every=100)
        errors.append(raised.value)
    assert str(errors[0]) == str(errors[1])
    ends(*(error.solution for error in errors))


@pytest.mark.parametrize(("F", "solver", "dim"), [
    (wgf.Quadratic(wave), solvers.Euler(), 2), (Q - COOLING * wgf.Blob(0.7), solvers.Euler(), 2),
    (Q - COOLING * wgf.LogVariance(), solvers.Euler(), 2), (wave * wgf.Quadratic(), solvers.Euler(), 9),
    (wave * Q - SHANNON, solvers.ExponentialEuler(), 2), (Q - COOLING * SHANNON, solvers.Stein(1.3), 2),
])  # fmt: skip
def test_other_schedules_stay_in_the_first_gear(F, solver, dim):
    """Terms that depend on t themselves, values without a compiled form, another order of sums, K that changes."""
    with gear.forced(True), mock.patch.object(stretch.Stretch, "take", side_effect=AssertionError):
        wgf.solve(F, wgf.Ensemble.gaussian(20, dim), solver, dt=0.1, t_end=0.5)
