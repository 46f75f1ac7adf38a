"""Checks put off to records: the same results and failures as with a look at every step."""

from __future__ import annotations

import gc
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from problems import FAILURES, Moody, every_failure, every_problem, run, square, start
from wgf.solvers import Euler, Heun

import wgf
from wgf.errors import DivergenceError, ResourceError
from wgf.flow import Monitor, loop
from wgf.measure import checks

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


# ------------------------------------------------------------------------------------------------- the same results


def same(one, two):
    """The same solution, to the last bit."""
    assert one.status == two.status
    assert one.status.message == two.status.message
    assert (one.state.step, one.state.t) == (two.state.step, two.state.t)
    assert torch.equal(one.ensemble.x, two.ensemble.x)
    assert torch.equal(one.state.evaluation.gradient, two.state.evaluation.gradient)
    assert list(one.ledger) == list(two.ledger)
    for column in one.ledger:
        np.testing.assert_array_equal(one.ledger[column], two.ledger[column], err_msg=column)
    assert (one.trajectory is None) == (two.trajectory is None)
    if one.trajectory is not None:
        assert torch.equal(one.trajectory, two.trajectory)


@every_problem
def test_a_healthy_run_has_the_same_bits(name):
    """Records every 4 steps, frames every 3, an observer; and in pieces, the second one with eager checks."""
    more = {"trajectory_every": 3, "observers": {"spread": lambda mu: mu.covariance().trace()}}
    eager, deferred = (run(name, put_off, **more) for put_off in (False, True))
    same(eager, deferred)
    first = run(name, True, t_end=0.35)
    assert torch.equal(run(name, False, state=first.state).ensemble.x, eager.ensemble.x)


def test_until_and_max_steps_stop_where_they_did():
    for arguments in ({"until": lambda row: row["free_energy"] < 1.0}, {"max_steps": 6, "throw": False}):
        eager, deferred = (run("user", put_off, **arguments) for put_off in (False, True))
        assert eager.state.step < 12
        same(eager, deferred)
    with pytest.raises(ResourceError, match="max_steps = 6"):
        run("user", True, max_steps=6)


def test_a_stricter_check_costs_a_repetition_once():
    """A covariance that Cholesky cannot tell from a singular one, but which the ridge makes regular: the first stretch
    is done twice, and from then on each step is looked at."""
    mu = wgf.Ensemble(start(d=1).x @ torch.ones(1, 2, dtype=torch.float64))
    F = wgf.Quadratic() - 0.0 * wgf.LogDet(ridge=1e-15)
    calls = []
    steps = loop.Run._steps

    def counted(self, stop):
        calls.append((self.deferred, self.state.step, stop))
        steps(self, stop)

    with mock.patch.object(loop.Run, "_steps", counted), checks.forced(True):
        twice = wgf.solve(F, mu, Heun(), dt=0.1, t_end=1.2, record_every=4)
    assert calls == [(True, 0, 4), (False, 0, 4), (False, 4, 8), (False, 8, 12)]
    same(twice, wgf.solve(F, mu, Heun(), dt=0.1, t_end=1.2, record_every=4))


# ------------------------------------------------------------------------------------------------- the same failures


def fail(name, deferred, **arguments):
    F, mu, solver, dt, kind = FAILURES[name]()
    given = {"dt": dt, "t_end": 60 * dt, "record_every": 9, "trajectory_every": 6, "seed": 2} | arguments
    with checks.forced(deferred), pytest.raises(kind) as caught:
        wgf.solve(F, mu, solver, **given)
    return caught.value


@every_failure
def test_a_failure_found_late_is_the_one_found_at_once(name):
    """Type, message (step, time, particle, term), last good state, ledger and trajectory."""
    eager, deferred = (fail(name, put_off) for put_off in (False, True))
    assert type(deferred) is type(eager)
    assert str(deferred) == str(eager)
    same(deferred.solution, eager.solution)
    assert torch.isfinite(deferred.solution.ensemble.x).all()
    assert (eager.solution.state.step + 1) % 9  # no record there, so it was found late


@every_failure
def test_a_failure_without_throw(name):
    F, mu, solver, dt, _ = FAILURES[name]()
    with checks.forced(True):
        sol = wgf.solve(F, mu, solver, dt=dt, t_end=60 * dt, record_every=9, seed=2, throw=False)
    assert not sol.status.ok
    assert sol.status.message == str(fail(name, False))


def test_a_failed_run_is_continued_from_its_state():
    """With a smaller step; from where the failure is found late as from where it is found at once."""
    F, mu, solver, dt, _ = FAILURES["a singular covariance"]()
    ends = []
    for put_off in (False, True):
        with checks.forced(put_off):
            state = wgf.solve(F, mu, solver, dt=dt, t_end=9 * dt, record_every=9, throw=False).state
            ends.append(wgf.solve(F, None, solver, dt=0.1 * dt, t_end=dt, state=state, record_every=4))
    assert ends[0].status.ok
    same(*ends)


@pytest.mark.parametrize("calls", [3, 17, 18, 30])
def test_what_a_users_function_raises_comes_through_unchanged(calls):
    """Nothing was wrong before it, so nothing is done again: the state is the last one reached."""
    solutions = []
    for put_off in (False, True):
        error = RuntimeError("no more")
        with checks.forced(put_off), pytest.raises(RuntimeError, match="no more") as caught:
            wgf.solve(wgf.Potential(Moody(calls, error)), start(), Euler(), dt=0.01, t_end=1.0, record_every=9)
        assert caught.value is error
        solutions.append(vars(error)["solution"])
    same(*solutions)
    assert solutions[0].state.step == calls - 1


def test_an_error_that_garbage_provoked_gives_way_to_its_cause():
    """The user's own assertion fails on particles that are NaN already; a run with eager checks never gets there."""

    def careful(x):
        if bool(torch.isnan(x).any()):
            raise AssertionError("NaN in my function")
        return (x**4).sum(1)

    messages = []
    for put_off in (False, True):
        with checks.forced(put_off), pytest.raises(DivergenceError) as caught:
            wgf.solve(wgf.Potential(careful), square([[9.0], [1.0]]), Euler(), dt=1.0, t_end=90.0, record_every=30)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("first", "step"), [(1.0, 13), (40.0, 0)])
def test_an_interruption_keeps_a_good_state(first, step):
    """The state reached where it is good; otherwise (here infinite at step 6) that of the last look, without delay."""
    F = wgf.Potential(Moody(14, KeyboardInterrupt())) + wgf.Potential(lambda x: (x**4).sum(1))
    caught: Any
    with checks.forced(True), pytest.raises(KeyboardInterrupt) as caught:
        wgf.solve(F, square([[first]]), Euler(), dt=0.05, t_end=5.0, record_every=50)
    assert caught.value.solution.status == wgf.Status.INTERRUPTED
    assert caught.value.solution.state.step == step
    assert torch.isfinite(caught.value.solution.ensemble.x).all()


# ------------------------------------------------------------------------------------------------- memory, nesting


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_steps():
    """Tensors alive after 20 and after 120 steps of one stretch, with work and dissipation to book at each."""

    class Census(Monitor):
        def advance(self, done, t, row):
            if done in (20, 120):
                gc.collect()
                alive.append(sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()))

    alive: list[int] = []
    F = (lambda t: 1 + t) * wgf.Quadratic(1.0, center=lambda t: t) - 0.1 * wgf.LogDet()
    with checks.forced(True):
        wgf.solve(F, start(), Heun(), dt=0.01, t_end=2.0, record_every=1000, progress=Census())
    assert len(alive) == 2
    assert alive[0] == alive[1]
