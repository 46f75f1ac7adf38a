"""Score: Shannon as a force that is learnt. Exact laws in deterministic schemes, memory, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from resumed import in_pieces, same_ledgers
from samples import ensemble
from wgf.solvers import BirthDeath, Euler, Heun

import wgf
from wgf.errors import ConfigError, DivergenceError, ResourceError, WgfWarning

NETWORKS = pytest.mark.parametrize("network", ["kernel", "mlp"])


def small(network, **settings: Any):
    return wgf.Score(network, width=16, **settings)


def log_det(C):
    return float(torch.linalg.slogdet(C)[1])


@NETWORKS
@pytest.mark.parametrize("d", [2, 10])
def test_ornstein_uhlenbeck(network, d):
    """Mean, covariance and entropy follow C(t) = T/k + (C₀ − T/k) e^{−2kt}, and D is that of the Gaussian law."""
    k, temperature, t = 1.3, 0.6, 0.8
    variances = np.linspace(0.3, 2.0, d)
    mu = wgf.Ensemble.gaussian(400, d, mean=np.ones(d), cov=np.diag(variances), seed=1)
    F = wgf.Quadratic(k) - temperature * small(network, tolerance=5.0)
    sol = wgf.solve(F, mu, Heun(), dt=0.04, t_end=t, record_every=5)
    rest, one, C = temperature / k, torch.eye(d, dtype=torch.float64), mu.covariance()
    then = rest * one + (C - rest * one) * math.exp(-2 * k * t)
    torch.testing.assert_close(sol.ensemble.mean(), mu.mean() * math.exp(-k * t), rtol=2e-3, atol=1e-6)
    torch.testing.assert_close(sol.ensemble.covariance(), then, rtol=0.0, atol=5e-3 * float(then.diagonal().max()))
    S = 0.5 * d * math.log(2 * math.pi * math.e) + 0.5 * log_det(then)
    assert sol.ledger["entropy"][-1] == pytest.approx(S, rel=0.02)
    # E|kx − T C⁻¹(x − m)|² under the Gaussian law
    m2 = float((k * mu.mean() * math.exp(-k * t)).square().sum())
    exact = m2 + float(k * k * then.trace() - 2 * k * temperature * d + temperature**2 * torch.linalg.inv(then).trace())
    assert sol.ledger["dissipation"][-1] == pytest.approx(exact, rel=0.05)
    assert np.abs(sol.ledger["closure"][1:]).max() < 0.01


def test_a_banana_at_rest():
    """The law exp(−V) has known moments and the entropy of a Gaussian, because the banana keeps volumes."""
    mu = wgf.Ensemble.gaussian(500, 2, cov=1.0, seed=0)
    F = wgf.Banana(0.5) - wgf.Score("kernel", width=48)
    sol = wgf.solve(F, mu, Heun(), dt=0.05, t_end=5.0, record_every=20)
    x = sol.ensemble.x
    assert x.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=0.08)
    assert x.var(0).tolist() == pytest.approx([1.0, 1.5], rel=0.1)
    assert float((x[:, 0] ** 2 * x[:, 1]).mean()) == pytest.approx(1.0, abs=0.25)  # b E[x₁⁴ − x₁²]
    assert sol.ledger["entropy"][-1] == pytest.approx(math.log(2 * math.pi * math.e), rel=0.03)
    assert sol.ledger["dissipation"][-1] < 0.02 * sol.ledger["dissipation"][0] + 0.02


@NETWORKS
def test_the_closure_falls_at_the_order_of_the_scheme(network):
    """Within a step the penalty and the hidden units are constant, so that the force is smooth."""
    mu, closures = ensemble(2, False, n=60), []
    for dt in (0.1, 0.05):
        F = wgf.Quadratic() - 0.5 * small(network, tolerance=9.0)
        closures.append(abs(wgf.solve(F, mu, Heun(), dt=dt, t_end=0.2, record_every=1).ledger["closure"][1]))
    assert closures[0] / closures[1] > 3.5


@NETWORKS
def test_a_run_in_pieces_has_the_same_bits(network):
    """Network, Adam's memory, penalty and entropy are stored, and read again."""
    mu = ensemble(2, True, n=40)
    settings = {"dt": 0.05, "t_end": 0.4, "record_every": 2}

    def F():
        return wgf.Quadratic() - (lambda t: 0.5 + 0.1 * t) * small(network, tolerance=9.0)

    whole = wgf.solve(F(), mu, Heun(), **settings)
    pieces = in_pieces(F, mu, Heun(), (3, 2), **settings)
    assert torch.equal(whole.ensemble.x, pieces.ensemble.x)
    assert same_ledgers(whole.ledger, pieces.ledger)


@NETWORKS
def test_the_force_is_the_slope_of_the_first_variation_and_stein_holds(network):
    mu, S = ensemble(3, True, n=60), small(network)
    force = S.gradient(mu)
    C = mu.covariance()
    assert float((mu.weights @ force).abs().max()) < 1e-10  # E[s] = 0, and E[s (x − m)ᵀ] = −1
    both = (force * mu.weights[:, None]).T @ (mu.x - mu.mean())
    factor = torch.linalg.cholesky(C)
    standard = factor.T @ both @ torch.linalg.inv(factor).T
    torch.testing.assert_close(standard + standard.T, 2 * torch.eye(3, dtype=torch.float64), rtol=0.0, atol=1e-9)
    at = torch.from_numpy(np.random.default_rng(4).normal(size=(5, 3)))
    found, eps = S.gradient(mu, at), 1e-4
    for c in range(3):
        e = torch.zeros(3, dtype=torch.float64)
        e[c] = eps
        slope = (S.first_variation(mu, at + e) - S.first_variation(mu, at - e)) / (2 * eps)
        torch.testing.assert_close(found[:, c], slope, rtol=1e-5, atol=1e-6)
    assert float(mu.weights @ S.first_variation(mu)) == pytest.approx(float(S.value(mu)) - 1.0)
    torch.testing.assert_close(S.gradient(mu, mu.x), force, rtol=1e-9, atol=1e-10)
    order = torch.randperm(mu.n, generator=torch.Generator().manual_seed(0))
    permuted = mu.select(order)
    torch.testing.assert_close(S.gradient(permuted), force[order], rtol=1e-6, atol=1e-8)
    single = S.gradient(wgf.Ensemble(mu.x.float(), mu.weights))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), force, rtol=1e-2, atol=1e-3)


def test_the_same_bits_with_any_number_of_threads():
    mu, found, before = wgf.Ensemble.gaussian(1500, 2, seed=3), [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(wgf.Score("mlp", width=16).gradient(mu))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_a_score_that_fails_says_so():
    """Two far clusters and a single kernel: the score cannot follow, and the ledger and a warning say so."""
    x = wgf.Ensemble.gaussian(200, 2, seed=0).x
    x = torch.cat([x - 3.0, x + 3.0])
    with pytest.warns(WgfWarning, match=r"the score of Score is off by about \d+%: it cannot follow"):
        sol = wgf.solve(wgf.Quadratic() - wgf.Score("kernel", width=1), wgf.Ensemble(x), Euler(), dt=0.01, t_end=0.02)
    assert sol.ledger["sums_error:Score"][0] > 0.5
    assert "held-out" in sol.ledger.notes["sums_error:Score"]
    few = wgf.Score("kernel", penalty=1e-4, bandwidth=0.5)
    with pytest.warns(WgfWarning, match="it has learnt chance"):
        wgf.solve(wgf.Quadratic() - few, wgf.Ensemble.gaussian(80, 2, seed=1), Euler(), dt=1e-6, t_end=1e-6)


def test_the_entropy_of_the_start_may_be_given():
    mu = wgf.Ensemble.gaussian(64, 2, seed=0)
    assert float(wgf.Score(start=1.5).value(mu)) == 1.5
    gaussian = math.log(2 * math.pi * math.e) + 0.5 * log_det(mu.covariance())
    assert float(wgf.Score("kernel").value(mu)) == pytest.approx(gaussian, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: wgf.Score("mpl"), "mlp"),
        (lambda: wgf.Score("mlp", bandwidth=1.0), "a setting of kernels"),
        (lambda: wgf.Score(width=0), "width = 0: wanted an integer ≥ 1"),
        (lambda: wgf.Score(penalty=0.0), "penalty = 0.0: wanted a positive number"),
        (lambda: wgf.Score(rate=math.nan), "rate = nan"),
        (lambda: wgf.Score("mlp", width=10**9).gradient(wgf.Ensemble.gaussian(40, 2)), "reduce the width"),
        (lambda: wgf.Score(start="gauss"), "wanted a number of nats"),
        (lambda: wgf.Score(iterations=-1), "iterations = -1"),
        (
            lambda: wgf.Score().gradient(wgf.Ensemble.gaussian(9, 2)),
            "Score of 9 particles with a weight in dimension 2",
        ),
        (lambda: wgf.Score().gradient(wgf.Ensemble(torch.ones(40, 2))), "lie in a plane or coincide"),
        (lambda: wgf.Score().gradient(wgf.Ensemble(torch.rand(40, 1).expand(40, 2))), "lie in a plane or coincide"),
        (lambda: wgf.Score().gradient(wgf.Ensemble.gaussian(40, 2).on([1.0, 1.0])), "periodic domain"),
        (lambda: wgf.regularizers.Regularizer(wgf.Score()), "Score follows a flow"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises((ConfigError, ResourceError), match=says):
        make()


def test_runs_that_are_refused():
    F, mu = wgf.Quadratic() - small("kernel", tolerance=9.0), wgf.Ensemble.gaussian(40, 3, seed=0)
    on = mu.moved(mu.x / mu.x.norm(dim=1, keepdim=True))
    for domain, first in ((wgf.domains.Sphere(), on), (wgf.domains.Ball(9.0), mu)):
        with pytest.raises(ConfigError, match=r"Score is not defined with domain"):
            wgf.solve(F, first, Heun(), dt=0.1, t_end=0.2, domain=domain)
    with pytest.raises(ConfigError, match="Score follows the same particles"):
        wgf.solve(F, mu, BirthDeath(inner=Euler()), dt=0.1, t_end=2.0)
    bad = mu.x.clone()
    bad[0, 0] = math.inf
    with pytest.raises(DivergenceError, match="not finite"):
        small("kernel").gradient(mu.moved(bad))
    assert not hasattr(wgf.regularizers, "Score")


def test_far_clouds_of_tiny_and_huge_size():
    """Units do not matter: the score of x/c is c times that of x."""
    mu = wgf.Ensemble.gaussian(50, 2, seed=2)
    plain = small("kernel").gradient(mu)
    for factor in (1e-100, 1e100):
        scaled = small("kernel").gradient(mu.moved(mu.x * factor))
        torch.testing.assert_close(scaled * factor, plain, rtol=1e-6, atol=1e-9)
