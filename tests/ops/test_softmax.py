"""The entropy of a softmax over the coordinates of each particle: values, gradient, extremes, threads, derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from wgf import ops

DIMS = pytest.mark.parametrize("d", [1, 2, 5, 20, 63, 64, 300])  # from 64 on along the coordinates of a row
BOTH = pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])


def sample(n, d, dtype, far=0.0):
    return (3.0 * torch.randn(n, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64) + far).to(dtype)


@BOTH
@DIMS
@pytest.mark.parametrize("far", [0.0, 1e4])
@pytest.mark.parametrize("n", [1, 7, 3001])
def test_entropy_and_gradient(n, d, dtype, bound, far):
    x, tau = sample(n, d, dtype, far), 0.7
    log_p = log_softmax(x.double().numpy() / tau, axis=1)
    p = np.exp(log_p)
    want = -(p * log_p).sum(1)
    h, gradient = ops.softmax_entropy(x, tau)
    assert h.dtype == gradient.dtype == dtype
    size = 1e4 / tau if far and dtype == torch.float64 else 1.0  # scipy's own x/τ rounds there
    np.testing.assert_allclose(h.double(), want, rtol=10 * bound, atol=bound * size * 10)
    np.testing.assert_allclose(gradient.double(), -p * (log_p + want[:, None]) / tau, atol=bound * size * 10)


@BOTH
@DIMS
def test_uniform_and_one_hot(d, dtype, bound):
    """log d and 0 without overflow; both gradients are 0."""
    one_hot = torch.zeros(1, d, dtype=dtype)
    one_hot[0, d // 2] = 1e30
    for x, want in ((torch.full((3, d), 1e30, dtype=dtype), math.log(d)), (one_hot, 0.0)):
        h, gradient = ops.softmax_entropy(x, 1e-3)
        np.testing.assert_allclose(h.double(), want, rtol=bound, atol=1e-300)
        assert not gradient.any()


@DIMS
def test_nan_stays_in_its_row(d):
    for bad in (math.nan, math.inf):
        x = sample(200, d, torch.float32)
        x[130, d - 1] = bad
        h, gradient = ops.softmax_entropy(x, 1.0)
        assert h.isnan().nonzero().tolist() == [[130]]
        assert gradient.isnan().all(1).nonzero().tolist() == [[130]]


@pytest.mark.parametrize("d", [3, 100])
def test_same_bits_with_any_threads_and_neighbours(d):
    x, before = sample(60_001, d, torch.float32), torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(ops.softmax_entropy(x, 0.9))
    finally:
        torch.set_num_threads(before)
    part = ops.softmax_entropy(x[777:790], 0.9)
    for one, two, three in zip(*results, part, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one[777:790], three)


def test_no_particles():
    assert [r.shape for r in ops.softmax_entropy(torch.zeros(0, 3), 1.0)] == [(0,), (0, 3)]


@pytest.mark.parametrize("d", [1, 4])
def test_autograd(d):
    """The entropy by its gradient; the gradient by the Hessian."""
    x = sample(5, d, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ops.softmax_entropy(x, 0.7), (x,))
