"""Finiteness checks: at once on the CPU, put off on a GPU; one bad number anywhere is found."""

from __future__ import annotations

import math

import pytest
import torch

from wgf.measure import checks


def test_the_switch():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert (checks.deferred_on(cpu), checks.deferred_on(gpu)) == (False, True)
    with checks.forced(True), checks.forced(False):
        assert (checks.deferred_on(cpu), checks.deferred_on(gpu)) == (False, False)
    wrong = torch.tensor([1.0, math.nan])
    assert not checks.finite(wrong)
    with checks.deferred(cpu) as noted:
        assert checks.finite(torch.ones(2))
        assert noted.held()
        assert checks.finite(wrong)
        assert not noted.held()
        assert checks.finite(torch.ones(2))
        assert not noted.held()  # once bad, always bad
    assert not checks.finite(wrong)
    with checks.deferred(torch.device("meta")):
        assert not checks.finite(wrong)  # a value of another device is looked at: nothing waits for it


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_number_anywhere_is_found(dtype, bad):
    for n in (1, 2, 7, 64, 1001):
        for place in {0, n // 2, n - 1}:
            x = torch.randn(n, 3, dtype=dtype)
            assert checks.finite(x)
            x[place, 1] = bad
            assert not checks.finite(x)
            assert not checks.finite(x.to(torch.complex64))
    assert checks.finite(torch.tensor(torch.finfo(dtype).max, dtype=dtype))
    assert not checks.finite(torch.tensor(bad, dtype=dtype))
    assert checks.finite(torch.arange(3))
