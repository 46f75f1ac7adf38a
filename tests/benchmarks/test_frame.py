"""The benchmark itself: verdicts, errors and the page on work whose figures are known; peers that fail are survived."""

from __future__ import annotations

import sys
import textwrap
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner
from wgf.benchmarks import noise
from wgf.benchmarks.frame import families as frame
from wgf.benchmarks.frame.case import (
    OURS,
    Arrays,
    Case,
    Floor,
    Target,
    TooSlow,
    Unavailable,
    as_array,
    digest,
    power,
    relative_error,
)
from wgf.benchmarks.frame.facts import BUSY, busy_note, busy_share, machine_facts
from wgf.benchmarks.frame.machine import FMA32, WORK
from wgf.benchmarks.frame.measure import Hall, judge
from wgf.benchmarks.frame.page import page
from wgf.benchmarks.frame.stored import Stored
from wgf.benchmarks.kernels import moments, network, pairwise, sliced, stein
from wgf.benchmarks.kernels import run as kernels

from wgf.cli import app
from wgf.errors import ConfigError
from wgf.runs import store

TIMES = {OURS: [1.0, 1.1, 0.9], "a": [3.0], "b": [2.0, 2.2, 1.8], FMA32: [0.5], "wgf: less": [0.1]}


def verdict(target: Target, error: float | None = None) -> dict:
    floors = {"pipes": Floor(FMA32, 1.2 * WORK[FMA32])}
    case = Case("toy", "toy", dict, {}, floors=floors, targets=[target], bound=1e-6)
    (entry,) = judge(case, TIMES, {OURS: error})
    return entry


@pytest.mark.parametrize(
    ("target", "value", "said"),
    [
        (Target("faster", ("a", "b", "absent"), 2), 2.0, "met"),  # the fastest of those that ran: b
        (Target("faster", ("a",), 2, 3), 3.0, "stretch"),
        (Target("faster", ("b",), 2.1), 2.0, "not met"),
        (Target("floor", ("pipes",), 0.5, 0.7), 0.6, "met"),  # 1.2 calls of work at 0.5 s each, in 1 s
        (Target("floor", ("pipes",), None, 0.7), 0.6, "short"),
        (Target("slower", ("b",), 0.4), 0.5, "not met"),
        (Target("slower", ("wgf: less",), 11), 10.0, "met"),
        (Target("seconds", (), 1.0), 1.0, "met"),
        (Target("seconds", ("wgf: less",), 0.2, 0.1), 0.1, "stretch"),
        (Target("faster", ("absent",), 1), None, "not measured"),
    ],
)
def test_verdicts_follow_from_ratios_of_medians(target, value, said):
    entry = verdict(target)
    assert entry["verdict"] == said
    assert entry.get("value") == (None if value is None else pytest.approx(value, rel=1e-12))
    if value is not None:
        assert entry["low"] <= value <= entry["high"]


def test_a_peer_that_was_too_slow_is_a_bound():
    """What it takes at least can meet a target, and cannot miss it."""
    assert TooSlow(30.0, 60.0).bound == 30.0
    for bound, said in ((TooSlow(30.0, 300.0).bound, "met"), (40.0, "not measured")):
        case = Case("toy", "toy", dict, {}, targets=[Target("faster", ("slow", "slower"), 50.0)])
        (entry,) = judge(case, TIMES, {}, {"slow": bound, "slower": 1000.0})
        assert (entry["verdict"], entry["fastest"], entry["beyond"]) == (said, "slow", True)
        assert entry["value"] == pytest.approx(bound)


def test_a_fast_body_with_a_large_error_has_failed():
    assert verdict(Target("faster", ("b",), 1), error=1e-7)["verdict"] == "met"
    assert verdict(Target("faster", ("b",), 1), error=1e-5)["verdict"] == "failed"


def test_results_digests_and_sizes():
    assert [power(n) for n in (100, 1000, 1797, 10_000, 5_000_000, 1_500_000)] == [
        "100", "10³", "1797", "10⁴", "5·10⁶", "1.5·10⁶",
    ]  # fmt: skip
    columns = as_array([np.arange(3), np.ones(3)])
    assert columns.shape == (3, 2)
    assert relative_error(np.array([1.0, 2.5]), np.array([1.0, 2.0])) == 0.25
    assert digest({"x": np.zeros(3)}) != digest({"x": np.zeros(3, np.float32)})


TOY = """
import os
import numpy as np
import wgf.benchmarks.frame.case as case

def arrays():
    return {"x": np.random.default_rng(0).standard_normal(1000)}

def summing(arrays):
    return lambda: arrays["x"].cumsum()

def inexact(arrays):
    return lambda: arrays["x"].cumsum() * (1 + 1e-3)

def dies(arrays):
    os._exit(7)

def raises(arrays):
    raise ValueError("a bad day")

def missing(arrays):
    import no_such_package

def nan(arrays):
    return lambda: arrays["x"] * np.nan

def cases(quick):
    bodies = dict(wgf=summing, inexact=inexact, dies=dies, raises=raises, missing=missing, nan=nan)
    targets = [case.Target("faster", ("inexact",), 1e-6), case.Target("faster", ("dies",), 1)]
    return [case.Case("toy", "toy", arrays, bodies, lambda a: np.cumsum(a["x"]), targets=targets)]
"""


@pytest.mark.slow
def test_peers_that_die_raise_or_are_missing_do_not_lose_the_row(tmp_path, monkeypatch):
    """One process each, so that a crash is a note in the row; the seven processes start at once."""
    (tmp_path / "toy_benchmark.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("wgf.benchmarks.frame.measure.BUDGET", 0.0)
    with Hall() as hall:
        row = hall.measure("toy_benchmark", import_module("toy_benchmark").cases(False)[0])
    bodies = row["bodies"]
    assert bodies[OURS]["error"] == 0.0
    assert bodies[OURS]["rounds"] >= 7
    assert row["same_bits"] is True
    if sys.platform.startswith("linux"):
        assert 0 <= row["memory"] < 2**24
    assert bodies["inexact"]["error"] == pytest.approx(1e-3, rel=1e-6)
    assert "ended with code 7" in bodies["dies"]["failed"]
    assert bodies["raises"]["failed"] == "ValueError: a bad day"
    assert bodies["missing"]["absent"] == "no_such_package is not installed"
    assert bodies["nan"]["failed"] == "the result is not finite"
    assert [target["verdict"] for target in row["targets"]] == ["met", "not measured"]
    text = page(result([row]))
    assert "1 of 2 targets met" in text
    assert "failed: ValueError: a bad day" in text


def result(rows: list[dict]) -> dict:
    return {"date": "2026-01-01", "quick": False, "rows": rows, **machine_facts()}


def test_the_page_says_first_what_is_not_met():
    entry = verdict(Target("faster", ("b",), 3))
    row = {"name": "toy work", "family": "toy", "bodies": {OURS: {"seconds": 1.0}}, "targets": [entry], "gap": "Why."}
    text = page(result([row]))
    assert "**0 of 1 targets met**" in text
    assert text.index("- toy work: 2× the speed of b, asked ≥ 3×") < text.index("## What was asked")
    assert "**toy work.** Why." in text


def families():
    for files in kernels.FAMILIES.values():
        for file in files:
            module = import_module(file, "wgf.benchmarks.kernels")
            yield from getattr(module, "cases", lambda quick: [])(False)


def test_every_target_compares_with_something_that_is_measured():
    names = []
    for case in families():
        names.append(case.name)
        assert case.family in kernels.FAMILIES
        assert all(floor.rate in WORK for floor in case.floors.values())
        for target in case.targets:
            assert target.kind == "seconds" or target.against
            allowed = case.floors if target.kind == "floor" else case.bodies
            # peers that a size leaves out for memory may still be named among several
            assert any(name in allowed for name in target.against) or not target.against, case.name
    assert len(names) == len(set(names)) >= 25


SMALL = {
    "pairs": (pairwise._case(pairwise.gaussian(3), 3, np.float64, 60, ("numpy", "torch"), [], ""), 1e-12),
    "coulomb": (pairwise._case(pairwise.NEWTONIAN, 3, np.float64, 60, ("numpy", "torch"), [], ""), 1e-10),
    "log": (pairwise._case(pairwise.LOG, 2, np.float64, 60, ("numpy", "torch"), [], ""), 1e-10),
    "riesz": (pairwise._case(pairwise.RIESZ, 2, np.float64, 60, ("numpy", "torch"), [], ""), 1e-10),
    "network": (network._case(40, 30, 5, np.float64, []), 1e-12),
    "log-det": (moments._case(100, 3, np.float64, []), 1e-12),
    "sliced": (sliced._case(200, 2, np.float64), 1e-12),
    "stein": (stein._case(60, 2, 1, 1, False, False), 1e-4),
}
"""Small sizes; the tolerances leave room for |x|² + |y|² − 2x·y, which the peers use, and for float32 in the last."""


@pytest.mark.parametrize("name", SMALL)
def test_bodies_compute_what_the_oracle_does(name):
    case, tolerance = SMALL[name]
    arrays: Arrays = case.arrays()
    expected = case.oracle(arrays)
    compared = 0
    for body in {OURS, "numpy", "torch", "torch chunked", "torch autograd", "ot.sliced"} & set(case.bodies):
        try:
            call = case.bodies[body](arrays)
        except Unavailable:
            continue
        assert relative_error(as_array(call())[case.rows], expected) < tolerance, body
        compared += 1
    assert compared >= 1


def tally_of(z: np.ndarray) -> noise.Tally:
    tally = noise.Tally()
    tally.add(z)
    return tally


def faults(tally: noise.Tally) -> list[str]:
    return [row[0] for row in noise.statistics(tally) if row[3] < noise.ALARM]


def test_noise_statistics_pass_normals_and_find_flaws():
    """2·10⁶ numbers: a mean off by 0.01 is 14 standard errors, a correlation of 0.01 is 10."""
    z = np.random.default_rng(0).standard_normal((200_000, 10))
    assert faults(tally_of(z)) == []
    assert "mean of z" in faults(tally_of(z + 0.01))
    assert "numbers beyond 4σ" in faults(tally_of(np.where(np.abs(z) > 4, 0.0, z)))
    mixed = z.copy()
    mixed[:, 1::2] = 0.01 * z[:, 0::2] + np.sqrt(1 - 1e-4) * z[:, 1::2]
    assert any("components 2k, 2k+1" in name for name in faults(tally_of(mixed)))
    shared = np.abs(z)
    shared[1:] = np.sign(z[1:]) * (0.95 * np.abs(z[1:]) + 0.05 * np.abs(z[:-1]))
    assert any(name.startswith("correlation: next particle, squares") for name in faults(tally_of(shared)))


def test_the_command_refuses_what_it_does_not_know(tmp_path):
    runner = CliRunner()
    unknown = runner.invoke(app, ["bench", "kernels", "--only", "stien", "--out", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "did you mean 'stein'" in textwrap.dedent(unknown.output)
    assert list(tmp_path.iterdir()) == []


def test_pieces_of_a_benchmark_are_put_together_in_its_order(tmp_path):
    order = [("pairs", "a"), ("pairs", "b"), ("startup", None)]
    path = tmp_path / "toy.json"

    def measured(name: str, family: str = "pairs", value: int = 1) -> None:
        stored = Stored(path, quick=True, only=None, merge=True)
        stored.put({"name": name, "family": family, "value": value}, order)
        stored.write(2.0)

    measured("first run", "startup")
    measured("b")
    measured("a")
    measured("gone")
    measured("b", value=2)
    stored = store.read_json(path)
    assert [(row["name"], row["value"]) for row in stored["rows"]] == [("a", 1), ("b", 2), ("first run", 1)]
    assert stored["seconds"] == 10
    assert Stored(path, quick=True, only=None, merge=False).result["rows"] == []
    store.write_json(path, {**stored, "numba": "0.1"})
    with pytest.raises(ConfigError, match=r"another numba: 0\.1"):
        Stored(path, quick=True, only=None, merge=True)


def test_an_interrupted_benchmark_says_what_it_has_saved(tmp_path, monkeypatch):
    cases = [SimpleNamespace(name=name) for name in ("a", "b")]
    work = [("pairs", "toy", case, case.name) for case in cases]

    def measured(hall, family, module, case, title, quick):
        if case.name == "b":
            raise KeyboardInterrupt
        yield {"name": "a", "family": "pairs", "bodies": {}}

    monkeypatch.setattr(frame, "_work", lambda *given: work)
    monkeypatch.setattr(frame, "_measured", measured)
    with pytest.raises(KeyboardInterrupt) as stopped:
        frame.run("toy", {}, "toy", tmp_path, lambda *given: "page", quick=True, only=None)
    assert stopped.value.__notes__ == [f"1 of 2 rows are saved in {next(tmp_path.glob('*.md'))}"]


def test_a_busy_machine_is_said():
    assert busy_note({BUSY: 0.02}) == busy_note({}) == ""
    assert "took 40% of the cores" in busy_note({BUSY: 0.4})
    assert busy_share() is None or 0 <= busy_share() <= 1
