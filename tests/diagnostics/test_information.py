"""Information through a noisy channel: the bound, its exact cases, Monte Carlo, and bounds on the gap of a learner."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

import wgf
from wgf.diagnostics import channel_information, gap_bounds, information_bound
from wgf.errors import ConfigError, ShapeError


def gaussian_rows(variances, nodes=24):
    """A product of Gauss–Hermite rules: rows and weights with exactly these variances."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grids = np.meshgrid(*(math.sqrt(v) * points for v in variances), indexing="ij")
    mass = np.ones(1)
    for _ in variances:
        mass = np.multiply.outer(mass, weights / weights.sum())
    return wgf.Ensemble(np.stack([g.ravel() for g in grids], axis=1), mass.ravel())


@pytest.mark.parametrize("variances", [(1.0,), (4.0, 0.25), (2.0, 1.0, 1e-8)])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 30.0])
def test_the_bound_is_the_capacity_of_the_gaussian_channel(variances, sigma):
    """½ Σ log(1 + vⱼ/σ²), from the covariance alone."""
    wanted = 0.5 * sum(math.log1p(v / sigma**2) for v in variances)
    assert information_bound(gaussian_rows(variances, 8), sigma) == pytest.approx(wanted, rel=1e-10)


def test_the_bound_knows_neither_axes_nor_units_nor_constants():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4)) * [1.0, 2.0, 0.1, 3.0]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    wanted = information_bound(z, 0.5)
    assert information_bound(z @ turn + 7.0, 0.5) == pytest.approx(wanted, rel=1e-12)
    assert information_bound(1e-150 * z, 0.5e-150) == pytest.approx(wanted, rel=1e-12)
    assert information_bound(np.hstack([z, np.full((50, 3), 2.0)]), 0.5) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_information_of_the_gaussian_channel(sigma):
    """Monte Carlo over 20 000 pairs against ½ log(1 + 1/σ²), within 5 standard errors (6·10⁻⁷), and below B."""
    mu = gaussian_rows((1.0,), 40)  # nodes are closer than σ, so that the mixture is Gaussian to rounding
    found = channel_information(mu, sigma, draws=20_000, seed=1)
    exact = 0.5 * math.log1p(1 / sigma**2)
    assert abs(found.value - exact) < 5 * found.standard_error < 0.1
    assert information_bound(mu, sigma) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_information_of_two_signals(sigma):
    """X = ±1: I = log 2 − E log(1 + e^{−2Z/σ²}), Z ~ N(1, σ²), by quadrature; B lies strictly above it."""

    def integrand(z):
        return math.exp(-0.5 * ((z - 1) / sigma) ** 2) * np.logaddexp(0.0, -2 * z / sigma**2)

    loss, _ = integrate.quad(integrand, 1 - 12 * sigma, 1 + 12 * sigma, points=[0.0])
    exact = math.log(2) - loss / (sigma * math.sqrt(2 * math.pi))
    found = channel_information([[-1.0], [1.0]], sigma, draws=20_000, seed=3)
    assert abs(found.value - exact) < 5 * found.standard_error < 0.05
    assert exact < information_bound([[-1.0], [1.0]], sigma)


def test_bounds_on_the_gap():
    bounds = gap_bounds(2.0, 50, sub_gaussian=0.5, label_entropy=math.log(10))
    assert bounds["assumed"].value == pytest.approx(math.sqrt(0.5 * 2.0 / 50))
    assert bounds["unlabelled"].value == pytest.approx(1.0)
    assert bounds["labelled"].value == pytest.approx(math.sqrt(0.5 * (2.0 + math.log(10))))
    assert "I(S; W) ≤ B" in bounds["assumed"].assumption
    assert "labelled" not in gap_bounds(2.0, 50)
    assert gap_bounds(0.0, 1)["unlabelled"].value == 0.0


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf, "1"])
def test_noise_must_be_positive(sigma):
    for function in (information_bound, channel_information):
        with pytest.raises(ConfigError, match=r"sigma = .*wanted a positive number"):
            function([[0.0], [1.0]], sigma)


def test_information_refuses_what_it_cannot_use():
    with pytest.raises(ShapeError):
        information_bound([1.0, 2.0], 1.0)
    with pytest.raises((ConfigError, wgf.errors.DivergenceError)):
        information_bound([[math.nan], [1.0]], 1.0)
    for wrong in ({"information": -1.0, "samples": 5}, {"information": 1.0, "samples": 0}):
        with pytest.raises(ConfigError, match="wanted"):
            gap_bounds(**wrong)
    with pytest.raises(ConfigError, match="sub_gaussian"):
        gap_bounds(1.0, 5, sub_gaussian=0.0)
    with pytest.raises(ConfigError, match="label_entropy"):
        gap_bounds(1.0, 5, label_entropy=-0.1)
