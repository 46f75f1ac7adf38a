"""The Sinkhorn divergence: exact cases, limits in ε, a plain oracle, memory of a run, refusals."""

from __future__ import annotations

import math

import exact
import naive
import numpy as np
import pytest
import torch
from resumed import in_pieces, same_ledgers
from samples import ensemble
from wgf.solvers import Euler, Heun

import wgf
from wgf.errors import ConfigError, DivergenceError, ShapeError, TransportError
from wgf.ops import clouds, reference


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def gaussian_points(n, mean, covariance):
    """Points of low discrepancy of a Gaussian, with its very mean and covariance."""
    from scipy.stats import norm, qmc

    x = norm.ppf(qmc.Sobol(len(mean), scramble=True, rng=0).random_base2(n.bit_length())[:n])
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True))).T
    return x @ np.linalg.cholesky(covariance).T + mean


@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 100.0])
def test_diracs(epsilon):
    """½|x − y|² for every ε, far from the origin too."""
    term, mu = wgf.SinkhornDivergence([[1003.0, 4.0]], epsilon), wgf.Ensemble([[1000.0, 0.0]])
    assert float(term.value(mu)) == pytest.approx(12.5, abs=1e-9)
    np.testing.assert_allclose(term.gradient(mu), [[-3.0, -4.0]], atol=1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_gaussians(epsilon):
    """The closed form to 1e-3 at n = 5000: value, and gradient x − A x for the maps A of the Gaussians."""
    one = np.array([0.5, -0.2]), np.array([[1.0, 0.3], [0.3, 0.5]])
    two = np.array([0.0, 0.6]), np.array([[0.6, -0.2], [-0.2, 1.4]])
    mu = wgf.Ensemble(gaussian_points(5000, *one))
    term = wgf.SinkhornDivergence(gaussian_points(4096, *two), epsilon, tolerance=1e-3)
    want = exact.sinkhorn_of_gaussians(*one, *two, epsilon)
    assert float(term.value(mu)) == pytest.approx(want, rel=1e-3)
    to = [clouds.gaussian_map(torch.from_numpy(one[1]), torch.from_numpy(b), epsilon).numpy() for b in (one[1], two[1])]
    slope = (mu.x.numpy() - one[0]) @ (to[0] - to[1]) + one[0] - two[0]
    assert np.abs(term.gradient(mu).numpy() - slope).mean() < 0.02 * np.abs(slope).mean()


def test_the_limits_in_epsilon():
    """½ W₂² where ε → 0; half the squared distance of the means where ε → ∞."""
    mu, nu = wgf.Ensemble(cloud(60, 2)), cloud(60, 2, 1) * 0.5 + 1.0
    near = wgf.SinkhornDivergence(nu, 1e-3, tolerance=1e-2, iterations=5000)
    assert float(near.value(mu)) == pytest.approx(float(wgf.Wasserstein(nu).value(mu)), rel=1e-2)
    far = wgf.SinkhornDivergence(nu, 1e5)
    means = 0.5 * float((mu.mean() - torch.from_numpy(nu.mean(0))).square().sum())
    assert float(far.value(mu)) == pytest.approx(means, rel=1e-4)


@pytest.mark.parametrize("reach", [None, 0.7])
@pytest.mark.parametrize("d", [2, 6])
def test_against_plain_iterations(d, reach):
    """Value and gradient with weights, by the primal of dense plans."""
    mu, nu, epsilon = ensemble(d, True, n=30), ensemble(d, True, n=17), 0.8
    nu = wgf.Ensemble(nu.x * 0.7 + 0.5, nu.weights)
    rho = math.inf if reach is None else reach**2
    x, a, y, b = (part.numpy() for part in (mu.x, mu.weights, nu.x, nu.weights))
    plans = [naive.sinkhorn(*pair, epsilon, rho) for pair in ((x, a, y, b), (x, a, x, a), (y, b, y, b))]
    want = plans[0][0] - 0.5 * plans[1][0] - 0.5 * plans[2][0]
    term = wgf.SinkhornDivergence(nu, epsilon, reach, tolerance=1e-9)
    assert float(term.value(mu)) == pytest.approx(want, rel=1e-8, abs=1e-10)
    slopes = [plan.sum(1, keepdims=True) * x - plan @ z for (_, plan), z in zip(plans[:2], (y, x), strict=True)]
    np.testing.assert_allclose(term.gradient(mu), (slopes[0] - slopes[1]) / a[:, None], atol=1e-7)
    loose = wgf.SinkhornDivergence(nu, epsilon, reach, tolerance=1e-3)  # the error of the value is of second order
    assert float(loose.value(mu)) == pytest.approx(want, abs=1e-5)


def test_gradient_against_autograd_of_the_reference():
    """Autograd through unrolled iterations of the plain soft minimum."""
    mu, y, epsilon = ensemble(2, True, n=12), torch.from_numpy(cloud(9, 2, 4)), 1.5
    x = mu.x.clone().requires_grad_()

    def cost(p, a, q, b):
        g = torch.zeros(len(q), dtype=torch.float64)
        for _ in range(40):
            f = reference.soft_minimum(p, q, torch.log(b) + g / epsilon, epsilon)[0]
            g = reference.soft_minimum(q, p, torch.log(a) + f / epsilon, epsilon)[0]
        f = reference.soft_minimum(p, q, torch.log(b) + g / epsilon, epsilon)[0]
        return a @ f + b @ g

    b = torch.full((9,), 1 / 9, dtype=torch.float64)
    (cost(x, mu.weights, y, b) - 0.5 * cost(x, mu.weights, x, mu.weights)).backward()
    assert x.grad is not None
    gradient = wgf.SinkhornDivergence(y, epsilon, tolerance=1e-9).gradient(mu)
    torch.testing.assert_close(gradient, x.grad / mu.weights[:, None], rtol=1e-7, atol=1e-8)


def test_particles_of_weight_zero_are_points():
    mu, term = ensemble(2, True, n=9), wgf.SinkhornDivergence(cloud(6, 2), 0.3, tolerance=1e-10)
    extra = torch.from_numpy(cloud(2, 2, 5))
    whole = wgf.Ensemble(torch.cat([mu.x, extra]), torch.cat([mu.weights, mu.weights.new_zeros(2)]))
    for call in (term.gradient, term.first_variation):
        torch.testing.assert_close(call(whole)[:9], call(mu), rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(call(whole)[9:], call(mu, extra), rtol=1e-7, atol=1e-8)


# ------------------------------------------------------------------------------------------------- in a run


def flow(F, dt, **settings):
    return wgf.solve(F, wgf.Ensemble(cloud(200, 2)), Heun(), dt=dt, t_end=0.8, **settings)


def test_the_closure_of_a_flow_falls_at_the_order_of_the_scheme():
    nu, gaps = wgf.Ensemble(cloud(150, 2, 1) * 0.4 + 2.0), []
    for dt in (0.2, 0.1):
        ledger = flow(wgf.SinkhornDivergence(nu, 0.2, tolerance=1e-7), dt, record_every=1).ledger
        gaps.append(abs(ledger["closure"][-1]))
    assert gaps[1] < 1e-3
    assert gaps[0] / gaps[1] > 3.5  # second order, or better
    assert ledger["work"][-1] == 0.0
    assert 0.0 < ledger["sums_error:SinkhornDivergence"].max() <= 1e-7
    assert "marginal error of the plans" in ledger.notes["sums_error:SinkhornDivergence"]


def test_a_run_in_pieces_has_the_same_bits():
    """The potentials are memory of the run: what is stored and read again goes on from them."""
    nu, mu = cloud(40, 2, 1) + 1.0, wgf.Ensemble(cloud(50, 2))
    settings = {"dt": 0.1, "t_end": 1.0, "record_every": 2}

    def F():
        return wgf.SinkhornDivergence(nu, 0.1) - (lambda t: 0.01 * t) * wgf.LogDet()

    whole = wgf.solve(F(), mu, Heun(), **settings)
    pieces = in_pieces(F, mu, Heun(), (3, 4), **settings)
    assert torch.equal(whole.ensemble.x, pieces.ensemble.x)
    assert same_ledgers(whole.ledger, pieces.ledger)


def test_iterations_begin_where_those_of_the_last_step_ended():
    nu, mu = cloud(300, 2, 1) * 0.3 + 1.0, wgf.Ensemble(cloud(300, 2))
    term = wgf.SinkhornDivergence(nu, 0.05, tolerance=1e-4)
    sol = wgf.solve(term, mu, Euler(), dt=0.01, t_end=0.1)
    warm = sol.state.drives["SinkhornDivergence"]
    assert warm.iterations < wgf.SinkhornDivergence(nu, 0.05, tolerance=1e-4)._solved(sol.ensemble).iterations
    torch.testing.assert_close(warm.gradient, term.gradient(sol.ensemble), rtol=0.0, atol=1e-3)
    other = wgf.SinkhornDivergence(nu, 0.1)  # the memory of another term is not used
    again = wgf.solve(other, sol.ensemble, Euler(), state=sol.state, dt=0.01, t_end=0.11)
    fresh = float(wgf.SinkhornDivergence(nu, 0.1).value(sol.ensemble))
    assert again.ledger["free_energy"][0] == pytest.approx(fresh, rel=1e-6)


# ------------------------------------------------------------------------------------------------- refusals


def test_what_is_refused():
    x = cloud(5, 3)
    for settings, name in (
        ({"epsilon": 0.0}, "epsilon"), ({"epsilon": -1.0}, "epsilon"), ({"epsilon": math.nan}, "epsilon"),
        ({"epsilon": 0.1, "reach": 0.0}, "reach"), ({"epsilon": 0.1, "reach": math.inf}, "reach"),
        ({"epsilon": 0.1, "tolerance": 0.0}, "tolerance"), ({"epsilon": 0.1, "iterations": 0}, "iterations"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=name):
            wgf.SinkhornDivergence(x, **settings)
    term = wgf.SinkhornDivergence(x, 0.1)
    with pytest.raises(ShapeError, match="particles of dimension 2, samples of dimension 3"):
        term.value(wgf.Ensemble(cloud(4, 2)))
    broken = ensemble(3, False)
    bad = broken.x.clone()
    bad[0, 0] = math.inf
    with pytest.raises(DivergenceError, match="not finite"):
        term.gradient(broken.moved(bad))
    with pytest.raises(ConfigError, match="periodic"):
        term.value(wgf.Ensemble(cloud(4, 3)).on(torch.ones(3)))


def test_without_convergence_it_says_how_far_it_came():
    term = wgf.SinkhornDivergence(cloud(40, 2) * 0.5, 0.01, tolerance=1e-9, iterations=3)
    with pytest.raises(TransportError, match=r"marginal error is \d\.\de-\d\d after 3 iterations.*raise iterations"):
        term.value(wgf.Ensemble(cloud(40, 2, 1)))


def test_far_clouds_of_tiny_and_huge_size():
    """Units do not matter: x and √ε times a factor is the value times its square."""
    x, y = cloud(20, 2), cloud(15, 2, 1) + 0.5
    plain = float(wgf.SinkhornDivergence(y, 0.2, tolerance=1e-8).value(wgf.Ensemble(x)))
    for factor in (1e-100, 1e100):
        term = wgf.SinkhornDivergence(y * factor, 0.2 * factor**2, tolerance=1e-8)
        assert float(term.value(wgf.Ensemble(x * factor))) / factor**2 == pytest.approx(plain, rel=1e-6)
