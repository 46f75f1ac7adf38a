"""Underdamped Langevin by BAOAB: the harmonic well, order 2 of the law on a quartic, kinetic energy, walls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from chains import Given, boltzmann, chebyshev, impulses, invariant, normal_nodes, one_step, quartic, slope
from wgf.solvers import LeimkuhlerMatthews, Underdamped

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


@pytest.mark.parametrize(("h", "friction"), [(0.1, 1.0), (1.0, 0.5), (1.35, 3.0), (1.4, 100.0)])
def test_the_law_in_a_harmonic_well_is_known_at_every_stable_step(h, friction):
    """⟨x²⟩ = T/k exactly, ⟨p²⟩ = T(1 − kh²/4), ⟨xp⟩ = 0, to 1e-11, by the responses to single normals; h < 2/√k."""
    k, temperature, steps = 2.0, 0.7, 600
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    sol = impulses(F, Underdamped(friction), h, steps)
    x, p = sol.ensemble.x, sol.state.memory
    assert float((x**2).sum()) == pytest.approx(temperature / k, rel=1e-11)
    assert float((p**2).sum()) == pytest.approx(temperature * (1 - k * h**2 / 4), rel=1e-11)
    assert float((x * p).sum()) == pytest.approx(0.0, abs=1e-11)


def test_the_law_in_a_harmonic_well_in_samples():
    """With the noise of `solve`: 40 000 particles, ⟨x²⟩ and ⟨p²⟩ within 4.9 standard errors (false-alarm rate 1e-6).

    Either wrong by 3.5 % would be seen; at this step kh²/4 is 18 %.
    """
    k, temperature, n, h = 2.0, 0.7, 40_000, 0.6
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(n, 1, cov=temperature / k, seed=0)
    sol = wgf.solve(F, mu, Underdamped(), dt=h, t_end=50 * h, record_every=100)
    for values, want in [
        (sol.ensemble.x, temperature / k),
        (sol.state.memory, temperature * (1 - k * h**2 / 4)),
    ]:
        assert abs(float((values**2).mean()) - want) < 4.9 * want * math.sqrt(2 / n)
    assert sol.ledger["kinetic"][-1] == pytest.approx(0.5 * float((sol.state.memory**2).mean()), rel=1e-12)


def test_initial_momenta_are_independent_of_initial_positions():
    """Also where ensemble and run have the same seed. 20 000 pairs: |correlation| < 4.9/√n, T within 4.9 errors."""
    n, temperature = 20_000, 0.3
    mu = wgf.Ensemble.gaussian(n, 1, seed=0)
    F = wgf.Quadratic() - temperature * wgf.Shannon()
    p = wgf.solve(F, mu, Underdamped(), dt=0.1, t_end=0.0, seed=0).state.memory[:, 0]
    assert abs(float(torch.corrcoef(torch.stack([mu.x[:, 0], p]))[0, 1])) < 4.9 / math.sqrt(n)
    assert abs(float(p.var()) - temperature) < 4.9 * temperature * math.sqrt(2 / n)


def test_order_two_of_the_law_on_a_quartic():
    """∫x² of the stationary law, by quadrature of the scheme's own step in (x, p): slope 2 within .1."""
    force, potential = quartic()
    temperature, hs, m, q = 0.5, [0.2, 0.1], 30, 16
    F = force - temperature * wgf.Shannon()
    truth, biases = boltzmann(lambda x: x**2, potential, temperature), []
    (xs, of_x), (ps, of_p), (xi, weights) = chebyshev(m, 2.6), chebyshev(m, 4.2), normal_nodes(q)
    x, p, noise = (part.ravel() for part in np.meshgrid(xs, ps, xi, indexing="ij"))
    for h in hs:
        end, momenta = one_step(F, Underdamped(2.0), h, x, noise, momenta=p)
        transfer = np.zeros((m * m, m, m))
        at_x, at_p = of_x(end).reshape(m * m, q, m), of_p(momenta.numpy()[:, 0]).reshape(m * m, q, m)
        for k, weight in enumerate(weights):
            transfer += weight * at_x[:, k, :, None] * at_p[:, k, None, :]
        law = invariant(transfer.reshape(m * m, m * m)).reshape(m, m)
        biases.append(float(law.sum(1) @ xs**2) - truth)
    assert slope(hs, biases) == pytest.approx(2.0, abs=0.1)


def test_order_two_without_noise_with_a_mean_field():
    """Damped descent with an interaction, a drive and an entropy; against fine steps: slope 2 within .1."""
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()
    F = F + wgf.Quadratic(1.0, center=lambda t: math.sin(t))
    mu = wgf.Ensemble.gaussian(12, 2, cov=0.5, seed=1)
    ends = [wgf.solve(F, mu, Underdamped(0.7), dt=1 / n, t_end=1.0, record_every=9999) for n in (8, 16, 32, 256)]
    hs, truth = [1 / 8, 1 / 16, 1 / 32], ends[-1].ensemble.x
    errors = [float((end.ensemble.x - truth).norm()) for end in ends[:-1]]
    assert slope(hs, errors) == pytest.approx(2.0, abs=0.1)


def test_one_evaluation_a_step_and_the_balance_closes():
    """Without noise F + kinetic energy falls by γ∫|p|² dμ, to O(h²); the ledger names the metric."""
    F, mu, closures = wgf.Quadratic(2.0) - 0.2 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, seed=1), []
    for steps in (20, 40):
        sol = wgf.solve(F, mu, Underdamped(1.5), dt=1 / steps, t_end=1.0)
        assert sol.ledger["evaluations"][-1] == steps + 1
        closures.append(abs(sol.ledger["closure_total"][-1]))
    assert sol.ledger["kinetic"][0] == 0.0
    assert "Underdamped: friction" in sol.ledger.notes["dissipation"]
    assert closures[1] < 2e-3
    assert math.log2(closures[0] / closures[1]) == pytest.approx(2.0, abs=0.3)
    noisy = wgf.solve(F - 0.1 * wgf.Shannon(), mu, Underdamped(), dt=0.1, t_end=0.5).ledger
    assert np.isnan(noisy["dissipation"]).all()
    assert np.isnan(noisy["closure_total"]).all()
    assert np.isfinite(noisy["kinetic"]).all()


def test_momenta_turn_at_walls_and_the_law_between_them_is_uniform():
    """No force in [0, 1]: x stays uniform. 20 000 particles, mean and E x² within 4.9 standard errors (1e-6 each).

    A mean off by .01 would be seen. Without noise or friction to speak of, a particle bounces.
    """
    n, F = 20_000, 0.0 * wgf.Quadratic() - 0.5 * wgf.Shannon()
    mu = wgf.Ensemble.uniform(n, 1, 0.0, 1.0, seed=2)
    box = wgf.domains.Box(0.0, 1.0)
    x = wgf.solve(F, mu, Underdamped(), dt=0.3, t_end=6.0, domain=box, record_every=100).ensemble.x
    assert abs(float(x.mean()) - 1 / 2) < 4.9 * math.sqrt(1 / 12 / n)
    assert abs(float((x**2).mean()) - 1 / 3) < 4.9 * math.sqrt(4 / 45 / n)
    free, solver = wgf.Potential(lambda x: 0 * x.sum(1)), Underdamped(1e-9)
    state = wgf.solve(free, wgf.Ensemble([[0.2]]), solver, dt=0.5, t_end=0.0, domain=box).state
    state.memory.fill_(-1.0)
    sol = wgf.solve(free, None, solver, dt=0.5, t_end=0.5, domain=box, state=state)
    assert float(sol.ensemble.x) == pytest.approx(0.3, abs=1e-8)
    assert float(sol.state.memory) == pytest.approx(1.0, abs=1e-8)


def test_infinite_friction_is_the_scheme_of_leimkuhler_and_matthews():
    """With e^{−γh} = 0 and steps h, on one path, it is theirs with steps h²/2, to rounding."""
    mu, h, steps, philox = wgf.Ensemble.gaussian(20, 2, cov=0.3, seed=1), 0.3, 20, wgf.Noise(4)
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.2 * wgf.Shannon()
    later = Given(lambda ids, step: philox.normal(ids, step + 1, 2))
    same = Given(lambda ids, step: philox.normal(ids, step, 2) * (step > 0))
    state = wgf.solve(F, mu, Underdamped(1e4), dt=h, t_end=0.0, noise=later).state
    state = replace(state, memory=-0.5 * h * state.evaluation.gradient)
    slow = wgf.solve(F, None, Underdamped(1e4), dt=h, t_end=steps * h, state=state, noise=later)
    fast = wgf.solve(F, mu, LeimkuhlerMatthews(), dt=h**2 / 2, t_end=steps * h**2 / 2, noise=same)
    torch.testing.assert_close(slow.ensemble.x, fast.ensemble.x, rtol=0, atol=1e-13)


def test_a_friction_that_is_no_rate_is_refused():
    with pytest.raises(ConfigError, match=r"friction = 0.*wanted a positive number"):
        Underdamped(0.0)
