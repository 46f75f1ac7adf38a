"""Nearest neighbours by trees: exact, against all pairs, in few and many dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wgf import ops
from wgf.ops.registry import PLAIN


def points(n, d, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d))).to(dtype)


@pytest.mark.parametrize(("n", "d", "k"), [(2, 1, 1), (5, 3, 4), (900, 1, 2), (3000, 2, 1), (2500, 5, 3), (1500, 6, 1),
                                           (2000, 16, 5), (700, 40, 1), (50, 300, 2)])  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_all_pairs(n, d, k, dtype):
    x = points(n, d, dtype=dtype)
    for pair in ((x, x, True), (2 * points(n // 2 + 1, d, 1, dtype) + 1, x, False)):
        squares, found = ops.neighbours(pair[0], pair[1], k, pair[2])
        want, which = PLAIN["wgf::neighbours"](pair[0], pair[1], k, pair[2])
        torch.testing.assert_close(squares, want, rtol=1e-13, atol=0.0)
        assert torch.equal(found, which)


@pytest.mark.parametrize("d", [2, 16])
def test_clusters_that_float32_cannot_tell_apart(d):
    """Pairs at distance 1e-9 in a cloud of size 1, and a cloud of size 1e-3 at 1e5: float64 decides."""
    x = points(400, d)
    for cloud in (torch.cat([x, x + 1e-9 * points(400, d, 1)]), 1e5 + 1e-3 * x):
        squares, found = ops.neighbours(cloud, cloud, 1, True)
        want, which = PLAIN["wgf::neighbours"](cloud, cloud, 1, True)
        torch.testing.assert_close(squares, want, rtol=1e-12, atol=0.0)
        assert torch.equal(found, which)


@pytest.mark.parametrize("d", [2, 16])
def test_coincident_points_and_numbers_that_are_not_finite(d):
    x = torch.zeros(500, d, dtype=torch.float64)
    assert not ops.neighbours(x, x, 1, True)[0].any()
    x = points(300, d)
    x[7, 1] = torch.inf
    assert bool(ops.neighbours(x, x, 1, True)[0].isnan().all())
    assert bool(ops.neighbours(points(5, d), x, 1, False)[0].isnan().all())


@pytest.mark.parametrize("d", [3, 20])
def test_same_bits_with_one_and_two_threads(d):
    x, before, results = points(20_000, d), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(ops.neighbours(x, x, 2, True))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_memory_stays_linear():
    """30 000 points in 16 dimensions: all distances would be 7 GB."""
    x = points(30_000, 16)
    squares, found = ops.neighbours(x, x, 1, True)
    torch.testing.assert_close(squares, (x - x[found]).square().sum(1), rtol=1e-12, atol=0.0)
