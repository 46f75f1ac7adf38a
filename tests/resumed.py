"""Runs that are stored as bytes in the middle and go on from them, with one ledger."""

from __future__ import annotations

from typing import Any

import wgf
from wgf.flow.arguments import Arguments
from wgf.flow.loop import Run
from wgf.flow.solve import build
from wgf.ledger import Ledger
from wgf.storage import from_tree, pack, tensor_bytes, to_tree, unpack

DEFAULTS: dict[str, Any] = {
    "t0": 0.0, "state": None, "seed": 0, "record_every": None, "trajectory_every": None, "observers": (), "until": None,
    "domain": None, "rtol": None, "atol": None, "max_steps": 10_000_000, "progress": False, "noise": None,
}  # fmt: skip


def prepared(F: wgf.Functional, mu: wgf.Ensemble | None, solver: Any, **settings: Any) -> Run:
    """The run that `wgf.solve` would make."""
    return build(Arguments.checked(F, mu, solver, **{**DEFAULTS, **settings}))


class Further(Run):
    """A run that goes on: the state with which it begins has its record already, if one was due."""

    def _observe(self) -> dict[str, float] | None:
        return None if self.state.step == self.plan.first and self.books.ledger.rows else super()._observe()


def stored(value: Any) -> Any:
    """The value after a way through bytes."""
    from safetensors.torch import load

    text, tensors = pack(to_tree(value))
    return from_tree(unpack(text, load(tensor_bytes(tensors, "test-1"))))


def in_pieces(F: Any, mu: wgf.Ensemble, solver: Any, cuts: tuple[int, ...], **settings: Any) -> wgf.Solution:
    """Run with breaks after so many steps each, every time from bytes and with a free energy F() written anew."""
    run, kept = prepared(F(), mu, solver, **settings, max_steps=cuts[0]), None
    for cut in (*cuts[1:], 10**6):
        run.go(throw=False)
        state, memory, kept = stored(run.state), stored(run.books.memory()), run.books.ledger
        new = prepared(F(), None, solver, **settings | {"state": state, "seed": 0, "max_steps": cut})
        run = Further(new.state, new.flow, new.books, new.cadence, new.stops)
        run.books.recall(memory, kept)
    return run.go()


def same_ledgers(one: Ledger, other: Ledger) -> bool:
    """Whether two ledgers are the same to the last bit, notes and the order of columns included."""
    rows = [[{name: value.hex() for name, value in ledger.row(k).items()} for k in range(ledger.rows)]
            for ledger in (one, other)]  # fmt: skip
    return rows[0] == rows[1] and one.columns == other.columns and one.notes == other.notes
