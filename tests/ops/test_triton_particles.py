"""GPU network, moments and noise against plain torch; where they run and what tolerances mean is in test_triton.py."""

from __future__ import annotations

import math

import pytest
import torch

pytest.importorskip("triton", reason="triton has no wheel for this platform")

from rounding import DTYPES, close

from wgf.ops import activations, reference
from wgf.ops.cuda import moments, network, noise

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, where a GPU is silent


@DTYPES
@pytest.mark.parametrize("activation", activations.NAMES)
@pytest.mark.parametrize("shape", [(70, 67, 5, 3), (1, 1, 1, 1), (3, 40, 100, 17)])
def test_network(activation, shape, dtype, make):
    n, m, inputs, outputs = shape
    theta, z, r = (
        make(n, outputs + inputs + 1, dtype=dtype),
        make(m, inputs, dtype=dtype),
        make(m, outputs, dtype=dtype),
    )
    w, number = make(n).abs(), activations.NAMES[activation]
    f = network.network_forward(theta, w, z, outputs, number)
    a, b, c, e = (t.double() for t in (theta, w, z, r))
    assert f.dtype == torch.float64
    assert close(f, reference.network_forward(a, b, c, outputs, number), dtype)
    pair = network.network_backward(theta, z, r, number)
    for got, want in zip(pair, reference.network_backward(a, c, e, number), strict=True):
        assert got.dtype == dtype
        assert close(got, want, dtype)


@pytest.mark.slow
def test_network_slabs_pieces_and_small_arguments(make):
    """More inputs than one slab, more samples and neurons than one piece; tanh near 0, where 1 − e loses digits."""
    dtype = torch.float32
    theta, z, r = 1e-2 * make(300, 91, dtype=dtype), make(290, 88, dtype=dtype), make(290, 2, dtype=dtype)
    f = network.network_forward(theta, torch.ones(300, device=theta.device), z, 2, activations.TANH)
    a, b, c, e = (t.double() for t in (theta, torch.ones_like(theta[:, 0]), z, r))
    assert close(f, reference.network_forward(a, b, c, 2, activations.TANH), dtype)
    got, want = (
        network.network_backward(theta, z, r, 0)[1],
        reference.network_backward(a, c, e, 0)[1],
    )
    assert close(got, want, dtype)


def test_network_keeps_nan_and_wide_ones_run_plain_torch(make):
    theta, z = make(3, 4), make(5, 2)
    theta[1, 2] = math.nan
    for number in activations.NAMES.values():
        assert torch.isnan(network.network_forward(theta, make(3), z, 1, number)).all()
        assert torch.isnan(network.network_backward(theta, z, make(5, 1), number)[0][1])
    wide, inputs = make(2, 302), make(3, 300)
    f = network.network_forward(wide, make(2).abs() * 0 + 1, inputs, 1, activations.TANH)
    assert close(f, reference.network_forward(wide, torch.ones_like(wide[:, 0]), inputs, 1, 0), torch.float64)


@DTYPES
@pytest.mark.parametrize("d", [1, 3, 16, 40, 70])
def test_moments_and_affine(d, dtype, make):
    x, w = make(333, d, dtype=dtype) + 1e3, make(333).abs()
    w /= w.sum()
    exact = x.double()
    mean = moments.weighted_sum(w, x)
    assert close(mean, w @ exact, torch.float64)
    w *= 0.5  # as on a shard: the centre divides by the mass
    got, want = moments.moments(x, w), reference.moments(exact, w)
    for part, expected in zip(got, want, strict=True):
        assert close(part, expected, torch.float64)
    assert torch.equal(got[2], got[2].T)
    matrix = make(d, d + 1)
    moved = moments.affine(x, mean, matrix)
    assert moved.dtype == dtype
    assert close(moved, (exact - mean) @ matrix, dtype)


def test_moments_keep_nan(make):
    x, w = make(70, 3), torch.full((70,), 1 / 70, dtype=torch.float64, device=make(1).device)
    x[66, 1] = math.nan
    mean = moments.weighted_sum(w, x)
    assert torch.isnan(mean).tolist() == [False, True, False]
    assert torch.isnan(moments.moments(x, w)[2][1]).all()
    assert torch.isnan(moments.affine(x, mean, make(3, 2))).all()


IDS = torch.arange(300) * 12_345_677


@pytest.mark.parametrize("dim", [1, 2, 5, 6])
@pytest.mark.parametrize(("seed", "step", "stream"), [(0, 0, 0), (2**63 + 5, 2**33 + 7, 3), (2**64 - 1, 1, 63)])
def test_noise(seed, step, stream, dim, device):
    """Uniforms are the same numbers; normals differ by the rounding of log, sin and cos alone."""
    key, ids = [seed & 0xFFFFFFFF, seed >> 32], IDS.to(device)
    assert torch.equal(noise.uniform(ids, key, step, stream, dim).cpu(), reference.uniform(IDS, key, step, stream, dim))
    for dtype, tolerance in ((torch.float64, 2e-14), (torch.float32, 4e-6)):
        got = noise.normal(ids, key, step, stream, dim, dtype).cpu()
        assert got.dtype == dtype
        want = reference.normal(IDS, key, step, stream, dim, dtype)
        torch.testing.assert_close(got, want, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_noise_with_extended_tails(device):
    """Among 10⁵ numbers some radius words are short; an unextended one would be 1e-5 off and more."""
    got = noise.normal(torch.arange(25_000, device=device), [9, 0], 1, 0, 4, torch.float32).cpu()
    want = reference.normal(torch.arange(25_000), [9, 0], 1, 0, 4, torch.float32)
    assert float(want.abs().max()) > 4.7
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


@DTYPES
@pytest.mark.parametrize("d", [1, 2, 4, 5])
def test_langevin_update(d, dtype, device, make):
    x, g = make(300, d, dtype=dtype), make(300, d, dtype=dtype)
    args = ([5, 6], 7, 1, 0.1, math.sqrt(0.2))
    got = noise.langevin(x, g, IDS.to(device), *args)
    assert got.dtype == dtype
    assert close(got.cpu(), reference.langevin(x.cpu(), g.cpu(), IDS, *args), dtype)


def test_more_than_2_31_numbers(device):
    if device != "cuda":
        pytest.skip("9 GB and 2³¹ additions: with --device cuda only")
    x = torch.zeros(2**21 + 3, 1024, dtype=torch.float32, device=device)
    x[-1] = 2.0
    assert torch.equal(moments.weighted_sum(torch.ones_like(x[:, 0]), x), torch.full_like(x[0], 2.0).double())
