"""Coordinates that are equal up to rounding have no variance: every estimate, rule and entropy says so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from wgf.solvers.stein import _median_bandwidth

import wgf
from wgf.diagnostics import (
    collapse_of,
    effective_rank,
    gaussian_entropy,
    information_bound,
    knn_entropy,
    reference_alignment,
)
from wgf.entropies.blob import bandwidth_by_rule
from wgf.errors import ConfigError


def constant(n, d, kind, seed=0):
    """Columns whose numbers are equal, or differ in the last place."""
    rng = np.random.default_rng(seed)
    values = np.resize([0.1, 0.3, 1e8 / 3, -2.7e-9], d)
    if kind == "last place":
        return np.where(rng.random((n, d)) < 0.5, values, np.nextafter(values, np.inf))
    return np.tile(values, (n, 1))


def spread(n, d, seed=1):
    return np.random.default_rng(seed).normal(size=(n, d))


kinds = pytest.mark.parametrize("kind", ["equal", "last place"])
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@kinds
@dtypes
@pytest.mark.parametrize(("n", "d"), [(30, 3), (1000, 3), (5000, 12)])
def test_all_coordinates(kind, dtype, n, d):
    x = constant(n, d, kind)
    mu = wgf.Ensemble(x.astype(np.float32) if kind == "equal" else x).to(dtype=dtype)
    assert effective_rank(mu) == 0.0
    assert information_bound(mu, 1e-3) == 0.0
    with pytest.raises(ConfigError, match=r"singular \(rank 0\)"):
        gaussian_entropy(mu)
    with pytest.raises(ConfigError, match="coincide"):
        knn_entropy(mu)
    with pytest.raises(ConfigError, match="all particles coincide"):
        bandwidth_by_rule("scott", mu)
    with pytest.raises(ConfigError, match="zero variance"):
        wgf.LogVariance().value(mu)
    with pytest.raises(ConfigError, match=r"singular \(rank 0\)"):
        wgf.LogDet().gradient(mu)
    assert _median_bandwidth(mu, 500) == 1.0
    assert math.isnan(reference_alignment(wgf.Variance(), mu))


@kinds
@pytest.mark.parametrize("d", [2, 4, 12])
@pytest.mark.parametrize("n", [30, 3000])
def test_one_coordinate(kind, d, n):
    """One of d coordinates is constant: the rank of the others is right, and no force is made of rounding."""
    x = spread(n, d)
    x[:, -1] = constant(n, 1, kind)[:, 0]
    mu = wgf.Ensemble(x)
    variances = np.linalg.eigvalsh(np.cov(x[:, :-1].T, bias=True).reshape(d - 1, d - 1))
    p = variances / variances.sum()
    assert effective_rank(mu) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-12)
    with pytest.raises(ConfigError, match=f"coordinate {d - 1} has zero variance"):
        wgf.LogVariance().gradient(mu)
    with pytest.raises(ConfigError, match=rf"singular \(rank {d - 1}\)"):
        wgf.LogDet().gradient(mu)
    if kind == "equal":
        for term in (wgf.LogVariance(1e-30), wgf.LogDet(1e-30)):
            assert term.gradient(mu)[:, -1].abs().max() == 0.0


def test_a_direction_that_is_no_axis():
    """Far from the origin, the second coordinate is the first plus rounding; the third is another one."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    x = np.column_stack([1e6 + a, 1e6 + a + 1e-10 * rng.random(200), rng.normal(size=200)])
    with pytest.raises(ConfigError, match=r"singular \(rank 2\)"):
        wgf.LogDet().gradient(wgf.Ensemble(x))
    assert effective_rank(wgf.Ensemble(x)) < 2.0


def test_a_small_variance_that_is_real():
    """10⁴ units in the last place, or any size about 0, is no rounding."""
    z = spread(400, 2)
    unit = wgf.Ensemble(z)
    for x, scale in ((5.0 + 1e-11 * z, 1e-11), (1e-100 * z, 1e-100), (1e-12 * z, 1e-12)):
        mu = wgf.Ensemble(x)
        assert effective_rank(mu) == pytest.approx(effective_rank(unit), rel=1e-3)
        force = wgf.LogVariance().gradient(mu) * scale
        torch.testing.assert_close(force, wgf.LogVariance().gradient(unit), rtol=1e-3, atol=1e-3)
        assert bandwidth_by_rule("scott", mu) == pytest.approx(scale * bandwidth_by_rule("scott", unit), rel=1e-3)


def test_collapse_index_of_a_run_that_did_not_move():
    x = spread(20, 2) + 3.0
    a, b = wgf.Ensemble(x), wgf.Ensemble(np.nextafter(x, np.inf))
    assert np.isnan(collapse_of([0.0, 1.0, 2.0], [a, wgf.Ensemble(x + 1), wgf.Ensemble(x + 2)], [a, b, a]).index).all()


def test_linearised_misfit_of_particles_at_one_place():
    """C⁻¹ lives on the span of the particles: at one place, up to rounding, there is none."""
    mu = wgf.Ensemble(constant(50, 3, "last place"))
    misfit = wgf.LeastSquares(lambda x: x @ torch.ones(3, 2, dtype=x.dtype), data=[0.0, 1.0])
    assert misfit.linearised().gradient(mu).abs().max() == 0.0
