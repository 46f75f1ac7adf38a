"""Rates of decay: fits of known decays, certificates against spectra and along flows, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
import wgf.diagnostics.rates as rates
from wgf.errors import ConfigError, ShapeError

LINE = wgf.domains.Box(-4.0, 4.0)


def double_well():
    return wgf.Potential(lambda x: (x**4 / 4 - x**2 / 2).sum(1), grad=lambda x: x**3 - x)


def spectral_gap(potential, temperature, low=-5.0, high=5.0, n=1200):
    """λ₁ of −T∂² + V'∂, by its symmetric three-point form: the density relaxes at λ₁, F − F* at 2λ₁."""
    x, dx = np.linspace(low, high, n, retstep=True)
    v = potential(x) / temperature
    rate = temperature / dx**2 * np.exp(-0.5 * (v[1:] - v[:-1])), temperature / dx**2 * np.exp(-0.5 * (v[:-1] - v[1:]))
    diagonal = np.zeros(n)
    diagonal[:-1] += rate[0]
    diagonal[1:] += rate[1]
    off = -np.full(n - 1, temperature / dx**2)
    from scipy.linalg import eigh_tridiagonal

    return eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 1))[0][1]


def test_an_exponential_is_measured_exactly():
    t = np.linspace(0, 3, 31)
    found = rates.decay_rate(t, 2 * np.exp(-1.7 * t))
    assert found.rate == pytest.approx(1.7, rel=1e-12)
    assert found.amplitude == pytest.approx(2.0, rel=1e-12)
    assert abs(found.drift) < 1e-12
    assert found.standard_error < 1e-12
    windowed = rates.decay_rate(t, np.exp(-t) + np.exp(-5 * t), span=(2.0, 3.0))
    assert windowed.rate == pytest.approx(1.0, abs=2e-3)
    assert windowed.span == (2.0, 3.0)
    assert rates.decay_rate(t, np.exp(-t) + np.exp(-5 * t)).drift < -0.1  # not one exponential, and it says so


def test_a_floor_ends_the_fit_before_the_noise():
    t = np.linspace(0, 10, 101)
    gap = np.exp(-2 * t) + 1e-4 * np.cos(40 * t)
    found = rates.decay_rate(t, gap, floor=3e-3)
    assert found.span[1] < 3.0
    assert found.rate == pytest.approx(2.0, rel=0.01)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ConfigError, match="wanted at least 3"):
        rates.decay_rate([0, 1, 2], [1.0, 0.5, 0.2], span=(0, 1))
    with pytest.raises(ConfigError, match="wanted positive numbers"):
        rates.decay_rate([0, 1, 2], [1.0, 0.5, -0.1])
    with pytest.raises(ConfigError, match="wanted positive numbers"):
        rates.decay_rate([0, 1, 2], [1.0, math.nan, 0.1])
    with pytest.raises(ShapeError, match="same length"):
        rates.decay_rate([0, 1, 2], [1.0, 0.5])
    for wrong in (lambda: rates.bakry_emery(0.0), lambda: rates.holley_stroock(1.0, -1.0, 1.0)):
        with pytest.raises(ConfigError):
            wrong()


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0, 3.0])
def test_the_certificate_of_the_double_well_is_below_its_spectrum_and_the_best_of_its_kind(temperature):
    """2λ₁ is the asymptotic rate of F, so no valid certificate may exceed it; k² + k = 2T maximises the bound."""
    certificate = rates.double_well_certificate(temperature)
    gap = spectral_gap(lambda x: x**4 / 4 - x**2 / 2, temperature)
    assert 0 < certificate.rate < 2 * gap
    k = np.linspace(0.01, 6, 6000)
    assert certificate.rate == pytest.approx((2 * k * np.exp(-((1 + k) ** 2) / (4 * temperature))).max(), rel=1e-5)


def test_the_spectrum_of_the_parabola_is_the_certificate():
    """Bakry–Émery is sharp for V = kx²/2: λ₁ = k."""
    assert 2 * spectral_gap(lambda x: 0.75 * x**2, 0.5) == pytest.approx(rates.bakry_emery(1.5).rate, rel=1e-4)


def test_the_flow_on_a_grid_decays_as_the_spectrum_says_and_no_slower_than_the_certificate():
    """F − F* of the double well at T = ½: the late rate is 2λ₁ to 1 %, D ≥ rate·(F − F*) at every record."""
    F, grid = double_well() - 0.5 * wgf.Shannon(), wgf.solvers.Grid(120)
    start = wgf.Ensemble.gaussian(4000, 1, mean=1.2, cov=0.1, seed=0)
    sol = wgf.solve(F, start, grid, dt=0.02, t_end=7.0, domain=LINE, record_every=10)
    cells = grid.centres(LINE)
    infimum = -0.5 * math.log(float(torch.exp(-2.0 * double_well().first_variation(start, cells)).sum()) * 8.0 / 120)
    gap = sol.ledger["free_energy"] - infimum
    certificate = rates.double_well_certificate(0.5)
    assert (sol.ledger["dissipation"][1:] >= certificate.rate * gap[1:]).all()
    late = rates.decay_rate(sol.ledger["t"], gap, span=(4.0, 7.0))
    assert late.rate == pytest.approx(2 * spectral_gap(lambda x: x**4 / 4 - x**2 / 2, 0.5), rel=0.01)
    assert rates.relative_fisher(sol.ledger["dissipation"], 0.5)[-1] == pytest.approx(
        4 * sol.ledger["dissipation"][-1], rel=1e-12
    )
