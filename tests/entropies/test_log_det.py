"""Log-det: both of its forms, its identities, and covariances that are singular or nearly so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from samples import ensemble

import wgf
from wgf.errors import ConfigError


def test_logdet_needs_fewer_particles_than_dimensions_only_with_a_ridge():
    """The Gram form equals the plain one, and never builds a (d, d) matrix."""
    rng = np.random.default_rng(0)
    mu = wgf.Ensemble(rng.normal(size=(6, 20)))
    with pytest.raises(ConfigError, match=r"singular \(rank 5\); give a ridge"):
        wgf.LogDet().gradient(mu)
    c = mu.covariance().numpy() + 0.1 * np.eye(20)
    at = rng.normal(size=(3, 20))
    np.testing.assert_allclose(
        wgf.LogDet(0.1).gradient(mu, at), np.linalg.solve(c, (at - mu.x.numpy().mean(0)).T).T, rtol=1e-10
    )
    assert float(wgf.LogDet(0.1).value(mu)) == pytest.approx(0.5 * np.linalg.slogdet(c)[1], rel=1e-12)
    wide = wgf.Ensemble(rng.normal(size=(8, 50_000)))
    assert wgf.LogDet(1.0).gradient(wide).shape == (8, 50_000)


def test_logdet_force_identities():
    """∫(x−m)·C⁻¹(x−m)dμ = d, and ‖∇_W S‖² = tr C⁻¹ ≥ d²/tr C."""
    mu = ensemble(3, True)
    force, c = wgf.LogDet().gradient(mu), mu.covariance()
    assert float(mu.expect((force * (mu.x - mu.mean())).sum(1))) == pytest.approx(3.0, rel=1e-12)
    norm = float(mu.expect((force**2).sum(1)))
    assert norm == pytest.approx(float(torch.linalg.inv(c).trace()), rel=1e-10)
    assert norm >= 9 / float(c.trace())


@pytest.mark.parametrize("ratio", [1e-17, 1e-15, 6e-15, 8e-15, 2e-14, 1e-13, 1e-9])
def test_a_covariance_is_singular_where_its_eigenvalues_say_so(ratio):
    """C = diag(½, ½·ratio) exactly; rounding is 32 ε = 7.1e-15, and Cholesky, which goes through, does not decide."""
    mu = wgf.Ensemble([[1.0, 0.0], [-1.0, 0.0], [0.0, math.sqrt(ratio)], [0.0, -math.sqrt(ratio)]])
    if ratio < 7.1e-15:
        with pytest.raises(ConfigError, match=r"4 particles in dimension 2 is singular \(rank 1\)"):
            wgf.LogDet().gradient(mu)
    else:
        want = mu.x * torch.tensor([2.0, 2.0 / ratio], dtype=torch.float64)
        torch.testing.assert_close(wgf.LogDet().gradient(mu), want, rtol=1e-12, atol=0.0)
        assert float(wgf.LogDet().value(mu)) == pytest.approx(0.5 * math.log(0.25 * ratio), rel=1e-12)


@pytest.mark.parametrize(("n", "d", "ridge"), [(40, 5, 0.0), (40, 5, 0.1), (6, 20, 1e-3), (6, 20, 10.0), (1, 3, 0.5)])
def test_logdet_by_cholesky_and_by_eigenvectors(n, d, ridge, monkeypatch):
    """Two algorithms, one answer: value, force and first variation, weights and two equal particles included."""
    mu = ensemble(d, True, n=n)
    mu = mu.select([*range(n), 0]) if n > 1 else mu
    f = wgf.LogDet(ridge)
    one = f.value(mu), f.gradient(mu), f.first_variation(mu)
    monkeypatch.setattr("wgf.entropies.covariance.checks.holds", lambda condition: False)
    two = wgf.entropies.precision.Precision(mu, ridge)
    assert two._inverse is None
    torch.testing.assert_close(one[0], 0.5 * two.log_det(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(one[1], two.apply(None), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(one[2], 0.5 * (two.apply(None) * (mu.x - two.mean)).sum(1), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("ridge", [1e-3, 1e-6, 1e-8, 1e-10])
def test_gram_form_keeps_its_digits_as_the_ridge_falls(ridge):
    """Against the singular value decomposition: the force on the particles does not feel 1/ε at all."""
    mu = wgf.Ensemble(np.random.default_rng(0).normal(size=(6, 20)))
    y = (mu.x - mu.mean()).numpy() / math.sqrt(6)
    u, s, vt = np.linalg.svd(y, full_matrices=False)
    want = math.sqrt(6) * (u[:, :5] * (s[:5] / (s[:5] ** 2 + ridge))) @ vt[:5]
    np.testing.assert_allclose(wgf.LogDet(ridge).gradient(mu), want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize(("n", "d", "massless"), [(4, 6, 2), (5, 9, 1), (7, 40, 5)])
def test_gram_form_at_particles_of_weight_zero(n, d, massless, dtype):
    """A particle of weight 0 lies outside the span of the others: (C + ε)⁻¹(x − m) by numpy, as `at=x` gives."""
    rng = np.random.default_rng(0)
    weights = np.r_[np.full(n - massless, 1.0 / (n - massless)), np.zeros(massless)]
    mu, term = wgf.Ensemble(rng.normal(size=(n, d)), weights).to(dtype=dtype), wgf.LogDet(1e-3)
    x = mu.x.double().numpy()
    away = x - weights @ x
    force = np.linalg.solve((weights[:, None] * away).T @ away + 1e-3 * np.eye(d), away.T).T
    scale, rtol = np.abs(force).max(axis=1, keepdims=True), 1e-9 if dtype == torch.float64 else 2e-6
    for at in (None, x):
        np.testing.assert_allclose(term.gradient(mu, at) / scale, force / scale, rtol=0, atol=rtol)
        np.testing.assert_allclose(term.first_variation(mu, at), 0.5 * (force * away).sum(1), rtol=10 * rtol)
    if (n, d) == (4, 6) and dtype == torch.float64:
        assert np.linalg.norm(term.gradient(mu)[2]) == pytest.approx(3255.66, abs=0.01)
        assert float(term.first_variation(mu)[2]) == pytest.approx(5299.91, abs=0.01)


def test_particles_in_the_span_feel_no_rounding_over_a_small_ridge():
    """Points that coincide with particles have their force, not a rounding error divided by ε."""
    mu = wgf.Ensemble(np.random.default_rng(2).normal(size=(4, 7)) + 3.0)
    term = wgf.LogDet(1e-13)
    torch.testing.assert_close(term.gradient(mu, mu.x), term.gradient(mu), rtol=1e-6, atol=1e-9)
