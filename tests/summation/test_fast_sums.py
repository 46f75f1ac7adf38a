"""Near-linear sums against sums over all pairs: errors within rtol, the choice of a method, and refusals."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import wgf
import wgf.runs
from wgf import kernels as K
from wgf.errors import BackendError, ConfigError
from wgf.ops.fast import fourier
from wgf.ops.fast.sorting import sorted_sums
from wgf.summation import Summation, Sums, check, choose, default_costs, kernel_sums, load_costs, relative_error

needs_finufft = pytest.mark.skipif(importlib.util.find_spec("finufft") is None, reason="finufft is not installed")

SMOOTH = {
    "gaussian": lambda d: K.Gaussian(0.5),
    "wide gaussian": lambda d: K.Gaussian(30.0),
    "imq": lambda d: K.InverseMultiquadric(2.0),
    "imq of power 1.5": lambda d: K.InverseMultiquadric(2.0, 1.5),
    "matern52": lambda d: K.Matern(2.5, 4.0),
    "matern32": lambda d: K.Matern(1.5, 4.0),
    "log": lambda d: K.Log(1.0),
    "riesz": lambda d: K.Riesz(1.0, 1.0),
    "newtonian": lambda d: K.Newtonian(d, 1.0),
    "of the user": lambda d: K.RadialKernel(lambda q: 1 / (4.0 + q)),
    "sum with a kernel by moments": lambda d: K.Gaussian(1.0) - 0.5 * K.Gaussian(2.0) + 0.1 * K.QuadraticKernel(),
}
ROUGH = {("matern52", 2, 1e-10), ("matern52", 3, 1e-6), ("matern52", 3, 1e-10)} | {
    ("matern32", d, r) for d, r in ((1, 1e-10), (2, 1e-6), (2, 1e-10), (3, 1e-3), (3, 1e-6), (3, 1e-10))
}
"""Where a kernel of finite smoothness needs more modes than are allowed: there it may be refused, never be wrong."""
ON_A_LINE = {
    "laplace": K.Laplace(0.7),
    "matern32": K.Matern(1.5, 0.7),
    "matern52": K.Matern(2.5, 0.7),
    "morse": K.Morse(1.0, 0.5, 0.5, 2.0),
    "distance": K.Newtonian(1),
    "sum": 2.0 * K.Laplace(0.3) - K.Newtonian(1) + K.QuadraticKernel(0.3),
}


def clouds(n, d, rng):
    centres = 2 * rng.normal(size=(4, d))
    yield rng.normal(size=(n, d))
    yield centres[rng.integers(0, 4, n)] + 0.05 * rng.normal(size=(n, d))
    yield rng.normal(size=(n, d)) * np.linspace(1, 0.01, d) + 1e3


def weighted(x, rng):
    w = rng.uniform(size=len(x))
    return wgf.Ensemble(x, w / w.sum())


def error_of(mu, kernel, method, rtol, at=None):
    got, want = mu.kernel_sums(kernel, at, None, method, rtol), mu.kernel_sums(kernel, at)
    return relative_error(got[0], want[0], got[1], want[1])


CASES = [
    pytest.param(name, d, rtol, marks=[pytest.mark.slow] * (d == 3 or (name, d, rtol) in ROUGH))
    for name in SMOOTH
    for d in (1, 2, 3)
    for rtol in (1e-3, 1e-6, 1e-10)
    # at 1e-10 in space only the Gaussians' grids are small: the others take the same path, at seconds apiece
    if d < 3 or rtol > 1e-10 or "gaussian" in name
]


@needs_finufft
@pytest.mark.parametrize(("name", "d", "rtol"), CASES)
def test_fourier_sums_are_within_rtol_of_all_pairs(name, d, rtol):
    """Over random, clustered and far, flat clouds, with weights, at the particles and at points of another cloud."""
    rng = np.random.default_rng(3)
    kernel = SMOOTH[name](d)
    for x in clouds(400, d, rng):
        mu = weighted(x, rng)
        for at in (None, x[:90] + 0.3):
            try:
                error = error_of(mu, kernel, "fourier", rtol, at)
            except ConfigError:
                if (name, d, rtol) not in ROUGH:
                    raise
                continue
            assert error <= rtol


@pytest.mark.parametrize("name", ON_A_LINE)
def test_sorted_sums_equal_all_pairs(name):
    """1e-13: rounding of 3000 terms is 1e-14; ties, one block and several, and gaps beyond the range of exp."""
    rng, kernel = np.random.default_rng(4), ON_A_LINE[name]
    lattice = np.round(rng.normal(size=(3000, 1)), 2)
    for x in (*clouds(3000, 1, rng), lattice, 1e3 * lattice, np.full((2500, 1), 0.1), rng.normal(size=(1, 1))):
        mu = weighted(x, rng)
        if len(np.unique(x)) > 1:
            assert error_of(mu, kernel, "sorting", 1e-13) <= 1e-13
        else:
            value, gradient = mu.kernel_sums(kernel, None, None, "sorting")
            torch.testing.assert_close(value, mu.kernel_sums(kernel)[0], rtol=1e-13, atol=0)
            assert not gradient.any()
        assert error_of(mu, kernel, "sorting", 1e-13, np.concatenate([x[:50], x[:50] + 0.37])) <= 1e-13


def test_sorted_sums_of_a_lattice_in_closed_form():
    """Unit weights at 0, 1, …, n−1 under |u|: Σ|i − j| = i(i+1)/2 + (n−1−i)(n−i)/2, exact integers below 2⁵³."""
    n = 100_000
    i = np.arange(n, dtype=float)
    value, slope = sorted_sums([((0.0, 1.0, 0.0), 1.0, False)], i, None, np.ones(n))
    np.testing.assert_array_equal(value, i * (i + 1) / 2 + (n - 1 - i) * (n - i) / 2)
    np.testing.assert_array_equal(slope, 2 * i - (n - 1))


@needs_finufft
def test_forces_much_smaller_than_values_are_still_relative():
    """Values are 1, forces 1e-8: an error relative to the values would be larger than the forces."""
    mu = wgf.Ensemble.gaussian(500, 2)
    kernel = K.Gaussian(1e4)
    assert float(mu.kernel_sums(kernel)[1].abs().max()) < 1e-7
    assert error_of(mu, kernel, "fourier", 1e-6) <= 1e-6


@needs_finufft
def test_sums_that_cancel_too_far_are_refused_and_auto_sums_them_over_all_pairs():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(3000, 2)))
    charges = torch.from_numpy(rng.normal(size=3000))
    weights = torch.cat([charges, -charges])  # each charge beside its opposite, 1e-9 away
    y = torch.cat([x, x + 1e-9])
    sums = Sums(K.Gaussian(1.0), y, y, weights, True)
    with pytest.raises(ConfigError, match="cannot sum Gaussian"):
        choose(sums, Summation("fourier", 1e-6)).run()
    for got, want in zip(choose(sums, Summation("auto", 1e-6)).run(), sums.dense(), strict=True):
        assert torch.equal(got, want)


@needs_finufft
def test_same_bits_with_one_and_two_threads():
    x = np.random.default_rng(5).normal(size=(100_000, 3))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            got: list[torch.Tensor] = []
            for d, kernel in ((1, K.Gaussian(0.5)), (2, K.Log(0.5)), (3, K.Gaussian(1.0))):
                got += wgf.Ensemble(x[:, :d]).kernel_sums(kernel, None, None, "fourier", 1e-4)
            got += wgf.Ensemble(x[:, :1]).kernel_sums(K.Morse(1.0, 0.5, 0.5, 2.0), None, None, "sorting")
            results.append(got)
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@needs_finufft
@pytest.mark.parametrize(("method", "kernel"), [("fourier", K.Gaussian(1.0)), ("sorting", K.Laplace(1.0))])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_nan(method, kernel, bad):
    y = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    x, w = y[:5].clone(), torch.ones(50, dtype=torch.float64)
    x[2] = bad
    value, gradient = kernel_sums(kernel, x, y, w, False, Summation(method))
    want = kernel_sums(kernel, x[:2], y, w, False, Summation("dense"))
    assert value.isnan().tolist() == gradient.isnan().flatten().tolist() == [False, False, True, False, False]
    torch.testing.assert_close(value[:2], want[0], rtol=1e-6, atol=0)
    for sources, weights in ((torch.where(y == y[7], bad, y), w), (y, torch.where(y[:, 0] == y[7, 0], bad, w))):
        for result in kernel_sums(kernel, sources, sources, weights, True, Summation(method)):
            assert result.isnan().all()


@needs_finufft
def test_float32_particles():
    mu = wgf.Ensemble.gaussian(2000, 2, dtype="float32")
    value, gradient = mu.kernel_sums(K.Gaussian(0.5), None, None, "fourier", 1e-6)
    assert (value.dtype, gradient.dtype) == (torch.float64, torch.float32)
    want = mu.to(dtype="float64").kernel_sums(K.Gaussian(0.5))
    assert relative_error(value, want[0], gradient.double(), want[1]) <= 1e-6
    with pytest.raises(ConfigError, match="float32 particles allow rtol ≥ 5e-07"):
        mu.kernel_sums(K.Gaussian(0.5), None, None, "fourier", 1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((K.Gaussian(1.0), "nufft"), "Known: auto, dense, fourier, moments, sorting"),
        ((K.Gaussian(1.0), "fourier", 1e-14), "rtol ≥ 1e-12"),
        ((K.Laplace(1.0), "sorting", 1e-15), "rtol ≥ 1e-13"),
        ((K.Gaussian(1.0), "sorting"), "can be sorted"),
        ((K.Gaussian(1.0), "moments"), "closed moments"),
        ((K.Log(), "fourier"), "a softening makes it one"),
        ((K.Laplace(1.0), "fourier"), "does not converge"),
        ((K.Cosine() + K.Linear() + K.Log(), "fourier"), "a softening makes it one"),
        ((K.Gaussian(1.0), "auto", 1e-6, "no-such-file.json"), "costs: no-such-file.json cannot be read"),
    ],
)
def test_what_a_method_cannot_give_is_refused_at_once(arguments, message):
    with pytest.raises(ConfigError, match=message):
        wgf.Interaction(*arguments)


def test_what_only_the_particles_tell_is_refused_when_they_come():
    with pytest.raises(ConfigError, match="1 to 3 dimensions, not 4"):
        wgf.Interaction(K.Gaussian(1.0), "fourier").value(wgf.Ensemble.gaussian(10, 4))
    with pytest.raises(ConfigError, match="on a line, not in 2"):
        wgf.Interaction(K.Laplace(1.0), "sorting").value(wgf.Ensemble.gaussian(10, 2))
    with pytest.raises(ConfigError, match="more than 256 modes"):
        wgf.Interaction(K.Gaussian(1e-2), "fourier").value(wgf.Ensemble.gaussian(3000, 3))


def test_without_finufft(monkeypatch):
    monkeypatch.setattr(fourier, "available", lambda: False)
    with pytest.raises(BackendError, match=r"wgflow\[fast\]"):
        wgf.Interaction(K.Gaussian(1.0), "fourier")
    mu = wgf.Ensemble.gaussian(5000, 2)
    assert wgf.Interaction(K.Gaussian(1.0)).audit(mu).method == "dense"


@needs_finufft
def test_auto_goes_by_the_table_alone():
    """With fabricated costs the choice can be foretold; no clock is read."""
    costs = default_costs()
    free = replace(costs, fourier={d: dict.fromkeys(row, 0.0) for d, row in costs.fourier.items()})
    dear = replace(costs, fourier={d: dict.fromkeys(row, 1e9) for d, row in costs.fourier.items()})
    slow_sort = replace(dear, sorting={"sort": 1e9, "scan": 1e9})
    line, plane, high = wgf.Ensemble.gaussian(3000, 1), wgf.Ensemble.gaussian(3000, 2), wgf.Ensemble.gaussian(3000, 4)
    for kernel, mu, table, method in [
        (K.Gaussian(1.0), plane, free, "fourier"),
        (K.Gaussian(1.0), plane, dear, "dense"),
        (K.Gaussian(1.0), high, free, "dense"),
        (K.Gaussian(1.0), wgf.Ensemble.gaussian(50, 2), free, "dense"),
        (K.Gaussian(1e-5), plane, free, "dense"),
        (K.Laplace(1.0), line, costs, "sorting"),
        (K.Laplace(1.0), line, slow_sort, "dense"),
        (K.Laplace(1.0), plane, free, "dense"),
        (K.Log(), plane, free, "dense"),
        (K.Cosine() + K.QuadraticKernel(), plane, free, "moments"),
    ]:
        assert wgf.Interaction(kernel, costs=table).audit(mu).method == method


def test_a_table_of_costs_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "costs.json"
    path.write_text(default_costs().as_json())
    assert replace(load_costs(path), source="") == replace(default_costs(), source="")
    table = json.loads(path.read_text())
    del table["sorting"]["scan"]
    path.write_text(json.dumps(table))
    with pytest.raises(ConfigError, match="is no table of costs"):
        load_costs(path)
    path.write_text(json.dumps(table | {"sorting": {"sort": -1.0, "scan": 1.0}}))
    with pytest.raises(ConfigError, match="negative or not finite"):
        load_costs(path)


@needs_finufft
def test_the_ledger_tells_the_method_and_its_error():
    F = (
        wgf.Quadratic()
        + wgf.Interaction(K.Gaussian(0.5), "fourier", 1e-4)
        + wgf.Interaction(K.Gaussian(1.0)).named("b")
    )
    sol = wgf.solve(F, wgf.Ensemble.gaussian(400, 2), wgf.solvers.Heun(), dt=0.1, t_end=0.3)
    errors = sol.ledger["sums_error:Interaction"]
    assert (errors > 0).all()
    assert (errors <= 1e-4).all()
    assert "sums_error:b" not in sol.ledger
    assert sol.ledger.notes["term:Interaction"] == "summed by the method 'fourier'"
    assert "0.0001 is allowed" in sol.ledger.notes["sums_error:Interaction"]


@needs_finufft
def test_check_measures_an_error_that_is_there(monkeypatch):
    """Coefficients 1 % too small make sums 1 % too small; the sums notice by themselves, and so does the check."""
    right = fourier.coefficients
    monkeypatch.setattr(fourier, "coefficients", lambda *a: 0.99 * right(*a))
    mu = wgf.Ensemble.gaussian(300, 2)
    sums = Sums(K.Gaussian(1.0), mu.x, mu.x, mu.weights, True)
    with pytest.raises(ConfigError, match=r"off by 1\.0e-02 where they were confirmed"):
        choose(sums, Summation("fourier", 1e-3)).run()
    assert check(sums, Summation("fourier", 0.02)).error == pytest.approx(0.01, rel=0.1)


@needs_finufft
@pytest.mark.parametrize(
    ("method", "kernel", "d"), [("fourier", K.Gaussian(0.8), 2), ("sorting", K.Matern(2.5, 1.0), 1)]
)
def test_autograd_through_near_linear_sums(method, kernel, d):
    rng = np.random.default_rng(6)
    x = torch.from_numpy(rng.normal(size=(60, d))).requires_grad_()
    y = torch.from_numpy(rng.normal(size=(80, d))).requires_grad_()
    w = torch.from_numpy(rng.uniform(size=80)).requires_grad_()
    v = torch.from_numpy(rng.normal(size=60))
    grads = []
    for how in (Summation("dense"), Summation(method, 1e-10)):
        value, _ = kernel_sums(kernel, x, y, w, False, how)
        grads.append(torch.autograd.grad(v @ value, (x, y, w)))
    for got, want in zip(*grads, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
@needs_finufft
def test_a_run_stores_the_table_it_went_by(tmp_path):
    table = tmp_path / "mine.json"
    table.write_text(default_costs().as_json())
    changes = ["network.neurons=96", "solver.t_end=0.1", "solver.dt=0.1", f"costs={json.dumps(str(table))}"]
    interaction = "energy.0={term='Interaction', kernel={name='Gaussian', h=1.0}}"
    result = wgf.runs.run(
        wgf.runs.load_config(None, [*changes, interaction, "entropy.0.temperature=0"]), tmp_path / "run"
    )
    assert load_costs(result.directory / "costs.json").dense == default_costs().dense
    assert wgf.runs.load_config(result.directory / "config.toml").costs == str(result.directory / "costs.json")
