"""GPU kernels against plain torch: by Triton's interpreter on the CPU, on a GPU with `pytest --device cuda`.

Tolerances are relative in the norm: 2e-6 in float32 (some 30 roundings), 1e-13 in float64, as promised for dense sums.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from operations import operations
from rounding import DTYPES, close

pytest.importorskip("triton", reason="triton has no wheel for this platform")

from wgf.errors import BackendError
from wgf.ops import activations, forms, reference
from wgf.ops.cuda import moments, network, softmin
from wgf.ops.cuda.pairwise import pair_sums, stein_direction
from wgf.ops.registry import GPU, PLAIN

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


def agree(args, dtype, **options):
    """Value and gradient equal the oracle's in float64, in the promised dtypes."""
    x, y, w, *rest = args
    value, gradient = pair_sums(*args, **options)
    assert (value.dtype, gradient.dtype) == (torch.float64, dtype)
    for got, want in zip(
        (value, gradient), reference.pair_sums(x.double(), y.double(), w.double(), *rest), strict=True
    ):
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


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("d", [2, 130])
def test_sums_of_many_blocks(d, dtype, make):
    """Several row blocks and pieces of a sum, a flush of float32 sums to float64, more than one slab of components."""
    x, y = make(70, d, dtype=dtype), make(4200 if d == 2 else 300, d, dtype=dtype)
    agree((x, y, torch.ones(len(y), device=x.device), forms.GAUSSIAN, [math.sqrt(d)], 0.0, False), dtype)


@pytest.mark.parametrize("precision", ["float64", "ieee"])
@DTYPES
def test_close_and_equal_points_far_from_the_centre(precision, dtype, make):
    """Where |x|² + |y|² − 2x·y would lose all digits: pairs far closer than their norms, kinked forms at 0."""
    d = 20
    x = torch.cat([make(6, d, dtype=dtype) + 10.0, make(6, d, dtype=dtype) - 10.0])
    y = torch.cat([x.clone(), x + 1e-3 * make(12, d, dtype=dtype)])
    w = make(24).abs()
    for form in (forms.MATERN12, forms.DISTANCE):
        value, _ = pair_sums(x, y, w, form, FORMS[form], 0.0, False, precision=precision)
        want, _ = reference.pair_sums(x.double(), y.double(), w, form, FORMS[form], 0.0, False)
        # "ieee" rounds the centred coordinates to float32: u of 1e-3 √20 is known to 10·6e-8, k ~ 1 to a fraction of it
        assert close(value, want, dtype)


def test_precisions_that_must_be_asked_for(make, device):
    """TF32 and bfloat16 keep 11 and 8 bits of each number: products within some 2⁻¹⁰ and 2⁻⁷ of the norms.

    The interpreter rounds nothing to TF32 and does not know products in bfloat16: those run on a GPU alone.
    """
    x, w = make(33, 24, dtype=torch.float32), make(33).abs()
    want, _ = reference.pair_sums(x.double(), x.double(), w, forms.GAUSSIAN, [6.0], 0.0, False)
    bounds = {"tf32x3": 2e-6, "tf32": 2e-3} | ({"bfloat16": 2e-2} if device == "cuda" else {})
    for precision, bound in bounds.items():
        got, _ = pair_sums(x, x, w, forms.GAUSSIAN, [6.0], 0.0, False, precision=precision)
        assert float((got - want).norm() / want.norm()) <= bound
    theta, z = make(33, 23, dtype=torch.float32), make(20, 20, dtype=torch.float32)
    want = reference.network_forward(theta.double(), w, z.double(), 2, activations.TANH)
    pull = reference.network_backward(theta.double(), z.double(), want, activations.TANH)[1]
    for precision in ("float64", "ieee"):
        got = network.network_forward(theta, w, z, 2, activations.TANH, precision)
        assert float((got - want).norm() / want.norm()) <= 2e-6
        got = network.network_backward(theta, z, want, activations.TANH, precision)[1]
        assert float((got - pull).norm() / pull.norm()) <= 2e-6
    with pytest.raises(BackendError, match="precision 'tf32x3'; wanted one of float64, ieee"):
        network.network_backward(theta, z, want, activations.TANH, "tf32x3")


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
        lambda: network.network_forward(theta, w[:1].expand(70), z, 2, activations.TANH),
        lambda: network.network_backward(theta, z, r, activations.TANH)[1],
        lambda: moments.moments(x, w)[2],
    ):
        assert torch.equal(run(), run())


@pytest.mark.parametrize("name", operations())
def test_operations_run_these_kernels_on_a_gpu(name, device):
    """CUDA tensors get the Triton bodies: same values, shapes and dtypes as the plain ones."""
    op, args = operations()[name]
    there = [a.to(device) if isinstance(a, torch.Tensor) else a for a in args]
    results = (op if device == "cuda" else GPU[f"wgf::{name}"])(*there), PLAIN[f"wgf::{name}"](*args)
    for got, want in zip(*(r if isinstance(r, tuple) else (r,) for r in results), strict=True):
        assert got.dtype == want.dtype
        torch.testing.assert_close(got.cpu(), want, rtol=2e-6 if args[0].dtype == torch.float32 else 1e-6, atol=1e-6)


@DTYPES
@pytest.mark.parametrize("d", [1, 3, 40])
def test_soft_minimum(d, dtype, make):
    """Neither cloud fills its blocks, a point has no mass, and exponents are far from 0."""
    x, y, logits = make(39, d, dtype=dtype), make(70, d, dtype=dtype), 3.0 * make(70).double()
    logits[5] = -math.inf
    args = x, y, logits, logits[:39], 0.05 * d
    value, slope = softmin.soft_minimum(*args, True)
    want = reference.soft_minimum(x.double(), y.double(), logits, 0.05 * d)
    assert close(value, want[0], dtype)
    torch.testing.assert_close(slope, want[1], rtol=0.0, atol=1e-4 if dtype == torch.float32 else 1e-12)
    assert softmin.soft_minimum(*args, False)[1].shape == (39, 0)


def test_importing_wgf_does_not_import_triton(imported):
    assert "wgf.ops" in imported
    assert "triton" not in imported


@pytest.mark.slow
def test_kernels_compile_for_a_gpu_without_one():
    """What the interpreter cannot see: types, shapes and masks as the compiler wants them, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    script = Path(__file__).parents[1] / "compile_triton.py"
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kernels = set(done.stdout.split())
    assert kernels == {
        "differences._sums", "products._sums", "network._forward", "network._backward",
        "moments._sums", "moments._second", "moments._join", "moments._affine", "noise._draw", "noise._move",
        "noise._move_single", "softmin._soft",
    }  # fmt: skip
