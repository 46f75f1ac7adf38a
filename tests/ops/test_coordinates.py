"""Variances of coordinates, and maps about a centre: far clouds, equal values, weights, threads, NaN, autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import ops

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
DIMS = pytest.mark.parametrize("d", [1, 2, 3, 8, 9, 16, 17, 40])  # to 16 in registers at once, then in slabs
SIZES = pytest.mark.parametrize("n", [1, 2, 300, 2048, 9001])


def sample(n, d, dtype, far=0.0):
    rng = np.random.default_rng(7)
    w = rng.uniform(size=n)
    return torch.from_numpy(rng.normal(size=(n, d)) + far).to(dtype), torch.from_numpy(w / w.sum())


def exact(x, w):
    """Centre and variances in extended precision (64 bits of mantissa on x86)."""
    x, w = x.double().numpy().astype(np.longdouble), w.numpy().astype(np.longdouble)
    centre = w @ x / w.sum()
    return (torch.from_numpy(np.asarray(a, np.float64)) for a in (centre, w @ (x - centre) ** 2))


@BOTH
@DIMS
@SIZES
def test_variances(n, d, dtype):
    x, w = sample(n, d, dtype)
    mass, centre, squares = ops.variances(x, 0.5 * w)
    want = tuple(exact(x, 0.5 * w))
    assert float(mass) == pytest.approx(0.5, rel=1e-13)
    torch.testing.assert_close(centre, want[0], rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(squares, want[1], rtol=1e-13, atol=1e-300)


@BOTH
@DIMS
def test_a_far_cloud_costs_no_digits(d, dtype):
    """Where float32 particles are 8 units apart, their mean is still a float64 number."""
    x, w = sample(30_000, d, torch.float64)
    x = (100.0 * x + 1e8).to(dtype)
    _, centre, squares = ops.variances(x, w)
    mean, want = exact(x, w)
    torch.testing.assert_close(centre, mean, rtol=1e-15, atol=0.0)
    torch.testing.assert_close(squares, want, rtol=1e-12, atol=0.0)
    away = ops.standardised(x, centre, want.sqrt())
    assert away.dtype == dtype
    torch.testing.assert_close(away.double(), (x.double() - mean) / want.sqrt(), rtol=1e-6, atol=1e-8)


@BOTH
@DIMS
@SIZES
def test_equal_values_have_no_variance(n, d, dtype):
    values = torch.from_numpy(np.resize([0.1, 0.3, 1e8 / 3, -2.7e-9], d)).to(dtype)
    _, centre, squares = ops.variances(values.expand(n, d), sample(n, d, dtype)[1])
    assert torch.equal(centre, values.double())
    assert not squares.any()


@BOTH
@DIMS
def test_standardised(d, dtype):
    x, w = sample(9001, d, dtype, far=100.0)
    _, centre, squares = ops.variances(x, w)
    for unit in (squares.sqrt(), torch.ones(d), torch.full((d,), 1e-310, dtype=torch.float64)):
        got = ops.standardised(x, centre, unit)
        assert torch.equal(got, ((x.double() - centre) / unit.double()).to(dtype))
        assert torch.equal(ops.standardised(x.T.contiguous().T, centre, unit), got)  # another layout


def test_no_particles():
    x, none = torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    assert [r.tolist() for r in ops.variances(x, none)] == [0.0, [0.0] * 3, [0.0] * 3]
    assert ops.standardised(x, torch.zeros(3), torch.ones(3)).shape == (0, 3)


@pytest.mark.parametrize(("n", "d"), [(200_001, 2), (30_001, 20)])
def test_same_bits_with_one_and_two_threads(n, d):
    x, w = sample(n, d, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            mass, centre, squares = ops.variances(x, w)
            results.append([mass, centre, squares, ops.standardised(x, centre, squares)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@DIMS
def test_nan_and_infinity_are_kept(d):
    for bad in (math.nan, math.inf):
        x, w = sample(5000, d, torch.float32)
        x[4321, d - 1] = bad
        for result in ops.variances(x, w)[1:]:
            assert torch.isfinite(result).tolist() == [True] * (d - 1) + [False]
        away = ops.standardised(x, torch.zeros(d), torch.ones(d))
        assert (~torch.isfinite(away)).nonzero().tolist() == [[4321, d - 1]]


@pytest.mark.parametrize("d", [1, 3, 10])
def test_autograd(d):
    x, w = (a.requires_grad_() for a in sample(6, d, torch.float64))
    assert torch.autograd.gradcheck(ops.variances, (x, w))
    centre, unit = torch.randn(d, dtype=torch.float64), torch.rand(d, dtype=torch.float64) + 0.5
    assert torch.autograd.gradcheck(ops.standardised, (x, centre.requires_grad_(), unit.requires_grad_()))


@BOTH
def test_the_entropies_of_variances_by_them(dtype):
    """Value, first variation and force, at the particles and at other points."""
    x, w = sample(5000, 3, dtype, far=10.0)
    mu, at = wgf.Ensemble(x, w), x[:7] + 1.0
    mean, variances = exact(x, w)
    close = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for S, value, unit in (
        (wgf.Variance(), 0.5 * variances.sum(), torch.ones(3)),
        (wgf.LogVariance(), 0.5 * variances.log().sum(), variances),
        (wgf.LogVariance(0.1), 0.5 * (variances + 0.1).log().sum(), variances + 0.1),
    ):
        torch.testing.assert_close(S.value(mu), value, rtol=1e-12, atol=0.0)
        both = S.evaluate(mu)
        assert torch.equal(both.value, S.value(mu))
        assert torch.equal(both.gradient, S.gradient(mu))
        for points in (None, at):
            away = mu.points(points).double() - mean
            torch.testing.assert_close(S.gradient(mu, points).double(), away / unit, **close)
            want = (0.5 * away.square() / unit).sum(1)
            torch.testing.assert_close(S.first_variation(mu, points).double(), want, **close)
