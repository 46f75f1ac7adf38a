"""What tests of both gears share: runs in one gear, and the comparison of all their numbers."""

from __future__ import annotations

from unittest import mock

import numba
import numpy as np
import torch

import wgf
from wgf.flow import gear
from wgf.ops.cpu import stretch


@numba.njit
def well(x):
    return 0.25 * (x[0] * x[0] - 1.0) ** 2 + 0.5 * x[-1] * x[-1]


@numba.njit
def slope(x, out):
    out[:] = 0.0
    out[0] += x[0] * (x[0] * x[0] - 1.0)
    out[-1] += x[-1]


def ends(a, b):
    """The two solutions have the same bits: particles, forces, memory, and every number of the ledger."""
    assert torch.equal(a.ensemble.x, b.ensemble.x)
    assert a.ensemble.history == b.ensemble.history
    assert torch.equal(a.state.evaluation.gradient, b.state.evaluation.gradient)
    assert (a.state.t, a.state.step, a.state.origin_t) == (b.state.t, b.state.step, b.state.origin_t)
    memories = [sol.state.memory for sol in (a, b)]
    assert torch.equal(*memories) if isinstance(memories[0], torch.Tensor) else memories[0] == memories[1]
    assert list(a.ledger) == list(b.ledger)
    for column in a.ledger:
        np.testing.assert_array_equal(a.ledger[column], b.ledger[column], err_msg=column)


def in_gear(second, *arguments, **settings):
    """A run in one gear. In the second one it must take stretches."""
    takes = mock.Mock(side_effect=stretch.Stretch.take, autospec=True)
    with gear.forced(second), mock.patch.object(stretch.Stretch, "take", lambda *a: takes(*a)):
        sol = wgf.solve(*arguments, **{"dt": 0.05, "seed": 6, "record_every": 10} | settings)
    assert bool(takes.call_count) is second
    return sol
