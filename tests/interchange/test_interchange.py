"""Runs as trees of xarray and draws of ArviZ: weights and ids, units, and the exact autocorrelation time."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import BackendError, ConfigError, ShapeError

pytest.importorskip("xarray")
pytest.importorskip("arviz")


@pytest.fixture(scope="module")
def weighted():
    """A run whose particles have unequal weights, and are born and die."""
    mu = wgf.Ensemble.gaussian(60, 2, mean=1.0, seed=3)
    F = wgf.GaussianMixture([[-2.0, 0.0], [2.0, 0.0]]) - 1.0 * wgf.Shannon()
    return wgf.solve(F, mu, wgf.solvers.BirthDeath(), dt=0.02, t_end=0.6, trajectory_every=5, record_every=10)


@pytest.fixture(scope="module")
def stationary():
    """An Ornstein–Uhlenbeck process at rest, with autocorrelation e^{−h} = 0.8 from frame to frame."""
    mu = wgf.Ensemble.gaussian(64, 1, seed=5)
    F = wgf.Quadratic() - 1.0 * wgf.Shannon()
    h = -math.log(0.8)
    return wgf.solve(F, mu, wgf.solvers.ExponentialEuler(), dt=h, t_end=999 * h, trajectory_every=1, record_every=999)


# ------------------------------------------------------------------------------------------ xarray


def test_weighted_means_are_those_of_the_ensembles(weighted):
    particles = weighted.to_xarray()["particles"]
    means = (particles.x * particles.weights).sum("particle").values
    exact = np.stack([weighted.frame(k).mean().numpy() for k in range(len(weighted.trajectory_times))])
    np.testing.assert_allclose(means, exact, rtol=1e-12, atol=1e-14)
    assert np.abs(particles.x.mean("particle").values - exact).max() > 1e-3  # weights matter here
    np.testing.assert_allclose(particles.weights.sum("particle"), 1.0, rtol=1e-12)
    for k in (0, 3, -1):
        assert particles.id.values[k].tolist() == weighted.frame(k).ids.tolist()
    assert particles.time.values.tolist() == weighted.trajectory_times.tolist()


def test_the_tree_has_the_ledger_units_and_versions(weighted, tmp_path):
    tree = weighted.to_xarray()
    for name in weighted.ledger.columns:
        np.testing.assert_array_equal(tree["ledger"][name].values, weighted.ledger[name])
    assert tree["ledger"]["free_energy"].attrs["units"] == "units of F"
    assert tree["ledger"]["entropy"].attrs["note"] == weighted.ledger.notes["entropy"]
    assert tree["particles"].x.attrs["units"] == "units of x"
    assert set(tree["ledger"].coords) == {"t", "step"}
    assert (tree.attrs["status"], tree.attrs["solver"], tree.attrs["version_wgf"]) == (
        "COMPLETED", weighted.state.solver, wgf.__version__
    )  # fmt: skip
    pytest.importorskip("zarr")
    import xarray

    tree.to_zarr(tmp_path / "tree.zarr")
    again = xarray.open_datatree(tmp_path / "tree.zarr", engine="zarr")
    np.testing.assert_array_equal(again["particles"].x.values, tree["particles"].x.values)
    assert again.attrs == tree.attrs


def test_a_run_without_a_trajectory_has_its_final_ensemble():
    mu = wgf.Ensemble.gaussian(5, 2, dtype="float32").on(8.0)
    box = wgf.domains.PeriodicBox(-4.0, 4.0)
    sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=0.3, domain=box)
    particles = sol.to_xarray()["particles"]
    assert particles.x.dtype == np.float32
    np.testing.assert_array_equal(particles.x.values[0], sol.ensemble.x.numpy())
    assert particles.time.values.tolist() == [sol.state.t]
    assert particles.attrs["period"] == [8.0, 8.0]


# ------------------------------------------------------------------------------------------ ArviZ


def test_the_effective_size_is_that_of_the_exact_autocorrelation_time(stationary):
    """τ = (1 + ρ)/(1 − ρ) = 9 draws. Eight estimates of eight chains each: their mean within five of its errors."""
    exact = 64 * 1000 / 9.0
    assert stationary.state.t == pytest.approx(999 * -math.log(0.8))
    draws = wgf.diagnostics.chains(stationary)
    parts = [float(wgf.diagnostics.ess(draws[8 * k : 8 * k + 8], method="mean").ess[0]) for k in range(8)]
    error = np.std(parts, ddof=1) / math.sqrt(8)
    assert np.mean(parts) == pytest.approx(exact / 8, abs=5 * error)
    assert error < 0.05 * exact / 8  # a wrong factor of 1.3 would be found
    whole = wgf.diagnostics.ess(stationary, method="mean")
    assert whole.time[0] == pytest.approx(9.0, rel=0.1)
    assert whole.rhat[0] == pytest.approx(1.0, abs=0.01)
    grouped = wgf.diagnostics.ess(stationary, method="mean", groups=8)
    assert (grouped.chains, grouped.draws) == (8, 8000)
    assert grouped.ess[0] == pytest.approx(exact, rel=0.1)
    assert "64 chains of 1000 draws" in str(whole)


def test_rhat_finds_chains_that_do_not_agree():
    mu = wgf.Ensemble([[-2.0], [-2.0], [2.0], [2.0]])
    F = wgf.GaussianMixture([[-2.0], [2.0]], scale=0.3) - 1.0 * wgf.Shannon()
    sol = wgf.solve(F, mu, wgf.solvers.Langevin(), dt=0.01, t_end=1.0, trajectory_every=1)
    assert wgf.diagnostics.ess(sol).rhat[0] > 1.5


def test_chains_follow_particles_by_their_ids(stationary):
    order = torch.arange(63, -1, -1)
    data: Any = stationary.to_arviz().posterior
    assert dict(data.sizes) == {"chain": 64, "draw": 1000, "axis": 1}
    for k in (0, 7):
        row = int((stationary.trajectory_ids[7] == k).nonzero()[0, 0])
        assert float(data.x[k, 7, 0]) == float(stationary.trajectory[7, row, 0])
    turned = wgf.Ensemble(stationary.frame(0).x[order], ids=stationary.frame(0).ids[order])
    assert turned.ids[0] == 63
    later = stationary.to_arviz(start=100.0).posterior
    assert int(later.sizes["draw"]) == int((stationary.trajectory_times >= 100.0).sum())
    assert data.attrs["inference_library"] == "wgf"


def test_unequal_weights_are_refused_or_resampled(weighted):
    with pytest.raises(ConfigError, match="they are no chains"):
        weighted.to_arviz()
    draws = weighted.to_arviz(weights="resample").posterior.x.values
    assert draws.shape[:2] == (60, len(weighted.trajectory_times))
    scale = float(weighted.ensemble.covariance().diagonal().sqrt().max())
    for k in range(draws.shape[1]):  # a resampled mean differs by less than the largest step of x between two levels
        frame = weighted.frame(k)
        assert np.abs(draws[:, k].mean(0) - frame.mean().numpy()).max() < scale * 5 / math.sqrt(60)
    again = weighted.to_arviz(weights="resample").posterior.x.values
    np.testing.assert_array_equal(draws, again)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda sol: sol.to_arviz(groups=7), ConfigError, "wanted a divisor of the 64"),
    (lambda sol: sol.to_arviz(groups=0), ConfigError, "groups = 0"),
    (lambda sol: sol.to_arviz(start=1e9), ConfigError, "wanted an earlier time"),
    (lambda sol: sol.to_arviz(weights="drop"), ConfigError, "wanted 'refuse' or 'resample'"),
    (lambda sol: wgf.diagnostics.ess(sol, method="mode"), ConfigError, "wanted one of bulk"),
    (lambda sol: wgf.diagnostics.ess(sol.ensemble), ConfigError, "there is no trajectory"),
    (lambda sol: wgf.diagnostics.ess(np.zeros(5)), ShapeError, "wanted .chains, draws."),
    (lambda sol: wgf.diagnostics.ess(np.zeros((2, 3))), ConfigError, "wanted 4 at least"),
    (lambda sol: wgf.diagnostics.ess(np.full((2, 9), np.nan)), ConfigError, "not all finite"),
    (lambda sol: wgf.diagnostics.ess([["a"]]), ShapeError, "wanted draws"),
])  # fmt: skip
def test_bad_input_is_refused(stationary, call, error, message):
    with pytest.raises(error, match=message):
        call(stationary)


@pytest.mark.parametrize(("library", "call"), [("xarray", "to_xarray"), ("arviz", "to_arviz")])
def test_a_library_that_is_missing_is_named(stationary, monkeypatch, library, call):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BackendError, match=rf"wgflow\[{library}\]"):
        getattr(stationary, call)()
