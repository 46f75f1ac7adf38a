"""The study of phases: critical points from exact ratios, moments at them, and the area of a loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ive

from wgf.studies.frame.statistics import t_interval
from wgf.studies.phase.critical import MODELS, Scaling, area, moments


def ratio_of_wells(temperature, theta, n):
    """⟨m⁴⟩/⟨m²⟩² and ⟨m²⟩ of n particles exactly, by the Gaussian trick: exp(βθn m²/2) is a mean over a field."""
    beta = 1 / temperature
    x, field = np.linspace(-4, 4, 2001), np.linspace(0, 2, 1001)
    exponent = -beta * (x**4 / 4 + (theta - 1) * x**2 / 2) + beta * theta * field[:, None] * x
    top = exponent.max(1, keepdims=True)
    log_weight = n * (np.log(np.exp(exponent - top).sum(1)) + top[:, 0] - 0.5 * beta * theta * field**2)
    weight = np.exp(log_weight - log_weight.max())
    weight[0] *= 0.5
    weight /= weight.sum()
    s, p2, p4 = 1 / (n * beta * theta), (weight * field**2).sum(), (weight * field**4).sum()
    m2 = p2 - s
    return (p4 - 6 * m2 * s - 3 * s**2) / m2**2, m2


def ratio_of_oscillators(temperature, coupling, n):
    """The same in the plane."""
    beta, r = coupling / temperature, np.linspace(0, 2, 4001)
    log_weight = n * (np.log(ive(0, beta * r)) + beta * r - 0.5 * beta * r**2)
    weight = np.exp(log_weight - log_weight.max()) * r
    weight /= weight.sum()
    s, p2, p4 = 1 / (n * beta), (weight * r**2).sum(), (weight * r**4).sum()
    m2 = p2 - 2 * s
    return (p4 - 8 * m2 * s - 8 * s**2) / m2**2, m2


EXACT = {
    "wells": lambda T, n: ratio_of_wells(T, 1.0, n),
    "weak wells": lambda T, n: ratio_of_wells(T, 0.5, n),
    "kuramoto": lambda T, n: ratio_of_oscillators(T, 1.0, n),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_scaling_finds_the_critical_point_in_exact_ratios(name):
    """β_c of case 11 (3.78065, 2.18844) and K_c = 2T from finite systems without noise, to the fit's own 0.2 %."""
    sizes, model = (40, 80, 160, 320), MODELS[name]
    exact = np.array([[EXACT[name](T, n)[0] for T in model.temperatures] for n in sizes])
    jitter = 1e-3 * np.random.default_rng(0).normal(size=(*exact.shape, 3))
    critical, ratio = Scaling(model, sizes, exact[..., None] + jitter).critical()
    assert critical.value == pytest.approx(model.critical, rel=2e-3)
    assert ratio.half_width == 0.0
    free, ratio = Scaling(model, sizes, exact[..., None] + jitter).critical(free=True)
    assert free.value == pytest.approx(model.critical, rel=1e-2)
    assert ratio.value == pytest.approx(model.universal, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "temperature"), [("wells", 0.46), ("kuramoto", 0.5)])
def test_particles_have_the_exact_moments_at_the_critical_point(name, temperature):
    """n = 24: within 99.99 % intervals over eight seeds (false alarms 10⁻⁴ each), known to 15 %."""
    results = [moments(name, temperature, 24, 160, 0.1, 10.0, 25.0, seed) for seed in range(8)]
    ratio, m2 = EXACT[name](temperature, 24)
    found = t_interval([second for second, _ in results], level=0.9999)
    assert found.covers(m2)
    assert found.half_width < 0.15 * m2
    found = t_interval([fourth / second**2 for second, fourth in results], level=0.9999)
    assert found.covers(ratio)
    assert found.half_width < 0.15 * ratio


def test_order_sets_in_below_the_critical_temperature_alone():
    for name in MODELS:
        model = MODELS[name]
        assert model.exact(1.02 * model.critical) == 0.0
        assert model.exact(0.98 * model.critical) > 0.05


def test_the_area_of_a_loop():
    T = np.array([1.0, 0.5, 0.0])
    assert area(T, np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])) == pytest.approx(0.5)
