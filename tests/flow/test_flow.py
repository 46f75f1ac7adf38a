"""solve(): continuation, records, stops, failures and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from flows import free_energy, start
from wgf.solvers import Euler, Heun

import wgf
from wgf.errors import ConfigError, DivergenceError, ResourceError, WgfError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


# ------------------------------------------------------------------------------------------------- records and stops


def test_steps_records_and_trajectory():
    sol = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.3, t_end=1.0, t0=0.1, record_every=2, trajectory_every=3)
    np.testing.assert_allclose(sol.ledger["t"], [0.1, 0.7, 1.0])
    np.testing.assert_allclose(sol.trajectory_times, [0.1, 1.0])
    assert sol.trajectory.shape == (2, 12, 2)
    assert sol.ledger["t"][-1] == 1.0
    x = start().x
    np.testing.assert_allclose(
        sol.ensemble.x, x * 0.7**3, rtol=1e-12
    )  # three steps of .3; .9/.3 is whole but for rounding
    shortened = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.3, t_end=1.0).ensemble
    np.testing.assert_allclose(shortened.x, x * 0.7**3 * 0.9, rtol=1e-12)
    assert wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.001, t_end=1.0).ledger.rows == 101
    nothing = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=0.0)
    assert nothing.ledger.rows == 1
    assert torch.equal(nothing.ensemble.x, x)


def test_observers_and_until():
    def spread(mu):
        return mu.covariance().trace()

    sol = wgf.solve(
        wgf.Quadratic(), start(), Heun(), dt=0.05, t_end=10.0, observers=[spread], record_every=1,
        until=lambda row: row["spread"] < 0.5,
    )  # fmt: skip
    assert sol.status == wgf.Status.CONVERGED
    assert sol.status.ok
    assert sol.ledger["spread"][-1] < 0.5 <= sol.ledger["spread"][-2]
    assert sol.state.t < 10.0
    named = wgf.solve(wgf.Quadratic(), start(), Heun(), dt=0.5, t_end=1.0, observers={"spread of x": spread})
    assert named.ledger["spread of x"][0] == pytest.approx(float(spread(start())))


def test_progress_lines(capsys):
    from wgf.flow.progress import LineProgress

    wgf.solve(wgf.Quadratic(), start(), Heun(), dt=0.1, t_end=1.0, progress=LineProgress(interval=0.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[4].startswith("5/10 steps  t = 0.5  F = ")
    assert "s left" in lines[4]


def test_solution_plots_and_prints():
    sol = wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0)
    assert "COMPLETED" in repr(sol)
    figure = sol.plot()
    assert len(figure.axes) >= 3


# ------------------------------------------------------------------------------------------------- failures


def test_divergence_names_step_time_particle_and_term_and_keeps_the_last_good_state():
    F = wgf.Potential(lambda x: (x**4).sum(1)).named("quartic") + wgf.Quadratic()
    mu = wgf.Ensemble([[0.1], [40.0], [0.2]])
    with pytest.raises(DivergenceError, match=r"step \d+, t = [\d.]+: .*particle 1") as caught:
        wgf.solve(F, mu, Euler(), dt=0.1, t_end=10.0)
    partial = caught.value.solution
    assert partial.status == wgf.Status.DIVERGED
    assert torch.isfinite(partial.ensemble.x).all()
    assert partial.ledger.rows >= 1
    quiet = wgf.solve(F, mu, Euler(), dt=0.1, t_end=10.0, throw=False)
    assert not quiet.status.ok
    assert "step" in quiet.status.message
    assert torch.equal(quiet.ensemble.x, partial.ensemble.x)


def test_a_term_that_overflows_is_named():
    F = wgf.Quadratic() + wgf.from_function(lambda x, w: (w @ torch.exp(x**2)).sum(), name="steep")
    with pytest.raises(DivergenceError, match="the force of steep is not finite at particle 0"):
        wgf.solve(F, wgf.Ensemble([[30.0]]), Euler(), dt=0.1, t_end=1.0)


def test_a_failure_of_a_term_on_the_way_keeps_the_solution():
    """A collapsing covariance without ridge: a typed error with the state before it."""
    F = 1e3 * wgf.Quadratic() - 0.0 * wgf.LogDet()
    with pytest.raises(WgfError, match="give a ridge") as caught:
        wgf.solve(F, wgf.Ensemble([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), Euler(), dt=1e-3, t_end=1.0)
    assert caught.value.solution.status == wgf.Status.FAILED


def test_step_limit():
    with pytest.raises(ResourceError, match="max_steps = 5") as caught:
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=1.0, max_steps=5)
    assert caught.value.solution.state.step == 5


def test_interruption_keeps_the_solution():
    def stop(mu):
        if mu.covariance().trace() < 1.0:
            raise KeyboardInterrupt
        return 0.0

    caught: Any
    with pytest.raises(KeyboardInterrupt) as caught:
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=5.0, record_every=1, observers=[stop])
    assert caught.value.solution.status == wgf.Status.INTERRUPTED
    assert caught.value.solution.ledger.rows > 1


@pytest.mark.parametrize("dt", [0, -1.0, math.nan, math.inf, "0.1", True, None])
def test_bad_dt(dt):
    with pytest.raises(ConfigError, match=r"dt = .*positive number"):
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=dt, t_end=1.0)


def test_solve_refuses_what_it_cannot_do():
    mu, F, euler = start(), wgf.Quadratic(), Euler()
    with pytest.raises(ConfigError, match=r"deterministic.*Langevin.*a surrogate with a force, such as LogDet"):
        wgf.solve(F - 0.1 * wgf.Shannon(), mu, Heun(), dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"temperature -0.1 of LogDet at t = 0"):
        wgf.solve(F + 0.1 * wgf.LogDet(), mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"temperature .* of LogDet at t = 0.6"):
        wgf.solve(F - (lambda t: 0.5 - t) * wgf.LogDet(), mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="before the start"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=-1.0)
    with pytest.raises(ConfigError, match="wanted an instance, Euler"):
        wgf.solve(F, mu, Euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="wanted a scheme"):
        wgf.solve(F, mu, "Euler", dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"wanted a wgf.Ensemble"):
        wgf.solve(F, mu.x, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="wanted a term"):
        wgf.solve(lambda x: x, mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="fixed steps"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, rtol=1e-3)
    for seed in (-1, 2**64, 1.5, True, "0"):
        with pytest.raises(ConfigError, match="seed = "):
            wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, seed=seed)
    with pytest.raises(ConfigError, match="record_every = 0"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, record_every=0)
    with pytest.raises(ConfigError, match="observer"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, observers={"a": 3})


# ------------------------------------------------------------------------------------------------- found in review


@pytest.mark.parametrize(("schedule", "dt", "t_end"), [
    (lambda t: 1 - t, 0.3, 1.0), (lambda t: 0.3 - t, 0.1, 0.3), (lambda t: 1 - t / 0.7, 0.1, 0.7),
    (lambda t: math.sqrt(1 - t), 0.3, 1.0),
])  # fmt: skip
def test_a_schedule_that_ends_at_zero_is_legal(schedule, dt, t_end):
    """No time beyond t_end is looked at, and a temperature of −1e-17 is zero."""
    sol = wgf.solve(wgf.Quadratic() - schedule * wgf.LogDet(), start(), Heun(), dt=dt, t_end=t_end)
    assert sol.ledger["temperature"][-1] == pytest.approx(0.0, abs=1e-15)
    assert sol.ledger["t"][-1] == sol.state.t == t_end


def test_a_rule_is_kept_only_for_the_term_that_it_was_made_for():
    mu = start(40, 2)
    first = wgf.solve(wgf.Quadratic() - 0.1 * wgf.Blob("silverman"), mu, Euler(), dt=0.1, t_end=0.5)
    fixed = wgf.Quadratic() - 0.1 * wgf.Blob(5.0)
    went_on = wgf.solve(fixed, None, Euler(), dt=0.1, t_end=1.0, state=first.state).ensemble.x
    afresh = wgf.solve(fixed, first.ensemble, Euler(), dt=0.1, t_end=0.5).ensemble.x
    torch.testing.assert_close(went_on, afresh, rtol=1e-12, atol=1e-13)


def test_observers_have_names_of_their_own():
    def free_energy(mu):
        return -1.0

    for observers, message in [
        ([free_energy], "has a column of this name"),
        ({"term:x": free_energy}, "has a column of this name"),
        ([lambda mu: 1.0, lambda mu: 2.0], "is there twice"),
        (free_energy, "wanted a mapping"),
        ({"a": lambda mu: mu.x}, "observer 'a' returned Tensor"),
        ({"a": lambda mu: "much"}, "observer 'a' returned str"),
    ]:
        with pytest.raises(ConfigError, match=message):
            wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=1.0, observers=observers)


def test_what_a_users_function_raises_keeps_the_solution():
    calls = []

    def moody(x):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("no more")
        return (x**2).sum(1)

    caught: Any
    with pytest.raises(RuntimeError, match="no more") as caught:
        wgf.solve(wgf.Potential(moody), start(), Euler(), dt=0.1, t_end=5.0)
    assert caught.value.solution.state.step >= 1
    calls.clear()
    quiet = wgf.solve(wgf.Potential(moody), start(), Euler(), dt=0.1, t_end=5.0, throw=False)
    assert quiet.status == wgf.Status.FAILED
    assert "RuntimeError: no more" in quiet.status.message


def test_arguments_that_contradict_the_state_are_refused():
    F, mu = wgf.Quadratic(), start()
    sol = wgf.solve(F, mu, Euler(), dt=0.1, t_end=0.5)
    contradictions: list[tuple[dict[str, Any], str]] = [
        ({"mu": wgf.Ensemble.gaussian(9, 7)}, "does not fit the state"),
        ({"t0": 5.0}, "t0 = 5, but the state continues at t = 0.5"),
        ({"state": sol}, "state is Solution: wanted sol.state"),
        ({"until": 1.0}, "until = 1.0"),
    ]
    for arguments, message in contradictions:
        given = {"mu": None, "state": sol.state} | arguments
        with pytest.raises(ConfigError, match=message):
            wgf.solve(F, given.pop("mu"), Euler(), dt=0.1, t_end=1.0, **given)


def test_the_trajectory_ends_where_the_run_does():
    sol = wgf.solve(
        wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=5.0, trajectory_every=10, record_every=1,
        until=lambda row: row["t"] > 1.25,
    )  # fmt: skip
    np.testing.assert_allclose(sol.trajectory_times, [0.0, 1.0, 1.3])
    assert torch.equal(sol.trajectory[-1], sol.ensemble.x)


def test_a_diverged_run_goes_on_with_a_smaller_step():
    F, mu = wgf.Potential(lambda x: (x**4).sum(1)), wgf.Ensemble([[0.1], [12.0]])
    failed = wgf.solve(F, mu, Euler(), dt=1e-2, t_end=1.0, throw=False)
    assert failed.status == wgf.Status.DIVERGED
    first = wgf.solve(F, mu, Euler(), dt=1e-4, t_end=0.01)
    assert wgf.solve(F, None, Euler(), dt=1e-3, t_end=1.0, state=first.state).status.ok


def test_observers_are_handed_the_time_where_they_ask_for_it():
    """A second argument without a default, or called t, is the time; any other default is the observer's own."""
    sol = wgf.solve(
        wgf.Quadratic(), start(), Euler(), dt=0.25, t_end=1.0, record_every=1,
        observers={
            "when": lambda mu, t: t,
            "late": lambda mu, t=-1.0: 10 * t,
            "own": lambda mu, scale=3.0: scale,
            "size": len,
        },
    )  # fmt: skip
    np.testing.assert_array_equal(sol.ledger["when"], sol.ledger["t"])
    np.testing.assert_array_equal(sol.ledger["late"], 10 * sol.ledger["t"])
    assert set(sol.ledger["own"]) == {3.0}
    assert set(sol.ledger["size"]) == {float(start().n)}
