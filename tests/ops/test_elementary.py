"""Elementary functions of compiled loops against extended precision, over their whole range, in both dtypes."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

from wgf.ops.cpu import elementary

DTYPES = [np.float32, np.float64]
LONG = np.longdouble
pytestmark = pytest.mark.skipif(np.finfo(LONG).eps > 1e-18, reason="the oracle needs numbers longer than float64")

REFERENCES: dict[str, Any] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log2": np.log2,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
BOUNDS = {"sigmoid": 3.0}  # ulp; 2 for the others
OF_THE_NETWORK = ["tanh", "softplus", "erf", "exp2_minus_1"]  # their errors: tests/ops/test_network.py


def apply(name, x):
    """The function over an array, compiled as in the package."""
    function = getattr(elementary, name)

    @numba.njit(error_model="numpy", fastmath={"contract", "nsz"})
    def one(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    @numba.njit(error_model="numpy", fastmath={"contract", "nsz"})
    def two(x, out):
        for i in range(x.size):
            out[0, i], out[1, i] = function(x[i])

    pair = name.startswith("sin_cos")
    out = np.empty((2, x.size) if pair else x.size, x.dtype)
    (two if pair else one)(x, out)
    return out


def whole_range(dtype, rng):
    """Numbers with uniformly drawn bits: every exponent, subnormal ones included, and both signs."""
    bits = rng.integers(0, 2**64, 400_000, dtype=np.uint64) >> np.uint64(64 - 8 * dtype().itemsize)
    x = bits.astype(f"u{dtype().itemsize}").view(dtype)
    info = np.finfo(dtype)
    ends = [info.tiny, info.smallest_subnormal, info.max, 1.0, np.nextafter(dtype(1), dtype(0)), 1 + info.eps]
    ordinary = rng.normal(size=200_000) * rng.choice([0.3, 3, 30, 300], 200_000)
    return np.concatenate([x[np.isfinite(x)], ordinary.astype(dtype), np.array(ends, dtype)])


def error_in_ulp(got, want):
    """Largest |got − want| in the spacing of the wanted number, where that is finite in the dtype."""
    with np.errstate(over="ignore"):
        rounded = want.astype(got.dtype)
    finite = np.isfinite(rounded) & np.isfinite(got)
    assert np.array_equal(np.isfinite(rounded), np.isfinite(got))
    spacing = np.spacing(np.abs(rounded[finite])).astype(LONG)
    return float(np.max(np.abs(got[finite].astype(LONG) - want[finite]) / spacing))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REFERENCES)
def test_error_over_the_whole_range(name, dtype):
    x = whole_range(dtype, np.random.default_rng(1))
    if name in ("log", "log2", "rsqrt"):
        x = np.abs(x[x != 0])
    if name.startswith("exp"):  # at the edge of overflow an ulp decides between infinity and the largest number
        top = math.log2(float(np.finfo(dtype).max)) * (1.0 if name == "exp2" else math.log(2.0))
        x = x[np.abs(x - top) > 1e-4]
    with np.errstate(all="ignore"):
        want = REFERENCES[name](x.astype(LONG))
    assert error_in_ulp(apply(name, x), want) <= BOUNDS.get(name, 2.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sine_and_cosine_of_turns(dtype):
    rng = np.random.default_rng(2)
    u = np.concatenate([rng.uniform(-3, 3, 300_000), np.arange(-80, 81) / 16, 1e5 + rng.uniform(size=1000)])
    u = u.astype(dtype)
    angle = 2 * np.arctan(LONG(1)) * 4 * (u.astype(LONG) - np.rint(u.astype(LONG)))
    sine, cosine = apply("sin_cos_2pi", u)
    for got, want in ((sine, np.sin(angle)), (cosine, np.cos(angle))):
        assert float(np.abs(got.astype(LONG) - want).max()) <= 2 * np.finfo(dtype).eps
    small = np.abs(u) <= 0.125
    assert error_in_ulp(sine[small], np.sin(angle[small])) <= 3
    assert np.array_equal(apply("sin_cos_2pi", np.array([0.25, 0.5, 0.75, 1.0, -0.25], dtype))[0], [1, 0, -1, 0, -1])
    assert np.isnan(apply("sin_cos_2pi", np.array([math.nan, math.inf, -math.inf], dtype))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sine_and_cosine_within_an_eighth(dtype):
    """Both functions of turns agree bit for bit where no quarter is to be taken away."""
    w = np.linspace(-0.124, 0.124, 100_001).astype(dtype)
    assert np.array_equal(apply("sin_cos_eighth", w), apply("sin_cos_2pi", w))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_absolute_error(dtype):
    x = whole_range(dtype, np.random.default_rng(3))
    assert float(np.abs(apply("tanh", x) - np.tanh(x.astype(LONG))).max()) <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_decay_within_sums(dtype):
    """Relative error where the result is a normal number, and exactly 0 far below."""
    info = np.finfo(dtype)
    y = -np.random.default_rng(4).uniform(0, -math.log2(float(info.tiny)), 300_000).astype(dtype)
    want = np.exp2(y.astype(LONG))
    assert float(np.max(np.abs(apply("exp2_decay", y) - want) / want)) < (2e-7 if dtype is np.float32 else 1e-15)
    assert np.array_equal(apply("exp2_decay", np.array([0, -1, -1023, -5000, -math.inf], dtype)), [1, 0.5, 0, 0, 0])
    assert np.isnan(apply("exp2_decay", np.array([math.nan], dtype))[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("exp", [math.inf, 0.0, 1.0, 1.0]),
        ("exp2", [math.inf, 0.0, 1.0, 1.0]),
        ("log", [math.inf, math.nan, -math.inf, -math.inf]),
        ("log2", [math.inf, math.nan, -math.inf, -math.inf]),
        ("rsqrt", [0.0, math.nan, math.inf, math.inf]),
        ("tanh", [1.0, -1.0, 0.0, 0.0]),
        ("sigmoid", [1.0, 0.0, 0.5, 0.5]),
    ],
)
def test_limits(name, want, dtype):
    got = apply(name, np.array([math.nan, math.inf, -math.inf, 0.0, -0.0], dtype))
    np.testing.assert_array_equal(got, np.array([math.nan, *want], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*REFERENCES, *OF_THE_NETWORK, "exp2_decay", "rsqrt_normal"])
def test_loops_are_vectorised(name, dtype):
    """A loop that fell back to scalar code would be right and ten times slower."""
    function = getattr(elementary, name)

    @numba.njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
    def total(x):
        s = x[0]
        for i in range(x.size):
            value = function(x[i])
            s += value
        return s

    total(np.ones(64, dtype))
    code = total.inspect_llvm(total.signatures[0])
    width = "float" if dtype is np.float32 else "double"
    assert f"x {width}>" in code


def test_the_names_above_are_all_of_them():
    public = {name for name, value in vars(elementary).items() if hasattr(value, "py_func") and name[0] != "_"}
    assert public == {*REFERENCES, *OF_THE_NETWORK, "sin_cos_2pi", "sin_cos_eighth", "exp2_decay", "rsqrt_normal"}
