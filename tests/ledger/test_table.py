"""The ledger as a table: rows come back as they went in, and a long run keeps little more than its numbers."""

from __future__ import annotations

import math
import pickle
import tracemalloc

import numpy as np
from wgf.solvers import Euler, Langevin

import wgf
from wgf.ledger import Ledger


def test_rows_of_different_columns_come_back_as_they_went_in():
    rows = [{"t": 0.0, "a": 1}, {"a": 2.5, "t": 1}, {"t": 1, "b": -3.0, "a": math.inf}, {"t": 2.0}, {"t": 3, "a": 4}]
    ledger = Ledger()
    for row in rows:
        ledger.append(row)
    assert [ledger.row(k) for k in range(5)] == rows
    assert list(ledger.row(1)) == ["a", "t"]
    assert ledger.row(-1) == rows[-1]
    assert (ledger.rows, len(ledger), ledger.columns) == (5, 3, ("t", "a", "b"))
    np.testing.assert_array_equal(ledger["a"], [1.0, 2.5, math.inf, math.nan, 4.0])
    np.testing.assert_array_equal(ledger["b"], [math.nan, math.nan, -3.0, math.nan, math.nan])
    column = ledger["t"]
    ledger.append({"t": 4.0})  # a column that was read before does not follow
    assert column.tolist() == [0.0, 1.0, 1.0, 2.0, 3.0]
    assert pickle.loads(pickle.dumps(ledger)).row(2) == rows[2]


def test_a_hundred_thousand_rows_take_little_more_than_their_numbers():
    tracemalloc.start()
    try:
        ledger, before = Ledger(), tracemalloc.get_traced_memory()[0]
        for k in range(100_000):
            ledger.append(dict.fromkeys("abcdefghijklmnopqrst", k + 0.5))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 1.3 * 100_000 * (20 + 2) * 8
    assert ledger["t"][99_999] == 99_999.5


def test_a_run_keeps_of_a_record_its_row_alone():
    """Not the evaluation, not the observers' copies, not what the progress was told."""

    class Last(wgf.flow.Monitor):
        def advance(self, done, t, row):
            self.row = row

    F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(64, 3, seed=1)
    settings = {"dt": 1e-3, "record_every": 1, "observers": {"seen": lambda mu, t, evaluation: t}, "progress": Last()}
    wgf.solve(F, mu, Euler(), t_end=0.02, **settings)

    def kept(steps: int) -> int:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            sol = wgf.solve(F, mu, Euler(), t_end=1e-3 * steps, **settings)
            assert sol.ledger.rows == steps + 1
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()

    few, many = kept(100), kept(1100)
    assert many - few < 1.3 * 1000 * (30 + 2) * 8


def test_a_warning_about_sums_is_given_once(monkeypatch):
    """A run of many records does not collect a warning for each."""
    import warnings

    from wgf.summation import Check

    monkeypatch.setattr(wgf.Interaction, "audit", lambda self, mu: Check("fourier", "", 1.0, 1e-6))
    F = wgf.Interaction(wgf.kernels.Gaussian(1.0)) - 1.0 * wgf.Shannon()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sol = wgf.solve(F, wgf.Ensemble.gaussian(60, 1), Langevin(), dt=0.01, t_end=0.2, record_every=1)
    told = [str(warning.message) for warning in caught if "are off by" in str(warning.message)]
    assert len(told) == 1
    assert told[0].startswith("step 0: the sums of Interaction are off by 1.0e+00")
    assert sol.ledger["sums_error:Interaction"].tolist() == [1.0] * 21
