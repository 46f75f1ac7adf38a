"""When records are made: by the user's number, or by a table of costs; never by a clock."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch
from wgf.solvers import BogackiShampine, Euler, Heun, Langevin, RandomBatch, RungeKutta4

import wgf
from wgf.flow import cadence
from wgf.flow.cadence import Adaptive, Every, Prices, Spread, by_default, prices
from wgf.flow.plan import Plan
from wgf.functional import FreeEnergy, Work
from wgf.ledger import Ledger

MU = wgf.Ensemble.gaussian(200, 2, seed=1)
QUADRATIC = FreeEnergy(wgf.Quadratic()._terms())
SHANNON = wgf.Quadratic() - 1.0 * wgf.Shannon()
TABLE = Prices(
    step={"fixed": 100.0, "term": 10.0, "number": 1.0, "pair": 2.0, "product": 0.5, "noise": 3.0},
    record={"fixed": 1000.0, "number": 4.0},
    shannon={"1": (5.0, 1.0), "2": (6.0, 2.0), "3": (7.0, 3.0), "more": (8.0, 4.0)},
    machine={},
)


def planned(steps: int, first: int = 0) -> Plan:
    return replace(Plan.make(0.0, 0.1 * steps, 0.1, None), first=first, last=first + steps)


def costing(record: float) -> Prices:
    """A table in which a step of `Euler` on `Quadratic` costs 1, and a record what is given."""
    nothing = dict.fromkeys(TABLE.step, 0.0)
    return replace(TABLE, step=nothing | {"fixed": 1.0}, record={"fixed": record, "number": 0.0})


# ------------------------------------------------------------------------------------------------- evenly


@pytest.mark.parametrize(("first", "steps", "count"), [(0, 500, 100), (7, 105, 100), (3, 1000, 11), (0, 13, 13)])
def test_a_spread_has_its_number_of_records_at_even_distances(first, steps, count):
    spread = Spread(first, steps, count)
    state = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.1, t_end=0.0).state
    due = [k for k in range(first + 1, first + steps + 1) if spread.due(replace(state, step=k), Ledger())]
    assert len(due) == count
    assert due[-1] == first + steps
    apart = {b - a for a, b in zip([first, *due], due, strict=False)}
    assert apart <= {steps // count, -(-steps // count)}
    found, step = [], first
    while step < first + steps:
        step = spread.after(step)
        found.append(step)
    assert found == due


@pytest.mark.parametrize("steps", [1, 5, 11, 12, 99, 100, 101, 500, 12_345, 10**7])
@pytest.mark.parametrize("record", [1e-3, 0.3, 1.0, 7.0, 40.0, 1e6])
def test_records_are_from_11_to_101_and_take_a_third_or_are_11(steps, record):
    chosen = by_default(planned(steps), QUADRATIC, Euler(), MU, costing(record))
    assert isinstance(chosen, Spread)
    rows = chosen.count + 1
    assert min(11, steps + 1) <= rows <= 101
    assert rows * record <= (rows * record + steps) / 3 + 1e-9 or rows == min(11, steps + 1)
    more = rows + 1  # one more would take too much, or there are enough
    assert rows in (101, steps + 1) or more * record > (more * record + steps) / 3 - 1e-9


def test_the_number_of_rows_of_a_run_is_the_one_chosen(monkeypatch):
    monkeypatch.setattr(cadence, "prices", lambda: costing(1.0))
    for steps, rows in ((7, 8), (15, 11), (60, 30), (105, 52), (203, 101), (400, 101)):
        sol = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.01, t_end=0.01 * steps)
        assert sol.ledger.rows == rows, steps
        assert sol.ledger["t"][0] == 0.0
        assert sol.ledger["step"][-1] == steps


def test_who_gives_record_every_gets_it(monkeypatch):
    monkeypatch.setattr(cadence, "prices", lambda: costing(1e9))
    for solver in (Euler(), BogackiShampine()):
        sol = wgf.solve(wgf.Quadratic(), MU, solver, dt=0.01, t_end=1.0, record_every=1)
        assert sol.ledger["step"].tolist() == list(range(sol.state.step + 1))
    sol = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.01, t_end=1.0, record_every=30)
    assert sol.ledger["step"].tolist() == [0, 30, 60, 90, 100]


def test_every_row_is_complete_and_the_run_has_the_bits_of_any_cadence(monkeypatch):
    monkeypatch.setattr(cadence, "prices", lambda: costing(5.0))
    settings = {"dt": 0.01, "t_end": 1.0, "seed": 4}
    few = wgf.solve(SHANNON, MU, Langevin(), **settings)
    all_of_them = wgf.solve(SHANNON, MU, Langevin(), record_every=1, **settings)
    assert torch.equal(few.ensemble.x, all_of_them.ensemble.x)
    assert few.ledger.rows == 11
    assert {tuple(few.ledger.row(k)) for k in range(1, 11)} == {tuple(few.ledger.row(1))}
    for name in ("free_energy", "entropy", "dissipation", "dissipation_error", "released"):
        assert few.ledger[name][1:].tolist() == pytest.approx(
            [all_of_them.ledger[name][k] for k in range(10, 101, 10)]
            if name != "released"
            else all_of_them.ledger[name][1:].reshape(10, 10).sum(1).tolist()
        )


def test_records_far_apart_by_default_are_in_the_bar_and_no_warning(monkeypatch, recwarn):
    monkeypatch.setattr(cadence, "prices", lambda: costing(1e9))
    far = wgf.Ensemble.gaussian(400, 1, mean=[6.0], seed=2)
    book = wgf.solve(SHANNON, far, Langevin(), dt=0.01, t_end=20.0, seed=4).ledger
    assert book.rows == 11
    assert abs(book["closure_total"][-1]) > 0.1
    assert book["closure_error"][-1] > abs(book["closure_total"][-1]) - 0.1
    assert not recwarn.list
    with pytest.warns(wgf.errors.WgfWarning, match="records are too far apart"):
        wgf.solve(SHANNON, far, Langevin(), dt=0.01, t_end=20.0, seed=4, record_every=200)


def test_a_run_in_pieces_has_records_of_its_own_and_the_same_bits():
    whole = wgf.solve(wgf.Quadratic(), MU, Heun(), dt=0.01, t_end=2.0)
    first = wgf.solve(wgf.Quadratic(), MU, Heun(), dt=0.01, t_end=0.77)
    second = wgf.solve(wgf.Quadratic(), None, Heun(), dt=0.01, t_end=2.0, state=first.state)
    assert torch.equal(whole.ensemble.x, second.ensemble.x)
    assert second.ledger["step"][0] == 77
    assert second.ledger["step"][-1] == 200
    assert 11 <= second.ledger.rows <= 101


# ------------------------------------------------------------------------------------------------- adaptive steps


@pytest.mark.parametrize("apart", [1, 3, 50, 10**6])
@pytest.mark.parametrize("steps", [1, 5, 30, 400, 20_000])
def test_an_adaptive_run_keeps_within_the_bounds(apart, steps):
    """Step lengths over three orders of magnitude, in random order and growing."""
    rng = random.Random(apart + steps)
    state = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.1, t_end=0.0).state
    for lengths in (
        [10 ** rng.uniform(-3, 0) for _ in range(steps)],
        sorted(10 ** rng.uniform(-3, 0) for _ in range(steps)),
    ):
        records, ledger, t = Adaptive(0, 0.0, sum(lengths), apart), Ledger(), 0.0
        ledger.append({"t": 0.0, "step": 0})
        for k, h in enumerate(lengths, start=1):
            t = sum(lengths) if k == steps else t + h
            if records.due(replace(state, t=t, step=k), ledger) or k == steps:
                ledger.append({"t": t, "step": k})
        assert ledger.rows <= 101
        assert ledger.rows <= 12 or (ledger.rows - 1) * apart <= steps
        assert ledger.rows >= min(6, steps + 1)  # the last step may be most of the time
        assert ledger.rows >= 11 or steps < 50
        if apart == 1:
            assert ledger["step"][: min(51, steps)].tolist() == list(range(min(51, steps)))


def test_an_adaptive_run_has_a_row_for_each_of_few_steps(monkeypatch):
    monkeypatch.setattr(cadence, "prices", lambda: costing(0.01))
    sol = wgf.solve(wgf.Quadratic(), MU, BogackiShampine(), dt=0.1, t_end=1.0)
    assert sol.ledger["step"].tolist() == list(range(sol.state.step + 1))


# ------------------------------------------------------------------------------------------------- costs


def test_the_cost_of_a_step_counts_terms_stages_and_noise():
    quadratic = 10.0 + 400.0  # one term, 200 particles of two coordinates
    assert TABLE.of_step(QUADRATIC, Euler(), MU) == 100.0 + quadratic
    assert TABLE.of_step(QUADRATIC, Heun(), MU) == 100.0 + 2 * quadratic
    assert TABLE.of_step(QUADRATIC, RungeKutta4(), MU) == 100.0 + 4 * quadratic
    assert TABLE.of_step(QUADRATIC, BogackiShampine(), MU) == 100.0 + 3 * quadratic
    assert TABLE.of_step(SHANNON, Langevin(), MU) == 100.0 + quadratic + 3.0 * 400


def test_the_cost_of_a_record_counts_what_it_evaluates():
    assert TABLE.of_record(QUADRATIC, Euler(), MU) == 1000.0 + 4.0 * 400
    covariance = 0.5 * 200 * 4
    assert TABLE.of_record(wgf.Quadratic() - wgf.LogDet(), Euler(), MU) == 2600.0 + covariance
    assert TABLE.of_record(SHANNON, Langevin(), MU) == 2600.0 + covariance + 6.0 + 2.0 * 200
    assert TABLE.of_record(SHANNON, wgf.solvers.Grid(), MU) == 2600.0 + covariance  # it knows the density
    far = wgf.Ensemble.gaussian(200, 9)
    assert TABLE.of_record(SHANNON, Langevin(), far) == 1000.0 + 4.0 * 1800 + 0.5 * 200 * 81  # no estimate there


def test_minibatches_cost_their_size_in_steps_and_all_data_at_records():
    z, y = torch.randn(100, 3, dtype=torch.float64), torch.randn(100, dtype=torch.float64)
    whole, batched = wgf.NetworkRisk(z, y), wgf.NetworkRisk(z, y, batch=10)
    mu = whole.initial(50)
    assert whole.work(mu) == Work(numbers=250, products=100 * 250)
    assert batched.work(mu) == Work(numbers=250, products=10 * 250)
    assert batched.work(mu, whole=True) == wgf.drives.CVaR(whole, 0.5).work(mu) == whole.work(mu)
    one = FreeEnergy(batched._terms())
    assert TABLE.of_step(one, Euler(), mu) == 100.0 + 10.0 + 250.0 + 0.5 * 2500
    assert TABLE.of_record(one, Euler(), mu) == 1000.0 + 4.0 * 250 + (10.0 + 250.0 + 0.5 * 25_000)


def test_sums_over_pairs_count_as_few_where_they_may_be_fast():
    kernel = wgf.kernels.Gaussian(1.0)
    many, deep = wgf.Ensemble.gaussian(1000, 2), wgf.Ensemble.gaussian(1000, 5)
    assert wgf.Interaction(kernel).work(MU) == Work(400, 200 * 200)
    assert wgf.Interaction(kernel).work(many) == Work(2000, 1000 * 300)
    assert wgf.Interaction(kernel, method="dense").work(many) == Work(2000, 1000 * 1000)
    assert wgf.Interaction(kernel).work(deep) == Work(5000, 1000 * 1000)
    assert wgf.Interaction(wgf.kernels.QuadraticKernel(1.0)).work(many) == Work(2000)
    assert wgf.Blob(0.5).work(MU) == Work(800, 2 * 200 * 200)
    assert wgf.LogDet().work(MU) == Work(400, products=200 * 4)
    batched = RandomBatch(Euler(), size=4)
    F = FreeEnergy(wgf.Interaction(kernel, method="dense")._terms())
    assert TABLE.of_step(F, batched, MU) == 100.0 + 10.0 + 4 * 400 + 3.0 * 400
    assert TABLE.of_record(F, batched, MU) == 2600.0 + 10.0 + 400 + 2.0 * 200 * 200


def test_the_committed_table_is_whole():
    table = prices()
    assert set(table.step) == set(TABLE.step)
    assert set(table.record) == set(TABLE.record)
    assert set(table.shannon) == set(TABLE.shannon)
    constants = [*table.step.values(), *table.record.values(), *(c for pair in table.shannon.values() for c in pair)]
    assert all(0 <= constant < 1e9 for constant in constants)
    assert json.loads(cadence.TABLE.read_text(encoding="utf-8"))["machine"]["cpu"]


def test_frames_keep_their_own_cadence():
    sol = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.1, t_end=10.0, record_every=7, trajectory_every=10)
    assert len(sol.trajectory) == 11
    assert sol.ledger["step"].tolist() == [*range(0, 100, 7), 100]
    assert Every(7).within(100) == 14
