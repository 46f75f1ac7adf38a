"""The study of scaling: the stock of information and its balance in closed form, and a small version of the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import studies
from wgf.errors import ConfigError
from wgf.studies import Verdict, Work
from wgf.studies.scaling import stock
from wgf.studies.scaling.sweep import Sweep, foretell


@pytest.mark.parametrize(("n", "m"), [(3, 20), (20, 3), (1, 1)])
def test_the_stock_is_the_information_gain(n, m):
    """½ log det(1 + K/σ²) by the kernel matrix over samples, whichever side is the shorter; weights count."""
    rng = np.random.default_rng(n)
    z, y, weights = rng.normal(size=(m, 2)), rng.normal(size=m), rng.uniform(0.5, 1.0, n)
    risk = wgf.NetworkRisk(z, y)
    mu = wgf.Ensemble(rng.normal(size=(n, 4)), weights / weights.sum())
    x = mu.x.numpy()
    phi = x[:, 0] * np.tanh(z @ x[:, 1:3].T + x[:, 3])
    kernel = (phi * mu.weights.numpy()) @ phi.T
    wanted = 0.5 * np.linalg.slogdet(np.eye(m) + kernel / 0.3**2)[1]
    assert stock.information_stock(risk, mu, 0.3) == pytest.approx(wanted, rel=1e-10)
    with pytest.raises(ConfigError, match="sigma"):
        stock.information_stock(risk, mu, 0.0)


def test_injection_and_dissipation_are_those_of_the_two_forces():
    """J = ⟨∇I, −∇R⟩ and γ = k⟨∇I, θ⟩/I by autograd, to first order in τ = dt/5: half the step, half the error."""

    def errors(dt):
        task = stock.Task(dim=3, neurons=4, noise=0.2, confinement=0.05, dt=dt, pool=100)
        x, y, _, _ = task.data(30, 0)
        risk = wgf.NetworkRisk(x, y)
        mu = risk.initial(12, seed=1)
        theta = mu.x.clone().requires_grad_(True)
        phi = theta[:, 0] * torch.tanh(x @ theta[:, 1:-1].T + theta[:, -1]) / (math.sqrt(12) * task.noise)
        value = 0.5 * torch.logdet(torch.eye(30, dtype=torch.float64) + phi @ phi.T)
        (slope,) = torch.autograd.grad(value, theta)
        found = stock.balance(task, risk, mu, 0.0, 0.0)
        injection = -float((slope * risk.gradient(mu)).sum())
        dissipation = task.confinement * float((slope * mu.x).sum()) / value.item()
        assert found.stock == pytest.approx(value.item(), rel=1e-10)
        return np.array([
            found.injection - injection, found.dissipation - dissipation,
            found.rate - (injection - dissipation * found.stock),
        ])  # fmt: skip

    coarse, fine = errors(0.04), errors(0.02)
    assert np.abs(fine).max() < 0.02
    assert coarse / fine == pytest.approx([2.0, 2.0, 2.0], rel=0.1)


def obeying(resource, sizes, kappa, beta, offset=0.01, broken=False):
    """A sweep in balance: J/γ = I = 3 N^κ and R = R∞ + I^{−β}, with 1 % scatter over 8 seeds."""
    rng = np.random.default_rng(len(resource))
    n = np.array(sizes, dtype=float)[:, None]
    ones = np.ones((1, 8))
    i = 3 * n**kappa * ones
    residual = (offset + (i**-beta)) * (1 + 0.01 * rng.normal(size=(len(sizes), 8)))
    gamma = 0.1 * ones * n**0
    injection = gamma * (3 * n ** (-kappa) if broken else i)
    return Sweep(resource, sizes, residual, i, injection, gamma, 0 * i, 0 * i)


def test_a_balance_that_holds_is_found_consistent_and_one_that_does_not_is_not():
    sizes = (4, 8, 16, 32, 64, 128, 256)
    sweeps = {
        "neurons": obeying("neurons", sizes, 0.5, 1.5),
        "samples": obeying("samples", sizes, 0.8, 1.5),
        "steps": obeying("steps", sizes, 0.6, 1.5, broken=True),
    }
    neurons_, steps = foretell(sweeps, "neurons", 100), foretell(sweeps, "steps", 100)
    assert neurons_.growth.value == pytest.approx(0.5, abs=1e-10)
    assert neurons_.fitted.value == pytest.approx(0.75, abs=0.15)
    assert neurons_.difference.covers(0.0)
    assert neurons_.calibration == "samples"
    assert steps.growth.value == pytest.approx(-0.6, abs=1e-10)
    assert steps.difference.low > 0.5  # the resource that J/γ does not follow


@pytest.mark.slow
def test_the_study_of_scaling_on_a_small_scale():
    sizes = {"neurons": (2, 4, 8, 16), "samples": (8, 16, 32, 64), "steps": (2, 4, 8, 16)}
    outcome = studies.load("scaling", seeds=3, base_neurons=8, base_samples=32, copies=30, **sizes).run(Work())
    table = outcome.table("sizes")
    assert [row[:2] for row in table.rows] == [[name, n] for name, row in sizes.items() for n in row]
    at = {(row[0], row[1]): row[2:] for row in table.rows}
    assert at["neurons", 8] == at["steps", 16]  # the base: one run in two sweeps
    assert all(math.isnan(f.measured.value) for f in outcome.findings[:3])  # four sizes are too few for AICc
    assert all(f.verdict is Verdict.UNDECIDED for f in outcome.findings[:3])
    adds_up = outcome.findings[3].measured
    assert abs(adds_up.value) < 0.05


def test_more_samples_than_there_are_is_an_error():
    with pytest.raises(ConfigError, match="samples = 101"):
        stock.Task(dim=3, neurons=4, noise=0.2, confinement=0.05, dt=1.0, pool=100).data(101, 0)
