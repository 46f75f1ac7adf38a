"""Noise: Philox against published vectors, one function on every path, laws at 10⁷ numbers, the fused update.

Statistical bounds are on fixed seeds, so that nothing flickers; each says how often another seed would fail it.
"""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import torch
from scipy import special, stats

import wgf
from wgf import ops
from wgf.ops import reference
from wgf.ops.cpu import lanes

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
ROUNDING = {torch.float64: 1e-14, torch.float32: 1e-6}  # of log, sqrt, sine and cosine, relative to 5


def test_philox_known_answers():
    """Vectors of Random123's kat_vectors for philox4x32-10."""
    f = 0xFFFFFFFF
    cases = [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((f, f, f, f), (f, f), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for counter, key, want in cases:
        assert naive.philox4x32(counter, key) == want
        assert tuple(int(v) & f for v in lanes.philox(*map(np.uint64, (*counter, *key)))) == want
        assert tuple(int(v) for v in reference.philox([torch.tensor(c) for c in counter], key)) == want


def test_uniforms_are_the_same_numbers_everywhere():
    ids = torch.tensor([0, 1, 5, 2**40 + 3])
    key, step = [12345, 2**31], 2**33 + 1
    got = ops.uniform(ids, key, step, 3, 5)
    assert torch.equal(got, reference.uniform(ids, key, step, 3, 5))
    words = naive.philox4x32((1, 3, 1, (3 << 24) | (2 << 12) | (1 << 8)), tuple(key))
    assert float(got[3, 2]) == ((words[0] << 32 | words[1]) + 0.5) * 2.0**-64


def test_halves_by_the_bits_of_the_uniforms():
    ids = torch.cat([torch.arange(3000), torch.tensor([2**32 + 7, 2**44 - 1])])
    key, step = [12345, 2**31], 2**33 + 1
    assert torch.equal(ops.noise.above_half(ids, key, step, 3), ops.uniform(ids, key, step, 3, 1)[:, 0] > 0.5)


@BOTH
@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7, 70])
def test_normals_against_plain_torch(dtype, dim):
    """Consecutive ids, where lanes are shared; any ids; and a run across 2³² lanes, where the high word changes."""
    for ids in (
        torch.arange(1500) + 3,
        torch.randperm(400) * 987_654_321,
        torch.arange(100) + 2**34 // dim - 50,
        torch.tensor([2**44 - 1]),
    ):
        args = ids, [7, 8], 2**33 + 5, 2, dim, dtype
        torch.testing.assert_close(ops.normal(*args), reference.normal(*args), rtol=0, atol=ROUNDING[dtype])


def test_float32_normals_by_hand():
    """The layout in Python integers: number f = id·dim + component is normal f mod 4 of counter ⌊f/4⌋."""
    seed, step, stream, dim = 2**63 + 12345, 2**33 + 1, 3, 3
    key = (seed & 0xFFFFFFFF, seed >> 32)
    for particle, component in ((5, 2), (2**40 + 3, 0), (2**40 + 4, 1)):
        f = particle * dim + component
        counter = ((f >> 2) & 0xFFFFFFFF, f >> 34, 1, (stream + 64) << 24 | 2 << 12)
        radius, angle = naive.philox4x32(counter, key)[f & 2 : (f & 2) + 2]
        assert radius >= 2**16
        turn = 2 * math.pi * (((angle & 0x3FFFFFFF) ^ 2**29) - 2**29 + 0.125) / 2**32
        pair = (-math.cos(turn) if angle >> 31 else math.cos(turn), math.sin(turn))
        want = math.sqrt(-2 * math.log((radius + 0.5) / 2**32)) * pair[(f & 1) ^ (angle >> 30 & 1)]
        got = wgf.Noise(seed).normal(torch.tensor([particle]), step, dim, stream, dtype=torch.float32)
        assert float(got[0, component]) == pytest.approx(want, rel=1e-6, abs=1e-7)


@BOTH
@pytest.mark.parametrize("dim", [1, 3, 4])
def test_noise_belongs_to_the_particle(dtype, dim):
    """Permuting and sharding rows permutes the same bits, whatever path made them; so does another thread count."""
    noise, ids, order = wgf.Noise(4), torch.arange(100_000) + 17, torch.randperm(100_000)
    whole = noise.normal(ids, 9, dim, dtype=dtype)
    assert torch.equal(noise.normal(ids[order], 9, dim, dtype=dtype), whole[order])
    assert torch.equal(noise.normal(ids[777:5001], 9, dim, dtype=dtype), whole[777:5001])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(before, 2))
        assert torch.equal(noise.normal(ids, 9, dim, dtype=dtype), whole)
    finally:
        torch.set_num_threads(before)


@BOTH
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_fused_update_is_the_update_in_two_passes(dtype, dim):
    x, g = (torch.randn(3001, dim, dtype=dtype, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    noise, h, scale = wgf.Noise(3), 0.01, 0.2
    for ids in (torch.arange(3001), torch.arange(3001).flip(0)):
        got = noise.langevin(x, g, ids, 5, h, scale)
        want = x - h * g + scale * noise.normal(ids, 5, dim, dtype=dtype)
        assert got.dtype == dtype
        torch.testing.assert_close(got, want, rtol=0, atol=8 * torch.finfo(dtype).eps)  # a few roundings of numbers < 8
    strided = noise.langevin(x.T.contiguous().T, g.double(), ids, 5, h, scale)
    assert torch.equal(strided, got)


def test_the_fused_update_keeps_nan_and_infinity():
    x, g = torch.zeros(100, 3), torch.zeros(100, 3)
    x[3, 1], g[50, 2] = math.nan, math.inf
    moved = wgf.Noise(0).langevin(x, g, torch.arange(100), 0, 0.1, 1.0)
    assert torch.isnan(moved).nonzero().tolist() == [[3, 1]]
    assert torch.isinf(moved).nonzero().tolist() == [[50, 2]]


def test_the_fused_update_has_derivatives():
    x, g = (torch.randn(6, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, g: ops.langevin(x, g, torch.arange(6), [1, 2], 3, 0, 0.3, 0.7), (x, g))


def test_another_dtype_is_refused():
    with pytest.raises(wgf.errors.ConfigError, match="float16"):
        wgf.Noise(0).normal(torch.arange(3), 0, 2, dtype=torch.float16)


# ------------------------------------------------------------------------------------------------ laws

N = 10**7
FIVE = 5.0
"""Standard errors allowed to one sum: a false alarm in 6e-7 of all seeds."""


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def sample(request):
    return ops.normal(torch.arange(N // 4), [3, 0], 7, 0, 4, request.param).numpy()


@pytest.mark.slow
def test_moments_and_distribution(sample):
    """Five moments at 5 standard errors (a mean of 0.0016 or a variance off by 0.0022 shows), KS at 1e-6."""
    z = sample.ravel().astype(np.float64)
    square = z * z
    for power, mean, variance in ((z, 0, 1), (square, 1, 2), (z * square, 0, 15), (square * square, 3, 96)):
        assert abs(power.mean() - mean) < FIVE * math.sqrt(variance / N)
    assert abs((square**3).mean() - 15) < FIVE * math.sqrt((10395 - 225) / N)
    levels = special.ndtr(np.sort(z))
    distance = np.abs(levels - (np.arange(N) + 0.5) / N).max() + 0.5 / N
    assert stats.kstwobign.sf(distance * math.sqrt(N)) > 1e-6


def test_tails(sample):
    """Numbers beyond 3 … 6σ against Poisson's law, each with a false alarm below 1e-6."""
    size = np.abs(sample.ravel())
    for level in (3.0, 4.0, 4.5, 5.0, 5.5, 6.0):
        count, expected = int((size > level).sum()), N * 2 * special.ndtr(-level)
        assert stats.poisson.cdf(count, expected) > 5e-7, level
        assert stats.poisson.sf(count - 1, expected) > 5e-7, level


def test_components_of_a_particle_are_independent(sample):
    """χ² of pairs of components on 32 × 32 cells of equal probability, and correlations of z and z², at 1e-6 each."""
    z = sample.astype(np.float64)
    cells = np.minimum((special.ndtr(z) * 32).astype(np.int64), 31)
    for a, b in ((0, 1), (0, 2), (1, 2), (2, 3)):
        counts = np.bincount(cells[:, a] * 32 + cells[:, b], minlength=1024)
        chi2 = ((counts - len(z) / 1024) ** 2).sum() / (len(z) / 1024)
        assert 1e-6 < stats.chi2.sf(chi2, 1023) < 1 - 1e-6
        assert abs((z[:, a] * z[:, b]).mean()) < FIVE / math.sqrt(len(z))
        assert abs(((z[:, a] ** 2 - 1) * (z[:, b] ** 2 - 1)).mean()) < FIVE * math.sqrt(4 / len(z))


@pytest.mark.slow
def test_other_particles_steps_seeds_and_streams_are_independent(sample):
    """Correlations of z and of z² − 1 with the numbers of a neighbouring counter or key, at 5 standard errors."""
    dtype, ids = torch.from_numpy(sample).dtype, torch.arange(N // 4)
    other_dtype = torch.float32 if dtype == torch.float64 else torch.float64
    z = sample.ravel().astype(np.float64)
    others = [np.roll(sample, shift, axis=0) for shift in (1, 2, 4)] + [
        ops.normal(ids, *args).numpy()
        for args in (
            ([3, 0], 8, 0, 4, dtype),
            ([3, 0], 7 + 2**32, 0, 4, dtype),
            ([3, 0], 7, 1, 4, dtype),
            ([2, 0], 7, 0, 4, dtype),
            ([3, 1], 7, 0, 4, dtype),
            ([3, 0], 7, 0, 4, other_dtype),
        )
    ]
    for other in others:
        b = other.ravel().astype(np.float64)
        assert abs(np.dot(z, b)) < FIVE * math.sqrt(N)
        assert abs(np.dot(z * z - 1, b * b - 1)) < FIVE * math.sqrt(4 * N)


@pytest.mark.slow
def test_float32_tails_go_on_beyond_their_32_bits():
    """Radii of 10⁸ pairs: e^{−r²/2} is uniform below 2⁻¹⁶, where words are extended, and 27 radii lie beyond 5.5.

    It is uniform within the cells of a 32-bit word too, where words alone would leave their middles. False alarm 1e-6.
    """
    deep = []
    for step in range(10):
        z = ops.normal(torch.arange(N // 2), [5, 0], step, 0, 4, torch.float32).view(-1, 2)
        squares = z[:, 0] * z[:, 0] + z[:, 1] * z[:, 1]
        deep.append(squares[squares > 22.18].double().numpy())  # −2 ln 2⁻¹⁶ = 22.1807
    u = np.exp(-0.5 * np.concatenate(deep)) * 2**16
    u = u[u < 1.0]
    pairs = 10**8
    assert abs(len(u) - pairs / 2**16) < FIVE * math.sqrt(pairs / 2**16)
    assert stats.kstest(u, "uniform").pvalue > 1e-6
    assert stats.kstest((u[u < 0.5] * 2**16) % 1.0, "uniform").pvalue > 1e-6
    for level in (5.0, 5.5, 6.0):
        count, expected = int((u < math.exp(-0.5 * level**2) * 2**16).sum()), pairs * math.exp(-0.5 * level**2)
        assert min(stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected)) > 5e-7


def test_float32_radius_from_the_centre_to_the_last_tail():
    """√(−2 ln u) within 2e-7 for u from 2⁻⁶⁵ (9.49σ) to 1 − 2⁻³³ (1.5e-5σ), where 1 − u must keep its digits."""
    u = np.concatenate([2.0 ** -np.linspace(1.01, 65, 4001), 1 - 2.0 ** -np.linspace(1.01, 33, 4001)])
    a = np.where(u < 0.5, u, u - 1).astype(np.float32)
    got = np.array([lanes.radius_of(number) for number in a], dtype=np.float64)
    exact = np.sqrt(-2 * np.where(a < 0, np.log1p(a.astype(np.float64)), np.log(np.abs(a.astype(np.float64)))))
    assert np.abs(got / exact - 1).max() < 2e-7
    assert got.max() > 9.49
    assert got.min() < 1.6e-5
