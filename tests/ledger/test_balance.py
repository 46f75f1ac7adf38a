"""The error bar of the closure: it covers what records, samples and minibatches leave open, and the advice fits."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from wgf.solvers import Euler, Langevin, LeimkuhlerMatthews, Stein

import wgf
from wgf.errors import WgfWarning
from wgf.ledger.balance import Balance, Interval, Quadrature
from wgf.protocol import Solver, Step


def trapezoids(rate, times, entropy=lambda t: math.nan, heat=None):
    """The sum over all intervals and the error bar, from values at the records alone."""
    found, total = Quadrature(), 0.0
    for a, b in pairwise(times):
        heating, moment = (0.0, 0.0) if heat is None else heat(a, b)
        part = Interval((a, b), (rate(a), rate(b)), (entropy(a), entropy(b)), heating, moment)
        found.add(part)
        total += part.dissipated - part.work
    return total, found.error


# ----------------------------------------------------------------------------------------------------- quadrature


@pytest.mark.parametrize("records", [2, 3, 4, 7, 10, 101])
@pytest.mark.parametrize("fast", [0.1, 1.0, 5.0, 50.0, 500.0])
def test_the_bar_covers_the_trapezoidal_rule_for_decaying_rates(records, fast):
    """∫₀¹ (e^{−t} + f² e^{−ft}) dt by the integral itself; the bar is above the error, and below 40 times it."""
    times = np.linspace(0, 1, records)
    total, bar = trapezoids(lambda t: math.exp(-t) + fast**2 * math.exp(-fast * t), times)
    right = 1 - math.exp(-1) + fast * (1 - math.exp(-fast))
    assert abs(total - right) <= bar * (1 + 1e-12)
    if records > 4:
        assert bar < 40 * abs(total - right)


@pytest.mark.parametrize("records", [5, 8, 20])
def test_the_bar_covers_oscillating_rates_and_uneven_records(records):
    rng = np.random.default_rng(records)
    for _ in range(100):
        a, w = rng.uniform(0, 1), rng.uniform(1, 1.5 * records / math.pi)
        times = np.linspace(0, 1, records)
        total, bar = trapezoids(lambda t, a=a, w=w: 1 + a * math.sin(w * t), times)
        assert abs(total - (1 + a * (1 - math.cos(w)) / w)) <= bar + 1e-12


def test_the_bar_covers_the_work_of_a_temperature():
    """−∫ S dT for S = e^{−8t} and T = t: right is −(1 − e^{−8})/8, seven records give −.2247 by trapezoids."""

    def heat(a, b):
        return b - a, 0.5 * (b - a) ** 2

    total, bar = trapezoids(lambda t: 0.0, np.linspace(0, 1, 7), lambda t: math.exp(-8 * t), heat)
    right = (1 - math.exp(-8)) / 8
    assert 0.01 < abs(total - right) <= bar < 20 * abs(total - right)


def test_intervals_without_an_estimate_break_the_chain():
    chain = Quadrature()
    chain.add(Interval((0.0, 1.0), (4.0, 2.0)))
    assert chain.error == 1.0  # a monotone rate: ½ h |ΔD|
    chain.add(Interval((2.0, 3.0), (2.0, 1.0)))
    assert chain.error == 1.5
    chain.add(Interval((3.0, 4.0), (1.0, 1.0)))
    assert chain.error == pytest.approx(1.0 + abs(1.5 + 1.0 - 3.0))


# ----------------------------------------------------------------------------------------------- coverage and advice


def stiff(every, dt=0.002, n=1000, seed=0, scheme=None):
    F, mu = wgf.Quadratic([1.0, 25.0]) - wgf.Shannon(), wgf.Ensemble.gaussian(n, 2, seed=100 + seed)
    return wgf.solve(F, mu, scheme or LeimkuhlerMatthews(), dt=dt, t_end=1.0, record_every=every, seed=seed).ledger


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:closure")
@pytest.mark.parametrize("every", [25, 100])
@pytest.mark.parametrize("scheme", [LeimkuhlerMatthews(), Langevin()])
def test_the_closure_of_an_anisotropic_process_is_zero_within_its_bar(every, scheme):
    """D = Σ k² (v − 2/k + 1/(k² v)) of a Gaussian falls by e⁻² or more between records; five seeds."""
    books = [stiff(every, seed=seed, scheme=scheme) for seed in range(5)]
    for book in books:
        assert abs(book["closure_total"][-1]) <= book["closure_error"][-1]
        assert abs(book["closure_total"][-1]) > 0.2  # the trapezoidal rule is off by so much


@pytest.mark.slow
def test_few_records_are_told_apart_from_a_large_step():
    with pytest.warns(WgfWarning, match=r"records are too far apart.*smaller record_every"):
        stiff(100)
    F = wgf.Quadratic() - wgf.Shannon()
    # the variance stays 1/(1 − h/2) = 4/3: D = 1/12 for ever, where nothing is released
    with pytest.warns(WgfWarning, match=r"closure -(9|10).*a smaller dt resolves the flow better; more records change"):
        wgf.solve(F, wgf.Ensemble.gaussian(20_000, 1, cov=4 / 3), Langevin(), dt=0.5, t_end=40.0, record_every=2)
    with pytest.warns(WgfWarning, match="a smaller dt resolves"):  # there are no more records at this dt
        wgf.solve(F, wgf.Ensemble.gaussian(2000, 1, cov=16.0), Langevin(), dt=1.2, t_end=24.0, record_every=1)


def test_a_run_that_records_its_ends_alone_says_nothing():
    book = stiff(10_000, n=200)
    assert book["closure_error"][-1] >= abs(book["closure_total"][-1])


@pytest.mark.slow
def test_enough_records_close_the_balance_without_a_word():
    book = stiff(5, n=4000)
    assert abs(book["closure_total"][-1]) <= book["closure_error"][-1] < 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:closure")
def test_a_scheme_without_a_dissipation_of_its_own_has_a_bar_too():
    """Stein with Linear keeps N(m, v): exact closure at small steps is 0, so the bar must cover what records miss."""
    F, mu = wgf.Quadratic() - wgf.Shannon(), wgf.Ensemble.gaussian(100, 1, mean=[2.0], cov=0.5)
    book = wgf.solve(F, mu, Stein("linear"), dt=0.01, t_end=4.0, record_every=20).ledger
    assert abs(book["closure_total"][-1]) <= book["closure_error"][-1]

    class Plain(Solver):
        def step(self, dynamics, state, h, noise):
            return Step(state.mu.moved(state.mu.x - h * state.evaluation.gradient))

    book = wgf.solve(wgf.Quadratic(10.0), mu, Plain(), dt=1e-4, t_end=1.0, record_every=2000).ledger
    assert abs(book["closure_total"][-1]) > 0.1
    assert abs(book["closure_total"][-1]) <= book["closure_error"][-1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:closure")
def test_the_bar_of_minibatches_is_the_scatter_between_seeds():
    """Twenty seeds: the closures scatter as the bars say, within a factor of 2 (χ² of 19: 4 standard errors)."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=(60, 2))
    risk = wgf.NetworkRisk(z, z[:, 0] - z[:, 1], batch=6)
    runs = [wgf.solve(risk, risk.initial(8), Euler(), dt=0.02, t_end=1.0, seed=seed).ledger for seed in range(20)]
    closures = np.array([book["closure_total"][-1] for book in runs])
    bars = np.array([book["closure_error"][-1] for book in runs])
    assert 0.5 < closures.std() / bars.mean() < 2
    assert (abs(closures) < 3 * bars).all()


def test_a_balance_of_nothing_has_no_complaint():
    assert Balance().complaint(math.nan, by_steps=False, every=1) == ""
    assert math.isnan(Balance().error)


# ----------------------------------------------------------------------------------------------------- small rates


def test_a_dissipation_below_its_bar_counts_as_it_is():
    """A double well that has all but relaxed: what is cut off at every record would be 20 % of the sum here."""
    F = wgf.Potential(lambda x: (0.25 * x**4 - 0.5 * x**2).sum(1)) - 0.5 * wgf.Shannon()
    closures = []
    for seed in range(3):
        mu = wgf.Ensemble.gaussian(2000, 1, mean=[1.2], cov=0.1, seed=seed)
        ledger = wgf.solve(F, mu, LeimkuhlerMatthews(), dt=0.02, t_end=3.0, seed=seed, record_every=5).ledger
        rate, error = ledger["dissipation"], ledger["dissipation_error"]
        assert (rate[-10:] < error[-10:]).any()
        assert np.isclose(np.sum(ledger["dissipated"]), np.trapezoid(rate, ledger["t"]), rtol=1e-12)
        closures.append(ledger["closure_total"][-1])
    assert abs(np.mean(closures)) < 0.1
