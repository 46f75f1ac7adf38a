"""Stein in compiled stretches of steps: the bits of single steps, in one and two threads."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from wgf.solvers import Stein

import wgf
from wgf import kernels as K
from wgf.flow import gear
from wgf.ops.cpu import stretch

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def ends(F, mu, solver, steps):
    """The particles after so many steps: in single steps, in stretches, and both with two threads."""
    threads, found = torch.get_num_threads(), []
    try:
        for second in (False, True):
            for count in (1, 2):
                torch.set_num_threads(count)
                takes = mock.Mock(side_effect=stretch.Stretch.take, autospec=True)
                with gear.forced(second), mock.patch.object(stretch.Stretch, "take", lambda *a, t=takes: t(*a)):
                    sol = wgf.solve(F, mu, solver, dt=0.05, t_end=steps * 0.05, record_every=steps)
                assert bool(takes.call_count) is second
                found.append(sol.ensemble.x)
    finally:
        torch.set_num_threads(threads)
    return found


@pytest.mark.parametrize(("n", "dim", "dtype", "kernel", "weighted"), [
    (700, 2, "float32", 1.4, False), (700, 1, "float64", K.InverseMultiquadric(0.8), True),
    (90, 9, "float32", K.Matern(2.5, 2.0), True), (90, 9, "float64", 3.0, False), (500, 2, "float32", "median", False),
    (60, 3, "float64", "median", False),
])  # fmt: skip
def test_the_bits_of_single_steps(n, dim, dtype, kernel, weighted):
    """Pairs once and row by row; many particles and few; the temperature is not a power of two."""
    mu = wgf.Ensemble.gaussian(n, dim, mean=0.5, seed=1, dtype=dtype)
    if weighted:
        mu = mu.reweighted(torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5)
    one, *others = ends(wgf.Quadratic(1.3) - 0.7 * wgf.Shannon(), mu, Stein(kernel), 6)
    assert not torch.equal(one, mu.x)
    for other in others:
        assert torch.equal(one, other)


@pytest.mark.parametrize("scale", [1e-12, 1e25])
def test_what_float32_cannot_hold_is_taken_by_single_steps(scale):
    """Scores beyond the range in which float32 sums: a stretch gives up, and single steps sum in float64."""
    mu = wgf.Ensemble.gaussian(40, 2, seed=1, dtype="float32")
    F = wgf.Quadratic(scale) - 1e-3 * wgf.Shannon()
    results = []
    for second in (False, True):
        with gear.forced(second):
            results.append(wgf.solve(F, mu, Stein(1.0), dt=1e-30, t_end=5e-30, record_every=5, throw=False))
    assert torch.equal(results[0].ensemble.x, results[1].ensemble.x)
    assert results[0].status == results[1].status
