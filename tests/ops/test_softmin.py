"""Soft minima against the plain body: dimensions and dtypes, bad guesses, missing points, NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wgf import ops
from wgf.ops import reference


def problem(m, n, d, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (torch.from_numpy(rng.normal(size=(k, d))).to(dtype) for k in (m, n))
    return x, y, torch.from_numpy(2.0 * rng.normal(size=n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 3, 5, 19])
def test_against_the_plain_body(d, dtype):
    """Neither blocks nor vectors are filled; guesses that are right, nothing, or wrong by thousands."""
    x, y, logits = problem(150, 1203, d, dtype)
    logits[7] = -math.inf
    epsilon = 0.02 * d
    value, slope = reference.soft_minimum(x.double(), y.double(), logits, epsilon)
    bound = 1e-4 if dtype == torch.float32 else 1e-11
    for guess in (value, torch.zeros_like(value), value - 2e3 * epsilon, value + 2e3 * epsilon):
        for slopes in (False, True):
            got, moved = ops.soft_minimum(x, y, logits, guess, epsilon, slopes)
            torch.testing.assert_close(got, value, rtol=0.0, atol=bound * epsilon)
            assert moved.shape == (150, d if slopes else 0)
        torch.testing.assert_close(moved, slope, rtol=0.0, atol=bound)


@pytest.mark.parametrize("d", [2, 6])
def test_bits_of_threads_and_of_numbers_that_are_not_finite(d):
    x, y, logits = problem(3001, 900, d, torch.float32)
    guess, before, found = torch.zeros(3001, dtype=torch.float64), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(ops.soft_minimum(x, y, logits, guess, 0.1, True))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    x[70, 1] = math.nan
    value, _ = ops.soft_minimum(x, y, logits, guess, 0.1, True)
    assert math.isnan(float(value[70]))
    assert int(value.isnan().sum()) == 1
