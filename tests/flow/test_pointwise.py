"""Stretches of Euler steps along a function of the user's have the bits, the errors and the calls of single steps."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
import torch

import wgf
from wgf import solvers
from wgf.flow import gear
from wgf.flow.pointwise import PointwiseSteps

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def well(x):
    return (0.25 * (x * x - 1) ** 2).sum(1)


def slope(x):
    return x * (x * x - 1)


def in_steps(single, F, mu, solver=None, **settings):
    """A run by single steps, or by stretches: it must then take some."""
    takes = []

    def leap(self, *arguments):
        takes.append(arguments)
        return real(self, *arguments)

    real = PointwiseSteps._taken
    settings = {"dt": 0.05, "t_end": 1.5, "seed": 6, "record_every": 10} | settings
    with mock.patch.object(PointwiseSteps, "_taken", leap):
        if single:
            with gear.forced(False):
                return wgf.solve(F, mu, solver or solvers.Euler(), throw=False, **settings)
        sol = wgf.solve(F, mu, solver or solvers.Euler(), throw=False, **settings)
    assert takes
    return sol


def same(a, b):
    assert a.status == b.status
    assert (a.status.message, a.state.t, a.state.step) == (b.status.message, b.state.t, b.state.step)
    assert torch.equal(a.ensemble.x, b.ensemble.x)
    assert torch.equal(a.state.evaluation.gradient, b.state.evaluation.gradient)
    assert torch.equal(a.state.evaluation.value, b.state.evaluation.value)
    assert list(a.ledger) == list(b.ledger)
    for column in a.ledger:
        np.testing.assert_array_equal(a.ledger[column], b.ledger[column], err_msg=column)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("case", [
    {"F": wgf.Potential(well)}, {"F": 0.7 * wgf.Potential(well)}, {"F": wgf.Potential(well, slope)}, {"dim": 11},
    {"solver": solvers.Langevin()}, {"t_end": 1.43}, {"weights": True}, {"F": -1.0 * wgf.Potential(lambda x: -well(x))},
])  # fmt: skip
def test_same_bits(dtype, case):
    case = {"F": wgf.Potential(well), "dim": 2, "weights": False} | case
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((20, case.pop("dim")))).to(dtype)
    mu = wgf.Ensemble(x, torch.arange(1.0, 21.0) / 210.0 if case.pop("weights") else None)
    same(*(in_steps(single, mu=mu, **case) for single in (True, False)))


def test_pieces_are_the_whole():
    mu, F = wgf.Ensemble.gaussian(20, 2, seed=1), wgf.Potential(well)
    whole = in_steps(True, F, mu)
    with mock.patch("wgf.flow.pointwise._PIECE", -1.0):  # one step at a time
        same(whole, in_steps(False, F, mu))
    half = wgf.solve(F, mu, solvers.Euler(), dt=0.05, t_end=0.7, seed=6)
    rest = wgf.solve(F, None, solvers.Euler(), dt=0.05, t_end=1.5, state=half.state)
    assert torch.equal(rest.ensemble.x, whole.ensemble.x)


@pytest.mark.parametrize("at", [2, 3, 9, 10, 11])
@pytest.mark.parametrize("error", [ValueError("no more"), KeyboardInterrupt(), wgf.errors.ConfigError("no more")])
def test_an_error_comes_after_the_same_call_and_keeps_the_same_steps(at, error):
    """A function that fails at its k-th call; an error of this package is found again by a single step."""

    def run(single):
        calls = []

        def fn(x):
            calls.append(len(x))
            if len(calls) >= at + 2:  # two calls are made before the steps
                raise error
            return well(x)

        sol = in_steps(single, wgf.Potential(fn), wgf.Ensemble.gaussian(20, 2, seed=1))
        return sol, len(calls)

    (a, calls), (b, others) = run(True), run(False)
    same(a, b)
    assert not a.status.ok
    assert others - calls == isinstance(error, wgf.errors.WgfError)


@pytest.mark.parametrize("fn", [
    lambda x: torch.where(x[:, 0] > 1.05, math.nan, -x[:, 0]),  # NaN in the value alone
    lambda x: -((x * x).sum(1) ** 2),  # particles leave the finite numbers
    lambda x: torch.sqrt(1.6 - x[:, 0]) * 1.0 + 0.0 * x[:, 1],  # the slope grows without bound
])  # fmt: skip
def test_what_is_not_finite_is_found_at_the_same_step(fn):
    mu = wgf.Ensemble([[0.4, 0.1], [1.0, 0.2], [-0.3, 0.3]])
    a, b = (in_steps(single, wgf.Potential(fn), mu, dt=0.02) for single in (True, False))
    same(a, b)
    assert a.status == wgf.Status.DIVERGED


def test_a_function_that_writes_to_the_particles_is_refused():
    def writes(x):
        with torch.no_grad():
            x[0] += 1.0
        return well(x)

    with pytest.raises(wgf.errors.ConfigError, match="only reads"):
        wgf.solve(wgf.Potential(writes), wgf.Ensemble.gaussian(20, 2), solvers.Euler(), dt=0.1, t_end=1.0)


def test_under_inference_mode():
    F, mu = wgf.Potential(well), wgf.Ensemble.gaussian(20, 2, seed=1)
    outside = in_steps(False, F, mu)
    with torch.inference_mode():
        same(outside, in_steps(False, F, mu))
