"""Budgets: met in the end, with the multiplier of the closed form; transport spent; caps on evaluations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import drives
from wgf.errors import ConfigError

HEUN = wgf.solvers.Heun()


@pytest.fixture
def mu():
    return wgf.Ensemble.gaussian(20, 2, cov=0.25, seed=4)


# ------------------------------------------------------------------------------------------- dual ascent


def test_a_weight_budget_ends_at_the_closed_form(mu):
    """min ½k|x − c|² with ½∫|x|² ≤ b: every x = k c/(k + λ), λ = k (|c|/√(2b) − 1)."""
    k, c, b = 2.0, torch.tensor([3.0, 4.0], dtype=torch.float64), 2.0
    F = wgf.Quadratic(k, center=c) + drives.Budget(wgf.Quadratic(), limit=b, damping=1.0)
    sol = wgf.solve(F, mu, HEUN, dt=0.05, t_end=40.0)
    price = k * (5.0 / math.sqrt(2 * b) - 1.0)
    assert sol.ledger["drive:Budget"][-1] == pytest.approx(price, rel=1e-7)
    torch.testing.assert_close(sol.ensemble.x, (k * c / (k + price)).expand(20, 2), rtol=1e-7, atol=0)
    assert float(wgf.Quadratic().value(sol.ensemble)) == pytest.approx(b, rel=1e-7)
    assert abs(sol.ledger["term:Budget"][-1]) < 1e-6  # λ (cost − limit): complementary slackness


def test_a_budget_that_is_not_used_up_costs_nothing(mu):
    F, slack = wgf.Quadratic(2.0, center=1.0), drives.Budget(wgf.Quadratic(), limit=2.0, start=1.5)
    sol = wgf.solve(F + slack, mu, HEUN, dt=0.05, t_end=20.0)
    assert sol.ledger["drive:Budget"][0] == 1.5
    assert sol.ledger["drive:Budget"][-1] == 0.0
    assert sol.ledger["term:Budget"][-1] == 0.0
    torch.testing.assert_close(sol.ensemble.x, torch.ones(20, 2, dtype=torch.float64), rtol=1e-9, atol=0)
    assert float(wgf.Quadratic().value(sol.ensemble)) == pytest.approx(1.0)


def test_dual_ascent_turns_around_its_saddle_as_stated():
    """A well of 0.2 and a cost of slope b = 1 at the saddle, where the Lagrangian has convexity k = 0.4: the frequency
    is √(b² rate − k²/4), to O(h), and with the stated damping ρ ≥ (2b√rate − k)/b² nothing turns."""
    k, rate, x = 0.2, 1.0, 1.0
    start = wgf.Ensemble([[x + 0.01]])
    price = k * (2.0 - x) / x
    stiff = k + price  # the well and the priced cost together

    def run(damping):
        budget = drives.Budget(wgf.Quadratic(), 0.5 * x * x, rate, damping=damping, start=price)
        sol = wgf.solve(wgf.Quadratic(k, center=2.0) + budget, start, HEUN, dt=0.02, t_end=12.0,
                        record_every=1, observers={"x": lambda mu: mu.mean()})  # fmt: skip
        return sol.ledger["t"], sol.ledger["x"] - x

    t, away = run(0.0)
    crossings = t[1:][np.diff(np.sign(away)) != 0]
    frequency = math.pi / np.diff(crossings).mean()
    assert frequency == pytest.approx(math.sqrt(x * x * rate - stiff**2 / 4), rel=0.01)
    _, damped = run((2 * x * math.sqrt(rate) - stiff) / x**2 * 1.05)
    assert (np.diff(np.sign(damped[damped.argmin() :])) == 0).all()  # it overshoots once at most, and never turns
    assert abs(damped[-1]) < 1e-4 < abs(away[-200:]).max()


def test_transport_spent_is_held_to_its_budget(mu):
    """min ½k∫|x − c|² with ½∫|x − x(0)|² ≤ b: x = (k c + λ x(0))/(k + λ), λ = k (√(∫|c − x(0)|²/2b) − 1)."""
    k, c, b = 1.5, 2.0, 0.5
    F = wgf.Quadratic(k, center=c) + drives.Budget(drives.Displacement(), limit=b, rate=8.0, damping=2.0)
    sol = wgf.solve(F, mu, HEUN, dt=0.05, t_end=15.0)
    price = k * (math.sqrt(float(((c - mu.x) ** 2).sum(1).mean()) / (2 * b)) - 1.0)
    assert sol.ledger["drive:Budget"][-1] == pytest.approx(price, rel=1e-7)
    torch.testing.assert_close(sol.ensemble.x, (k * c + price * mu.x) / (k + price), rtol=1e-6, atol=1e-7)
    spent = float(drives.Displacement(mu).value(sol.ensemble))
    assert spent == pytest.approx(b, rel=1e-7)
    # a shrinking towards a point is optimal: the bound ½W₂² ≤ spent is met
    assert 0.5 * float(wgf.diagnostics.wasserstein(mu, sol.ensemble).distance) ** 2 == pytest.approx(spent, rel=1e-6)


def test_an_entropy_can_be_a_resource(mu):
    """Spread at least as wide as S ≥ S*, of −LogDet: k = λ/c at c = exp(2S*/d)."""
    least = 0.3
    F = wgf.Quadratic(2.0) + drives.Budget(-wgf.LogDet(), limit=-least, rate=4.0, damping=1.0)
    sol = wgf.solve(F, mu, HEUN, dt=0.02, t_end=15.0)
    assert float(wgf.LogDet().value(sol.ensemble)) == pytest.approx(least, abs=1e-6)
    assert sol.ledger["drive:Budget"][-1] == pytest.approx(2.0 * math.exp(least), rel=1e-5)


def test_two_budgets_and_a_limit_that_shrinks(mu):
    tight = drives.Budget(wgf.Quadratic(), limit=drives.Linear(2.0, 0.5, t1=10.0), rate=4.0, damping=2.0)
    loose = drives.Budget(drives.Displacement(), limit=50.0)
    F = wgf.Quadratic(center=2.0) + tight + loose
    sol = wgf.solve(F, mu, HEUN, dt=0.05, t_end=25.0, record_every=1)
    assert float(wgf.Quadratic().value(sol.ensemble)) == pytest.approx(0.5, rel=1e-6)
    assert not sol.ledger["drive:Budget_2"].any()
    change = np.diff(sol.ledger["free_energy"])
    np.testing.assert_allclose(change, sol.ledger["work"][1:] - sol.ledger["released"][1:], atol=1e-13)


def test_a_budget_goes_on_in_a_free_energy_written_anew(mu):
    def F():
        spent = drives.Budget(drives.Displacement(), limit=lambda t: 0.5 + 0.1 * t, damping=1.0)
        both = drives.Budget(0.5 * drives.Displacement() + wgf.Quadratic(), limit=1.0)
        return wgf.Quadratic(center=2.0) + spent + both + drives.Swap([(0.0, 0.1 * drives.Displacement())])

    whole = wgf.solve(F(), mu, HEUN, dt=0.05, t_end=4.0)
    part = wgf.solve(F(), mu, HEUN, dt=0.05, t_end=1.5)
    rest = wgf.solve(F(), None, HEUN, dt=0.05, t_end=4.0, state=part.state)
    assert torch.equal(whole.ensemble.x, rest.ensemble.x)
    assert whole.state.drives == rest.state.drives


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: drives.Budget(wgf.Quadratic(), limit=-1.0), "infeasible"),
        (lambda: drives.Budget(wgf.Quadratic(), limit=0.0), "above 0"),
        (lambda: drives.Budget(2.0 * wgf.Quadratic() + wgf.MMD([[0.0]], wgf.kernels.Gaussian(1.0)), 0.0), "infeasible"),
        (lambda: drives.Budget(drives.Displacement(), limit=0.0), "infeasible"),
        (lambda: drives.Budget(wgf.Potential(lambda x: x[:, 0]), limit=1.0, lowest=2.0), "above 2"),
        (lambda: drives.Budget(wgf.Quadratic(), limit=math.nan), "Budget limit"),
        (lambda: drives.Budget(wgf.Quadratic(), limit=1.0, rate=0.0), "Budget rate"),
        (lambda: drives.Budget(wgf.Quadratic(), limit=1.0, damping=-1.0), "Budget damping"),
        (lambda: drives.Budget(wgf.Quadratic(), limit=1.0, start=-1.0), "Budget start"),
        (lambda: drives.Budget(3.0, limit=1.0), "wanted a term"),
        (lambda: drives.Budget(wgf.Shannon(), limit=1.0), "Shannon has no value"),
        (lambda: drives.Budget(drives.Swap([(0.0, wgf.Quadratic())]), limit=1.0), "follows the run"),
        (lambda: drives.Budget(2.0 * drives.Displacement() + wgf.Quadratic(), limit=0.0), "infeasible"),
        (lambda: drives.EvaluationCap(0), "EvaluationCap limit"),
        (lambda: drives.EvaluationCap(5, also=3), "wanted a function"),
    ],
)
def test_infeasible_and_meaningless_budgets_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_budget_that_no_measure_meets_ends_the_run(mu):
    """The particles' variance under a fixed potential V ≥ 1 of unknown minimum: the multiplier passes its ceiling."""
    cost = wgf.Potential(lambda x: 1.0 + (x**2).sum(1))
    F = wgf.Quadratic() + drives.Budget(cost, limit=0.9, ceiling=3.0)
    with pytest.raises(ConfigError, match=r"t = \d.*passed its ceiling 3.*infeasible") as raised:
        wgf.solve(F, mu, HEUN, dt=0.1, t_end=100.0)
    assert raised.value.solution.ledger["drive:Budget"][-1] <= 3.0
    late = wgf.Quadratic() + drives.Budget(wgf.Quadratic(), limit=drives.Linear(1.0, -1.0, t1=2.0))
    with pytest.raises(ConfigError, match=r"limit = -?[\d.e-]+ at t = 1"):
        wgf.solve(late, mu, HEUN, dt=0.1, t_end=2.0)


# ------------------------------------------------------------------------------------------- displacement


def test_displacement_goes_by_ids_and_bounds_the_transport(mu):
    rng = np.random.default_rng(0)
    order = rng.permutation(20)
    moved = wgf.Ensemble(mu.x[order] + torch.from_numpy(rng.normal(size=(20, 2))), ids=mu.ids[order])
    term = drives.Displacement(mu)
    offset = moved.x - mu.x[order]
    assert float(term.value(moved)) == pytest.approx(float((offset**2).sum(1).mean()) / 2, rel=1e-14)
    assert torch.equal(term.gradient(moved), offset)
    assert float(term.value(moved)) >= 0.5 * float(wgf.diagnostics.wasserstein(mu, moved).distance) ** 2
    half = moved.select(list(range(10)))
    assert torch.equal(term.gradient(half), offset[:10])


def test_displacement_of_strangers_and_of_moved_mass_is_refused(mu):
    term = drives.Displacement(mu)
    with pytest.raises(ConfigError, match="id 20 was not there"):
        term.value(wgf.Ensemble(mu.x, ids=mu.ids + 1))
    with pytest.raises(ConfigError, match="weights changed"):
        term.value(mu.reweighted(torch.linspace(1.0, 2.0, 20, dtype=torch.float64)))
    with pytest.raises(ConfigError, match="no particles"):
        term.gradient(mu, at=[[0.0, 0.0]])
    with pytest.raises(ConfigError, match="from where"):
        drives.Displacement().value(mu)
    F = wgf.Quadratic(center=1.0) + drives.Displacement()
    with pytest.raises(ConfigError, match=r"weights changed|was not there"):
        wgf.solve(F, mu, wgf.solvers.BirthDeath(), dt=0.1, t_end=1.0)


# ------------------------------------------------------------------------------------------- a cap on evaluations


def test_a_cap_on_evaluations_stops_the_run_at_a_record(mu):
    sol = wgf.solve(wgf.Quadratic(), mu, HEUN, dt=0.01, t_end=1.0, record_every=1, until=drives.EvaluationCap(25))
    assert sol.status.code is wgf.Status.CONVERGED
    assert sol.ledger["evaluations"][-2:].tolist() == [23.0, 25.0]
    first = drives.EvaluationCap(25, also=lambda row: row["t"] > 0.05)
    sol = wgf.solve(wgf.Quadratic(), mu, HEUN, dt=0.01, t_end=1.0, record_every=1, until=first)
    assert sol.ledger["t"][-1] == pytest.approx(0.06)
