"""The median distance of pairs, against sorting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wgf.ops.cpu import selection
from wgf.ops.distances import median_distance, middle

RNG = np.random.default_rng(0)
CLOUDS = {
    "normal": RNG.normal(size=(90, 3)),
    "far away": 1e8 + RNG.normal(size=(60, 2)),
    "two points": np.repeat([[0.0], [1.0]], [40, 20], axis=0),
    "one outlier": np.vstack([RNG.normal(size=(70, 1)), [[1e200], [-1e200]]]),
    "tiny": 1e-170 * RNG.normal(size=(50, 2)),
    "steps of rounding": 1.0 + 2e-16 * RNG.integers(0, 9, size=(60, 1)),
    "a pair": np.array([[0.0, 0.0], [3.0, 4.0]]),
}


def sorted_distances(x):
    i, j = np.triu_indices(len(x), 1)
    u = x[i] - x[j]
    squares = np.zeros(len(i))
    for c in range(x.shape[1]):
        squares += u[:, c] * u[:, c]
    with np.errstate(over="ignore"):
        return np.sqrt(np.sort(squares))


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.filterwarnings("ignore:overflow")
def test_every_rank(name):
    x = CLOUDS[name]
    rows, want = np.arange(len(x)), sorted_distances(x)
    for rank in {0, 1, len(want) // 3, middle(len(x)), len(want) - 1} & set(range(len(want))):
        assert selection.distance_of_rank(x, rows, rank, *selection.scratch(len(x))) == want[rank]
    assert median_distance(torch.from_numpy(x), rows[::-1].copy()) == pytest.approx(want[middle(len(x))], rel=1e-15)


def test_not_a_number():
    x = torch.tensor([[0.0], [math.nan], [1.0]])
    assert math.isnan(median_distance(x, np.arange(3)))
