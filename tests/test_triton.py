"""GPU kernels against plain torch: by Triton's interpreter on the CPU, on a GPU with `pytest --device cuda`.

Tolerances are relative in the norm: 2e-6 in float32 (some 30 roundings), 1e-13 in float64, as promised for dense sums.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="triton has no wheel for this platform")

from wgf.ops import activations, forms, reference
from wgf.ops.cuda import moments, network, noise
from wgf.ops.cuda.pairwise import pair_sums
from wgf.ops.cuda.stein import stein_direction

# the interpreter computes with numpy, which warns where a GPU is silent
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

FORMS = {
    forms.GAUSSIAN: [1.7],
    forms.MATERN12: [1.7],
    forms.MATERN32: [1.7],
    forms.MATERN52: [1.7],
    forms.MULTIQUADRIC: [1.7, 0.8],
    forms.MORSE: [1.0, 0.5, 0.5, 2.0],
    forms.LOG: [],
    forms.RIESZ: [1.5],
    forms.DISTANCE: [],
}
SPECIAL = [(forms.MULTIQUADRIC, [0.7, 0.5]), (forms.RIESZ, [1.0])]  # with formulas of their own
ROUNDING = {torch.float32: 2e-6, torch.float64: 1e-13}
DTYPES = pytest.mark.parametrize("dtype", ROUNDING, ids=str)


@pytest.fixture
def make(device):
    """Normal numbers on the device, the same for every test."""
    rng = np.random.default_rng(7)
    return lambda *shape, dtype=torch.float64: torch.from_numpy(rng.normal(size=shape)).to(dtype).to(device)


def close(got, want, dtype):
    """Relative distance in the norm."""
    got, want = got.double(), want.double()
    return got.shape == want.shape and float((got - want).norm()) <= ROUNDING[dtype] * float(want.norm())


def agree(args, dtype, **options):
    """Value and gradient equal the oracle's in float64, in the promised dtypes."""
    x, y, w, *rest = args
    value, gradient = pair_sums(*args, **options)
    assert (value.dtype, gradient.dtype) == (torch.float64, dtype)
    for got, want in zip((value, gradient), reference.pair_sums(x.double(), y.double(), w.double(), *rest), strict=True):
        assert close(got, want, dtype)


@DTYPES
@pytest.mark.parametrize("d", [1, 2, 3, 11, 40])
@pytest.mark.parametrize("form", FORMS)
def test_pair_sums(form, d, dtype, make):
    x, y = make(5, d, dtype=dtype), make(39, d, dtype=dtype)  # neither fills its blocks
    w = make(39).abs()
    scale = math.sqrt(d) if form in (forms.GAUSSIAN, forms.MATERN12, forms.MATERN32, forms.MATERN52) else 1.0
    parameters = [scale * p for p in FORMS[form]]
    agree((x, y, w, form, parameters, 0.1, False), dtype)
    agree((y, y, w, form, parameters, 0.0, True), dtype)


@DTYPES
@pytest.mark.parametrize(("form", "parameters"), SPECIAL)
def test_special_exponents(form, parameters, dtype, make):
    x, w = make(70, 3, dtype=dtype), make(70).abs()
    agree((x, x, w, form, parameters, 0.0, True), dtype)


@DTYPES
@pytest.mark.parametrize("d", [2, 130])
def test_sums_of_many_blocks(d, dtype, make):
    """Several row blocks and pieces of a sum, a flush of float32 sums to float64, more than one slab of components."""
    x, y = make(70, d, dtype=dtype), make(4200 if d == 2 else 300, d, dtype=dtype)
    agree((x, y, torch.ones(len(y), device=x.device), forms.GAUSSIAN, [math.sqrt(d)], 0.0, False), dtype)


@pytest.mark.parametrize("precision", ["float64", "ieee"])
@DTYPES
def test_close_and_equal_points_far_from_the_centre(precision, dtype, make):
    """Where |x|² + |y|² − 2x·y would lose all digits: pairs at a millionth of their norm, kinked forms at 0."""
    d = 20
    x = torch.cat([make(6, d, dtype=dtype) + 10.0, make(6, d, dtype=dtype) - 10.0])
    y = torch.cat([x.clone(), x + 1e-3 * make(12, d, dtype=dtype)])
    w = make(24).abs()
    for form in (forms.MATERN12, forms.DISTANCE):
        value, _ = pair_sums(x, y, w, form, FORMS[form], 0.0, False, precision)
        want, _ = reference.pair_sums(x.double(), y.double(), w, form, FORMS[form], 0.0, False)
        # "ieee" rounds the centred coordinates to float32: u of 1e-3 √20 is known to 10·6e-8, k ~ 1 to a fraction of it
        assert close(value, want, dtype)


def test_precisions_that_must_be_asked_for(make):
    """TF32 and bfloat16 keep 11 and 8 bits of each coordinate: q within 2⁻¹⁰ and 2⁻⁷ of its norms, k ~ e^(−q/2h²)."""
    x, w = make(33, 24, dtype=torch.float32), make(33).abs()
    want, _ = reference.pair_sums(x.double(), x.double(), w, forms.GAUSSIAN, [6.0], 0.0, False)
    for precision, bound in (("tf32x3", 2e-6), ("tf32", 2e-3), ("bfloat16", 2e-2)):
        got, _ = pair_sums(x, x, w, forms.GAUSSIAN, [6.0], 0.0, False, precision)
        assert float((got - want).norm() / want.norm()) <= bound


@DTYPES
@pytest.mark.parametrize("d", [1, 3, 9, 20])
@pytest.mark.parametrize("form", [forms.GAUSSIAN, forms.MATERN12, forms.MULTIQUADRIC])
def test_stein_direction(form, d, dtype, make):
    x, y, s = make(7, d, dtype=dtype), make(37, d, dtype=dtype), make(37, d, dtype=dtype)
    w = make(37).abs()
    got = stein_direction(x, y, w, s, form, FORMS[form], 0.1)
    u = x.double()[:, None] - y.double()
    k, g = forms.evaluate(form, FORMS[form], (u * u).sum(-1) + 0.01)
    want = (k * w) @ s.double() - ((g * w)[..., None] * u).sum(1)
    assert got.dtype == dtype
    assert close(got, want, dtype)


def test_stein_direction_repels(make):
    """With no score the particles move apart: φ points away from the other particle (theory: −∇K(x − y))."""
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64, device=make(1).device)
    phi = stein_direction(x, x, torch.full_like(x[:, 0], 0.5), torch.zeros_like(x), forms.GAUSSIAN, [1.0], 0.0)
    assert float(phi[0, 0]) < 0.0 < float(phi[1, 0])


@DTYPES
@pytest.mark.parametrize("d", [2, 20])
def test_one_particle_none_strided_and_singular(d, dtype, make):
    one, w = make(1, d, dtype=dtype), torch.ones(1, device=make(1).device)
    value, gradient = pair_sums(one, one, w, forms.LOG, [], 0.0, True)  # the self pair is left out, nothing remains
    assert float(value.abs().sum() + gradient.abs().sum()) == 0.0
    value, _ = pair_sums(one, one, w, forms.LOG, [], 0.0, False)  # the self pair is infinite
    assert float(value[0]) == math.inf
    for rows, columns in ((0, 1), (1, 0)):
        value, gradient = pair_sums(one[:rows], one[:columns], w[:columns], forms.GAUSSIAN, [1.0], 0.0, False)
        assert value.shape == (rows,)
        assert not gradient.any()
    strided = make(d, 12, dtype=dtype).T
    agree((strided, strided, make(24)[::2], forms.GAUSSIAN, [3.0], 0.0, False), dtype)


@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("form", FORMS)
def test_nan_and_infinity_are_kept(form, d, make):
    """A NaN in one particle reaches every row; an infinite one makes its own row not finite."""
    x = make(4, d)
    w, parameters = torch.ones(4, device=x.device), FORMS[form]
    x[2, 1] = math.nan
    value, gradient = pair_sums(x, x, w, form, parameters, 0.0, True)
    assert torch.isnan(value).all()
    assert torch.isnan(gradient).any(dim=1).all()
    x[2, 1] = math.inf
    assert not torch.isfinite(pair_sums(x, x, w, form, parameters, 0.0, True)[1][2]).all()
    x[2, 1], w[3] = 0.0, math.nan
    assert torch.isnan(pair_sums(x, x, w, form, parameters, 0.0, True)[0][:3]).all()


@DTYPES
def test_the_same_bits_twice(dtype, make):
    x, w, s = make(67, 3, dtype=dtype), make(67).abs(), make(67, 3, dtype=dtype)
    theta, z, r = make(70, 8, dtype=dtype), make(66, 5, dtype=dtype), make(66, 2, dtype=dtype)
    for run in (
        lambda: pair_sums(x, x, w, forms.RIESZ, [1.0], 0.0, True)[1],
        lambda: stein_direction(x, x, w, s, forms.GAUSSIAN, [1.0], 0.0),
        lambda: network.network_forward(theta, make(70), z, 2, activations.TANH) * 0 + network.network_backward(theta, z, r, 0)[1].sum(),
        lambda: moments.covariance(x, w, x.double().mean(0)),
    ):
        assert torch.equal(run(), run())


@DTYPES
@pytest.mark.parametrize("activation", activations.NAMES)
@pytest.mark.parametrize("shape", [(70, 67, 5, 3), (1, 1, 1, 1), (3, 40, 100, 17)])
def test_network(activation, shape, dtype, make):
    n, m, inputs, outputs = shape
    theta, z, r = make(n, outputs + inputs + 1, dtype=dtype), make(m, inputs, dtype=dtype), make(m, outputs, dtype=dtype)
    w, number = make(n).abs(), activations.NAMES[activation]
    f = network.network_forward(theta, w, z, outputs, number)
    exact = [t.double() for t in (theta, w, z, r)]
    assert f.dtype == torch.float64
    assert close(f, reference.network_forward(*exact[:3], outputs, number), dtype)
    pair = network.network_backward(theta, z, r, number)
    for got, want in zip(pair, reference.network_backward(exact[0], exact[2], exact[3], number), strict=True):
        assert got.dtype == dtype
        assert close(got, want, dtype)


def test_network_slabs_pieces_and_small_arguments(make):
    """More inputs than one slab, more samples and neurons than one piece; tanh near 0, where 1 − e loses digits."""
    dtype = torch.float32
    theta, z, r = 1e-2 * make(300, 91, dtype=dtype), make(290, 88, dtype=dtype), make(290, 2, dtype=dtype)
    f = network.network_forward(theta, torch.ones(300, device=theta.device), z, 2, activations.TANH)
    exact = [t.double() for t in (theta, torch.ones_like(theta[:, 0]), z, r)]
    assert close(f, reference.network_forward(*exact[:3], 2, activations.TANH), dtype)
    got, want = network.network_backward(theta, z, r, 0)[1], reference.network_backward(exact[0], exact[2], exact[3], 0)[1]
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
@pytest.mark.parametrize("d", [1, 3, 40, 70])
def test_moments_and_affine(d, dtype, make):
    x, w = make(333, d, dtype=dtype) + 1e3, make(333).abs()
    w /= w.sum()
    exact = x.double()
    mean = moments.weighted_sum(w, x)
    assert close(mean, w @ exact, torch.float64)
    want = reference.covariance(exact, w, mean)
    cov = moments.covariance(x, w, mean)
    assert close(cov, want, torch.float64)
    assert torch.equal(cov, cov.T)
    if d <= 64:
        for got, expected in zip(moments.moments(x, w), (w @ exact, want), strict=True):
            assert close(got, expected, torch.float64)
    matrix = make(d, d + 1)
    got = moments.affine(x, mean, matrix)
    assert got.dtype == dtype
    assert close(got, (exact - mean) @ matrix, dtype)


def test_moments_keep_nan(make):
    x, w = make(70, 3), torch.full((70,), 1 / 70, dtype=torch.float64, device=make(1).device)
    x[66, 1] = math.nan
    mean = moments.weighted_sum(w, x)
    assert torch.isnan(mean).tolist() == [False, True, False]
    assert torch.isnan(moments.covariance(x, w, mean)[1]).all()
    assert torch.isnan(moments.affine(x, mean, make(3, 2))).all()


IDS = torch.arange(300) * 12_345_678


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize(("seed", "step", "stream"), [(0, 0, 0), (2**63 + 5, 2**33 + 7, 3), (2**64 - 1, 1, 255)])
def test_noise(seed, step, stream, dim, device):
    """Uniforms are the same numbers; normals differ by the rounding of log, sin and cos alone."""
    key, ids = [seed & 0xFFFFFFFF, seed >> 32], IDS.to(device)
    assert torch.equal(noise.random(ids, key, step, stream, dim, False).cpu(), reference.random(IDS, seed, step, stream, dim, False))
    got = noise.random(ids, key, step, stream, dim, True).cpu()
    torch.testing.assert_close(got, reference.random(IDS, seed, step, stream, dim, True), rtol=0, atol=2e-14)


@DTYPES
@pytest.mark.parametrize("d", [1, 4, 5])
def test_langevin_update(d, dtype, device, make):
    x, g = make(300, d, dtype=dtype), make(300, d, dtype=dtype)
    h, s = 0.1 + 1e-12, math.sqrt(0.2)  # not float32 numbers
    got = noise.langevin(x, g, IDS.to(device), h, s, [5, 6], 7, 1)
    xi = reference.random(IDS, 5 | 6 << 32, 7, 1, d, True).to(device)
    assert got.dtype == dtype
    assert close(got, x.double() - h * g.double() + s * xi, dtype)


def test_kernels_compile_for_a_gpu_without_one():
    """What the interpreter cannot see: types, shapes and masks as the compiler wants them, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    script = Path(__file__).with_name("compile_triton.py")
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kernels = set(done.stdout.split())
    assert kernels == {
        "differences._sums", "products._sums", "network._forward", "network._backward",
        "moments._sums", "moments._second", "moments._affine", "noise._random", "noise._langevin",
    }  # fmt: skip
