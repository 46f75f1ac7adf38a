"""Decision risk: CVaR, entropic risk and mean–variance against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

import wgf
from wgf import drives
from wgf.drives.risk import LogMeanExp, MeanPlusVariance, TailMean
from wgf.errors import ConfigError, WgfWarning

KINDS = {
    "CVaR": lambda risk, a=0.73: drives.CVaR(risk, a),
    "EntropicRisk": lambda risk, a=0.8: drives.EntropicRisk(risk, a),
    "MeanVariance": lambda risk, a=0.6: drives.MeanVariance(risk, a),
}


@pytest.fixture
def law():
    rng = np.random.default_rng(3)
    losses, p = rng.exponential(size=17), rng.uniform(0.2, 1.0, size=17)
    return torch.from_numpy(losses), torch.from_numpy(p / p.sum())


@pytest.fixture
def risk():
    rng = np.random.default_rng(4)
    return wgf.NetworkRisk(rng.normal(size=(23, 2)), rng.normal(size=23))


def programme(losses, p, level):
    """CVaR by the linear programme of its definition: min c + Σ p u/(1 − level), u ≥ ℓ − c, u ≥ 0."""
    m = len(losses)
    done = linprog(
        np.concatenate([[1.0], p / (1 - level)]),
        A_ub=np.hstack([-np.ones((m, 1)), -np.eye(m)]),
        b_ub=-losses,
        bounds=[(None, None)] + [(0, None)] * m,
    )
    return done.fun


@pytest.mark.parametrize("level", [1e-3, 0.2, 0.5, 0.9, 0.999])
def test_cvar_is_the_value_of_its_linear_programme(law, level):
    losses, p = law
    assert float(TailMean(level).value(losses, p)) == pytest.approx(
        programme(losses.numpy(), p.numpy(), level), rel=1e-9
    )


@pytest.mark.parametrize("level", [0.25, 0.5, 0.6, 0.9, 0.95])
def test_cvar_counts_the_atom_across_the_quantile_by_a_fraction(level):
    """Ten equal samples 1..10: the mean of the worst 10(1 − α) of them, the last by a fraction, by hand."""
    losses, p = torch.arange(1.0, 11.0, dtype=torch.float64), torch.full((10,), 0.1, dtype=torch.float64)
    left, total = 10 * (1 - level), 0.0
    for loss in range(10, 0, -1):
        share = min(1.0, left)
        total, left = total + share * loss, left - share
    assert float(TailMean(level).value(losses, p)) == pytest.approx(total / (10 * (1 - level)), rel=1e-13)


@pytest.mark.parametrize("aggregate", [TailMean(0.7), LogMeanExp(1.3), LogMeanExp(1e-9), MeanPlusVariance(0.5)])
def test_the_slope_is_the_finite_difference(law, aggregate):
    losses, p = law
    slope, eps = aggregate.slope(losses, p), 1e-6
    for k in range(len(losses)):
        step = torch.zeros_like(losses)
        step[k] = eps
        difference = (aggregate.value(losses + step, p) - aggregate.value(losses - step, p)) / (2 * eps)
        assert float(slope[k]) == pytest.approx(float(difference), abs=1e-8)
    assert float(slope.sum()) == pytest.approx(1.0, rel=1e-12)


def test_at_ties_the_slope_is_a_subgradient_shared_by_weight():
    losses = torch.tensor([0.0, 2.0, 2.0, 3.0, 2.0], dtype=torch.float64)
    p = torch.tensor([0.2, 0.1, 0.3, 0.2, 0.2], dtype=torch.float64)
    aggregate = TailMean(0.6)  # of the tail 0.4 the atom 3 takes 0.2, the three losses 2 of weight 0.6 share the rest
    slope = aggregate.slope(losses, p)
    torch.testing.assert_close(slope, torch.tensor([0.0, 1 / 12, 3 / 12, 0.5, 2 / 12], dtype=torch.float64))
    rng, value = np.random.default_rng(1), float(aggregate.value(losses, p))
    for _ in range(200):  # a subgradient supports the convex function from below
        other = torch.from_numpy(rng.normal(size=5) * 3)
        assert float(aggregate.value(other, p)) >= value + float(slope @ (other - losses)) - 1e-12


def test_entropic_risk_is_its_definition_and_survives_large_losses(law):
    losses, p = law
    for a in (0.01, 1.0, 10.0):
        expected = math.log(float((p * torch.exp(a * losses)).sum())) / a
        assert float(LogMeanExp(a).value(losses, p)) == pytest.approx(expected, rel=1e-12)
    assert float(LogMeanExp(1.0).value(losses + 5000.0, p)) == pytest.approx(
        float(LogMeanExp(1.0).value(losses, p)) + 5000.0, rel=1e-14
    )


def test_entropic_risk_is_the_supremum_over_laws(law):
    """sup_Q E_Q ℓ − KL(Q‖P)/a, by an optimiser over softmax weights."""
    losses, p = (part.numpy() for part in law)

    def negative(logits):
        q = np.exp(logits - logits.max())
        q /= q.sum()
        return -(q @ losses - q @ np.log(q / p) / 1.5)

    best = -minimize(negative, np.zeros(len(p)), method="BFGS", options={"gtol": 1e-9}).fun
    assert float(LogMeanExp(1.5).value(*law)) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("aggregate", [TailMean(1e-12), LogMeanExp(1e-12), MeanPlusVariance(1e-12), LogMeanExp(0.0)])
def test_without_aversion_it_is_the_mean(law, aggregate):
    losses, p = law
    assert float(aggregate.value(losses, p)) == pytest.approx(float(p @ losses), rel=1e-11)
    torch.testing.assert_close(aggregate.slope(losses, p), p, rtol=1e-10, atol=1e-11)


def test_to_second_order_entropic_risk_is_mean_variance(law):
    """The difference is (a²/6) times the third central moment, to O(a³): it falls by 4 as a halves."""
    apart = [float(LogMeanExp(a).value(*law) - MeanPlusVariance(a).value(*law)) for a in (2e-3, 1e-3)]
    assert apart[0] / apart[1] == pytest.approx(4.0, rel=0.01)
    losses, p = law
    third = float((p * (losses - p @ losses) ** 3).sum())
    assert apart[1] == pytest.approx(1e-6 * third / 6, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_in_the_particles_is_the_finite_difference(risk, kind):
    term, mu = KINDS[kind](risk), risk.initial(6, seed=1)
    gradient, eps = term.gradient(mu), 1e-6
    torch.testing.assert_close(term.evaluate(mu).gradient, gradient)
    for i, c in [(0, 0), (3, 1), (5, 3)]:
        step = torch.zeros_like(mu.x)
        step[i, c] = eps
        difference = (term.value(mu.moved(mu.x + step)) - term.value(mu.moved(mu.x - step))) / (2 * eps)
        assert float(gradient[i, c] / 6) == pytest.approx(float(difference), abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_variation_is_the_finite_difference_in_the_weights(risk, kind):
    term, mu, eps = KINDS[kind](risk), risk.initial(6, seed=1), 1e-6
    towards = torch.zeros(6, dtype=torch.float64)
    towards[2] = 1.0
    change = term.value(mu.reweighted((1 - eps) * mu.weights + eps * towards)) - term.value(mu)
    expected = term.first_variation(mu) @ (towards - mu.weights)
    assert float(change / eps) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_risk_under_a_label_shift_is_the_risk_of_the_shifted_sample(kind):
    """Two of three samples of class 1 thrice: frequencies 1/4 and 3/4, drawn out by hand."""
    z, y = np.array([[0.3], [-1.0], [2.0]]), np.array([0, 1, 1])
    copies = [0, 0, 1, 1, 1, 2, 2, 2]
    risk = wgf.NetworkRisk(z, y, loss="cross_entropy")
    by_hand = wgf.NetworkRisk(z[copies], y[copies], loss="cross_entropy")
    mu = risk.initial(9, seed=2)
    shifted = KINDS[kind](drives.LabelShift(risk, [0.25, 0.75]))
    assert float(shifted.value(mu)) == pytest.approx(float(KINDS[kind](by_hand).value(mu)), rel=1e-12)
    torch.testing.assert_close(shifted.gradient(mu), KINDS[kind](by_hand).gradient(mu), rtol=1e-10, atol=1e-13)


def test_an_aversion_that_grows_drives_the_flow_and_its_work_is_booked(risk):
    F = drives.EntropicRisk(risk, drives.Linear(0.0, 2.0, t1=1.0)) + 0.01 * wgf.Quadratic()
    ledger = wgf.solve(F, risk.initial(20), wgf.solvers.Heun(), dt=0.1, t_end=2.0, record_every=1).ledger
    change = np.diff(ledger["free_energy"])
    np.testing.assert_allclose(change, ledger["work"][1:] - ledger["released"][1:], atol=1e-14)
    assert (ledger["work"][1:11] > 0).all()  # it grows with a
    assert (ledger["work"][11:] == 0).all()


@pytest.mark.slow
def test_the_flow_of_cvar_ends_at_its_minimum():
    """A linear network, so that CVaR is convex: against Nelder–Mead on the definition. The flow comes to slide along a
    kink, which no step resolves, and the closure says so; it stays within a step of the minimum."""
    rng = np.random.default_rng(8)
    z, y = rng.normal(size=(40, 2)), rng.standard_t(3, size=40)
    risk = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, theta: theta @ z, dim=2))
    mu, F = wgf.Ensemble.gaussian(5, 2, seed=1), drives.CVaR(risk, 0.8)
    with pytest.warns(WgfWarning, match="closure -"):
        sol = wgf.solve(F, mu, wgf.solvers.Euler(), dt=0.01, t_end=12.0)

    def worst_eight(m):
        return np.sort(0.5 * (z @ m - y) ** 2)[-8:].mean()

    least = minimize(worst_eight, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).fun
    assert float(F.value(sol.ensemble)) == pytest.approx(worst_eight(sol.ensemble.mean().numpy()), rel=1e-12)
    assert least - 1e-9 < float(F.value(sol.ensemble)) < 1.005 * least
    by_mean = wgf.solve(risk, mu, wgf.solvers.Euler(), dt=0.1, t_end=40.0).ensemble
    assert float(F.value(by_mean)) > 1.05 * least
    assert float(risk.value(by_mean)) < float(risk.value(sol.ensemble))


def test_bad_levels_and_minibatches_are_refused(risk):
    for level in (0.0, 1.0, -0.1, 1.5, math.nan, "0.5"):
        with pytest.raises(ConfigError, match="CVaR level"):
            drives.CVaR(risk, level)
    for kind in (drives.EntropicRisk, drives.MeanVariance):
        with pytest.raises(ConfigError, match=r"aversion = -1\.0"):
            kind(risk, -1.0)
    late = drives.CVaR(risk, lambda t: 0.5 + t)
    with pytest.raises(ConfigError, match=r"level = 1 at t = 0\.5"):
        wgf.solve(late, risk.initial(5), wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"\.at\(t\)"):
        late.value(risk.initial(5))
    with pytest.raises(ConfigError, match=r"wanted a wgf\.NetworkRisk"):
        drives.CVaR(wgf.Quadratic(), 0.5)
    small = wgf.NetworkRisk(risk.inputs, risk.targets, batch=4)
    with pytest.raises(ConfigError, match="batch=None"):
        drives.CVaR(small, 0.5)
