"""The exact cases of docs/theory.md §7; statistical tests allow 5 standard errors (false alarm 6e-7, fixed seed)."""

from __future__ import annotations

import math

import exact
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from wgf.solvers import Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K


def moments(mu):
    return mu.mean().numpy(), mu.covariance().numpy()


def within(sample_mean, want, standard_error):
    assert abs(sample_mean - want) < 5 * standard_error


@pytest.mark.slow
def test_case_1_ornstein_uhlenbeck_by_langevin():
    """Euler–Maruyama's own law, started from N(3, 4); noise wrong by 1 % would be seen at 40 000 particles."""
    k, temperature, h, steps, n = 2.0, 0.7, 0.1, 12, 40_000
    mu = wgf.Ensemble.gaussian(n, 1, mean=3.0, cov=4.0, seed=5)
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    sol = wgf.solve(F, mu, Langevin(), dt=h, t_end=h * steps, seed=9)
    variance = exact.euler_maruyama_variance(steps, h, k, temperature, 4.0)
    mean, cov = moments(sol.ensemble)
    within(mean[0], 3.0 * (1 - k * h) ** steps, math.sqrt(variance / n))
    within(cov[0, 0], variance, variance * math.sqrt(2 / n))


def test_case_1_the_stationary_variance_is_that_of_the_scheme():
    """T/(k(1 − kh/2)) at kh = 1 is twice T/k: the scheme's law, not the continuous one, is what must come out."""
    mu = wgf.Ensemble.gaussian(40_000, 1, seed=1)
    sol = wgf.solve(wgf.Quadratic(1.0) - 0.5 * wgf.Shannon(), mu, Langevin(), dt=1.0, t_end=30.0, record_every=30)
    within(float(sol.ensemble.covariance()), 1.0, math.sqrt(2 / 40_000))


def test_case_2_log_det_flow_is_exact_on_empirical_moments():
    """n = 50 in 3-D against the closed form; RungeKutta4 at h = .01 has an error of order (2k h)⁴ ~ 1e-7."""
    k, temperature, t = 1.3, 0.4, 1.5
    mu = wgf.Ensemble.gaussian(50, 3, mean=[1.0, -2.0, 0.5], cov=[[2, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 0.3]], seed=3)
    sol = wgf.solve(wgf.Quadratic(k) - temperature * wgf.LogDet(), mu, RungeKutta4(), dt=0.01, t_end=t)
    mean, cov = exact.ornstein_uhlenbeck(t, k, temperature, *moments(mu))
    got_mean, got_cov = moments(sol.ensemble)
    np.testing.assert_allclose(got_mean, mean, atol=1e-9)
    np.testing.assert_allclose(got_cov, cov, atol=1e-8)


def test_case_2_with_a_ridge():
    """v̇ = −2kv + 2Tv/(v + ε), against an adaptive integrator at 1e-12."""
    k, temperature, ridge, t = 1.0, 0.6, 0.2, 2.0
    mu = wgf.Ensemble.gaussian(50, 1, cov=3.0, seed=3)
    sol = wgf.solve(wgf.Quadratic(k) - temperature * wgf.LogDet(ridge), mu, RungeKutta4(), dt=0.01, t_end=t)
    v0 = float(mu.covariance())
    truth = solve_ivp(lambda _, v: -2 * k * v + 2 * temperature * v / (v + ridge), (0, t), [v0], rtol=1e-12, atol=1e-13)
    assert float(sol.ensemble.covariance()) == pytest.approx(truth.y[0, -1], rel=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_case_3_variance_surrogate(temperature):
    """v₀ e^{−2(k−T)t}: decay for T < k, growth without bound for T > k."""
    mu = wgf.Ensemble.gaussian(40, 2, cov=2.0, seed=2)
    sol = wgf.solve(wgf.Quadratic(1.0) - temperature * wgf.Variance(), mu, RungeKutta4(), dt=0.01, t_end=1.0)
    want = mu.covariance().numpy() * math.exp(-2 * (1.0 - temperature))
    np.testing.assert_allclose(sol.ensemble.covariance(), want, atol=1e-9)


def test_case_4_linear_mckean_vlasov_at_finite_n_and_h():
    """E x² = .2009702 at n = 16, h = .05: coordinates are independent replicas, 3000 of them, over 16 snapshots.

    The standard error is about 4e-4; the limit n → ∞ (.18018) or T/k laws (.2 at h = 0) would be off by 50 and by 2.
    """
    a, b, temperature, n, h = 1.0, 2.0, 0.5, 16, 0.05
    want = exact.mckean_vlasov_second_moment(a, b, temperature, n, h)
    assert want == pytest.approx(0.2009702, abs=5e-8)
    mu = wgf.Ensemble.gaussian(n, 3000, cov=want, seed=4)
    F = wgf.Quadratic(a) + wgf.Interaction(K.QuadraticKernel(b)) - temperature * wgf.Shannon()
    sol = wgf.solve(F, mu, Langevin(), dt=h, t_end=40.0, trajectory_every=40, record_every=800, seed=8)
    frames = sol.trajectory[5:]  # after t = 8 the start is forgotten to e^{-16}
    replicas = (frames**2).mean(dim=(0, 1)).numpy()
    within(replicas.mean(), want, replicas.std() / math.sqrt(len(replicas)))
    assert replicas.std() / math.sqrt(len(replicas)) < 6e-4


def test_case_4_the_mean_decays_by_confinement_alone():
    mu = wgf.Ensemble.gaussian(20, 2, mean=2.0, seed=0)
    F = wgf.Quadratic(1.0) + wgf.Interaction(K.QuadraticKernel(5.0))
    sol = wgf.solve(F, mu, RungeKutta4(), dt=0.01, t_end=1.0)
    np.testing.assert_allclose(sol.ensemble.mean(), mu.mean() * math.exp(-1.0), rtol=1e-9)


@pytest.mark.slow
def test_case_5_aggregation_ends_at_hermite_zeros():
    """W = |x|²/2 − log|x|, n = 12: zeros of H₁₂ over √12, mean square (n−1)/(2n)."""
    n = 12
    mu = wgf.Ensemble(np.linspace(-1, 1, n)[:, None])
    F = wgf.Interaction(K.QuadraticKernel(1.0) + K.Log())
    sol = wgf.solve(F, mu, RungeKutta4(), dt=0.02, t_end=25.0)
    x = np.sort(sol.ensemble.x.numpy()[:, 0])
    np.testing.assert_allclose(x, exact.aggregation_equilibrium(n), atol=1e-9)
    assert (x**2).mean() == pytest.approx((n - 1) / (2 * n), rel=1e-9)


def second_moment_bias(mu, bandwidth, dt, want):
    """E|x|² at t = 2 over the exact one, minus one, for F = ∫ρ² started at t = 1."""
    end = wgf.solve(-1.0 * wgf.Power(2.0, bandwidth), mu, Heun(), dt=dt, t_end=1.0).ensemble
    return float(end.expect((end.x**2).sum(1))) / want - 1, end


@pytest.mark.slow
def test_case_6_barenblatt_in_one_dimension():
    """The variance (9t)^{2/3}/5 and the front (9t)^{1/3}, up to the blob's bias, which is O(h²): −.22 % at h = .1."""
    mu = wgf.Ensemble(exact.barenblatt_quantiles_1d(400, 1.0)[:, None])
    assert float(mu.expect(mu.x[:, 0] ** 2)) == pytest.approx(9 ** (2 / 3) / 5, rel=5e-4)
    coarse, _ = second_moment_bias(mu, 0.2, 2e-3, 18 ** (2 / 3) / 5)
    fine, end = second_moment_bias(mu, 0.1, 2e-3, 18 ** (2 / 3) / 5)
    assert -0.003 < fine < 0.0
    assert 3.3 < coarse / fine < 4.7
    assert float(end.x.max()) == pytest.approx(18 ** (1 / 3), rel=0.06)


def test_case_6_barenblatt_in_two_dimensions():
    """E|x|² = 1.063846 √t up to the blob's O(h²): −.4 % at h = .1."""
    n = 1200
    r = exact.barenblatt_radii_2d(n, 1.0)
    angle = np.arange(n) * math.pi * (3 - math.sqrt(5))  # a sunflower: radii at quantiles, angles equidistributed
    mu = wgf.Ensemble(np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1))
    assert float(mu.expect((mu.x**2).sum(1))) == pytest.approx(1.063846, rel=1e-3)
    coarse, _ = second_moment_bias(mu, 0.2, 0.02, 1.063846 * math.sqrt(2))
    fine, _ = second_moment_bias(mu, 0.1, 0.02, 1.063846 * math.sqrt(2))
    assert -0.006 < fine < 0.0
    assert 3.0 < coarse / fine < 5.0


@pytest.mark.slow
def test_case_9_mean_field_ridge():
    """φ = θ·z: the law is N(m*, T/λ) up to the scheme's T/(λ(1 − λh/2)); a ridge wrong by 3 % would be seen."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 2))
    y = z @ [1.0, -2.0] + 0.1 * rng.normal(size=200)
    lam, temperature, h, n = 0.5, 0.3, 0.1, 20_000
    risk = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, theta: theta @ z, dim=2))
    F = risk + lam * wgf.Quadratic() - temperature * wgf.Shannon()
    sol = wgf.solve(F, risk.initial(n, seed=1), Langevin(), dt=h, t_end=15.0, record_every=150, seed=3)
    mean, cov = moments(sol.ensemble)
    variance = temperature / (lam * (1 - lam * h / 2))
    for c in range(2):
        within(mean[c], exact.ridge_optimum(z, y, lam)[c], math.sqrt(variance / n))
        within(cov[c, c], variance, variance * math.sqrt(2 / n))
    within(cov[0, 1], 0.0, variance / math.sqrt(n))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_case_12_log_gas_virial(d):
    """d E|x|²/dt = 2∫x·v dμ = 1 − 1/n at every configuration, and along the flow."""
    n = 40
    mu = wgf.Ensemble.gaussian(n, d, seed=6)
    F = wgf.Interaction(K.Log())
    rate = -2 * float(mu.expect((mu.x * F.gradient(mu)).sum(1)))
    assert rate == pytest.approx(1 - 1 / n, rel=1e-12)
    start = wgf.Ensemble(np.linspace(-2, 2, n)[:, None] * np.ones(d))
    sol = wgf.solve(F, start, RungeKutta4(), dt=1e-3, t_end=0.2)

    def second(mu):
        return float(mu.expect((mu.x**2).sum(1)))

    assert (second(sol.ensemble) - second(start)) / 0.2 == pytest.approx(1 - 1 / n, rel=1e-7)


def test_gaussian_confinement_contracts_wasserstein():
    """W₂ contracts at e^{−kt} for a k-convex potential (docs/theory.md §6): two ensembles under the same flow."""
    flow = {"dt": 0.01, "t_end": 1.0, "solver": RungeKutta4()}
    F = wgf.Quadratic(1.5)
    one, two = wgf.Ensemble.gaussian(60, 2, seed=1), wgf.Ensemble.gaussian(60, 2, mean=1.0, cov=3.0, seed=2)
    before = wgf.diagnostics.wasserstein(one, two).distance
    after = wgf.diagnostics.wasserstein(*(wgf.solve(F, mu, **flow).ensemble for mu in (one, two))).distance
    assert after == pytest.approx(before * math.exp(-1.5), rel=1e-8)


def test_torch_terms_compose_with_autograd():
    """A user's function may call the operations: the log-determinant by autograd equals the closed form."""
    from wgf import ops

    def log_det(x, w):
        return 0.5 * torch.logdet(ops.moments(x, w)[2])

    mu = wgf.Ensemble.gaussian(30, 3, seed=1)
    torch.testing.assert_close(
        wgf.from_function(log_det).gradient(mu), wgf.LogDet().gradient(mu), rtol=1e-10, atol=1e-12
    )
