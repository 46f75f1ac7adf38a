"""The kernel Stein discrepancy: closed values, samples of the law and of another, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, ShapeError


def standard(x):
    return -x


def test_one_particle_has_the_closed_value():
    """u(x, x) = |s|² + tr ∇ₓ∇ᵧk at 0: d/h² (Gaussian), 2pd/h² (multiquadric), 5d/3h² and 3d/h² (Matérn 5/2 and 3/2)."""
    mu, h = wgf.Ensemble([[1.0, -2.0, 0.5]]), 0.7
    for kernel, trace in [
        (K.Gaussian(h), 3 / h**2), (K.InverseMultiquadric(h, 0.8), 6 * 0.8 / h**2),
        (K.Matern(2.5, h), 5 / h**2), (K.Matern(1.5, h), 9 / h**2),
    ]:  # fmt: skip
        assert float(wgf.KSD(standard, kernel).value(mu)) == pytest.approx(5.25 + trace, rel=1e-13)


def test_samples_have_the_closed_value_of_gaussians():
    """p = N(0, 1), μ = N(a, 1), k Gaussian: s − ∇log ρ = −a, so KSD² = a² E k(X, Y) = a² h/√(h² + 2).

    n samples have (1 − 1/n) of it and the mean of u(x, x)/n, and for a ≠ 0 the standard deviation 2 √(Var ū/n), ū the
    first variation. Within 4.9 of them (false-alarm rate 1e-6) at n = 2000: a value off by 17 % would be seen.
    """
    n, a, h = 2000, 1.5, 1.0
    term = wgf.KSD(standard, K.Gaussian(h))
    mu = wgf.Ensemble.gaussian(n, 1, mean=a, seed=3)
    want = (1 - 1 / n) * a**2 * h / math.sqrt(h**2 + 2) + (1 + a**2 + 1 / h**2) / n
    spread = float((term.first_variation(mu)).std()) / math.sqrt(n)
    assert abs(float(term.value(mu)) - want) < 4.9 * spread
    assert 4.9 * spread < 0.17 * want


def test_it_is_small_for_samples_of_the_law_and_large_for_others():
    """At p = N(0, I₂) the mean is E u(x, x)/n = (2 + 2/h²)/n; five hundred samples of other laws have far more.

    n·KSD² is a sum of weighted χ²₁; it exceeds 20 times its mean only with a chance below 1e-6.
    """
    n, term = 500, wgf.KSD(standard, K.InverseMultiquadric(1.0))
    own = float(term.value(wgf.Ensemble.gaussian(n, 2, seed=1)))
    assert 0 < own < 20 * (2 + 2) / n
    for other in ({"mean": 1.0}, {"cov": 4.0}, {"cov": 0.25}):
        assert float(term.value(wgf.Ensemble.gaussian(n, 2, seed=1, **other))) > 20 * own


def test_its_flow_brings_particles_to_the_law():
    """KSD descent (Korba et al. 2021): F falls, and mean and variance go to those of N(1, ½)."""
    term = wgf.KSD(lambda x: -2.0 * (x - 1.0), K.Gaussian(1.0))
    mu = wgf.Ensemble.gaussian(50, 1, mean=0.0, cov=0.3, seed=2)
    sol = wgf.solve(term, mu, wgf.solvers.Heun(), dt=0.05, t_end=20.0)
    assert (np.diff(sol.ledger["free_energy"]) < 0).all()
    assert sol.ledger["free_energy"][-1] < 0.02 * sol.ledger["free_energy"][0]
    assert float(sol.ensemble.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(sol.ensemble.covariance()) == pytest.approx(0.5, rel=0.1)


def test_far_from_the_origin_it_keeps_its_digits():
    """Only differences of particles enter."""
    near = wgf.Ensemble.gaussian(40, 2, seed=1)
    far = wgf.Ensemble(near.x + 1e6)
    for derivative in ("value", "gradient"):
        a = getattr(wgf.KSD(standard, K.Gaussian(1.0)), derivative)(near)
        b = getattr(wgf.KSD(lambda x: -(x - 1e6), K.Gaussian(1.0)), derivative)(far)
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kernel", [K.Log(), K.Laplace(1.0), K.Linear(), K.Cosine(), 1.0])
def test_kernels_that_are_not_smooth_are_refused(kernel):
    with pytest.raises(ConfigError, match="twice differentiable at 0"):
        wgf.KSD(standard, kernel)


@pytest.mark.parametrize("kernel", [-1.0 * K.Gaussian(1.0), K.Log(0.5), K.Gaussian(1.0) - K.Gaussian(2.0)])
def test_kernels_that_are_not_positive_definite_are_refused(kernel):
    with pytest.raises(ConfigError, match="known to be positive definite"):
        wgf.KSD(standard, kernel)


def test_a_bad_score_is_named():
    mu, kernel = wgf.Ensemble.gaussian(4, 2, seed=1), K.Gaussian(1.0)
    with pytest.raises(ConfigError, match="wanted a callable"):
        wgf.KSD(3.0, kernel)
    with pytest.raises(ShapeError, match=r"shape \(4,\); wanted \(4, 2\)"):
        wgf.KSD(lambda x: x.sum(1), kernel).value(mu)
    with pytest.raises(ShapeError, match="score returned float"):
        wgf.KSD(lambda x: 1.0, kernel).value(mu)
    with pytest.raises(DivergenceError, match=r"score returned .* at particle 0"):
        wgf.KSD(lambda x: x / 0.0, kernel).value(mu)
    in_numpy = wgf.KSD(lambda x: -x.detach().numpy(), kernel)
    assert float(in_numpy.value(mu)) == pytest.approx(float(wgf.KSD(standard, kernel).value(mu)))
    with pytest.raises(ConfigError, match="a value but no gradient"):
        in_numpy.gradient(mu)
