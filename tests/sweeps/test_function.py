"""`wgf.sweep`: results by hash, kept, computed once, the same from every backend."""

from __future__ import annotations

import csv
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import BackendError, CheckpointError, ConfigError, JobError
from wgf.sweeps import Results, Table

GRID = {"stiffness": [1.0, 2.0], "x": {"from": 0, "to": 2, "count": 3}}


def energy(stiffness, x):
    return {"E": 0.5 * stiffness * x**2, "force": np.float64(-stiffness * x), "one": torch.tensor(1)}


def counted(folder, x):
    """Leaves a trace of each call."""
    with open(Path(folder) / f"{x}.calls", "a", encoding="utf-8") as file:
        file.write("called\n")
    if x == 3 and not (Path(folder) / "mended").exists():
        raise ValueError("three")
    return {"y": x * x}


def relax(dt):
    mu = wgf.Ensemble.gaussian(20, 1, seed=1)
    return wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=dt, t_end=1.0)


def test_every_combination_in_order_and_the_best():
    found = wgf.sweep(energy, GRID)
    assert found.table["E"] == [0.0, 0.5, 2.0, 0.0, 1.0, 4.0]
    assert found.table.columns == ["stiffness", "x", "E", "force", "one"]
    assert found.best("E", largest=True)["stiffness"] == 2.0
    with pytest.raises(ConfigError, match="did you mean 'force'"):
        found.table["forse"]
    with pytest.raises(ConfigError, match="no point has a finite result 'forse'"):
        found.best("forse")


def test_threads_give_the_same():
    assert wgf.sweep(energy, GRID, jobs=2, backend="threading").table.rows == wgf.sweep(energy, GRID).table.rows


def test_a_solution_gives_its_last_record():
    table = wgf.sweep(relax, {"dt": [0.1, 0.05]}).table
    assert table["status"] == ["COMPLETED", "COMPLETED"]
    assert table["steps"] == [10, 20]
    assert table["free_energy"] == [relax(dt).ledger["free_energy"][-1] for dt in (0.1, 0.05)]


def test_what_is_in_the_store_is_not_computed_again(tmp_path):
    traces, store = tmp_path / "traces", tmp_path / "store"
    traces.mkdir()
    grid = {"folder": [str(traces)], "x": [1, 2, 3, 4]}
    with pytest.raises(JobError, match=r"1 of 4 points failed. The first is .*'x': 3.*ValueError: three"):
        wgf.sweep(counted, grid, store)
    assert sorted(path.name for path in traces.iterdir()) == [f"{x}.calls" for x in (1, 2, 3, 4)]  # others went on
    found = wgf.sweep(counted, grid, store, throw=False)
    assert found.results == [{"y": 1}, {"y": 4}, None, {"y": 16}]
    assert list(found.errors) == [2]
    (traces / "mended").touch()
    more = wgf.sweep(counted, {"folder": [str(traces)], "x": [0, 1, 2, 3, 4]}, store)
    assert more.table["y"] == [0, 1, 4, 9, 16]
    calls = {x: len((traces / f"{x}.calls").read_text().splitlines()) for x in range(5)}
    assert calls == {0: 1, 1: 1, 2: 1, 3: 3, 4: 1}


def test_points_may_be_given_one_by_one():
    assert wgf.sweep(energy, [{"stiffness": 1, "x": 2}, {"stiffness": 3, "x": 4}]).table["E"] == [2.0, 24.0]


def test_bad_sweeps_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="points 0 and 1 are the same"):
        wgf.sweep(energy, {"stiffness": [1.0, 1.0], "x": [0]})
    with pytest.raises(ConfigError, match="wanted a function"):
        wgf.sweep(3, GRID)
    with pytest.raises(ConfigError, match="backend 'lokky'; did you mean 'loky'"):
        wgf.sweep(energy, GRID, backend="lokky")
    with pytest.raises(ConfigError, match="the backend 'loky' has none"):
        wgf.sweep(energy, GRID, scheduler="tcp://nowhere:1")
    with pytest.raises(JobError, match="returned 3; wanted a dictionary"):
        wgf.sweep(lambda x: x, {"x": [3]})
    with pytest.raises(JobError, match=r"y = .*wanted a number"):
        wgf.sweep(lambda x: {"y": [x]}, {"x": [3]})
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ConfigError, match="not empty and no store"):
        wgf.sweep(energy, GRID, tmp_path)


def test_a_store_knows_its_function_and_its_code(tmp_path):
    def first(x):
        return {"y": x}

    wgf.sweep(first, {"x": [1]}, tmp_path / "store")
    before = first

    def first(x):  # type: ignore[no-redef]  # a comment is no change
        return {"y": x}

    wgf.sweep(first, {"x": [1, 2]}, tmp_path / "store")

    def first(x):  # type: ignore[no-redef]
        return {"y": x + 1}

    with pytest.raises(ConfigError, match="its code has changed"):
        wgf.sweep(first, {"x": [1]}, tmp_path / "store")
    assert wgf.sweep(first, {"x": [1]}, tmp_path / "store", changed=True).table["y"] == [1]
    with pytest.raises(ConfigError, match="not of 'energy'"):
        wgf.sweep(energy, GRID, tmp_path / "store")
    assert wgf.sweep(before, {"x": [1]}, tmp_path / "store").table["y"] == [1]


def test_a_damaged_result_is_named(tmp_path):
    wgf.sweep(energy, GRID, tmp_path / "store")
    path = sorted((tmp_path / "store").glob("*/result.safetensors"))[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = wgf.sweep(energy, GRID, tmp_path / "store", throw=False)
    (error,) = found.errors.values()
    assert isinstance(error, CheckpointError)
    assert str(path) in str(error)


def test_tables_are_written_exactly(tmp_path):
    table = Table([{"a": 0.1, "b": True, "c": "x"}, {"a": math.nan, "b": False}, {"a": 1, "d": None}])
    table.write(tmp_path / "t.csv")
    rows = list(csv.reader((tmp_path / "t.csv").open(encoding="utf-8")))
    assert rows == [["a", "b", "c", "d"], ["0.1", "True", "x", ""], ["", "False", "", ""], ["1", "", "", ""]]
    with pytest.raises(ConfigError, match=r"\.csv or \.parquet"):
        table.write(tmp_path / "t.xlsx")
    parquet = pytest.importorskip("pyarrow.parquet")
    table.write(tmp_path / "t.parquet")
    back = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert back["b"] == [True, False, None]
    assert back["a"][0] == 0.1


def test_parquet_without_pyarrow_is_a_typed_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendError, match="need pyarrow"):
        Table([{"a": 1}]).write(tmp_path / "t.parquet")


def test_results_come_back_as_they_were_given(tmp_path):
    given: dict[str, Any] = {
        "list": [1, 2.5, "x", None, (True, [])],
        "array": np.arange(6.0).reshape(2, 3),
        "number": np.float32(0.1),
        "tensor": torch.ones(2, dtype=torch.float32),
        "pairs": {1: "a", (2, 3): {"": 4}},
        "ensemble": wgf.Ensemble.gaussian(3, 2, seed=1),
        "nan": math.nan,
    }
    results = Results(tmp_path)
    back = results.made("name", lambda: given)
    assert back["list"] == given["list"]
    assert back["pairs"] == given["pairs"]
    assert np.array_equal(back["array"], given["array"])
    assert type(back["number"]) is np.float32
    assert torch.equal(back["tensor"], given["tensor"])
    assert torch.equal(back["ensemble"].x, given["ensemble"].x)
    assert math.isnan(back["nan"])
    assert "name" in results
    assert results.made("name", lambda: pytest.fail("it is there"))["list"] == given["list"]


def test_a_result_that_no_file_holds_is_returned_and_not_kept(tmp_path):
    results = Results(tmp_path)
    assert callable(results.made("name", lambda: energy))
    assert "name" not in results
    assert os.listdir(tmp_path) == ["name"]
