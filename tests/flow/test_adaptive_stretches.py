"""Schemes that choose their steps in the second gear: they are accepted, rejected and booked as single ones are."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from gears import ends, in_gear
from wgf.solvers import BogackiShampine

import wgf
from wgf import kernels as K
from wgf.errors import StepSizeError
from wgf.flow.cadence import Adaptive
from wgf.ledger import Ledger

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

F = wgf.Quadratic(0.3) + wgf.Interaction(K.Gaussian(1.0)) - 0.1 * wgf.LogDet()
MU = wgf.Ensemble.gaussian(141, 3, seed=1)
SOLVER = BogackiShampine(1e-6, 1e-8)


@pytest.mark.parametrize("settings", [
    {"record_every": 5}, {"record_every": None, "trajectory_every": 7}, {"dt": 50.0}, {"max_steps": 13, "throw": False},
    {"until": lambda row: row["t"] > 1.0},
])  # fmt: skip
def test_both_gears_have_the_same_bits(settings: dict[str, Any]):
    """With records by steps and by time, frames, a first step that is far too long, and early ends."""
    first, second = (in_gear(s, F, MU, SOLVER, t_end=3.02, **settings) for s in (False, True))
    ends(first, second)
    assert first.state.step >= 13
    for k in range(len(first.trajectory_times) if "trajectory_every" in settings else 0):
        assert torch.equal(first.frame(k).x, second.frame(k).x)


def test_a_run_in_pieces_is_the_unbroken_one():
    whole = in_gear(True, F, MU, SOLVER, t_end=3.0)
    for one, other in ((True, True), (True, False), (False, True)):
        first = in_gear(one, F, MU, SOLVER, t_end=3.0, max_steps=13, throw=False)
        second = in_gear(other, F, None, SOLVER, state=first.state, t_end=3.0)
        assert torch.equal(second.ensemble.x, whole.ensemble.x)
        assert second.state.memory == whole.state.memory


def test_a_step_that_fails_is_taken_by_the_first_gear():
    errors: list[Any] = []
    for second in (False, True):
        with pytest.raises(StepSizeError) as raised:
            in_gear(second, F, MU, BogackiShampine(0.0, 1e-40), t_end=3.0)
        errors.append(raised.value)
    assert str(errors[0]) == str(errors[1])
    ends(*(error.solution for error in errors))


def test_a_record_by_time_is_never_missed():
    """Whatever the steps are, the first state at which a record is due has reached a mark, and no state before has."""
    chance, state = random.Random(0), wgf.solve(F, MU, SOLVER, dt=0.1, t_end=0.0).state
    for _ in range(200):
        start, apart, first = chance.uniform(-3.0, 3.0), chance.randint(1, 30), chance.randint(0, 9)
        t_end = start + chance.choice([1e-3, 0.7, 3.0, 1e3])
        records, ledger = Adaptive(first, start, t_end, apart), Ledger()
        ledger.append({"t": start, "step": first})
        t, step, marks = start, first, records.marks(ledger)
        while t < t_end:
            t, step = min(t_end, t + chance.expovariate(1.0) * (t_end - start) / chance.choice([20, 200])), step + 1
            due = records.due(state.with_(t=t, step=step), ledger)
            assert any(step >= mark[0] and t >= mark[1] for mark in marks) is due
            if due:
                ledger.append({"t": t, "step": step})
                marks = records.marks(ledger)
