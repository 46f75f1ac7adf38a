"""The study of dissipation: the rate of Ornstein–Uhlenbeck, and the Gibbs states of its cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

import wgf
from wgf.studies.dissipation import relaxation
from wgf.studies.frame.statistics import t_interval


def test_the_rate_of_ornstein_uhlenbeck_is_2k_within_2_per_cent():
    """Six seeds of 2000 exact particles: 2k within 2 %, and within the 99.99 % interval (false alarms 10⁻⁴)."""
    case = relaxation.CASES[0]
    runs = [relaxation.particles(case, 2000, 0.05, 1.0, 4, seed) for seed in range(6)]
    found = relaxation.Relaxation(case, runs, {}, {}, 0)
    for gaussian in (True, False):
        rate = found.rates((0.0, 1.0), gaussian)
        assert rate.value == pytest.approx(2 * case.stiffness, rel=0.02)
    rates = [wgf.diagnostics.rates.decay_rate(run["t"], found.gap(run, True), (0.0, 1.0)).rate for run in runs]
    assert t_interval(rates, level=0.9999).covers(2.0)


def test_gibbs_states_of_the_cases_are_what_they_should_be():
    """The parabola has T/k, −(T/2) log(2πT/k) and no Gaussian excess; the grid's infimum is that of the line."""
    parabola, _, well, plane = relaxation.CASES
    assert parabola.infimum == pytest.approx(-0.25 * math.log(2 * math.pi * 0.5), rel=1e-10)
    assert abs(parabola.gaussian_excess()) < 1e-9
    assert well.infimum_on(400) == pytest.approx(well.infimum, abs=1e-6)
    assert plane.infimum == pytest.approx(well.infimum + parabola.infimum, rel=1e-12)
    assert plane.gaussian_excess() == pytest.approx(well.gaussian_excess(), rel=1e-9)
    x = np.linspace(-6, 6, 20001)
    p = np.exp(-2 * (x**4 / 4 - x**2 / 2))
    p /= p.sum() * (x[1] - x[0])
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum() * (x[1] - x[0])
    variance = (p * x**2).sum() * (x[1] - x[0])
    assert well.gaussian_excess() == pytest.approx(0.5 * math.log(2 * math.pi * math.e * variance) - entropy, rel=1e-6)
