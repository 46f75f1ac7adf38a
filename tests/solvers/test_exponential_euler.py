"""Exponential Euler: the exact law of Ornstein–Uhlenbeck, the multiplier at the log-det equilibrium, order 1."""

from __future__ import annotations

import math

import exact
import numpy as np
import pytest
import torch
from wgf.solvers import ExponentialEuler, RungeKutta4

import wgf
from wgf import kernels as K

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


@pytest.mark.slow
@pytest.mark.parametrize("h", [0.05, 0.6, 3.0])
def test_ornstein_uhlenbeck_has_its_exact_law_at_every_step(h):
    """40 000 particles from N(3, 4): mean and variance within 4.9 standard errors (false-alarm rate 1e-6 each).

    A variance wrong by 3.5 % or a mean by .025 standard deviations would be seen; Euler–Maruyama is off by 5 to 100 %
    at these steps, or unstable.
    """
    k, temperature, n, t = 2.0, 0.7, 40_000, 0.6 if h < 1 else 3.0
    mu = wgf.Ensemble.gaussian(n, 1, mean=3.0, cov=4.0, seed=5)
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    x = wgf.solve(F, mu, ExponentialEuler(), dt=h, t_end=t, seed=9).ensemble.x.numpy()[:, 0]
    mean, cov = exact.ornstein_uhlenbeck(t, k, temperature, np.array([3.0]), np.array([[4.0]]))
    variance = float(cov[0, 0])
    assert abs(x.mean() - mean[0]) < 4.9 * math.sqrt(variance / n)
    assert abs(x.var() - variance) < 4.9 * variance * math.sqrt(2 / n)


def test_a_matrix_of_stiffness_has_its_exact_law():
    """A sum of a matrix, a diagonal and a number: the stationary covariance T K⁻¹ after one step of 20/λ_min.

    Entries within 4.9 standard errors of a Gaussian's sample covariance; each wrong by 4 % would be seen.
    """
    matrix, n, temperature = np.array([[1.0, 0.6], [0.6, 2.0]]), 40_000, 0.5
    F = wgf.Quadratic(matrix, [1.0, -1.0]) + 0.5 * wgf.Quadratic([0.4, 1.0]) + wgf.Quadratic(0.1)
    K_total = matrix + np.diag([0.2, 0.5]) + 0.1 * np.eye(2)
    want = temperature * np.linalg.inv(K_total)
    mu = wgf.Ensemble.gaussian(n, 2, cov=9.0, seed=3)
    sol = wgf.solve(F - temperature * wgf.Shannon(), mu, ExponentialEuler(), dt=20.0, t_end=20.0, seed=4)
    error = np.sqrt((np.outer(np.diag(want), np.diag(want)) + want**2) / n)
    assert (np.abs(sol.ensemble.covariance().numpy() - want) < 4.9 * error).all()
    centre = np.linalg.solve(K_total, matrix @ [1.0, -1.0])
    assert (np.abs(sol.ensemble.mean().numpy() - centre) < 4.9 * np.sqrt(np.diag(want) / n)).all()


def test_the_flow_of_quadratics_is_exact_without_noise_and_closes():
    """x(t) = e^{−Kt}x, also where K is singular or negative; the ledger's Σ h D̄ is what F loses, to rounding."""
    stiffness = np.array([[1.0, 1.0], [1.0, 1.0]])  # eigenvalues 0 and 2
    mu = wgf.Ensemble.gaussian(30, 2, seed=1)
    sol = wgf.solve(wgf.Quadratic(stiffness), mu, ExponentialEuler(), dt=1.5, t_end=3.0, record_every=1)
    mean, half = mu.x.numpy().mean(1, keepdims=True), np.array([[1.0, -1.0]])
    apart = (mu.x.numpy() @ half.T) / 2
    np.testing.assert_allclose(sol.ensemble.x, mean * math.exp(-6.0) + apart * half, atol=1e-14)
    np.testing.assert_allclose(sol.ledger["closure"][1:], 0.0, atol=1e-12)
    unstable = wgf.solve(-1.0 * wgf.Quadratic(0.5), mu, ExponentialEuler(), dt=0.7, t_end=1.4)
    np.testing.assert_allclose(unstable.ensemble.x, mu.x * math.exp(0.7), rtol=1e-13)


@pytest.mark.parametrize("h", [0.1, 0.5, 2.0])
def test_log_det_equilibrium_has_the_multiplier_of_theory(h):
    """C = (T/k)(1 + δ) goes to (T/k)(1 + (2e^{−kh} − 1)δ) + O(δ²): deterministic, n = 50. The equilibrium stays."""
    k, temperature, delta = 1.3, 0.4, 1e-5
    mu = wgf.Ensemble.gaussian(50, 3, seed=3)
    m, c = mu.moments()
    white = (mu.x - m) @ torch.linalg.inv(torch.linalg.cholesky(c)).T * math.sqrt(temperature / k)
    F = wgf.Quadratic(k) - temperature * wgf.LogDet()
    for scale in (0.0, delta):
        at = mu.moved(white * math.sqrt(1 + scale))
        end = wgf.solve(F, at, ExponentialEuler(), dt=h, t_end=h).ensemble.covariance() * k / temperature
        want = (1 + (2 * math.exp(-k * h) - 1) * scale) * torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(end, want, rtol=0, atol=1e-9 if scale else 1e-13)


@pytest.mark.slow
def test_order_one_and_stable_where_euler_is_not():
    """The slope within .1, with a drive in time; Euler is unstable beyond 2/21 in the second flow."""

    def flow(stiffness):
        F = wgf.Quadratic(stiffness) + wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0))
        return F + wgf.Quadratic(1.0, center=lambda t: math.sin(t)) - 0.3 * wgf.LogDet()

    mu = wgf.Ensemble.gaussian(12, 2, cov=0.2, seed=1)
    truth = wgf.solve(flow(1.0), mu, RungeKutta4(), dt=1 / 256, t_end=1.0, record_every=2000).ensemble.x
    hs, errors = [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        x = wgf.solve(flow(1.0), mu, ExponentialEuler(), dt=h, t_end=1.0).ensemble.x
        errors.append(float((x - truth).norm()))
    assert float(np.polyfit(np.log(hs), np.log(errors), 1)[0]) == pytest.approx(1.0, abs=0.1)
    assert wgf.solve(flow(20.0), mu, ExponentialEuler(), dt=0.5, t_end=10.0).status.ok
