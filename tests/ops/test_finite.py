"""Finiteness in one pass over memory: every kind of number that is not, wherever it stands."""

from __future__ import annotations

import math

import pytest
import torch

from wgf import ops
from wgf.measure import checks
from wgf.ops.cpu.finite import _BLOCK

each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])


@each_dtype
@pytest.mark.parametrize("size", [1, 7, checks._LARGE, 2 * _BLOCK + 3])
def test_one_bad_number_is_found(size, dtype):
    x = torch.linspace(-1.0, 1.0, size, dtype=dtype)
    x[0] = torch.finfo(dtype).max
    assert bool(ops.all_finite(x))
    for bad in (math.nan, -math.nan, math.inf, -math.inf):
        for place in (0, size // 2, size - 1):
            y = x.clone()
            y[place] = bad
            assert not bool(ops.all_finite(y))
            assert not checks.finite(y)


@each_dtype
def test_finite_extremes(dtype):
    numbers = [torch.finfo(dtype).max, torch.finfo(dtype).min, torch.finfo(dtype).smallest_normal * 2**-10, -0.0]
    x = torch.tensor(numbers, dtype=dtype).repeat(checks._LARGE)
    assert bool(ops.all_finite(x))
    assert checks.finite(x)
    assert bool(ops.all_finite(torch.empty(0, 3, dtype=dtype)))


def test_views_and_complex_numbers():
    x = torch.ones(200, 200, dtype=torch.float64)
    x[0, 1] = math.nan
    assert checks.finite(x[:, ::2])
    assert not checks.finite(x.T)
    assert not checks.finite(torch.complex(x, x))
    assert not checks.finite(torch.complex(x, x).conj())
    assert checks.finite(torch.ones(3, dtype=torch.int64))
    assert checks.finite(torch.empty(0, 3))


@pytest.mark.parametrize("size", [8, checks._LARGE])
def test_inside_a_transformed_function(size):
    """A user's function that torch.func differentiates may look at its argument, whatever its size."""
    x = torch.ones(size, dtype=torch.float64)
    slope = torch.func.grad(lambda z: (checks.finite(z), (z * z).sum())[1])(x)
    assert torch.equal(slope, 2 * x)
