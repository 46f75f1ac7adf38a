"""The controller against stationary temperatures that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import drives
from wgf.errors import ConfigError

HEUN = wgf.solvers.Heun()


@pytest.fixture
def mu():
    return wgf.Ensemble.gaussian(40, 2, cov=0.5, seed=2)


@pytest.mark.parametrize("gain", [4.0, 200.0])
def test_the_ratio_is_held_where_its_temperature_is_known(mu, gain):
    """A well k that moves at velocity c: G² = kdT + |c|², I² = kdT, so r* is held at T = r*²|c|²/(kd(1 − r*²))."""
    k, c, ratio = 2.0, np.array([1.2, -0.9]), 0.6
    T = ratio**2 * (c @ c) / (k * 2 * (1 - ratio**2))
    F = wgf.Quadratic(k, center=lambda t: c * t) - drives.Controller(0.05, ratio=ratio, gain=gain) * wgf.LogDet()
    sol = wgf.solve(F, mu, HEUN, dt=0.05, t_end=20.0)
    late = sol.ledger["t"] > 10.0
    np.testing.assert_allclose(sol.ledger["force_ratio"][late], ratio, rtol=0.01)
    assert sol.ledger["drive:Controller"][-1] == pytest.approx(T, rel=1e-5)
    assert sol.ledger["temperature"][-1] == sol.ledger["drive:Controller"][-1]


@pytest.mark.slow
def test_a_target_that_asks_for_a_falling_temperature_is_missed_by_c_over_gain(mu):
    """Without a motion the forces balance at any T: r < 1 shrinks the cloud at the rate 2k(1 − r), and T with it, so
    log r − log r* = 2k(1 − r)/gain in the steady state, to O(h·gain)."""
    k, ratio, gain, dt = 1.0, 0.5, 10.0, 0.002
    centred = mu.moved(mu.x - mu.mean())
    F = wgf.Quadratic(k) - drives.Controller(0.3, ratio=ratio, gain=gain) * wgf.LogDet()
    sol = wgf.solve(F, centred, HEUN, dt=dt, t_end=2.0)
    r = sol.ledger["force_ratio"][-1]
    assert math.log(r / ratio) == pytest.approx(2 * k * (1 - r) / gain, rel=2 * dt * gain)


@pytest.mark.parametrize("entropy", [-0.7, 0.4])
def test_the_entropy_is_held_at_the_known_temperature(mu, entropy):
    """S* = ½ log det C at C = (T/k) I: T = k exp(2S*/d)."""
    F = wgf.Quadratic(3.0) - drives.Controller(1.0, entropy=entropy, gain=2.0) * wgf.LogDet()
    sol = wgf.solve(F, mu, HEUN, dt=0.02, t_end=10.0)
    assert sol.ledger["entropy"][-1] == pytest.approx(entropy, abs=1e-6)
    assert sol.ledger["drive:Controller"][-1] == pytest.approx(3.0 * math.exp(entropy), rel=1e-5)


def test_noise_is_controlled_by_a_sensor():
    """Langevin, held at S* of the particles' covariance: T = k exp(2S*/d) (1 − kh/2) by the scheme's stationary law.

    With n = 4000 log T scatters by about √(2/(nd)) = 0.016 around it: five of these are a false alarm in 2·10⁶."""
    start, target = wgf.Ensemble.gaussian(4000, 2, cov=1.0, seed=0), -0.5
    control = drives.Controller(1.0, entropy=target, gain=1.0, sensor=wgf.LogDet())
    F = wgf.Quadratic(2.0) - control * wgf.Shannon()
    sol = wgf.solve(F, start, wgf.solvers.Langevin(), dt=0.02, t_end=6.0, record_every=300)
    expected = 2.0 * math.exp(target) * (1 - 2.0 * 0.02 / 2)
    assert math.log(sol.ledger["temperature"][-1] / expected) == pytest.approx(0.0, abs=0.08)
    assert float(wgf.LogDet().value(sol.ensemble)) == pytest.approx(target, abs=0.08)


def test_a_sensor_gives_the_ratio_too(mu):
    by_own = drives.Controller(0.1, ratio=0.7, gain=0.5) * wgf.LogDet()
    by_sensor = drives.Controller(0.1, ratio=0.7, gain=0.5, sensor=wgf.LogDet()) * wgf.LogDet()
    ends = [wgf.solve(wgf.Quadratic() - term, mu, HEUN, dt=0.05, t_end=1.0).ensemble.x for term in (by_own, by_sensor)]
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-12, atol=1e-14)


def test_bounds_hold_and_nothing_winds_up(mu):
    F = wgf.Quadratic() - drives.Controller(0.2, entropy=9.0, gain=50.0, low=0.1, high=0.3) * wgf.LogDet()
    ledger = wgf.solve(F, mu, HEUN, dt=0.05, t_end=3.0, record_every=1).ledger
    assert ledger["temperature"].max() == 0.3 == ledger["temperature"][-1]


def test_where_a_force_is_missing_the_temperature_goes_to_a_bound_or_stays():
    same = wgf.Ensemble(torch.zeros(4, 2, dtype=torch.float64))  # no spread, and so no entropic force
    pair = wgf.Ensemble([[-1.0], [1.0]])

    def end(energy, start):
        F = energy - drives.Controller(0.2, ratio=0.5, low=0.1, high=0.4) * wgf.Variance()
        return wgf.solve(F, start, HEUN, dt=0.1, t_end=0.3).ledger["drive:Controller"][-1]

    assert end(wgf.Quadratic(center=1.0), same) == 0.4
    assert end(wgf.Quadratic(), same) == 0.2
    assert end(wgf.Potential(lambda x: 0.0 * x[:, 0]), pair) == 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "one of them only"),
        ({"ratio": 0.5, "entropy": 1.0}, "one of them only"),
        ({"ratio": 0.0}, "Controller ratio"),
        ({"entropy": math.nan}, "Controller entropy"),
        ({"ratio": 0.5, "gain": -1.0}, "Controller gain"),
        ({"ratio": 0.5, "low": 2.0}, "low ≤ initial ≤ high"),
        ({"ratio": 0.5, "low": 0.0}, "Controller low"),
        ({"ratio": 0.5, "sensor": wgf.Quadratic()}, "wanted an entropy"),
        ({"ratio": 0.5, "sensor": wgf.Shannon()}, "Shannon has no value"),
    ],
)
def test_what_cannot_be_controlled_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        drives.Controller(1.0, **settings)


def test_shannon_without_a_sensor_is_refused(mu):
    control = drives.Controller(1.0, ratio=0.5)
    with pytest.raises(ConfigError, match=r"sensor=wgf\.LogDet"):
        wgf.Quadratic() - control * wgf.Shannon()
    with pytest.raises(ConfigError, match=r"sensor=wgf\.LogDet"):
        wgf.solve(wgf.Quadratic() - wgf.Shannon() * control, mu, wgf.solvers.Langevin(), dt=0.1, t_end=1.0)
    ruled = drives.Controller(1.0, ratio=0.5, sensor=wgf.Blob("silverman"))
    with pytest.raises(ConfigError, match="a rule"):
        wgf.solve(wgf.Quadratic() - ruled * wgf.LogDet(), mu, HEUN, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="Controller of Quadratic"):
        control * (wgf.LogDet() + wgf.Quadratic())
    both = drives.Controller(1.0, entropy=0.5)
    with pytest.raises(ConfigError, match="one entropy"):
        wgf.solve(wgf.Quadratic() - both * wgf.LogDet() - both * wgf.Variance(), mu, HEUN, dt=0.1, t_end=1.0)
