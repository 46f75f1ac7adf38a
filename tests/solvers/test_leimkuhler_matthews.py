"""Leimkuhler–Matthews: the exact variance of Ornstein–Uhlenbeck, order 2 of the law on a quartic, against Euler's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from chains import Given, boltzmann, impulses, quartic, slope, stationary_of_noise
from wgf.solvers import Langevin, LeimkuhlerMatthews

import wgf
from wgf import kernels as K

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


@pytest.mark.parametrize("kh", [0.05, 0.6, 1.0, 1.9])
@pytest.mark.parametrize("tail", [0.0, 0.37, 0.9])
def test_the_variance_is_exact_at_every_stable_step(kh, tail):
    """T/k to 1e-12, by the responses to single normals: no sampling. A last step of `tail`·dt leaves it there."""
    k, temperature = 2.0, 0.7
    h, steps = kh / k, 400
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    sol = impulses(F, LeimkuhlerMatthews(), h, steps, t_end=(steps + tail) * h)
    assert float((sol.ensemble.x**2).sum()) == pytest.approx(temperature / k, rel=1e-12)


@pytest.mark.parametrize(("tail", "factor"), [(0.37, 1.0), (0.0, 0.5), (0.0, 1.6)])
def test_another_length_of_step_costs_a_transient(tail, factor):
    """After a last step of `tail`·dt, or with `factor`·dt: T/k + 2 (1 − kh)^{2m−1} b (c − b) after m steps of length h.

    c is the scale of ξ_k in x, b = √(Th/2) what the next step takes it for; by single normals, to 1e-12 of T/k.
    """
    k, temperature, dt, before = 2.0, 0.7, 0.3, 100
    F, h = wgf.Quadratic(k) - temperature * wgf.Shannon(), factor * dt
    source = Given(lambda ids, step: (ids == step).double()[:, None])
    mu, scheme = wgf.Ensemble(np.zeros((before + 60, 1))), LeimkuhlerMatthews()
    state = wgf.solve(F, mu, scheme, dt=dt, t_end=(before + tail) * dt, noise=source, record_every=999).state
    b, c = math.sqrt(temperature * h / 2), math.sqrt(temperature * dt / 2)
    c *= math.sqrt(tail * (2 - tail)) if tail else 1.0
    for m in (1, 2, 5, 50):
        sol = wgf.solve(F, None, scheme, dt=h, t_end=state.t + m * h, noise=source, state=state, record_every=999)
        want = temperature / k + 2 * (1 - k * h) ** (2 * m - 1) * b * (c - b)
        assert float((sol.ensemble.x**2).sum()) == pytest.approx(want, abs=1e-12 * temperature / k)


@pytest.mark.parametrize("kh", [0.6, 1.9])
def test_the_variance_is_exact_in_samples(kh):
    """With the noise of `solve` itself: 40 000 particles, within 4.9 standard errors (false-alarm rate 1e-6).

    A variance wrong by 3.5 % would be seen; Euler–Maruyama is wrong by 43 % and by a factor of 20.
    """
    k, temperature, n = 2.0, 0.7, 40_000
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(n, 1, cov=temperature / k, seed=3)
    sol = wgf.solve(F, mu, LeimkuhlerMatthews(), dt=kh / k, t_end=60 * kh / k, seed=5, record_every=100)
    assert abs(float(sol.ensemble.x.var()) - temperature / k) < 4.9 * temperature / k * math.sqrt(2 / n)


@pytest.mark.parametrize("h", [0.05, 0.6])
def test_the_variance_of_finite_ensembles_is_exact(h):
    """McKean–Vlasov, docs/theory.md §7, case 4, without Euler's bias: E x² = T/(a n) + (1 − 1/n) T/(a + b), to 1e-12.

    Component c has one unit normal, at particle 0 in step c; by symmetry the others' are as many copies of particle 1.
    """
    a, b, temperature, n, steps = 1.0, 2.0, 0.5, 16, 400 if h < 0.1 else 100
    F = wgf.Quadratic(a) + wgf.Interaction(K.QuadraticKernel(b)) - temperature * wgf.Shannon()

    def at_one(ids, step):
        normal = torch.zeros(n, steps + 1, dtype=torch.float64)
        normal[0, step] = 1.0
        return normal

    mu = wgf.Ensemble(np.zeros((n, steps + 1)))
    x = wgf.solve(F, mu, LeimkuhlerMatthews(), dt=h, t_end=steps * h, noise=Given(at_one), record_every=999).ensemble.x
    second = float((x[0] ** 2).sum() + (n - 1) * (x[1] ** 2).sum())
    want = temperature * (1 / (a * n) + (1 - 1 / n) / (a + b))
    assert second == pytest.approx(want, rel=1e-12)


def test_order_two_on_a_quartic_at_long_time_and_better_than_euler():
    """∫x² of the stationary law, by quadrature of the scheme's own step: slope 2, Euler–Maruyama 1, both within .1.

    At equal cost, one force a step, Euler's bias is 107, 218 and 442 times as large at h = .1, .05 and .025.
    """
    force, potential = quartic()
    temperature, hs = 0.5, [0.1, 0.05, 0.025]
    F = force - temperature * wgf.Shannon()
    truth = boltzmann(lambda x: x**2, potential, temperature)
    ours = [stationary_of_noise(F, LeimkuhlerMatthews(), h, temperature, lag=0.5) - truth for h in hs]
    euler = [stationary_of_noise(F, Langevin(), h, temperature) - truth for h in hs]
    assert slope(hs, ours) == pytest.approx(2.0, abs=0.1)
    assert slope(hs, euler) == pytest.approx(1.0, abs=0.1)
    assert [-a / b for a, b in zip(euler, ours, strict=True)] == pytest.approx([107, 218, 442], rel=0.02)


def test_it_is_euler_without_noise():
    """At T = 0, and bit for bit."""
    mu, F = wgf.Ensemble.gaussian(20, 2, seed=1), wgf.Quadratic(1.3) - 0.2 * wgf.LogDet()
    ends = [wgf.solve(F, mu, s, dt=0.1, t_end=1.0) for s in (LeimkuhlerMatthews(), wgf.solvers.Euler())]
    assert torch.equal(ends[0].ensemble.x, ends[1].ensemble.x)
    assert ends[0].ledger["closure_total"][-1] == ends[1].ledger["closure_total"][-1]
