"""The network pass: activations, tiles and the sweep over runs of samples against oracles; threads, NaN, memory."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import naive
import numba
import numpy as np
import pytest
import torch

import wgf
from wgf import ops
from wgf.ops import activations, reference
from wgf.ops.cpu import elementary
from wgf.ops.cpu import network as cpu

LONG = np.longdouble


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def distance(got, want):
    """Relative distance in the norm."""
    got, want = np.asarray(got), np.asarray(want)
    return float(np.linalg.norm(got - want)) / max(float(np.linalg.norm(want)), 1e-300)


def tolerance(dtype):
    """The stated accuracy of the pass, against an oracle in float64."""
    return 2e-6 if dtype == torch.float32 else 1e-13


def case(rng, n, m, d, k, dtype=torch.float64):
    """θ, weights, z and targets; values of order one, so that every activation is met off its flat parts."""
    theta, z = (torch.from_numpy(rng.normal(size=s)).to(dtype) for s in ((n, k + d + 1), (m, d)))
    return theta, torch.from_numpy(rng.uniform(size=n) / n), z, torch.from_numpy(rng.normal(size=(m, k)))


def forward_backward(theta, w, z, y, code):
    """f and the gradient of the squared loss by `network_forward_backward`, with the runs of samples it was given."""
    runs, f = [], torch.full(y.shape, math.nan, dtype=torch.float64)

    def residual(part, rows):
        runs.append(rows)
        f[rows] = part
        return (part - y[rows]) / len(y)

    return f, ops.network_forward_backward(theta, w, z, y.shape[1], code, residual), runs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "ulp", "reach"), [("tanh", 4, 25.0), ("softplus", 3, 85.0), ("erf", 4, 7.0), ("exp2_minus_1", 4, 120.0)]
)
def test_elementary_functions_of_the_pass(name, ulp, reach, dtype, rng):
    """Within the stated ulp (half of one more for the rounding of `math.erf`, which is not exact either)."""
    function = getattr(elementary, name)

    @numba.njit(error_model="numpy", fastmath={"contract", "nsz"})
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    small = 10.0 ** rng.uniform(-30, 0, 20_000)
    x = np.concatenate([rng.uniform(-reach, reach, 20_000), rng.normal(size=40_000), small, -small]).astype(dtype)
    out = np.empty_like(x)
    loop(x, out)
    functions: dict[str, Any] = {
        "tanh": np.tanh,
        "softplus": lambda s: np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s))),
        "erf": lambda s: np.array([math.erf(v) for v in s], dtype=LONG),
        "exp2_minus_1": lambda s: np.expm1(s * np.log(LONG(2))),
    }
    exact = functions[name](x.astype(LONG))
    error = np.abs(out.astype(LONG) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert error.max() <= ulp + 0.5 * (name == "erf")
    if name != "exp2_minus_1":
        edges, out = np.array([math.nan, math.inf, -math.inf, 0.0], dtype), np.empty(4, dtype)
        loop(edges, out)
        wanted: dict[str, list[float]] = {"tanh": [1, -1, 0], "softplus": [math.inf, 0, math.log(2)], "erf": [1, -1, 0]}
        np.testing.assert_allclose(out, [math.nan, *wanted[name]], rtol=1e-7 if dtype == np.float32 else 1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", activations.NAMES)
@pytest.mark.parametrize("shape", [(1030, 700, 5, 3), (700, 1100, 2, 1), (1, 1, 1, 1), (3, 600, 2, 2)])
def test_passes_against_oracles(activation, shape, dtype, rng):
    n, m, d, k = shape
    theta, w, z, y = case(rng, n, m, d, k, dtype)
    code = activations.NAMES[activation]
    exact, inputs = theta.double(), z.double()
    want_f = reference.network_forward(exact, w, inputs, k, code)
    r = (want_f - y) / len(y)
    want_v, want_g = reference.network_backward(exact, inputs, r, code)
    plain = naive.network(exact.numpy(), w.numpy(), inputs.numpy(), k, activation)
    assert distance(want_f, plain) < 1e-11  # naive softplus and sigmoid are not careful

    f, g, _ = forward_backward(theta, w, z, y, code)
    v, again = ops.network_backward(theta, z, r, code)
    results = ((f, want_f), (g, want_g), (v, want_v), (again, want_g))
    for got, want in (*results, (ops.network_forward(theta, w, z, k, code), want_f)):
        size = 1.0 + float(want_g.abs().max())
        assert distance(got, want) <= tolerance(dtype) or float((got - want).abs().max()) <= 1e-15 * size
    assert g.dtype == again.dtype == v.dtype == dtype
    assert f.dtype == torch.float64


def test_autograd(rng):
    theta, w, z, _ = case(rng, 4, 6, 2, 2)
    theta.requires_grad_()
    w.requires_grad_()
    for code in (activations.TANH, activations.SOFTPLUS, activations.ERF):
        assert torch.autograd.gradcheck(lambda t, w, code=code: ops.network_forward(t, w, z, 2, code), (theta, w))


@pytest.mark.parametrize("k", [1, 3])
def test_runs_and_recomputation_change_rounding_only(k, rng, monkeypatch):
    """Each sample is asked for once, in order, whether activations are kept run by run or computed twice."""
    theta, w, z, y = case(rng, 300, 1000, 7, k)
    f, g, runs = forward_backward(theta, w, z, y, activations.TANH)
    assert runs == [slice(0, 1000)]
    monkeypatch.setattr(cpu, "_CACHE", 300 * 8 * 256)
    f_runs, g_runs, runs = forward_backward(theta, w, z, y, activations.TANH)
    assert runs == [slice(i, i + 250) for i in range(0, 1000, 250)]
    monkeypatch.setattr(cpu, "BUDGET", 0)
    f_twice, g_twice, runs = forward_backward(theta, w, z, y, activations.TANH)
    assert runs == [slice(0, 1000)]
    for got, want in ((f_runs, f), (g_runs, g), (f_twice, f), (g_twice, g)):
        assert distance(got, want) < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "k"), [(2001, 10), (2001, 1), (70, 1)])
def test_same_bits_with_one_and_two_threads(n, k, dtype, rng, monkeypatch):
    monkeypatch.setattr(cpu, "_CACHE", 2001 * 8 * 512)
    theta, w, z, y = case(rng, n, 1501, 59, k, dtype)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            f, g, _ = forward_backward(theta, w, z, y, activations.TANH)
            results.append([f, g, *ops.network_backward(theta, z, y, activations.TANH)])
            results[-1].append(ops.network_forward(theta, w, z, k, activations.TANH))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("activation", activations.NAMES)
@pytest.mark.parametrize("k", [1, 2])
def test_nan_and_infinity_are_kept(activation, k, rng):
    """A neuron that is NaN spoils f and its own row, an infinite residual its column; the other rows stay finite."""
    code = activations.NAMES[activation]
    theta, w, z, y = case(rng, 20, 30, 3, k)
    theta[7, k] = math.nan
    assert torch.isnan(ops.network_forward(theta, w, z, k, code)).all()
    value, gradient = ops.network_backward(theta, z, y, code)
    bad = torch.isnan(gradient).any(1)
    assert bad[7]
    assert bad.sum() == 1
    assert torch.isnan(value).sum() == 1
    assert torch.isnan(forward_backward(theta, w, z, y, code)[1]).any(1).all()
    y[3, 0] = math.inf
    assert not torch.isfinite(ops.network_backward(theta, z, y, code)[1][:, 0]).any() or activation == "relu"


@pytest.mark.parametrize(("n", "m"), [(256, 1600), (700, 900)])
def test_passes_in_registers_are_those_of_blas(n, m, rng, monkeypatch):
    """More activations than those of a small network: the gradient of other code, and equal bits in every order."""
    theta, w, z, y = case(rng, n, m, 20, 3)
    f, g, runs = forward_backward(theta, w, z, y, activations.TANH)
    assert runs == [slice(0, m)]
    monkeypatch.setattr(cpu.small_network, "NEURONS", 10**9)
    f_other, g_other, _ = forward_backward(theta, w, z, y, activations.TANH)
    assert not torch.equal(g, g_other)
    assert distance(f, f_other) < 1e-14
    assert distance(g, g_other) < 1e-13


def test_memory_is_that_of_a_run_of_samples(rng, monkeypatch):
    """All activations would take 128 MiB. Workspace: the run's, and 4 MiB for the scratch of two threads each."""
    theta, w, z, y = case(rng, 2048, 8192, 8, 1)
    small = 4 * theta.numel() * 8 + 16 * y.numel() * 8  # copies of parts of θ, the gradient, sums over runs of neurons

    def peak():
        forward_backward(theta, w, z, y, activations.TANH)
        tracemalloc.start()
        try:
            forward_backward(theta, w, z, y, activations.TANH)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    scratch = 2 * torch.get_num_threads() * cpu._NEURONS * cpu._SAMPLES * 8
    kept = peak()
    assert kept < cpu._CACHE + scratch + small
    assert kept > cpu._CACHE / 2
    monkeypatch.setattr(cpu, "BUDGET", 0)
    assert peak() < scratch + small


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_risk_by_runs_of_samples_is_the_risk(dtype, rng, monkeypatch):
    """`evaluate` and `gradient` walk over runs; value and pulled-back gradient by whole passes are the oracle."""
    z, y = rng.normal(size=(900, 4)), rng.integers(0, 3, 900)
    risk = wgf.NetworkRisk(z, y, loss="cross_entropy")
    mu = risk.initial(500, dtype=dtype)
    monkeypatch.setattr(cpu, "_CACHE", 500 * mu.x.itemsize * 256)
    evaluation = risk.evaluate(mu)
    assert distance(evaluation.value, risk.value(mu)) < tolerance(dtype)
    assert distance(evaluation.gradient, risk.gradient(mu, at=mu.x)) < tolerance(dtype)
    assert torch.equal(evaluation.gradient, risk.gradient(mu))
