"""The frames of a trajectory are ensembles: particles, weights and ids, and what is drawn or stored of them too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from flows import free_energy, start
from wgf.solvers import BirthDeath, Grid, Heun

import wgf
from wgf import figures
from wgf.errors import ConfigError
from wgf.runs import store

pytestmark = pytest.mark.filterwarnings("ignore:closure")  # steps are coarse on purpose


def keep(seen):
    return {"seen": lambda mu: seen.append(mu) or 0.0}


@pytest.mark.parametrize("scheme", [BirthDeath(transport=False), BirthDeath(rate=8.0)])
def test_frames_keep_weights_and_ids(scheme):
    """A frame is what an observer saw at that time; the weighted mean is the right one, and the plain mean is not."""
    F = wgf.Quadratic(center=1.0) - 0.3 * wgf.LogDet()
    seen: list = []
    mu = wgf.Ensemble.gaussian(60, 1, seed=3)
    sol = wgf.solve(F, mu, scheme, dt=0.01, t_end=1.0, record_every=10, trajectory_every=10, observers=keep(seen))
    assert sol.trajectory.shape == (11, 60, 1)
    assert sol.trajectory_weights.shape == sol.trajectory_ids.shape == (11, 60)
    for k, was in enumerate(seen):
        frame = sol.frame(k)
        assert torch.equal(frame.x, was.x)
        assert torch.equal(frame.weights, was.weights)
        assert torch.equal(frame.ids, was.ids)
    assert torch.equal(sol.frame(-1).weights, sol.ensemble.weights)
    assert torch.equal(sol.frame(-1).mean(), sol.ensemble.mean())


def test_a_flow_of_weights_alone_has_the_mean_of_its_law():
    """Birth and death under V alone: wᵢ(t) ∝ e^{−(1 − e^{−t})…V}; here the mean of a frame against the law itself."""
    mu = wgf.Ensemble([[0.0], [1.0]])
    F = wgf.Potential(lambda x: 2.0 * (1 - x[:, 0]))
    sol = wgf.solve(F, mu, BirthDeath(transport=False), dt=0.001, t_end=1.0, trajectory_every=500)
    for k, t in enumerate((0.0, 0.5, 1.0)):  # log-odds grow by V(0) − V(1) = 2 per time
        assert float(sol.frame(k).mean()) == pytest.approx(1 / (1 + np.exp(-2 * t)), abs=1e-3)
        assert float(sol.trajectory[k].mean()) == 0.5


def test_frames_of_a_grid_have_its_masses():
    box = wgf.domains.Box(-4.0, 4.0)
    mu = wgf.Ensemble.gaussian(400, 1, mean=1.0, cov=0.2)
    sol = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Grid(60), dt=0.05, t_end=3.0, domain=box, trajectory_every=60)
    assert float(sol.frame(-1).covariance()) == pytest.approx(float(sol.ensemble.covariance()), rel=1e-12)
    assert not sol.frame(0).equal_weights


def test_constant_weights_take_the_memory_of_one_frame():
    sol = wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
    assert sol.trajectory_weights.shape == (11, 12)
    assert isinstance(sol.trajectory_weights, torch.Tensor)
    assert sol.trajectory_weights.stride(0) == 0
    assert torch.equal(sol.frame(4).x, sol.trajectory[4])


@pytest.mark.parametrize("wrong", [11, -12, 1.0, True, "0"])
def test_frames_that_are_not_there(wrong):
    sol = wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
    with pytest.raises(ConfigError, match="wanted an integer from -11 to 10"):
        sol.frame(wrong)
    with pytest.raises(ConfigError, match="no trajectory"):
        wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0).frame(0)


def test_a_frame_of_a_run_on_a_torus_is_on_it():
    """Without the period, a distance across the seam would be the length of the torus."""
    mu = wgf.Ensemble([[0.02], [0.98]])
    domain = wgf.domains.PeriodicBox(0.0, 1.0)
    sol = wgf.solve(0.0 * wgf.Quadratic(), mu, Heun(), dt=0.1, t_end=0.2, trajectory_every=1, domain=domain)
    assert sol.frame(0).period.tolist() == sol.frame(-1).period.tolist() == [1.0]
    assert sol.frame(0).convolve(wgf.kernels.Gaussian(1.0))[0] == pytest.approx(0.5 * (1 + np.exp(-(0.04**2) / 2)))


def test_a_picture_of_particles_is_weighted():
    mu = wgf.Ensemble([[0.0], [1.0], [1.0]], [0.8, 0.1, 0.1])
    outline: Any = figures.particles([mu], [0.0]).axes[0].patches[0]
    heights = [height for height in outline.get_data().values if height]
    assert heights[0] / heights[1] == pytest.approx(4.0)
    plane = wgf.Ensemble([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]], [0.8, 0.1, 0.1])
    for cloud, weights in ((plane, None), (plane.x, [plane.weights])):
        points: Any = figures.particles([cloud], [0.0], weights).axes[0].collections[0]
        sizes = points.get_sizes()
        np.testing.assert_allclose(sizes / sizes.sum(), [0.8, 0.1, 0.1])


def test_principal_directions_are_those_of_the_weighted_cloud():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(200, 4)) * [1, 5, 2, 3], rng.uniform(size=200)
    points = figures.particles([wgf.Ensemble(x, w / w.sum())], [0.0]).axes[0].collections[0]
    shown = np.asarray(points.get_offsets())
    away = x - w @ x / w.sum()
    right = np.linalg.eigvalsh((away * w[:, None]).T @ away / w.sum())[:-3:-1]
    np.testing.assert_allclose((shown**2 * w[:, None]).sum(0) / w.sum(), right, rtol=1e-9)


def test_stored_frames_have_weights_and_old_ones_do_not(tmp_path):
    mu = wgf.Ensemble([[0.0], [1.0]], [0.25, 0.75])
    path = tmp_path / store.FRAMES
    store.write_frames(path, [(0.0, mu.x, mu.weights, mu.ids), (1.0, mu.x + 1, mu.weights, mu.ids)])
    times, x, weights = store.read_frames(path)
    assert times == [0.0, 1.0]
    assert x.shape == (2, 2, 1)
    assert weights.tolist() == [[0.25, 0.75]] * 2
    from safetensors.torch import save

    path.write_bytes(save({"t": torch.zeros(1), "x": torch.zeros(1, 2, 1)}))
    with pytest.warns(wgf.errors.WgfWarning, match="has no checksum"):
        assert store.read_frames(path)[2] is None
