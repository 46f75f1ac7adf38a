"""What steers F between steps: exact books, runs in pieces, and no price where nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import wgf
from wgf.functional import Control, DrivenFunctional, Steering


@dataclass(frozen=True)
class Ratchet(Control):
    """A coefficient that grows by the time spent above a level of the term's own value."""

    level: float
    rate: float = 1.0

    def begin(self, mu, t):
        return 0.5

    def advance(self, memory, view, h):
        excess = float(view.terms[0].value) - self.level
        return memory if excess <= 0 else memory + self.rate * h * excess

    def value(self, memory):
        return memory


class Exchange(DrivenFunctional):
    """A quadratic well whose centre jumps from 0 to 1 at the first step that ends at or after `when`."""

    def __init__(self, when: float) -> None:
        self.when = when

    def begin(self, mu, t):
        return t >= self.when

    def advance(self, memory, view, h):
        return memory or view.t >= self.when

    def resolve(self, memory):
        return wgf.Quadratic(2.0, center=1.0 if memory else 0.0)


@pytest.fixture
def mu():
    return wgf.Ensemble.gaussian(40, 2, cov=2.0, seed=3)


def steered():
    control = Ratchet(level=0.2)
    return control * wgf.Quadratic(1.5) + Exchange(0.33) - control * wgf.LogDet() + wgf.Quadratic(lambda t: 1 + t)


def test_the_ledger_balances_to_rounding_with_jumps_and_schedules_at_once(mu):
    ledger = wgf.solve(steered(), mu, wgf.solvers.Heun(), dt=0.05, t_end=1.0, record_every=1).ledger
    change = np.diff(ledger["free_energy"])
    balance = ledger["work"][1:] - ledger["released"][1:]
    assert np.abs(change - balance).max() < 1e-13
    assert np.abs(ledger["work"]).max() > 0.1
    assert abs(ledger["closure_total"][-1]) < 0.01


def test_a_jump_is_work_and_leaves_the_closure_alone(mu):
    """The books of the flow in two runs, each with a fixed well, are those of the steered run; between them F jumps."""
    first = wgf.solve(wgf.Quadratic(2.0), mu, wgf.solvers.Heun(), dt=0.05, t_end=0.35, record_every=1)
    second = wgf.solve(
        wgf.Quadratic(2.0, center=1.0), first.ensemble, wgf.solvers.Heun(), dt=0.05, t_end=1.0, t0=0.35, record_every=1
    )
    both = wgf.solve(Exchange(0.33), mu, wgf.solvers.Heun(), dt=0.05, t_end=1.0, record_every=1)
    jump = second.ledger["free_energy"][0] - first.ledger["free_energy"][-1]
    assert both.ledger["work"][7] == pytest.approx(jump, rel=1e-14)
    assert np.count_nonzero(both.ledger["work"]) == 1
    assert torch.equal(both.ensemble.x, second.ensemble.x)
    released = np.concatenate([first.ledger["released"][1:], second.ledger["released"][1:]])
    assert both.ledger["released"][1:] == pytest.approx(released, abs=1e-13)


@pytest.mark.parametrize("solver", [wgf.solvers.Euler(), wgf.solvers.BogackiShampine(adaptive=False)])
@pytest.mark.parametrize("cut", [0.15, 0.55])
def test_a_run_in_pieces_has_the_same_bits(mu, cut, solver):
    whole = wgf.solve(steered(), mu, solver, dt=0.01, t_end=1.0, record_every=1)
    part = wgf.solve(steered(), mu, solver, dt=0.01, t_end=cut, record_every=1)
    rest = wgf.solve(steered(), None, solver, dt=0.01, t_end=1.0, state=part.state, record_every=1)
    assert torch.equal(whole.ensemble.x, rest.ensemble.x)
    assert whole.state.drives == rest.state.drives
    assert rest.ledger["drive:Ratchet"][-1] == whole.ledger["drive:Ratchet"][-1] > 0.5


def test_a_control_costs_no_evaluation_and_its_value_is_in_the_ledger(mu):
    plain = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0)
    control = Ratchet(level=0.0)
    sol = wgf.solve(control * wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0)
    assert sol.ledger["evaluations"][-1] == plain.ledger["evaluations"][-1]
    values = sol.ledger["drive:Ratchet"]
    assert values[0] == 0.5
    assert (np.diff(values) > 0).all()
    assert sol.ledger["term:Quadratic"] == pytest.approx(sol.ledger["free_energy"])


def test_the_evaluation_after_a_change_is_that_of_the_new_free_energy(mu):
    sol = wgf.solve(steered(), mu, wgf.solvers.Euler(), dt=0.01, t_end=0.35, record_every=1)
    frozen = Steering(steered()).resolve(sol.state.drives).at(sol.state.t)
    fresh = frozen.evaluate(sol.ensemble)
    assert torch.equal(sol.state.evaluation.gradient, fresh.gradient)
    assert torch.equal(sol.state.evaluation.value, fresh.value)


def test_one_control_of_two_terms_remembers_once_and_two_controls_twice():
    control = Ratchet(level=0.2)
    assert list(Steering(control * wgf.Quadratic() + control * wgf.Quadratic()).drives) == ["Ratchet"]
    other = Ratchet(level=0.3)
    assert list(Steering(control * wgf.Quadratic() + other * wgf.Quadratic()).drives) == ["Ratchet", "Ratchet_2"]


def test_noise_is_heated_by_a_control(mu):
    """A temperature that a control raises between steps: the books hold its work −∫S dT, and the spread follows."""

    @dataclass(frozen=True)
    class Heat(Control):
        def begin(self, mu, t):
            return 0.1

        def advance(self, memory, view, h):
            return min(memory + h, 1.0)

        def value(self, memory):
            return memory

    def warm(t):
        return 0.1 + min(t, 0.9)

    start = wgf.Ensemble.gaussian(1000, 1, cov=0.1, seed=1)
    settings = {"dt": 0.01, "t_end": 1.0, "record_every": 10}
    by_control = wgf.solve(wgf.Quadratic() - Heat() * wgf.Shannon(), start, wgf.solvers.Langevin(), **settings)
    by_schedule = wgf.solve(wgf.Quadratic() - warm * wgf.Shannon(), start, wgf.solvers.Langevin(), **settings)
    assert by_control.ledger["temperature"] == pytest.approx(by_schedule.ledger["temperature"], abs=1e-12)
    # the control's temperature lags by half a step on average: O(h)
    assert by_control.ledger["work"].sum() == pytest.approx(by_schedule.ledger["work"].sum(), rel=0.02)
    assert by_control.ledger["work"].sum() < -0.3


def test_a_negative_temperature_that_a_control_reaches_is_refused(mu):
    class Sink(Ratchet):
        def advance(self, memory, view, h):
            return memory - 0.3

    with pytest.raises(wgf.errors.ConfigError, match=r"temperature -0\.1"):
        wgf.solve(wgf.Quadratic() - Sink(0.0) * wgf.LogDet(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0)


def test_outside_a_run_a_control_has_no_value(mu):
    with pytest.raises(wgf.errors.ConfigError, match=r"within `wgf\.solve`"):
        (Ratchet(0.0) * wgf.Quadratic()).at(0.0)
