"""Stein: the mixture of Liu & Wang, exact Gaussians under the linear kernel, the dissipation of its own metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from wgf.solvers import RungeKutta4, Stein

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

A, B = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([0.5, -1.0])
T = 0.7


def gaussian_target():
    """V = ½(x − b)·A(x − b) at temperature T: the law N(b, T A⁻¹)."""
    return wgf.Quadratic(A, B) - T * wgf.Shannon()


def mixture(x):
    """−log of ⅓ N(−2, 1) + ⅔ N(2, 1), up to a constant."""
    left, right = -0.5 * (x[:, 0] + 2) ** 2 + math.log(1 / 3), -0.5 * (x[:, 0] - 2) ** 2 + math.log(2 / 3)
    return -torch.logaddexp(left, right)


def moments(mu):
    mean, cov = mu.moments()
    return mean.numpy(), cov.numpy()


def gaussian_free_energy(mean, cov):
    """E − T·S of a Gaussian, S = ½ log det C up to a constant: T·KL to the target, up to another."""
    return 0.5 * np.trace(A @ cov) + 0.5 * (mean - B) @ A @ (mean - B) - 0.5 * T * np.linalg.slogdet(cov)[1]


def linear_flow(mean, cov):
    """ṁ = −(M − T)m − A(m − b) and Ċ = −(M − T)C − C(M − T)ᵀ, M = ∫∇V xᵀdμ = A(C + (m − b)mᵀ), T times the identity."""
    force = A @ (mean - B)
    turn = A @ cov + np.outer(force, mean) - T * np.eye(2)
    return -turn @ mean - force, -turn @ cov - cov @ turn.T, turn


def integrate_linear_flow(mean, cov, t, steps=400):
    """The equations of mean and covariance by the classical Runge–Kutta method, to about 1e-10."""
    h = t / steps
    for _ in range(steps):
        ks: list[Any] = []
        for c in (0.0, 0.5, 0.5, 1.0):
            at = (mean, cov) if not ks else (mean + c * h * ks[-1][0], cov + c * h * ks[-1][1])
            ks.append(linear_flow(*at)[:2])
        mean = mean + h / 6 * (ks[0][0] + 2 * ks[1][0] + 2 * ks[2][0] + ks[3][0])
        cov = cov + h / 6 * (ks[0][1] + 2 * ks[1][1] + 2 * ks[2][1] + ks[3][1])
    return mean, cov


# ------------------------------------------------------------------------------------------------- laws


def test_the_mixture_of_liu_and_wang_from_far_away():
    """100 particles from N(−10, 1) by the median rule: mean 2/3 within .02 and second moment 5 within 1 %.

    Deterministic. A particle in the other mode changes the mean by .04, so that .02 is half a particle. The modes
    exchange mass slowly: at t = 100 the mean is still off by .8.
    """
    F = wgf.Potential(mixture) - wgf.Shannon()
    mu = wgf.Ensemble.gaussian(100, 1, mean=-10.0, seed=1)
    x = wgf.solve(F, mu, Stein(), dt=1.0, t_end=400.0, record_every=1000).ensemble.x[:, 0]
    assert float(x.mean()) == pytest.approx(2 / 3, abs=0.02)
    assert float((x**2).mean()) == pytest.approx(5.0, rel=0.01)
    assert float((x < 0).double().mean()) == pytest.approx(1 / 3, abs=0.015)


def test_gaussians_stay_exact_under_the_linear_kernel():
    """Mean and covariance of 30 particles follow the closed equations: a step to rounding, the flow with slope 1."""
    mu, h = wgf.Ensemble.gaussian(30, 2, mean=1.0, cov=0.5, seed=2), 0.05
    mean, cov = moments(mu)
    one = wgf.solve(gaussian_target(), mu, Stein(K.Linear()), dt=h, t_end=h).ensemble
    dmean, _, turn = linear_flow(mean, cov)
    step = np.eye(2) - h * turn
    np.testing.assert_allclose(moments(one)[0], mean + h * dmean, atol=1e-14)
    np.testing.assert_allclose(moments(one)[1], step @ cov @ step.T, atol=1e-14)
    want, hs, errors = integrate_linear_flow(mean, cov, 1.0), [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        end = moments(wgf.solve(gaussian_target(), mu, Stein("linear"), dt=h, t_end=1.0).ensemble)
        errors.append(math.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(end, want, strict=True))))
    assert np.polyfit(np.log(hs), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)
    at, longer = moments(wgf.solve(gaussian_target(), mu, Stein("linear"), dt=0.1, t_end=60.0).ensemble)
    np.testing.assert_allclose(at, B, atol=1e-9)
    np.testing.assert_allclose(longer, T * np.linalg.inv(A), atol=1e-9)


@pytest.mark.slow
def test_order_one():
    """Within .1: a quartic with an interaction, a drive in time and Shannon, by the multiquadric."""
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0))
    F = F + wgf.Quadratic(1.0, center=lambda t: math.sin(t)) - 0.3 * wgf.Shannon()
    mu, hs, errors = wgf.Ensemble.gaussian(12, 2, seed=1), [1 / 16, 1 / 32, 1 / 64], []
    kernel = K.InverseMultiquadric(1.0)
    ends = {h: wgf.solve(F, mu, Stein(kernel), dt=h, t_end=1.0, record_every=2000).ensemble.x for h in [*hs, 1 / 1024]}
    for h in hs:
        errors.append(float((ends[h] - ends[1 / 1024]).norm()))
    assert np.polyfit(np.log(hs), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)


def test_without_temperature_a_constant_kernel_moves_all_by_the_mean_force():
    """A very wide Gaussian is constant: the velocity is −∫∇V dμ for every particle."""
    mu = wgf.Ensemble.gaussian(20, 2, seed=3)
    end = wgf.solve(wgf.Quadratic(1.0), mu, Stein(1e6), dt=0.5, t_end=0.5).ensemble.x
    torch.testing.assert_close(end, mu.x - 0.5 * mu.mean(), rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------------------------- dissipation


def naive_squared_norm(kernel, mu, gradient, temperature, apart):
    """∬ [K g·g′ − 2T g·∇ᵧK + T² tr ∇ₓ∇ᵧK] by autograd, pair by pair; a particle is `apart` from itself."""
    k = torch.func.grad(lambda x, y: kernel(x, y), argnums=1)
    mixed = torch.func.jacrev(k, argnums=0)
    total = 0.0
    for i in range(mu.n):
        for j in range(mu.n):
            x, y = mu.x[i], mu.x[j] + (apart if i == j else 0.0)
            pair = kernel(x, y) * gradient[i] @ gradient[j] - 2 * temperature * gradient[i] @ k(x, y)
            total += float(mu.weights[i] * mu.weights[j] * (pair + temperature**2 * mixed(x, y).trace()))
    return total


KERNELS = {
    "Gaussian": K.Gaussian(0.8), "IMQ": K.InverseMultiquadric(0.7, 0.6), "Matern52": K.Matern(2.5, 1.1),
    "Matern32": K.Matern(1.5, 1.1), "Riesz-softened": K.Riesz(1.0, 0.8), "Linear": K.Linear(),
    "RadialKernel": K.RadialKernel(lambda q: 1 / (1 + q)), "sum": 0.5 * K.Gaussian(1.0) + 2.0 * K.Linear(),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_the_velocity_and_its_norm_are_the_sums_they_say(name):
    """Against pair by pair sums: the step, and the ledger's dissipation; for weighted particles away from 0."""
    kernel, rng = KERNELS[name], np.random.default_rng(4)
    weights = rng.uniform(0.5, 1.0, 6)
    mu = wgf.Ensemble(rng.normal(size=(6, 2)) + 3.0, weights / weights.sum())
    sol = wgf.solve(gaussian_target(), mu, Stein(kernel), dt=0.01, t_end=0.01, record_every=1)
    gradient = wgf.Quadratic(A, B).gradient(mu)
    hair = 1e-6 if name.startswith("Matern") else 0.0  # the distance has no second derivative at 0 for autograd
    want = naive_squared_norm(kernel, mu, gradient, T, hair)
    assert sol.ledger["dissipation"][0] == pytest.approx(want, rel=10 * hair or 1e-11)
    velocity = torch.zeros_like(mu.x)
    for i in range(mu.n):
        for j in range(mu.n):
            x, y = mu.x[i], mu.x[j]
            slope = torch.func.grad(lambda y, x=x: kernel(x, y))(y) if i != j or name == "Linear" else torch.zeros(2)
            if name == "sum" and i == j:
                slope = 2.0 * x
            velocity[i] += mu.weights[j] * (-kernel(x, y) * gradient[j] + T * slope)
    torch.testing.assert_close(sol.ensemble.x, mu.x + 0.01 * velocity, rtol=1e-12, atol=1e-13)


def test_the_dissipation_is_the_squared_ksd():
    """T² KSD² to the Gibbs law exp(−V/T), by a sum that shares no code beyond the kernel's values."""
    mu = wgf.Ensemble.gaussian(300, 2, seed=5)
    shift, stiffness = torch.from_numpy(B), torch.from_numpy(A)
    for kernel in (K.Gaussian(0.8), K.InverseMultiquadric(1.3), K.Matern(2.5, 2.0)):
        sol = wgf.solve(gaussian_target(), mu, Stein(kernel), dt=0.1, t_end=0.1)
        ksd = wgf.KSD(lambda x: -(x - shift) @ stiffness / T, kernel)
        assert sol.ledger["dissipation"][0] == pytest.approx(T**2 * float(ksd.value(mu)), rel=1e-11)


def test_dissipation_is_the_rate_at_which_kl_falls():
    """Linear kernel, Gaussians: T d/dt KL of the empirical moments is −D, by extrapolated difference quotients."""
    mu = wgf.Ensemble.gaussian(40, 2, mean=1.0, cov=0.5, seed=2)
    start = gaussian_free_energy(*moments(mu))

    def quotient(h):
        sol = wgf.solve(gaussian_target(), mu, Stein("linear"), dt=h, t_end=h)
        return (gaussian_free_energy(*moments(sol.ensemble)) - start) / h, sol.ledger["dissipation"][0]

    (coarse, dissipation), (fine, _) = quotient(2e-4), quotient(1e-4)
    assert 2 * fine - coarse == pytest.approx(-dissipation, rel=1e-6)


def test_the_ledger_closes_without_temperature():
    """Σ h D̄ against the energy lost: −∫∇F·v at the start of each step, first order in h."""
    mu, closures = wgf.Ensemble.gaussian(40, 2, cov=2.0, seed=1), []
    F = wgf.Quadratic(1.0) - 0.3 * wgf.LogDet()
    for h in (0.02, 0.01):
        book = wgf.solve(F, mu, Stein(K.InverseMultiquadric(1.0)), dt=h, t_end=1.0).ledger
        closures.append(abs(book["closure_total"][-1]))
        assert "Stein" in book.notes["dissipation"]
    assert closures[1] < 0.02
    assert closures[0] / closures[1] == pytest.approx(2.0, abs=0.2)


# ------------------------------------------------------------------------------------------------- settings


def test_the_median_rule():
    """h² = m²/(2 log(N + 1)); a weight counts for its pairs; coinciding particles have a fallback."""
    solver: Any = Stein()
    mu = wgf.Ensemble([[0.0], [1.0], [5.0]])  # distances 1, 4, 5
    assert solver.kernel_at(mu).h == pytest.approx(4 / math.sqrt(2 * math.log(4)))
    heavy = wgf.Ensemble([[0.0], [1.0], [5.0]], [0.45, 0.45, 0.1])  # the pair at distance 1 has most of the mass
    assert solver.kernel_at(heavy).h == pytest.approx(1 / math.sqrt(2 * math.log(1 / (2 * 0.45**2 + 0.01) + 1)))
    assert solver.kernel_at(wgf.Ensemble([[2.0]])).h == 1.0
    mostly = wgf.Ensemble([[0.0], [0.0], [0.0], [0.0], [3.0]])
    assert solver.kernel_at(mostly).h == pytest.approx(math.sqrt(2 * 9 * 0.16 / (2 * math.log(6))))
    many = wgf.Ensemble.gaussian(3000, 3, seed=2)  # |x − y|² is 2χ²₃, of median 2 · 2.366; 400 drawn tell it to 5 %
    assert solver.kernel_at(many).h * math.sqrt(2 * math.log(3001)) == pytest.approx(math.sqrt(2 * 2.366), rel=0.05)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(1))
    assert solver.kernel_at(many.select(order)).h == pytest.approx(solver.kernel_at(many).h, rel=1e-14)


def test_a_run_by_the_median_rule_goes_on_exactly():
    mu = wgf.Ensemble.gaussian(450, 2, seed=1)
    settings = {"dt": 0.1, "record_every": 100}
    whole = wgf.solve(gaussian_target(), mu, Stein(), t_end=0.5, **settings)
    first = wgf.solve(gaussian_target(), mu, Stein(), t_end=0.2, **settings)
    second = wgf.solve(gaussian_target(), None, Stein(), t_end=0.5, state=first.state, **settings)
    assert torch.equal(second.ensemble.x, whole.ensemble.x)


@pytest.mark.parametrize(
    "kernel",
    [K.Gaussian(1.0), K.Linear(), K.RadialKernel(lambda q: torch.exp(-q))],
    ids=["Gaussian", "Linear", "RadialKernel"],
)
def test_weights_are_respected_with_temperature(kernel):
    """A particle of weight ½ moves as two of weight ¼ at its place."""
    F, settings = gaussian_target(), {"dt": 0.1, "t_end": 1.0}
    one = wgf.Ensemble([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [0.5, 0.25, 0.25])
    two = wgf.Ensemble([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    a, b = (wgf.solve(F, mu, Stein(kernel), **settings) for mu in (one, two))
    torch.testing.assert_close(a.ensemble.x, b.ensemble.x[1:], rtol=1e-12, atol=1e-13)
    assert a.ledger["dissipation"][-1] == pytest.approx(b.ledger["dissipation"][-1], rel=1e-11)


@pytest.mark.parametrize(
    "kernel", [K.Log(), K.Laplace(1.0), K.Morse(1, 1, 1, 2), K.QuadraticKernel(), K.Gaussian(1.0) - K.Cosine()]
)
def test_kernels_without_a_stein_operator_are_refused(kernel):
    with pytest.raises(ConfigError, match=r"wanted a function of \|x − y\| that is twice differentiable at 0"):
        Stein(kernel)


@pytest.mark.parametrize(
    "kernel", [-1.0 * K.Gaussian(1.0), K.Gaussian(1.0) - 0.5 * K.Gaussian(2.0), K.Log(0.5), K.Newtonian(2, 0.5)]
)
def test_kernels_that_are_not_positive_definite_are_refused(kernel):
    """F would rise and the dissipation be negative."""
    with pytest.raises(ConfigError, match=r"Stein: kernel = .*wanted one that is known to be positive definite"):
        Stein(kernel)


POSITIVE = KERNELS | {"Newtonian-softened": K.Newtonian(3, 0.5), "multiple": 2.0 * K.Gaussian(1.0)}


@pytest.mark.parametrize("name", POSITIVE)
def test_matrices_of_positive_definite_kernels_have_no_negative_eigenvalue(name):
    kernel = POSITIVE[name]
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 3)))
    assert kernel.positive_definite
    values = torch.linalg.eigvalsh(kernel(x[:, None], x[None]))
    assert float(values.min()) > -1e-10 * float(values.max())


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="did you mean 'median'"):
        Stein("medain")
    with pytest.raises(ConfigError, match=r"kernel = -1.*positive"):
        Stein(-1.0)


def test_a_temperature_that_ends_at_zero():
    """T(t) = (1 − t)₊ is followed to its end, where the repulsion is gone."""
    F = wgf.Quadratic(1.0) - (lambda t: max(0.0, 1.0 - t)) * wgf.Shannon()
    sol = wgf.solve(F, wgf.Ensemble.gaussian(60, 2, seed=1), Stein(1.0), dt=0.1, t_end=1.5)
    assert sol.status.ok
    assert np.isfinite(sol.ledger["dissipation"]).all()


def test_it_agrees_with_the_flow_of_a_deterministic_scheme_for_one_particle():
    """k(x, x) = 1 and no repulsion on oneself: one particle follows −∇V, as under Runge–Kutta."""
    F, mu = wgf.Potential(lambda x: (x**4).sum(1) / 4), wgf.Ensemble([[1.5, -0.5]])
    end = wgf.solve(F - wgf.Shannon(), mu, Stein(), dt=1e-3, t_end=1.0, record_every=1000).ensemble.x
    want = wgf.solve(F, mu, RungeKutta4(), dt=0.01, t_end=1.0).ensemble.x
    torch.testing.assert_close(end, want, rtol=2e-3, atol=1e-3)
