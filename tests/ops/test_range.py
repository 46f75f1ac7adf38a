"""Operations on float32 numbers far from 1: sums, covariances, affine maps and networks against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf import ops
from wgf.ops import forms, reference
from wgf.ops.activations import IDENTITY, RELU

SCALES = [1e-30, 1e-16, 1e-9, 1e9, 1e16, 1e30]


def cloud(n, d, scale, seed=0):
    return torch.from_numpy((np.random.default_rng(seed).normal(size=(n, d)) * scale).astype("float32"))


def error(got, want):
    return float((got.double() - want).abs().max() / want.abs().max())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("d", [3, 20])
def test_pair_sums(scale, d):
    """Two clouds of different sizes; weights too."""
    x, y = cloud(50, d, scale), cloud(80, d, scale, seed=1)
    weights = torch.from_numpy(np.random.default_rng(2).uniform(0.1, 1.0, 80))
    for form, p in ((forms.GAUSSIAN, [scale * d**0.5]), (forms.MULTIQUADRIC, [scale, 0.5]), (forms.DISTANCE, [])):
        got = ops.pair_sums(x, y, weights, form, p, 0.0, False)
        want = reference.pair_sums(x.double(), y.double(), weights, form, p, 0.0, False)
        assert error(got[0], want[0]) < 2e-6
        assert error(got[1], want[1]) < 2e-6


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("d", [2, 20])
def test_moments_and_affine_maps(scale, d):
    """Columns of different scales, one constant: the covariance, and C⁻¹ applied to the particles."""
    units = torch.logspace(0, -6, d).float()
    x = cloud(300, d, scale) * units
    mu, wide = wgf.Ensemble(x), wgf.Ensemble(x.double())
    whole = wide.covariance()
    scales = whole.diagonal().sqrt()
    assert float(((mu.covariance() - whole) / torch.outer(scales, scales)).abs().max()) < 2e-6
    precision = torch.linalg.inv(whole / torch.outer(scales, scales)) / torch.outer(scales, scales)
    if scale < 1e20:  # the products are in the range of float32
        got, want = ops.affine(x, mu.mean(), precision), reference.affine(x.double(), wide.mean(), precision)
        assert float(((got.double() - want) * scales).abs().max()) < 2e-5 * float((want * scales).abs().max())


def test_a_covariance_in_many_dimensions_with_equal_columns():
    """A constant column has exactly no variance, and the others have theirs."""
    for dtype in ("float32", "float64"):
        x = np.random.default_rng(0).normal(size=(500, 12)).astype(dtype)
        x[:, 3], x[:, 7] = 0.1, 0.0
        mean, covariance = wgf.Ensemble(x).moments()
        assert mean[3] == float(x[0, 3])
        assert covariance[3].abs().max() == covariance[:, 7].abs().max() == 0.0
        want = np.cov(x.astype("float64").T, bias=True)
        np.testing.assert_allclose(covariance, want, rtol=0, atol=1e-6 if dtype == "float32" else 1e-14)


UNITS = [(1e-20, 1e20, 1e20, 1.0), (1e30, 1e-25, 1e-10, 1.0), (1e-20, 1e10, 1e15, 1e-25), (1.0, 1.0, 1.0, 1e-40)]


@pytest.mark.parametrize(("a", "w", "z", "r"), UNITS)
@pytest.mark.parametrize("activation", [IDENTITY, RELU])
@pytest.mark.parametrize("outputs", [1, 2])
def test_networks(a, w, z, r, activation, outputs):
    rng = np.random.default_rng(0)
    parts = (
        a * rng.normal(size=(40, outputs)),
        w * rng.normal(size=(40, 3)),
        min(w * z, 1e30) * rng.normal(size=(40, 1)),
    )
    theta = torch.from_numpy(np.hstack(parts)).float()
    inputs = torch.from_numpy(z * rng.normal(size=(30, 3))).float()
    weights = torch.full((40,), 1 / 40, dtype=torch.float64)
    residual = torch.from_numpy(r * rng.normal(size=(30, outputs)))
    got = ops.network_forward(theta, weights, inputs, outputs, activation)
    assert error(got, reference.network_forward(theta.double(), weights, inputs.double(), outputs, activation)) < 2e-6
    _, gradient = reference.network_backward(theta.double(), inputs.double(), residual, activation)
    both = (
        ops.network_backward(theta, inputs, residual, activation)[1],
        ops.network_forward_backward(theta, weights, inputs, outputs, activation, lambda f, rows: residual[rows]),
    )
    for part in (slice(0, outputs), slice(outputs, -1), slice(-1, None)):
        if 1e-36 < float(gradient[:, part].abs().max()) < 1e38:
            for mine in both:
                assert error(mine[:, part], gradient[:, part]) < 5e-6
