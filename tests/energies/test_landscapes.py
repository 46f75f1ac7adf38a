"""The named potentials: minima, barriers, curvatures and normalisations by their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate

import wgf
from wgf.errors import ConfigError, ShapeError


def at(term, *points):
    """V and ∇V at points."""
    mu = wgf.Ensemble(np.array(points, dtype=float))
    return term.first_variation(mu).numpy(), term.gradient(mu).numpy()


def mass(term, low, high):
    """∫ e^−V over the plane, or over a line, by quadrature."""
    axes = [np.linspace(a, b, 801) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    density = torch.exp(-term.first_variation(wgf.Ensemble(grid))).numpy().reshape([801] * len(axes))
    for axis in reversed(axes):
        density = integrate.simpson(density, x=axis)
    return float(density)


def test_double_well_has_its_minima_its_barrier_and_its_curvatures():
    term = wgf.DoubleWell(barrier=3.0, minimum=2.0, stiffness=0.5)
    values, slopes = at(term, [2.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [0.0, 2.0])
    assert values.tolist() == [0.0, 0.0, 3.0, 4.0]
    assert np.abs(slopes[:3]).max() == 0.0
    assert slopes[3].tolist() == [0.0, 1.0]
    eps = 1e-5
    _, near = at(term, [2.0 + eps, 0.0], [2.0 - eps, 0.0], [eps, 0.0], [-eps, 0.0])
    assert (near[0, 0] - near[1, 0]) / (2 * eps) == pytest.approx(8 * 3.0 / 4.0, rel=1e-8)  # 8B/a²
    assert (near[2, 0] - near[3, 0]) / (2 * eps) == pytest.approx(-4 * 3.0 / 4.0, rel=1e-8)


def test_banana_has_mass_2_pi_sigma_and_known_moments():
    term = wgf.Banana(bend=0.4, width=1.5)
    assert mass(term, (-12, -12), (12, 40)) == pytest.approx(2 * math.pi * 1.5, rel=1e-7)
    x = np.linspace(-12, 12, 801)
    grid = np.stack(np.meshgrid(x, np.linspace(-12, 40, 801), indexing="ij"), -1).reshape(-1, 2)
    weights = torch.exp(-term.first_variation(wgf.Ensemble(grid))).numpy()
    weights /= weights.sum()
    mean, second = weights @ grid, weights @ grid**2
    assert mean == pytest.approx([0.0, 0.0], abs=1e-8)
    assert second == pytest.approx([1.5**2, 1 + 2 * 0.4**2 * 1.5**4], rel=1e-7)
    values, slopes = at(term, [0.0, -0.4 * 1.5**2])
    assert (values[0], np.abs(slopes).max()) == (0.0, 0.0)


def test_gaussian_mixture_is_minus_the_log_of_a_density_of_mass_one():
    term = wgf.GaussianMixture([[-2.0, 0.0], [1.0, 1.0]], [0.3, 0.7], scale=0.6)
    assert mass(term, (-8, -8), (8, 8)) == pytest.approx(1.0, rel=1e-9)
    (one,), _ = at(wgf.GaussianMixture([[0.0, 0.0]], scale=2.0), [3.0, -1.0])
    assert one == pytest.approx(10.0 / 8 + math.log(2 * math.pi * 4.0), rel=1e-14)
    far, slope = at(term, [500.0, 0.0])  # no density is left there, and the force is still that of a spring
    assert far[0] == pytest.approx((499**2 + 1) / 0.72, rel=1e-4)
    assert slope[0, 0] == pytest.approx(499 / 0.36, rel=1e-12)


def test_muller_brown_has_the_three_minima_and_two_saddles_of_the_paper():
    points = {
        (-0.558224, 1.441726): -146.699517, (0.623499, 0.028038): -108.166724, (-0.050011, 0.466694): -80.767818,
        (-0.822002, 0.624313): -40.664844, (0.212487, 0.292988): -72.248940,
    }  # fmt: skip
    values, slopes = at(wgf.MullerBrown(), *points)
    assert values == pytest.approx(list(points.values()), abs=1e-5)
    assert np.abs(slopes).max() < 5e-3  # curvatures are about 1000, and points have six digits
    assert wgf.MullerBrown().infimum == pytest.approx(values.min(), abs=1e-6)


def test_logistic_posterior_by_its_definition():
    rng = np.random.default_rng(0)
    z, y, theta = rng.normal(size=(7, 2)), rng.integers(0, 2, 7), rng.normal(size=(3, 3))
    signs = 2.0 * y - 1
    values, slopes = at(wgf.LogisticPosterior(z, y, prior=0.3), *theta)
    for row, value, slope in zip(theta, values, slopes, strict=True):
        margin = signs * (z @ row[:2] + row[2])
        assert value == pytest.approx(np.log1p(np.exp(-margin)).sum() + 0.15 * row @ row, rel=1e-13)
        pull = -signs / (1 + np.exp(margin))
        assert slope == pytest.approx(np.array([*(pull @ z), pull.sum()]) + 0.3 * row, rel=1e-12)
    for same in (signs, y.astype(bool)):
        assert np.array_equal(at(wgf.LogisticPosterior(z, same, prior=0.3), *theta)[0], values)
    far, steep = at(wgf.LogisticPosterior([[1.0]], [1], intercept=False), [-1e4])
    assert far[0] == pytest.approx(1e4 + 0.5e8, rel=1e-12)
    assert steep[0, 0] == pytest.approx(-1.0 - 1e4, rel=1e-12)


@pytest.mark.slow
def test_langevin_samples_the_mixture():
    """The law at temperature 1 is p: its mean and variance, to five standard errors of 2000 independent particles."""
    term = wgf.GaussianMixture([[-1.0], [1.0]], scale=0.8)
    mu = wgf.Ensemble.gaussian(2000, 1, seed=1)
    sol = wgf.solve(term - 1.0 * wgf.Shannon(), mu, wgf.solvers.LeimkuhlerMatthews(), dt=0.05, t_end=10.0,
                    record_every=200)  # fmt: skip
    variance = 1.0 + 0.8**2
    assert float(sol.ensemble.mean()) == pytest.approx(0.0, abs=5 * math.sqrt(variance / 2000))
    assert float(sol.ensemble.covariance()) == pytest.approx(variance, rel=5 * math.sqrt(2 / 2000))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wgf.DoubleWell(barrier=0.0), ConfigError, "barrier = 0.0: wanted a positive number"),
        (lambda: wgf.DoubleWell(minimum=-1.0), ConfigError, "minimum = -1.0"),
        (lambda: wgf.Banana(width=0.0), ConfigError, "width = 0.0"),
        (lambda: wgf.GaussianMixture([[[0.0]]]), ShapeError, "wanted .m, d."),
        (lambda: wgf.GaussianMixture([[0.0], [1.0]], [1.0, 0.0]), ConfigError, "a weight is 0"),
        (lambda: wgf.GaussianMixture([[0.0], [1.0]], [0.7, 0.7]), ConfigError, "weights sum to 1.4"),
        (lambda: wgf.GaussianMixture([[math.nan]]), ConfigError, "not finite"),
        (lambda: wgf.LogisticPosterior([[1.0]], [2]), ConfigError, "no labels"),
        (lambda: wgf.LogisticPosterior([[1.0], [1.0]], [0, -1]), ConfigError, "no labels"),
        (lambda: wgf.LogisticPosterior([[1.0]], [1, 0]), ShapeError, "wanted .M, D. and .M,."),
        (lambda: wgf.LogisticPosterior([[1.0]], [1], prior=0.0), ConfigError, "prior = 0.0"),
        (lambda: wgf.MullerBrown().value(wgf.Ensemble([[1.0]])), ShapeError, "dimension 1; wanted 2"),
        (lambda: wgf.Banana().value(wgf.Ensemble([[1.0]])), ShapeError, "dimension 1; wanted at least 2"),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
