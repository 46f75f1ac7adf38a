"""The reference force of the ledger: log-det beside the entropy that drives, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ledgers import T, solve
from wgf.solvers import Langevin

import wgf
from wgf.diagnostics import force_report
from wgf.ledger import reference as beside

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def test_the_reference_reuses_a_log_det_of_the_free_energy():
    sol = solve(wgf.Quadratic() - T * wgf.Variance() - 0.1 * wgf.LogDet(0.5), record_every=20)
    x = sol.ensemble.x
    centred = x - x.mean(0)
    log_det = centred @ torch.linalg.inv(centred.T @ centred / len(x) + 0.5 * torch.eye(3))
    surrogate = T * centred + 0.1 * log_det
    want = float((surrogate * log_det).sum() / (surrogate.norm() * log_det.norm()))
    assert sol.ledger["reference_alignment"][-1] == pytest.approx(want, rel=1e-12)
    assert "the term LogDet" in sol.ledger.notes["reference_alignment"]


def test_fewer_particles_than_dimensions_get_a_ridge_that_is_noted():
    mu = wgf.Ensemble.gaussian(6, 9, seed=2)
    sol = solve(wgf.Quadratic() - T * wgf.Variance(), mu, record_every=20)
    x = (sol.ensemble.x - sol.ensemble.x.mean(0)).numpy()
    C = x.T @ x / 6
    other = x @ np.linalg.inv(C + 1e-3 * np.trace(C) / 9 * np.eye(9))
    want = (x * other).sum() / (np.linalg.norm(x) * np.linalg.norm(other))
    assert sol.ledger["reference_alignment"][-1] == pytest.approx(want, rel=1e-8)
    assert "ridge=0.001 tr C/d" in sol.ledger.notes["reference_alignment"]


def test_particles_that_coincide_and_covariances_that_cost_too_much_are_nan_with_a_reason(monkeypatch):
    sol = solve(wgf.Quadratic() - T * wgf.Variance(), wgf.Ensemble(np.ones((5, 2))))
    assert np.isnan(sol.ledger["reference_alignment"]).all()
    assert "coincide" in sol.ledger.notes["reference_alignment"]
    monkeypatch.setattr(beside, "MOST_WORK", 100)
    sol = solve(wgf.Quadratic() - T * wgf.Variance())
    assert np.isnan(sol.ledger["reference_alignment"]).all()
    assert "costs too much" in force_report(sol).unknown["reference_alignment"]


def test_shannon_by_noise_is_set_beside_log_det_by_its_estimated_score():
    """Of a Gaussian −∇log ρ is the force of log-det itself, so the cosine is 1. Estimated from 2000 particles it is
    0.992 with a standard deviation of 0.014 over seeds: the bound is 6 of these away (false alarms below 10⁻⁶)."""
    mu = wgf.Ensemble.gaussian(2000, 2, cov=0.5, seed=4)
    sol = solve(wgf.Quadratic() - 0.5 * wgf.Shannon(), mu, Langevin(), record_every=20)
    assert np.abs(sol.ledger["reference_alignment"] - 1).max() < 0.1
