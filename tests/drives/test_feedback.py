"""Preferences: the Bradley–Terry potential against its definition and a direct maximum-likelihood fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import kendalltau

import wgf
from wgf import drives
from wgf.errors import ConfigError, ShapeError

N = 8


@pytest.fixture(scope="module")
def tournament():
    """Items, true scores one apart in a shuffled order, and 1200 noisy comparisons of them."""
    rng = np.random.default_rng(11)
    items, truth = rng.normal(size=(N, 3)), rng.permutation(N).astype(float)
    pairs = np.array([rng.choice(N, 2, replace=False) for _ in range(1200)])
    won = rng.uniform(size=1200) < expit(truth[pairs[:, 0]] - truth[pairs[:, 1]])
    return items, truth, np.where(won[:, None], pairs, pairs[:, ::-1])


def likelihood(scores, pairs, scale=1.0):
    return np.logaddexp(0, -(scores[pairs[:, 0]] - scores[pairs[:, 1]]) / scale).mean()


def maximum_likelihood(pairs):
    fit = minimize(likelihood, np.zeros(N), args=(pairs,), method="BFGS", options={"gtol": 1e-10})
    return fit.x - fit.x.mean()


def test_the_value_is_the_likelihood_and_the_gradient_its_finite_difference(tournament):
    items, _, pairs = tournament
    risk = wgf.NetworkRisk(items, np.zeros(N))
    mu = risk.initial(7, seed=0)
    term = drives.Preferences(risk, items, pairs, scale=0.7).at(0.0)
    assert float(term.value(mu)) == pytest.approx(likelihood(risk.predict(mu, items).numpy(), pairs, 0.7), rel=1e-13)
    gradient, eps = term.gradient(mu), 1e-6
    assert torch.equal(term.evaluate(mu).gradient, gradient)
    for i, c in [(0, 0), (3, 2), (6, 4)]:
        step = torch.zeros_like(mu.x)
        step[i, c] = eps
        difference = (term.value(mu.moved(mu.x + step)) - term.value(mu.moved(mu.x - step))) / (2 * eps)
        assert float(gradient[i, c] / 7) == pytest.approx(float(difference), abs=1e-9)
    towards = torch.zeros(7, dtype=torch.float64)
    towards[2] = 1.0
    change = term.value(mu.reweighted((1 - eps) * mu.weights + eps * towards)) - term.value(mu)
    assert float(change / eps) == pytest.approx(float(term.first_variation(mu) @ (towards - mu.weights)), rel=1e-4)


def test_free_scores_end_at_the_maximum_likelihood_fit(tournament):
    """One-hot items and φ = θ·z, so that f_μ(item i) is the i-th mean: the flow is ascent of the likelihood itself."""
    _, truth, pairs = tournament
    score = wgf.Unit(lambda z, theta: theta @ z, dim=N)
    F = drives.Preferences(score, np.eye(N), pairs)
    sol = wgf.solve(F, wgf.Ensemble(np.zeros((2, N))), wgf.solvers.Heun(), dt=10.0, t_end=2400.0)
    fitted = sol.ensemble.mean().numpy()
    np.testing.assert_allclose(fitted - fitted.mean(), maximum_likelihood(pairs), atol=1e-5)
    assert kendalltau(fitted, truth).statistic == pytest.approx(1.0)


def test_a_network_recovers_a_known_ranking_from_preferences_that_arrive(tournament):
    """1200 comparisons over [0, 30]: Kendall's τ = 1 with the truth and with the direct fit, on this fixed seed."""
    items, truth, pairs = tournament
    times = np.linspace(0.0, 30.0, len(pairs))
    risk = wgf.NetworkRisk(items, np.zeros(N))
    told = drives.Preferences(risk, items, pairs, times)
    sol = wgf.solve(told + 1e-4 * wgf.Quadratic(), risk.initial(200, seed=1), wgf.solvers.Heun(), dt=0.5, t_end=150.0)
    scores = risk.predict(sol.ensemble, items).numpy()
    assert kendalltau(scores, truth).statistic == pytest.approx(1.0)
    assert kendalltau(scores, maximum_likelihood(pairs)).statistic == pytest.approx(1.0)
    assert likelihood(scores, pairs) < likelihood(maximum_likelihood(pairs), pairs) + 0.02


def test_an_arrival_is_a_jump_between_steps_and_all_of_it_is_work():
    score = wgf.Unit(lambda z, theta: theta @ z, dim=1)
    told = drives.Preferences(score, [[0.0], [1.0]], [[0, 1], [1, 0]], times=[0.7, 0.25])
    sol = wgf.solve(told, wgf.Ensemble([[0.5]]), wgf.solvers.Heun(), dt=0.1, t_end=1.0, record_every=1)
    work = sol.ledger["work"]
    assert np.flatnonzero(work).tolist() == [3, 7]
    assert work[3] == pytest.approx(np.log1p(np.exp(-0.5)), rel=1e-14)  # nothing moved before the first arrival
    assert not sol.ledger["dissipation"][:3].any()
    change = np.diff(sol.ledger["free_energy"])
    np.testing.assert_allclose(change, work[1:] - sol.ledger["released"][1:], atol=1e-15)


def test_scores_are_one_output_of_several():
    rng = np.random.default_rng(0)
    items, pairs = rng.normal(size=(4, 2)), [[0, 1], [2, 3]]
    risk = wgf.NetworkRisk(items, [0, 1, 2, 0], loss="cross_entropy")
    mu = risk.initial(5)
    term = drives.Preferences(risk, items, pairs, output=2).at(0.0)
    f = risk.predict(mu, items).numpy()[:, 2]
    assert float(term.value(mu)) == pytest.approx(likelihood(f, np.array(pairs)), rel=1e-13)
    with pytest.raises(ConfigError, match="3 outputs; wanted one score"):
        drives.Preferences(risk, items, pairs).at(0.0).value(mu)
    with pytest.raises(ConfigError, match="output = 3"):
        drives.Preferences(risk, items, pairs, output=3).at(0.0).value(mu)


ITEMS = np.arange(6.0).reshape(3, 2)
RISK = wgf.NetworkRisk(ITEMS, np.zeros(3))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1], [1, 3]]), ConfigError, r"preference 1 is about item 3"),
        (lambda: drives.Preferences(RISK, ITEMS, [[-1, 1]]), ConfigError, r"item -1, which is unknown"),
        (lambda: drives.Preferences(RISK, ITEMS, [[1, 1]]), ConfigError, r"item 1 over itself"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0.0, 1.0]]), ConfigError, r"wanted integers"),
        (lambda: drives.Preferences(RISK, ITEMS, [0, 1]), ShapeError, r"wanted \(P, 2\)"),
        (lambda: drives.Preferences(RISK, ITEMS[:, :1], [[0, 1]]), ShapeError, r"the risk has 2"),
        (lambda: drives.Preferences(RISK, ITEMS[0], [[0, 1]]), ShapeError, r"wanted \(N, D\)"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1]], times=[1.0, 2.0]), ShapeError, r"2 of them for 1 pairs"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1]], times=[np.nan]), ConfigError, r"nan among them"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1]], times=["x"]), ConfigError, r"one number for each"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1]], scale=0.0), ConfigError, r"Preferences scale"),
        (lambda: drives.Preferences(RISK, ITEMS, [[0, 1]], output=-1), ConfigError, r"Preferences output"),
    ],
)
def test_what_is_no_preference_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_arrivals_after_the_run_are_refused():
    told = drives.Preferences(RISK, ITEMS, [[0, 1], [1, 2]], times=[0.5, 1.5])
    with pytest.raises(ConfigError, match=r"arrival at t = 1\.5: the run ends at t_end = 1; .*continued=True"):
        wgf.solve(told, RISK.initial(3), wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"Preferences.*\.at\(t\)"):
        told.value(RISK.initial(3))
