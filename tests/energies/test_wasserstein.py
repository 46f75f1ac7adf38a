"""The exact Wasserstein distance as an energy: its exact cases, weights, limits and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from samples import ensemble
from wgf.solvers import Euler

import wgf
from wgf.errors import DivergenceError, ResourceError, ShapeError


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_diracs_and_translations():
    assert float(wgf.Wasserstein([[3.0, 4.0]]).value(wgf.Ensemble([[0.0, 0.0]]))) == pytest.approx(12.5, rel=1e-14)
    x, v = cloud(40, 3), np.array([0.3, -1.0, 2.0])
    mu = wgf.Ensemble(x)
    assert float(wgf.Wasserstein(x + v).value(mu)) == pytest.approx(0.5 * v @ v, rel=1e-12)
    np.testing.assert_allclose(wgf.Wasserstein(x + v).gradient(mu), np.tile(-v, (40, 1)), atol=1e-12)


def test_the_flow_of_equal_weights_is_a_straight_line():
    """T does not change on the way, so that W₂ falls as e^{−t}: by (1 − h)ᵏ under Euler, exactly."""
    mu, term, h = wgf.Ensemble(cloud(30, 2)), wgf.Wasserstein(cloud(30, 2, 1) + 1.0), 0.1
    sol = wgf.solve(term, mu, Euler(), dt=h, t_end=1.0, record_every=1, trajectory_every=1)
    start = float(term.value(mu))
    want = start * (1 - h) ** (2 * np.arange(11))
    np.testing.assert_allclose(sol.ledger["free_energy"], want, rtol=1e-10)
    image = mu.x - term.gradient(mu)
    for k in (3, 10):
        at = sol.trajectory.frame(k) if hasattr(sol.trajectory, "frame") else wgf.Ensemble(sol.trajectory[k])
        torch.testing.assert_close(at.x - term.gradient(at), image, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("d", [1, 3])
def test_weights_against_the_distance_of_the_diagnostics(d):
    mu, nu = ensemble(d, True, n=20), wgf.Ensemble(cloud(13, d, 2))
    exact = wgf.diagnostics.wasserstein(mu, nu, method="1d" if d == 1 else "emd").distance
    assert float(wgf.Wasserstein(nu).value(mu)) == pytest.approx(0.5 * exact**2, rel=1e-10)


def test_particles_of_weight_zero_are_points():
    mu, term = ensemble(2, True, n=9), wgf.Wasserstein(cloud(6, 2))
    extra = torch.from_numpy(cloud(2, 2, 5))
    whole = wgf.Ensemble(torch.cat([mu.x, extra]), torch.cat([mu.weights, mu.weights.new_zeros(2)]))
    for call in (term.gradient, term.first_variation):
        torch.testing.assert_close(call(whole)[:9], call(mu), rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(call(whole)[9:], call(mu, extra), rtol=1e-11, atol=1e-12)


def test_on_a_line_any_number_is_sorted():
    x = np.sort(cloud(100_000, 1)[:, 0])
    mu = wgf.Ensemble(x[:, None])
    assert float(wgf.Wasserstein(x[::-1, None] + 2.0).value(mu)) == pytest.approx(2.0, rel=1e-10)


def test_what_is_refused():
    term = wgf.Wasserstein(cloud(5, 3))
    with pytest.raises(ShapeError, match="particles of dimension 2, samples of dimension 3"):
        term.value(wgf.Ensemble(cloud(4, 2)))
    with pytest.raises(ResourceError, match=r"9000000 pairs, and at most 4000000.*SlicedWasserstein"):
        wgf.Wasserstein(cloud(3000, 2)).value(wgf.Ensemble(cloud(3000, 2)))
    broken = ensemble(3, False)
    x = broken.x.clone()
    x[0, 0] = math.inf
    with pytest.raises(DivergenceError, match="not finite"):
        term.gradient(broken.moved(x))
