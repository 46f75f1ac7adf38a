"""The proximal step: its closed form, descent at every step length, order 1, couplings that stay optimal."""

from __future__ import annotations

import itertools
import math
import re

import exact
import numpy as np
import pytest
import torch
from wgf.solvers import JKO, RungeKutta4
from wgf.solvers.jko import optimal_order

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, WgfWarning

pytestmark = pytest.mark.filterwarnings("ignore:closure:wgf.errors.WgfWarning")


def wells():
    """Two wells, repulsion and an entropy: not convex, along mixtures or geodesics."""
    F = wgf.Potential(lambda x: ((x**2 - 1) ** 2).sum(1) / 4) + wgf.Interaction(K.Gaussian(0.5))
    return F - 0.2 * wgf.LogDet()


def ripples(x):
    return -2 * torch.cos(5 * x[:, 0]) + (x[:, 1:] ** 2).sum(1)


def crossing(dim):
    """Two particles on both sides of a narrow well, at its inflections: a long step leads across, into wells beyond."""
    return torch.tensor([[-0.28], [0.305]], dtype=torch.float64) * torch.eye(1, dim, dtype=torch.float64)


def norm(mu, rows):
    return math.sqrt(float(mu.expect((rows**2).sum(1))))


def slope(hs, errors):
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


@pytest.mark.parametrize("tau", [1e-3, 0.1, 2.0, 1e3])
@pytest.mark.parametrize("weighted", [False, True])
def test_case_10_one_step_is_the_closed_form_of_theory(tau, weighted):
    """Mean and covariance to 1e-9, for any ensemble, weighted too."""
    k, temperature, rng = 1.3, 0.4, np.random.default_rng(3)
    x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)) + [1.0, -2.0, 0.5]
    mu = wgf.Ensemble(x, rng.dirichlet(np.ones(40)) if weighted else None)
    F = wgf.Quadratic(k) - temperature * wgf.LogDet()
    sol = wgf.solve(F, mu, JKO(tolerance=1e-12), dt=tau, t_end=tau)
    mean, cov = exact.jko_step(k, temperature, tau, mu.mean().numpy(), mu.covariance().numpy())
    np.testing.assert_allclose(sol.ensemble.mean(), mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sol.ensemble.covariance(), cov, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tau", [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3])
@pytest.mark.filterwarnings("ignore:.*JKO solved the proximal problem:wgf.errors.WgfWarning")
def test_the_free_energy_falls_at_every_step_length(tau):
    """With the minimum found, and with three lines of search only, whatever is left: to the rounding of F."""
    mu = wgf.Ensemble.gaussian(30, 2, cov=0.5, seed=1)
    for solver in (JKO(), JKO(max_line_searches=3)):
        sol = wgf.solve(wells(), mu, solver, dt=tau, t_end=5 * tau, record_every=1)
        F = sol.ledger["free_energy"]
        terms = sum(np.abs(sol.ledger[f"term:{name}"]) for name in ("Potential", "Interaction", "LogDet"))
        assert (np.diff(F) <= 16 * np.finfo(float).eps * terms[1:]).all()
        assert F[1] < F[0]
    assert 0 < sol.state.memory.residual <= sol.state.memory.worst


@pytest.mark.slow
def test_order_one_with_a_drive_in_time():
    """The slope within .1; F is that of the end of the step."""
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()
    F = F + wgf.Quadratic(1.0, center=lambda t: math.sin(t))
    mu = wgf.Ensemble.gaussian(12, 2, cov=0.2, seed=1)
    truth = wgf.solve(F, mu, RungeKutta4(), dt=1 / 64, t_end=0.5, record_every=2000).ensemble.x
    hs, errors = [1 / 16, 1 / 32, 1 / 64], []
    for h in hs:
        sol = wgf.solve(F, mu, JKO(check_up_to=0), dt=h, t_end=0.5, record_every=2000)
        errors.append(float((sol.ensemble.x - truth).norm()))
        assert sol.state.memory.worst <= 1e-8
    assert slope(hs, errors) == pytest.approx(1.0, abs=0.1)


def test_the_closure_has_order_one_and_is_known_under_a_quadratic():
    """hk/2 exactly, each step; for a driven F that is not quadratic, slope 1."""
    mu = wgf.Ensemble.gaussian(12, 2, cov=0.2, seed=1)
    book = wgf.solve(wgf.Quadratic(1.7), mu, JKO(), dt=0.3, t_end=1.5, record_every=1).ledger
    np.testing.assert_allclose(book["closure"][1:], 0.3 * 1.7 / 2, rtol=1e-6)
    F, hs, closures = wells() + (lambda t: math.sin(3 * t)) * wgf.Quadratic(0.5), [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        book = wgf.solve(F, mu, JKO(check_up_to=0), dt=h, t_end=0.25, record_every=1).ledger
        closures.append(np.median(np.abs(book["closure"][1:])))
    assert slope(hs, closures) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("dim", [1, 2])
def test_a_descent_that_crosses_is_relabelled(dim):
    """Two particles that step across each other: rows are handed the places that optimal transport gives them.

    Unchecked, the rows have crossed and their step is longer than W₂. Checked, it is W₂, the proximal objective is
    lower, ids stay with their rows.
    """
    mu, F, tau = wgf.Ensemble(crossing(dim), ids=[7, 4]), wgf.Potential(ripples), 3.0
    sol = wgf.solve(F, mu, JKO(), dt=tau, t_end=tau)
    assert sol.state.memory.relabelled == 1
    assert sol.state.memory.excess <= 1e-9
    assert sol.state.memory.residual <= 1e-8
    assert sol.ensemble.ids.tolist() == [7, 4]
    assert float(sol.ensemble.x[0, 0]) < 0 < float(sol.ensemble.x[1, 0])
    moved = norm(mu, sol.ensemble.x - mu.x)
    assert moved == pytest.approx(wgf.diagnostics.wasserstein(mu, sol.ensemble).distance, rel=1e-12)
    assert float(sol.ledger["dissipated"][-1]) == pytest.approx(moved**2 / tau, rel=1e-12)
    if dim == 2:
        plain = wgf.solve(F, mu, JKO(check_up_to=0), dt=tau, t_end=tau)
        assert math.isnan(plain.state.memory.excess)
        assert float(plain.ensemble.x[0, 0]) > 0 > float(plain.ensemble.x[1, 0])
        assert norm(mu, plain.ensemble.x - mu.x) > 1.1 * wgf.diagnostics.wasserstein(mu, plain.ensemble).distance
        prox = [float(F.value(s.ensemble)) + norm(mu, s.ensemble.x - mu.x) ** 2 / (2 * tau) for s in (sol, plain)]
        assert prox[0] < prox[1]


@pytest.mark.parametrize("dim", [1, 2])
def test_unequal_weights_are_not_relabelled_and_the_excess_is_reported(dim):
    mu = wgf.Ensemble(crossing(dim), [0.51, 0.49])
    sol = wgf.solve(wgf.Potential(ripples), mu, JKO(), dt=3.0, t_end=3.0)
    assert sol.state.memory.relabelled == 0
    moved, distance = norm(mu, sol.ensemble.x - mu.x), wgf.diagnostics.wasserstein(mu, sol.ensemble).distance
    assert sol.state.memory.excess == pytest.approx((moved / distance) ** 2 - 1, rel=1e-9)
    assert sol.state.memory.excess > 0.1


@pytest.mark.parametrize("dim", [1, 3])
def test_the_optimal_order_is_the_best_of_all(dim):
    rng = np.random.default_rng(5)
    x, y = (torch.from_numpy(rng.normal(size=(6, dim))) for _ in range(2))
    best = min(itertools.permutations(range(6)), key=lambda rows: float(((x - y[list(rows)]) ** 2).sum()))
    assert optimal_order(x, y).tolist() == list(best)


def test_an_inexact_solve_says_so_once():
    mu = wgf.Ensemble.gaussian(30, 2, cov=0.5, seed=1)
    with pytest.warns(WgfWarning, match=r"step 0, t = 0: JKO solved .* in 2 lines; wanted 1e-08") as said:
        sol = wgf.solve(wells(), mu, JKO(max_line_searches=2), dt=1.0, t_end=3.0)
    assert sum("JKO solved" in str(one.message) for one in said) == 1
    assert sol.state.memory.worst > 1e-4


def test_shannon_is_refused_with_its_surrogates_and_settings_are_checked():
    mu = wgf.Ensemble.gaussian(10, 2)
    with pytest.raises(ConfigError, match=r"JKO .*Shannon.*LogDet.*Blob"):
        wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, JKO(), dt=0.1, t_end=1.0)
    for settings in ({"tolerance": 0.0}, {"max_line_searches": 0}, {"check_up_to": -1}):
        with pytest.raises(ConfigError, match=re.escape(next(iter(settings)))):
            JKO(**settings)


def test_where_f_is_not_finite_on_the_way_down_the_step_fails():
    """No minimum below a slope that ends in NaN, nor where F has none: the last good state is kept."""
    edge = wgf.Potential(lambda x: torch.where(x[:, 0] > 1, math.nan, -x[:, 0]))
    for F, said in ((edge, "particle 0"), (-1.0 * wgf.Quadratic(1.0), "Quadratic is inf")):
        sol = wgf.solve(F, wgf.Ensemble([[0.5]]), JKO(), dt=2.0, t_end=4.0, throw=False)
        assert sol.status == wgf.Status.DIVERGED
        assert sol.state.step == 0
        assert "step 0, t = 2" in sol.status.message
        assert said in sol.status.message


def test_the_same_bits_for_one_and_two_threads_where_rows_are_many():
    mu, ends, threads = wgf.Ensemble.gaussian(5_000, 2, seed=1), [], torch.get_num_threads()
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) - 0.3 * wgf.LogDet()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            ends.append(wgf.solve(F, mu, JKO(), dt=0.3, t_end=0.3).ensemble.x)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*ends)


@pytest.mark.parametrize("domain", [wgf.domains.Box(-1.0, 1.0), wgf.domains.Ball(1.0)], ids=repr)
def test_within_walls_the_minimum_is_that_over_the_domain(domain):
    """Under an isotropic quadratic it is the point nearest to the minimum of all space, (x + hkc)/(1 + hk)."""
    k, h, centre = 2.0, 0.4, torch.tensor([2.0, 0.5], dtype=torch.float64)
    mu = wgf.Ensemble.uniform(40, 2, -0.7, 0.7, seed=3)
    sol = wgf.solve(wgf.Quadratic(k, centre), mu, JKO(), dt=h, t_end=h, domain=domain)
    want = domain.nearest((mu.x + h * k * centre) / (1 + h * k))
    torch.testing.assert_close(sol.ensemble.x, want, rtol=1e-7, atol=1e-7)
    outside = torch.linalg.norm(want - (mu.x + h * k * centre) / (1 + h * k), dim=1) > 0.01
    assert 5 < int(outside.sum()) < 40
    assert domain.contains(sol.ensemble.x).all()
    assert sol.state.memory.residual <= 1e-8
