"""Sums over particles and affine maps: against numpy in float64, far centres, weights, shards, autograd, NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import ops

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
DIMS = pytest.mark.parametrize("d", [1, 2, 3, 8, 9, 40])  # to 8 in registers, by matrix products above
ACCURACY = {torch.float64: 1e-13, torch.float32: 2e-6}


def sample(n, d, dtype, seed=7, far=0.0):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + far).to(dtype)
    w = rng.uniform(size=n)
    return x, torch.from_numpy(w / w.sum())


def error(got, want):
    """Relative distance in the norm."""
    return float((got.double() - want).norm() / want.norm())


def exact(x, w):
    """Mass, centre and scatter in extended precision (64 bits of mantissa on x86)."""
    x, w = x.double().numpy().astype(np.longdouble), w.numpy().astype(np.longdouble)
    centre = w @ x / w.sum()
    u = x - centre
    return tuple(torch.from_numpy(np.asarray(a, np.float64)) for a in (w.sum(), centre, (u * w[:, None]).T @ u))


@BOTH
@DIMS
@pytest.mark.parametrize("n", [1, 2, 9001])
def test_moments(n, d, dtype):
    x, w = sample(n, d, dtype)
    mass, centre, scatter = ops.moments(x, 0.5 * w)
    want = exact(x, 0.5 * w)
    assert float(mass) == pytest.approx(float(want[0]), rel=1e-13)
    assert error(centre, want[1]) < 1e-13
    assert torch.equal(scatter, scatter.T)
    assert error(scatter, want[2]) < ACCURACY[dtype] if n > 1 else float(scatter.abs().max()) < 1e-28


@DIMS
@pytest.mark.parametrize("far", [1e3, 1e8])
def test_a_far_centre_costs_no_digits(far, d):
    """Shifting float64 particles loses the digits far·2⁻⁵², so the moved particles themselves are the oracle's."""
    x, w = sample(30_000, d, torch.float64, far=far)
    assert error(ops.moments(x, w)[2], exact(x, w)[2]) < 1e-13


def test_an_outlier_in_front_costs_no_digits():
    """A block is centred twice: its first row is only where its own mean is measured from."""
    x, w = sample(5000, 2, torch.float64)
    x[0] = 1e9
    w[0] = 0.0
    assert error(ops.moments(x, w)[2], exact(x, w)[2]) < 1e-13


def test_a_million_float32_particles():
    """Sums of blocks are in float64; torch's own in float32 is off by 1e-4 and more."""
    x = torch.randn(10**6, 2, generator=torch.Generator().manual_seed(1)) + 3.0
    w = torch.full((10**6,), 1e-6, dtype=torch.float64)
    assert error(ops.moments(x, w)[2], exact(x, w)[2]) < 1e-12
    assert error(ops.weighted_sum(w, x), exact(x, w)[1]) < 1e-12


@BOTH
@pytest.mark.parametrize(("d", "e"), [(1, 1), (2, 2), (3, 5), (8, 8), (9, 4), (4, 9), (40, 41)])
def test_affine(d, e, dtype):
    x, w = sample(9001, d, dtype, far=100.0)
    centre = ops.weighted_sum(w, x)
    matrix = torch.from_numpy(np.random.default_rng(1).normal(size=(d, e)))
    got = ops.affine(x, centre, matrix)
    assert got.dtype == dtype
    assert error(got, (x.double() - centre) @ matrix) < ACCURACY[dtype]
    assert torch.equal(ops.affine(x.T.contiguous().T, centre, matrix.T.contiguous().T), got)  # other layouts


def test_parts_of_an_ensemble_join_exactly():
    """What a sum over shards will do: mass, centre and scatter of parts give those of the whole."""
    x, w = sample(10_000, 3, torch.float64, far=50.0)
    whole_mass, whole_centre, whole_scatter = ops.moments(x, w)
    parts = [ops.moments(x[rows], w[rows]) for rows in (slice(0, 10), slice(10, 7000), slice(7000, None))]
    mass = sum(m for m, _, _ in parts)
    centre = sum(m * c for m, c, _ in parts) / mass
    scatter = sum(s + m * torch.outer(c - centre, c - centre) for m, c, s in parts)
    for got, want in ((mass, whole_mass), (centre, whole_centre), (scatter, whole_scatter)):
        assert error(got, want) < 1e-13


@DIMS
def test_mean_and_covariance_of_an_ensemble(d):
    x, w = sample(3000, d, torch.float64)
    mu = wgf.Ensemble(x, w)
    mean, covariance = mu.moments()
    torch.testing.assert_close(mean, mu.mean(), rtol=1e-13, atol=1e-15)
    assert torch.equal(covariance, mu.covariance())
    want = np.cov(x.numpy().T, aweights=w, ddof=0).reshape(d, d)
    assert error(covariance, torch.from_numpy(want)) < 1e-13


@pytest.mark.parametrize(("n", "d"), [(200_001, 2), (30_001, 20)])
def test_same_bits_with_one_and_two_threads(n, d):
    """Several blocks for each of two threads, in registers and by products."""
    x, w = sample(n, d, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            mass, centre, scatter = ops.moments(x, w)
            results.append([mass, centre, scatter, ops.weighted_sum(w, x), ops.affine(x, centre, scatter)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@DIMS
def test_nan_and_infinity_are_kept(d):
    for bad in (math.nan, math.inf):
        x, w = sample(5000, d, torch.float32)
        x[4321, d - 1] = bad
        _, centre, scatter = ops.moments(x, w)
        assert not torch.isfinite(centre[-1])
        assert not torch.isfinite(scatter[-1]).any()
        assert torch.isfinite(centre[:-1]).all()
        moved = ops.affine(x, torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64))
        assert (~torch.isfinite(moved)).any(dim=1).nonzero().ravel().tolist() == [4321]


@pytest.mark.parametrize("d", [1, 3, 10])
def test_autograd(d):
    x, w = (a.requires_grad_() for a in sample(6, d, torch.float64))
    assert torch.autograd.gradcheck(lambda x, w: ops.weighted_sum(w, x), (x, w))
    assert torch.autograd.gradcheck(ops.moments, (x, w))
    centre, matrix = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((d,), (d, 3)))
    assert torch.autograd.gradcheck(ops.affine, (x, centre, matrix))
