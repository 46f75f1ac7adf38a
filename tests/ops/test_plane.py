"""Sums by a grid in one and two dimensions: the same as sums over pairs, or the grid is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf.ops import meeting
from wgf.ops.clouds import Cloud, Problem
from wgf.ops.fast import plane
from wgf.ops.meeting import Meeting


def points(n, d, seed):
    return np.random.default_rng(seed).standard_normal((n, d))


def both(x, y, epsilon, monkeypatch, reach=None):
    """Value and gradient of the divergence, by a grid and over pairs."""
    found = []
    for dimensions in (2, 0):
        monkeypatch.setattr(meeting, "PLANAR", dimensions)
        found.append(wgf.SinkhornDivergence(y, epsilon, reach, tolerance=1e-6).evaluate(x))
    return found


@pytest.mark.parametrize(("d", "reach"), [(1, None), (2, None), (2, 30.0)])
def test_a_grid_is_as_good_as_pairs(d, reach, monkeypatch):
    """With weights, some of them 0, and the clouds of different shape and far from each other."""
    x, y, weights = points(1500, d, 0) @ np.diag([3.0, 0.5][:d]), points(1300, d, 1) + 20.0, np.ones(1500)
    weights[::7] = 0.0
    one, other = both(wgf.Ensemble(x, weights / weights.sum()), y, 0.5, monkeypatch, reach)
    assert float(one.value) == pytest.approx(float(other.value), rel=1e-9)
    torch.testing.assert_close(one.gradient, other.gradient, rtol=0.0, atol=1e-5)


def test_updates_by_a_grid_and_the_bits_of_threads():
    x, y = (Cloud(torch.from_numpy(points(1500, 2, k)), torch.full((1500,), 1 / 1500)) for k in (0, 1))
    problem, g = Problem(0.3, None, 1e-6, 10), torch.from_numpy(0.1 * np.sin(points(1500, 1, 2)[:, 0]))
    met = Meeting(x, y, problem)
    assert met.plane is not None
    grid, pairs = (met.update(0, g, torch.zeros(1500), quick, True) for quick in (True, False))
    torch.testing.assert_close(grid, pairs, rtol=0.0, atol=1e-8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - before if before < 3 else 1)
        assert all(map(torch.equal, grid, met.update(0, g, torch.zeros(1500), True, True)))
    finally:
        torch.set_num_threads(before)


def test_where_points_are_far_from_their_images_the_grid_is_left(monkeypatch):
    """Halves that go apart by many √ε: no linear map lays the clouds on each other."""
    x = points(1500, 1, 0)
    y = 0.1 * points(1500, 1, 1) + 6.0 * np.sign(points(1500, 1, 2))
    monkeypatch.setattr(plane, "_PAIR", 100.0)  # a grid is always faster
    left = []
    drop = Meeting._drop

    def noticed(self):
        left.append(self)
        return drop(self)

    monkeypatch.setattr(Meeting, "_drop", noticed)
    one, other = both(wgf.Ensemble(x), y, 0.05, monkeypatch)
    assert left
    assert float(one.value) == pytest.approx(float(other.value), rel=1e-9)
    torch.testing.assert_close(one.gradient, other.gradient, rtol=0.0, atol=5e-3)  # 720 times the error of a potential
