"""Tables and pages of many runs, and the commands that write them."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from commands import wgf_command

from wgf.errors import CheckpointError, ConfigError
from wgf.figures.many import curves
from wgf.sweeps import Work, compare, load_plan, run_sweep
from wgf.sweeps.record import evenly, read_records


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_directory_of_a_sweep(unbroken):
    folder = unbroken.directory
    assert {path.name for path in folder.iterdir()} >= {"sweep.json", "runs", "table.csv", "report.html"}
    table = rows(folder / "table.csv")
    assert len(table) == 24
    assert list(table[0])[:6] == ["run", "solver.dt", "entropy.0.temperature", "seed", "status", "steps"]
    assert {row["status"] for row in table} == {"COMPLETED"}
    assert [float(row["seed"]) for row in table[:5]] == [0, 1, 2, 3, 0]
    first = json.loads((folder / "runs" / table[0]["run"] / "summary.json").read_text())
    assert float(table[0]["free_energy"]) == first["final"]["free_energy"]  # to the bit
    parquet = pytest.importorskip("pyarrow.parquet").read_table(folder / "table.parquet").to_pydict()
    assert parquet["free_energy"] == [float(row["free_energy"]) for row in table]


def test_the_page_of_a_sweep(unbroken):
    page = unbroken.report.read_text(encoding="utf-8")
    for text in ("Sweep small", "24 runs over solver.dt", "Best runs", "Means over seeds", "Curves", "All runs"):
        assert text in page
    assert "://" not in page.replace("http://www.w3.org", "")  # self-contained
    links = re.findall(r'<a href="([^"]+)"', page)
    assert links
    assert all((unbroken.directory / link).is_file() for link in links)
    best = max(unbroken.records, key=lambda record: record.end["test_r2"])
    assert page.index(best.name) == min(page.index(record.name) for record in unbroken.records)
    tables = re.findall(r"<table.*?</table>", page, flags=re.S)
    assert all(f'<div class="scroll">{table}</div>' in page for table in tables)  # none is wider than a phone


def test_runs_that_fail_are_in_the_table_and_the_others_go_on(place):
    text = (place / "small.toml").read_text().partition("[sweep]")[0]
    text += '[[energy]]\nterm = "Quadratic"\ncoefficient = 1.0\n'
    (place / "bad.toml").write_text(text + "[sweep]\nenergy.0.coefficient = [0.01, 1e6]\nsolver.t_end = [50.0]\n")
    done = wgf_command("sweep", "bad.toml", "--jobs", 1)
    assert done.exit_code == 1, done.output
    assert "1 of 2 runs did not end well" in done.output
    table = rows(place / "runs/bad/table.csv")
    assert [row["status"] for row in table] == ["COMPLETED", "DIVERGED"]
    assert table[1]["message"]
    assert "did not end well" in (place / "runs/bad/report.html").read_text(encoding="utf-8")
    again = wgf_command("sweep", "bad.toml", "--jobs", 1)
    assert "2 of 2 runs were done before" in again.output


def test_data_that_are_missing_fail_every_run_and_are_tried_again(place):
    text = (place / "small.toml").read_text().partition("[sweep]")[0].replace("diabetes", "points.csv")
    (place / "bad.toml").write_text(text + "[sweep]\nseeds = 2\n")
    done = wgf_command("sweep", "bad.toml", "--jobs", 1)
    assert done.exit_code == 1
    assert "points.csv" in done.output
    assert {row["status"] for row in rows(place / "runs/bad/table.csv")} == {"ERROR"}
    assert not any(path.name != "claims" for path in (place / "runs/bad/runs").iterdir())


def test_the_command_refuses_bad_sweeps(place):
    (place / "letter").mkdir()
    (place / "letter/a.txt").touch()
    done = wgf_command("sweep", "small.toml", "--out", "letter")
    assert (done.exit_code, "no directory of a sweep" in done.output) == (2, True)
    done = wgf_command("sweep", "small.toml", "--scheduler", "tcp://nowhere:1")
    assert (done.exit_code, "has none" in done.output) == (2, True)
    done = wgf_command("sweep", "small.toml", "--jobs", 0)
    assert (done.exit_code, "jobs = 0" in done.output) == (2, True)
    done = wgf_command("sweep", "small.toml", "--set", "seed=3")
    assert (done.exit_code, "the sweep varies 'seed'" in done.output) == (2, True)


def test_compare_tells_what_differs(place, unbroken):
    some = [record.folder for record in unbroken.records if record.settings["seed"] == 0][:3]
    done = wgf_command("compare", *some, "--out", "c")
    assert done.exit_code == 0, done.output
    table = rows(place / "c/table.csv")
    assert list(table[0])[:3] == ["run", "entropy.0.temperature", "status"]  # dt is the same
    assert [float(row["entropy.0.temperature"]) for row in table] == pytest.approx([1e-3, 1e-2, 1e-1])
    page = (place / "c/report.html").read_text(encoding="utf-8")
    assert "They differ in entropy.0.temperature." in page
    assert len(compare([unbroken.directory]).records) == 24
    assert len(compare([*some, unbroken.directory]).records) == 24  # each once


def test_runs_are_judged_by_a_column_of_the_ledger(place, unbroken):
    some = [record.folder for record in unbroken.records[:4]]
    done = wgf_command("compare", *some, "--best", "closure_total")
    assert "smallest closure at the end" in (place / "runs/compared/report.html").read_text(encoding="utf-8")
    assert done.exit_code == 0
    done = wgf_command("compare", *some, "--best", "test_r3")
    assert (done.exit_code, "did you mean 'test_r2'" in done.output) == (2, True)


def test_curves_are_drawn_of_a_hundred_runs_at_most():
    assert evenly(60, 100) == set(range(60))
    some = evenly(1000, 100)
    assert len(some) == 100
    assert {0, 999} <= some


def test_compare_refuses_what_is_no_run(place, unbroken):
    done = wgf_command("compare", "nowhere")
    assert (done.exit_code, "no directory of a run or a sweep" in done.output) == (2, True)
    with pytest.raises(ConfigError, match="no runs to compare"):
        compare([])
    copy = place / "copy"
    shutil.copytree(unbroken.records[0].folder, copy)
    (copy / "metrics.jsonl").write_bytes((copy / "metrics.jsonl").read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(CheckpointError, match="damaged"):
        compare([copy])


def test_curves_of_few_and_many_runs(unbroken):
    records = read_records([unbroken.directory])
    ledgers = [record.ledger for record in records]
    few = curves(ledgers[:3], ["a", "b", "c"])
    assert [text.get_text() for text in few.legends[0].get_texts()] == ["a", "b", "c"]
    many = curves(ledgers, ["x"] * 24, np.geomspace(1, 100, 24).tolist(), "temperature")
    assert len(many.axes) == 4  # with a scale of colours
    assert all(len(axis.lines) == 24 for axis in many.axes[:3])
    assert many.axes[3].get_ylabel() == "temperature"
    assert len(curves(ledgers, ["x"] * 24).axes) == 3


def test_the_order_of_calls_and_jobs_changes_nothing(place, unbroken):
    result = run_sweep(load_plan("small.toml"), "out", Work(2, backend="threading"))
    assert (place / "out/table.csv").read_bytes() == (unbroken.directory / "table.csv").read_bytes()
    assert result.skipped == 0
