"""A second thread inside a stretch of steps: the bits are those of one thread, whatever it does."""

from __future__ import annotations

import threading
import time
from unittest import mock

import numba
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.flow import gear
from wgf.ops import threads
from wgf.ops.cpu import stretch, team

FLOWS = {
    "pairs": (wgf.Interaction(K.Gaussian(1.0)), wgf.solvers.Euler()),
    "stein": (wgf.Quadratic() - wgf.Shannon(), wgf.solvers.Stein(1.0)),
    "median": (wgf.Quadratic() - wgf.Shannon(), wgf.solvers.Stein()),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_two_threads_share_a_sum_over_many_pairs(flow, monkeypatch):
    """The second thread takes some of the slots, or none where it is busy with other work."""
    (F, scheme), mu = FLOWS[flow], wgf.Ensemble.gaussian(650, 2, seed=1)
    monkeypatch.setattr(team, "_LEAST", 1e4)
    helped = mock.Mock(side_effect=team.shared)
    monkeypatch.setattr(stretch, "shared", helped)

    monkeypatch.setattr(team, "count", lambda: 2)

    def run(second):
        with gear.forced(second):
            return wgf.solve(F, mu, scheme, dt=0.05, t_end=0.3, record_every=6).ensemble.x

    one, two = run(False), run(True)
    assert [team.shared(*call.args) is not None for call in helped.call_args_list] == [True]
    assert torch.equal(one, two)
    busy = threading.Event()
    threads._pool(1).submit(busy.wait)
    try:
        assert torch.equal(one, run(True))
    finally:
        busy.set()


def test_the_helper_empties_a_board_alone(monkeypatch):
    monkeypatch.setattr(team, "count", lambda: 2)
    mu = wgf.Ensemble.gaussian(650, 2, seed=1)
    x = mu.x.numpy()
    _, (term,) = team.with_team(None, (wgf.Interaction(K.Gaussian(1.0)).body(mu),), 650, 2, x.dtype)
    term.team.columns[:], term.team.products[:], term.team.sums[:] = x.T, 0.0, 0.0
    with team.helped(term):
        term.team.board[team._TAKEN] = 0
        limit = time.monotonic() + 60.0
        while term.team.board[team._DONE] < len(term.team.products) and time.monotonic() < limit:
            time.sleep(0.001)
    assert term.team.products.any(axis=(1, 2)).all()


def test_a_helper_that_fails_in_a_slot_holds_up_nothing(monkeypatch):
    """The slot that it has begun is never done: the other thread takes all of them anew."""
    monkeypatch.setattr(team, "_LEAST", 1e4)
    begun: list[int] = []

    @numba.njit(nogil=True)
    def take(board):
        """Take a slot that is open, or none once all is over."""
        while team._read(board, team._TAKEN) > 1:
            if team._read(board, team._OVER) != 0:
                return
        team._next(board, team._TAKEN)

    def failing(board, *rest):
        take(board)
        begun.append(int(board[team._OVER]))
        raise MemoryError

    take.compile("(int64[::1],)")
    F, mu = wgf.Interaction(K.Gaussian(1.0)), wgf.Ensemble.gaussian(650, 2, seed=1)
    ends = []
    with gear.forced(True), mock.patch.object(team, "help_with_slots", failing):
        for count in (1, 2):
            monkeypatch.setattr(team, "count", lambda c=count: c)
            ends.append(wgf.solve(F, mu, wgf.solvers.Euler(), dt=1e-4, t_end=0.05, record_every=500).ensemble.x)
    assert begun == [0]  # in the middle of the work
    assert torch.equal(*ends)
