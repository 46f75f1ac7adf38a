"""The books go on: every attribute of the bookkeeper is remembered, or is a part of the run that is built anew."""

from __future__ import annotations

import pytest
from resumed import in_pieces, prepared, same_ledgers, stored

import wgf
from wgf.errors import CheckpointError
from wgf.ledger import BookMemory

PARTS = {"ledger", "_dynamics", "_steering", "_solver", "_observers"}


def run(t_end=1.0):
    F = wgf.Quadratic() - (lambda t: 0.2 + t) * wgf.Shannon()
    given = {"dt": 0.05, "t_end": t_end, "record_every": 4}
    return prepared(F, wgf.Ensemble.gaussian(80, 2), wgf.solvers.Langevin(), **given)


def test_every_attribute_of_the_books_is_remembered():
    """A new attribute joins `BookMemory`, or `PARTS` above if it is a part of the run."""
    books = run().books
    held = {name.lstrip("_") for name in set(vars(books)) - PARTS}
    assert held | {"rows", "notes", "evaluations"} == set(BookMemory.__dataclass_fields__)


def test_what_is_remembered_does_not_change_later():
    first = run()
    first.go()
    memory = first.books.memory()
    before = stored(memory)
    first.books.ledger.notes["t"] = "changed"
    first.books._balance.add(1.0, 1.0)
    assert same_parts(memory, before)
    assert not same_parts(first.books.memory(), before)


def same_parts(one, other):
    from wgf.storage import pack, to_tree

    return pack(to_tree(one))[0] == pack(to_tree(other))[0]


@pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")
@pytest.mark.parametrize(
    ("terms", "solver"),
    [
        ("heated", wgf.solvers.Langevin()),
        ("heated", wgf.solvers.Underdamped()),
        ("batches", wgf.solvers.Heun()),
        ("batches", wgf.solvers.Langevin()),
        ("driven", wgf.solvers.Heun()),
        ("driven", wgf.solvers.Accelerated()),
        ("driven", wgf.solvers.BogackiShampine(adaptive=False)),
    ],
    ids=str,
)
@pytest.mark.parametrize("cuts", [(8,), (3, 6), (1, 1, 7)], ids=str)
def test_a_broken_run_has_the_books_of_the_unbroken_one(terms, solver, cuts):
    """At a record and between records; with a changing temperature, minibatches, kinetic energy, controls."""

    def F():
        if terms == "heated":
            return wgf.Quadratic() - (lambda t: 0.2 + t) * wgf.Shannon()
        data = wgf.NetworkRisk([[1.0], [2.0], [0.5], [3.0]], [0.0, 1.0, 1.0, 0.0], batch=2)
        if terms == "batches":
            return data - (wgf.drives.Linear(0.1, 0.2, t1=1.0)) * wgf.LogDet(ridge=1e-2)
        control = wgf.drives.Controller(0.1, ratio=0.5)
        return (
            wgf.Quadratic(center=lambda t: t)
            + wgf.drives.Budget(wgf.drives.Displacement(), 0.1)
            - control * wgf.LogDet()
        )

    mu = wgf.Ensemble.gaussian(80, 3 if terms == "batches" else 2)
    given = {"dt": 0.05, "t_end": 1.0, "record_every": 4, "observers": {"spread": lambda mu, t: t * mu.x.std()}}
    whole = wgf.solve(F(), mu, solver, **given)
    assert same_ledgers(whole.ledger, in_pieces(F, mu, solver, cuts, **given).ledger)


def test_records_that_were_lost_are_told():
    first = run()
    first.go()
    with pytest.raises(CheckpointError, match=r"the ledger has 0 records; 6 were made. Records were lost."):
        run().books.recall(first.books.memory(), run().books.ledger)
