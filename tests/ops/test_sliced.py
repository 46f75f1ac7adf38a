"""Transport along lines: sorts against numpy, costs against POT, maps against autograd, potentials by duality."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import ot
import pytest
import torch

import wgf
from wgf import ops
from wgf.ops import reference
from wgf.ops.cpu import sorting

ROWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "ties": lambda rng, n: rng.integers(0, 50, n) * 0.1,
    "clusters": lambda rng, n: rng.integers(0, 10, n) + 1e-9 * rng.normal(size=n),
    "geometric": lambda rng, n: 2.0 ** -rng.uniform(0, 1000, n),
    "constant": lambda rng, n: np.full(n, 0.1),
    "both zeros": lambda rng, n: rng.choice([0.0, -0.0, 1.0], n),
    "ascending": lambda rng, n: np.sort(rng.normal(size=n)),
    "descending": lambda rng, n: -np.sort(rng.normal(size=n)),
    "subnormal": lambda rng, n: 5e-320 * rng.normal(size=n),
    "span overflows": lambda rng, n: rng.choice([-1.7e308, 0.0, 1.7e308], n),
}


def sorted_row(row):
    values = row.copy()
    sorting.sort(values, np.empty_like(row), sorting.counters())
    return values


def ordered_row(row):
    values, index = np.empty_like(row), np.empty(len(row), np.uint32)
    sorting.order(row, values, index, np.empty(len(row), np.uint64), sorting.counters())
    return values, index


@pytest.mark.parametrize("n", [1, 2, 3, 100, 30_000])
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_sorting_is_that_of_numpy(name, n):
    row = ROWS[name](np.random.default_rng(n), n)
    np.testing.assert_array_equal(sorted_row(row), np.sort(row))
    values, index = ordered_row(row)
    np.testing.assert_array_equal(index, np.argsort(row, kind="stable"))
    np.testing.assert_array_equal(values, np.sort(row))


def test_which_rows_are_left_to_numpy():
    """The fast path is taken for ordinary rows, and given up before it has cost much where it cannot pay."""
    rng, n = np.random.default_rng(0), 30_000
    taken = {}
    for name in ("normal", "ties", "geometric", "clusters"):
        row = ROWS[name](rng, n)
        scale = (2**22 - 2) / (row.max() - row.min())
        taken[name] = sorting._sort(row, row.min(), scale, np.empty(n), sorting.counters())
    assert taken == {"normal": True, "ties": True, "geometric": False, "clusters": False}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_not_finite_is_nan(bad):
    row = np.random.default_rng(1).normal(size=500)
    row[123] = bad
    with np.errstate(invalid="ignore"):
        assert np.isnan(sorted_row(row)).all()
        values, index = ordered_row(row)
    assert np.isnan(values).all()
    assert sorted(index) == list(range(500))


# ------------------------------------------------------------------------------------------------- operations


def cloud(n, d, seed, weighted=False, ties=False, dtype=torch.float64):
    """Particles (n, d) and weights (n,), one of them zero; with ties, every place is taken by two or three."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 0.5 * seed
    if ties:
        x[n // 2 :] = x[: n - n // 2]
    w = rng.uniform(0.2, 1.0, n) if weighted else np.ones(n)
    if weighted and n > 5:
        w[4] = 0.0
    return torch.from_numpy(x).to(dtype), torch.from_numpy(w / w.sum())


SIZES = [
    (50, 50, False, False), (50, 70, False, False), (60, 40, True, False), (45, 45, True, True),
    (1, 6, False, False), (6, 1, True, False), (2049, 1100, True, True),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("d", [1, 3, 17])
@pytest.mark.parametrize(("n", "m", "weighted", "weighted_target"), SIZES)
def test_operations_against_the_oracle(n, m, weighted, weighted_target, d, ties, dtype):
    (x, a), (y, b) = cloud(n, d, 0, weighted, ties, dtype), cloud(m, d, 1, weighted_target, ties)
    frames = ops.directions(d, d, 0)
    own = (x, a, frames, not weighted)
    target = ops.sorted_projections(y, b, frames, not weighted_target)
    at = torch.from_numpy(np.random.default_rng(2).normal(size=(9, d))).to(dtype)

    def both(name, *arguments) -> tuple[Any, Any]:
        return getattr(ops, name)(*arguments), getattr(reference, name)(*arguments)

    pairs = [
        both("sorted_projections", *own),
        both("transport_maps", *own, *target),
        both("transport_potentials", *own, *target, at),
    ]
    costs = both("quantile_costs", *pairs[0][0], *target)
    pairs.append((costs[:1], costs[1:]))
    pairs.append((costs[:1], pairs[1][0][:1]))  # the value alone is the value beside the maps
    for got, want in pairs:
        for one, other in zip(got, want, strict=True):
            # sums of n terms in float64, and one rounding of the result to float32
            eps = 1e-12 if one.dtype == torch.float64 else 1e-7
            assert one.dtype == other.dtype
            assert float((one - other).norm()) <= eps * float(other.norm())


@pytest.mark.parametrize(("n", "m", "weighted", "weighted_target"), SIZES[:4])
def test_costs_are_those_of_pot(n, m, weighted, weighted_target):
    (x, a), (y, b) = cloud(n, 4, 0, weighted), cloud(m, 4, 1, weighted_target)
    frames = ops.directions(4, 30, 5)
    mu, nu = wgf.Ensemble(x, a), wgf.Ensemble(y, b)
    want = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), a.numpy(), b.numpy(), projections=frames.numpy())
    assert float(wgf.SlicedWasserstein(nu, 30, seed=5).value(mu)) == pytest.approx(want**2 / 2, rel=1e-12)
    assert wgf.diagnostics.wasserstein(mu, nu, method="sliced", projections=30, seed=5).distance == pytest.approx(
        2 * want, rel=1e-12
    )
    line = ot.wasserstein_1d(x[:, 0].numpy(), y[:, 0].numpy(), a.numpy(), b.numpy(), p=2)
    mu, nu = wgf.Ensemble(x[:, :1], a), wgf.Ensemble(y[:, :1], b)
    assert wgf.diagnostics.wasserstein(mu, nu).distance == pytest.approx(math.sqrt(line), rel=1e-12)
    assert float(wgf.SlicedWasserstein(nu).value(mu)) == pytest.approx(line / 2, rel=1e-12)


def test_maps_are_the_derivative_through_torch_sort():
    (x, a), (y, b) = cloud(400, 5, 0), cloud(400, 5, 1)
    frames = ops.directions(5, 25, 3)
    leaf = x.clone().requires_grad_()
    costs = (((leaf @ frames).sort(dim=0).values - (y @ frames).sort(dim=0).values) ** 2).mean(0)
    costs.sum().backward()
    got, sums = ops.transport_maps(x, a, frames, True, *ops.sorted_projections(y, b, frames, True))
    torch.testing.assert_close(got, costs.detach(), rtol=1e-13, atol=0)
    torch.testing.assert_close(sums, leaf.grad * 400 / 2, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("n", "m", "weighted", "ties"), [(30, 30, False, False), (30, 20, False, True), (25, 40, True, True)]
)
def test_potentials_are_optimal(n, m, weighted, ties):
    """Duality: with ψ(y) = minₓ ½|x − y|² − φ(x), ∫ φ dμ + ∫ ψ dν is ½ W₂² for the optimal φ alone, and less else."""
    (x, a), (y, b) = cloud(n, 1, 0, weighted, ties), cloud(m, 1, 1, weighted)
    frames = ops.directions(1, 1, 0)
    target = ops.sorted_projections(y, b, frames, not weighted)
    phi, _ = ops.transport_potentials(x, a, frames, not weighted, *target, x)
    psi = (0.5 * (x - y.T) ** 2 - phi[:, None]).amin(0)
    cost, _ = ops.transport_maps(x, a, frames, not weighted, *target)
    assert abs(float(a @ phi)) < 1e-14
    assert float(b @ psi) == pytest.approx(float(cost) / 2, rel=1e-12)


def test_a_particle_counts_the_same_wherever_it_stands():
    """Coincident particles share one image, and `at` finds them again: no end of a product may round otherwise."""
    for d, n in ((3, 1), (3, 2051), (64, 257), (200, 2047)):
        mu = wgf.Ensemble(cloud(n, d, 0)[0])
        term = wgf.SlicedWasserstein(cloud(90, d, 1)[0], projections=64)
        gradient = term.gradient(mu)
        rows = [0, n // 2, n - 1]
        torch.testing.assert_close(term.gradient(mu, mu.x[rows]), gradient[rows], rtol=1e-12, atol=1e-14)
        double = wgf.Ensemble(torch.cat([mu.x, mu.x[rows]]))
        again = term.gradient(double)
        torch.testing.assert_close(again[rows], again[n:], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_nan_propagates(weighted):
    """A coordinate that is not finite spoils every direction, a weight that is not the levels: nothing is finite."""
    (x, a), (y, b) = cloud(40, 2, 0, weighted), cloud(30, 2, 1, weighted)
    frames = ops.directions(2, 4, 0)
    for bad in (math.nan, math.inf):
        broken, spoilt = x.clone(), a.clone()
        broken[7, 1] = bad
        spoilt[7] = bad
        for own in ((broken, a), (x, spoilt)) if weighted else ((broken, a),):
            target = ops.sorted_projections(y, b, frames, not weighted)
            values = ops.sorted_projections(*own, frames, not weighted)
            assert torch.isnan(values[0]).all()
            assert torch.isnan(ops.quantile_costs(*values, *target)).all()
            assert torch.isnan(ops.quantile_costs(*target, *values)).all()
            for result in ops.transport_maps(*own, frames, not weighted, *target):
                assert torch.isnan(result).all()
            for result in ops.transport_maps(y, b, frames, not weighted, *values):
                assert torch.isnan(result).all()
            for result in ops.transport_potentials(*own, frames, not weighted, *target, x[:5]):
                assert torch.isnan(result).all()


@pytest.mark.parametrize("d", [2, 40])
def test_thread_count_does_not_change_the_bits(d):
    (x, a), (y, b) = cloud(5003, d, 0, True), cloud(4001, d, 1)
    term, mu, before, results = wgf.SlicedWasserstein(y, 50), wgf.Ensemble(x, a), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            frames = ops.directions(d, 50, 0)
            both = term.evaluate(mu)
            target = ops.sorted_projections(y, b, frames, True)
            results.append((frames, both.value, both.gradient, *target, term.value(mu), term.first_variation(mu)))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_directions_are_orthonormal_frames():
    frames = ops.directions(7, 20, 3)  # 20 is rounded up to three frames
    assert frames.shape == (7, 21)
    for frame in frames.split(7, dim=1):
        torch.testing.assert_close(frame.T @ frame, torch.eye(7, dtype=torch.float64), rtol=0, atol=1e-14)
    assert torch.equal(frames, ops.directions(7, 20, 3))
    assert not torch.equal(frames, ops.directions(7, 20, 4))
    assert ops.directions(7, 3, 0).shape == (7, 3)


def test_memory_is_the_result_and_a_row_per_thread():
    """numpy reports what it allocates; the slack is the particles that two threads project at once."""
    n, d, k = 200_000, 3, 16
    x, w = cloud(n, d, 0)
    frames = ops.directions(d, k, 0)
    target = ops.sorted_projections(x, w, frames, True)
    k, row, slack = frames.shape[1], 8 * n, 2 * 8 * 2048 * 2 * (d + 18)
    for own, threads_rows in ((lambda: ops.sorted_projections(x, w, frames, True), 1 + 1),
                              (lambda: ops.transport_maps(x, w, frames, True, *target), 2 * 7.5 + d)):  # fmt: skip
        tracemalloc.start()
        own()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= (k + threads_rows + 2) * row + slack
