"""Sums over pairs on the CPU: every form, dimension, dtype and traversal against the torch oracle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from wgf import ops
from wgf.ops import forms, reference
from wgf.ops.cpu import meetings, visits
from wgf.ops.cpu.columns import TILE

FORMS = {
    "gaussian": (forms.GAUSSIAN, [0.7]),
    "matern12": (forms.MATERN12, [0.7]),
    "matern32": (forms.MATERN32, [0.7]),
    "matern52": (forms.MATERN52, [0.7]),
    "multiquadric": (forms.MULTIQUADRIC, [0.7, 0.8]),
    "inverse root": (forms.MULTIQUADRIC, [0.7, 0.5]),
    "morse": (forms.MORSE, [1.0, 0.5, 0.5, 2.0]),
    "log": (forms.LOG, []),
    "riesz": (forms.RIESZ, [1.5]),
    "coulomb": (forms.RIESZ, [1.0]),
    "distance": (forms.DISTANCE, []),
}
BOUND = {torch.float32: 2e-6, torch.float64: 1e-13}
"""Largest error over the largest sum: what the package promises, some ten times what is measured."""

each_form = pytest.mark.parametrize("name", FORMS)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])


def cloud(n, d, dtype, seed=0, shift=3.0):
    return (torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d))) + shift).to(dtype)


def weights(n, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.1, 1.0, n))


def error(got, want):
    return float((got.double() - want.double()).abs().max() / want.double().abs().max())


def agree(x, y, w, form, p, softening, exclude):
    got = ops.pair_sums(x, y, w, form, p, softening, exclude)
    want = reference.pair_sums(x.double(), y.double(), w, form, p, softening, exclude)
    assert got[0].dtype == torch.float64
    assert got[1].dtype == x.dtype
    for a, b in zip(got, want, strict=True):
        assert error(a, b) <= BOUND[x.dtype]


@each_form
@each_dtype
@pytest.mark.parametrize("d", [2, 20])
def test_against_the_oracle(name, d, dtype):
    """Two clouds and one, weighted and not, softened and singular; d = 20 goes through matrix products."""
    form, p = FORMS[name]
    x, y, w = cloud(131, d, dtype), cloud(1100, d, dtype, seed=5), weights(1100)
    agree(x, y, w, form, p, 0.1, False)
    agree(y, y, w, form, p, 0.0, True)
    agree(y, y, torch.full_like(w, 0.25), form, p, 0.1, False)


@each_dtype
@pytest.mark.parametrize("d", [1, 3, 5, 16, 17])
def test_every_dimension(d, dtype):
    x, w = cloud(700, d, dtype), weights(700)
    agree(x, x, w, forms.GAUSSIAN, [d**0.5], 0.0, False)


@pytest.mark.parametrize("blocks", range(1, 10))
def test_blocks_meet_once(blocks):
    """In rounds without a block twice, so that threads never add to the same one."""
    rounds = list(meetings.meetings(blocks))
    assert all(len({block for pair in pairs for block in pair}) == 2 * len(pairs) for pairs in rounds)
    met = [pair for pairs in rounds for pair in pairs]
    assert sorted(met) == [(i, j) for i in range(blocks) for j in range(i + 1, blocks)]


@pytest.mark.parametrize("blocks", range(1, 5))
def test_few_blocks_meet_once_in_even_groups(blocks):
    groups = meetings.groups(blocks)
    met = [pair for pairs in groups for pair in pairs]
    assert sorted(met) == [(i, j) for i in range(blocks) for j in range(i, blocks)]
    work = [sum(2 + (i != j) for i, j in pairs) for pairs in groups]
    assert max(work) - min(work) <= 3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "d"), [("gaussian", 1), ("gaussian", 3), ("coulomb", 3), ("gaussian", 6)])
@each_dtype
def test_each_pair_once(name, d, dtype):
    """Enough particles for the traversal that gives a pair's force to both, the last block being short."""
    form, p = FORMS[name]
    n = 8 * TILE + TILE // 3
    x, w = cloud(n, d, dtype), weights(n)
    agree(x, x, w, form, p, 0.1, False)
    agree(x, x, torch.full_like(w, 1 / n), form, p, 0.0, True)
    same, other = (ops.pair_sums(x, y, w, form, p, 0.1, False) for y in (x, x.clone()))
    for a, b in zip(same, other, strict=True):
        assert error(a, b) <= BOUND[dtype]
    agree(x, x, torch.where(w < 0.2, 0.0, w), form, p, 0.1, False)  # zero weights: row by row


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(visits.CARRIED_FROM + TILE // 3, 2), (5 * meetings.BLOCK - 3, 20)])
@each_dtype
def test_each_pair_once_with_a_vector(n, d, dtype):
    """The Stein direction of many particles, weighted and not."""
    x, scores, w = cloud(n, d, dtype, shift=0.0), cloud(n, d, dtype, seed=4, shift=0.0), weights(n)
    for weighted in (w, torch.full_like(w, 1 / n)):
        got = ops.stein_direction(x, x, weighted, scores, forms.GAUSSIAN, [d**0.5], 0.0)
        want = reference.stein_direction(
            x.double(), x.double(), weighted, scores.double(), forms.GAUSSIAN, [d**0.5], 0.0
        )
        assert error(got, want) <= BOUND[dtype]


@each_dtype
@pytest.mark.parametrize("d", [20, 64])
def test_products_keep_digits_of_close_pairs(d, dtype):
    """Tight clusters far from each other and from the origin, where |x|² + |y|² − 2 x·y alone has no digits left."""
    rng = np.random.default_rng(3)
    centres = 100.0 * rng.normal(size=(5, d))
    x = torch.from_numpy(centres[rng.integers(0, 5, 600)] + 0.1 * rng.normal(size=(600, d))).to(dtype)
    for form, p in ((forms.GAUSSIAN, [1.0]), (forms.MULTIQUADRIC, [1.0, 0.5]), (forms.MATERN32, [1.0])):
        agree(x, x, weights(600), form, p, 0.0, False)
    assert d > ops.pairwise.DIRECT_UP_TO


@pytest.mark.parametrize("name", ["gaussian", "inverse root", "matern32"])
@each_dtype
@pytest.mark.parametrize("d", [2, 20])
def test_stein_direction(name, d, dtype):
    form, p = FORMS[name]
    x, w = cloud(700, d, dtype, shift=0.0), weights(700)
    scores = cloud(700, d, dtype, seed=4, shift=0.0)
    got = ops.stein_direction(x, x, w, scores, form, p, 0.3)
    assert got.dtype == dtype
    assert (
        error(got, reference.stein_direction(x.double(), x.double(), w, scores.double(), form, p, 0.3)) <= BOUND[dtype]
    )


@each_form
@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_not_swallowed(name, d, bad):
    """A lost particle makes every force on it, and with NaN every sum over it, not a number."""
    form, p = FORMS[name]
    x = cloud(900, d, torch.float64)
    x[600, 0] = bad
    value, gradient = ops.pair_sums(x, x, torch.ones(900, dtype=torch.float64), form, p, 0.1, False)
    assert not bool(torch.isfinite(gradient[600]).all())
    if math.isnan(bad):
        assert torch.isnan(value).all()
        assert torch.isnan(gradient).any(dim=1).all()


@pytest.mark.parametrize("d", [2, 20])
def test_coincident_particles_of_a_singular_kernel(d):
    x = cloud(50, d, torch.float64)
    x[7] = x[31]
    for form, p in ((forms.LOG, []), (forms.RIESZ, [1.0]), (forms.RIESZ, [1.5])):
        _, gradient = ops.pair_sums(x, x, torch.ones(50, dtype=torch.float64), form, p, 0.0, True)
        assert sorted(set(torch.nonzero(~torch.isfinite(gradient))[:, 0].tolist())) == [7, 31]


def test_mixed_dtypes_lose_nothing():
    """Samples in float64 are not rounded for particles in float32."""
    x, y, w = cloud(20, 2, torch.float32), cloud(30, 2, torch.float64), weights(30)
    value, _ = ops.pair_sums(x, y, w, forms.GAUSSIAN, [0.7], 0.0, False)
    assert error(value, reference.pair_sums(x.double(), y, w, forms.GAUSSIAN, [0.7], 0.0, False)[0]) < 1e-13


def test_autograd():
    x, y = (torch.from_numpy(np.random.default_rng(n).normal(size=(n, 2))).requires_grad_() for n in (5, 7))
    w = weights(7).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: ops.pair_sums(*a, forms.GAUSSIAN, [0.8], 0.0, False)[0], (x, y, w))
    with pytest.raises(NotImplementedError, match="only the value can"):
        ops.pair_sums(x, y, w, forms.GAUSSIAN, [0.8], 0.0, False)[1].sum().backward()


@each_dtype
def test_same_bits_for_any_number_of_threads(dtype):
    clouds = [cloud(5000, 3, dtype), cloud(3000, 7, dtype), cloud(1500, 40, dtype), cloud(2200, 20, dtype)]
    before, results = torch.get_num_threads(), list[Any]()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append([])
            for x in clouds:
                w = weights(len(x))
                results[-1] += ops.pair_sums(x, x, w, forms.GAUSSIAN, [1.0], 0.0, False)
                results[-1].append(ops.stein_direction(x, x, w, x, forms.GAUSSIAN, [1.0], 0.0))
    finally:
        torch.set_num_threads(before)
    for one, *others in zip(*results, strict=True):
        assert all(torch.equal(one, other) for other in others)


def test_more_than_two_to_the_31_pairs():
    """Indices of pairs do not overflow: identical rows of one coordinate, whose sums are known."""
    n = 50_000
    assert n * n > 2**31
    x = torch.zeros(n, 1, dtype=torch.float32)
    x[n // 2 :] = 1.0
    value, gradient = ops.pair_sums(
        x, x, torch.full((n,), 1 / n, dtype=torch.float64), forms.GAUSSIAN, [1.0], 0.0, False
    )
    k = math.exp(-0.5)
    torch.testing.assert_close(value, torch.full((n,), 0.5 * (1 + k), dtype=torch.float64), rtol=1e-6, atol=0)
    want = torch.where(x == 0, 0.5 * k, -0.5 * k)
    torch.testing.assert_close(gradient, want, rtol=2e-6, atol=0)


def test_workspace_is_bounded():
    """Private sums of the pairs visited once keep to their budget whatever n."""
    for n, d in ((10**4, 3), (10**6, 1), (10**7, 3)):
        assert visits.slots_of(n, d + 1) * 8 * n * (d + 1) <= max(visits.WORKSPACE, 8 * n * (d + 1))
    assert visits.visits_once(10**4, 3, 4, None, False)
    assert not visits.visits_once(10**6, 3, 4, None, False)  # two private sums would be work for two threads at most
    assert not visits.visits_once(10**4, 3, 4, np.array([1.0, -1.0]), False)
