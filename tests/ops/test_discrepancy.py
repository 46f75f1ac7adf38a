"""The squared norm of a Stein direction under a Gaussian, in one pass over the pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wgf import kernels as K
from wgf import ops
from wgf.kernels.stein import squared_norm
from wgf.ops import threads

BOUND = {torch.float32: 2e-7, torch.float64: 2e-15}


def oracle(x, weights, scores, h, softening, temperature):
    """The sum over all pairs in float64, and that of the moduli of its terms."""
    x, scores, w = x.double().numpy(), scores.double().numpy(), weights.numpy()
    u = x[:, None] - x[None]
    q = (u * u).sum(-1)
    mixed = ((scores[:, None] - scores[None]) * u).sum(-1)
    k = np.exp(-(q + softening**2) / (2 * h * h))
    terms = k * (
        scores @ scores.T + temperature / h**2 * mixed + temperature**2 * (x.shape[1] / h**2 - q / h**4)
    )  # fmt: skip
    return w @ terms @ w, w @ np.abs(terms) @ w


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (70, 3), (2100, 2), (130, 14)])
def test_against_the_oracle(n, d, dtype):
    x, w = torch.randn(n, d, dtype=dtype, generator=torch.Generator().manual_seed(n)) + 3.0, torch.rand(n).double()
    for weights in (w / w.sum(), torch.full_like(w, 1.0 / n)):
        for h, softening, temperature in ((0.5, 0.0, 1.0), (2.0, 0.7, 0.3), (1.0, 0.0, 0.0)):
            got = ops.stein_norm(x, weights, 2.0 - x, h, softening, temperature)
            want, size = oracle(x, weights, 2.0 - x, h, softening, temperature)
            assert abs(float(got) - want) <= BOUND[dtype] * size


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e15, 1e30])
def test_any_unit(unit):
    """Other units of length change |a|² by T²/length², also where float32 holds no square of them."""
    x, w = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), torch.full((40,), 1 / 40).double()
    want = float(ops.stein_norm(x, w, -x, 1.0, 0.0, 1.0))
    got = float(ops.stein_norm(x * unit, w, -x / unit, unit, 0.0, 1.0))
    assert got * unit**2 == pytest.approx(want, rel=1e-5)


def test_threads_change_no_bit_and_nan_stays(monkeypatch):
    x, w = torch.randn(900, 2, generator=torch.Generator().manual_seed(0)), torch.full((900,), 1 / 900).double()
    found = []
    for count in (1, 2):
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        found.append(ops.stein_norm(x, w, -x, 1.0, 0.0, 1.0))
    assert torch.equal(*found)
    bad = x.clone()
    bad[17, 1] = torch.nan
    assert ops.stein_norm(bad, w, -x, 1.0, 0.0, 1.0).isnan()
    assert ops.stein_norm(x, w, -bad, 1.0, 0.0, 1.0).isnan()


def test_both_ways_agree(monkeypatch):
    """The one pass, and the sums of K and ∇K that other kernels and many dimensions take."""
    x, w, kernel = torch.randn(50, 3).double(), torch.full((50,), 1 / 50).double(), 1.7 * K.Gaussian(0.9)
    one = squared_norm(kernel, x, w, -x, 0.6)
    monkeypatch.setattr(ops, "stein_norm", lambda *_: None)
    torch.testing.assert_close(one, squared_norm(kernel, x, w, -x, 0.6), rtol=1e-12, atol=0)
