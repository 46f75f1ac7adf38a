"""The bench of whole runs: bodies against oracles, oracles against wrong bodies, peers that are absent, the page."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from typer.testing import CliRunner
from wgf.benchmarks.flows import (
    default_run,
    figure,
    forces,
    langevin,
    network,
    ornstein_uhlenbeck,
    ours,
    posterior,
    potentials,
    records,
    startup,
    svgd,
)
from wgf.benchmarks.flows import page as flows_page
from wgf.benchmarks.flows import run as flows
from wgf.benchmarks.flows.ours import ENDS, OURS_ALONE, PIECES
from wgf.benchmarks.flows.peers import JAX, JAX_FIRST, TORCH
from wgf.benchmarks.frame.case import OURS, Target, as_array
from wgf.benchmarks.frame.facts import machine_facts
from wgf.benchmarks.frame.machine import WORK
from wgf.benchmarks.frame.measure import Hall, judge
from wgf.benchmarks.frame.processes import ALONE, spinning, threads

from wgf.cli import app

JAX_HERE = importlib.util.find_spec("jax") is not None
SMALL = {
    "ou": ornstein_uhlenbeck.case(2000, 3, steps=20, libraries=False),
    "ou-f32": ornstein_uhlenbeck.case(2000, 3, "float32", 20, libraries=False),
    "quadratic": forces.case(forces.QUADRATIC, 20, 2, 8, []),
    "torch-potential": forces.case(forces.AUTOGRAD, 20, 2, 8, []),
    "aggregation": forces.case(forces.AGGREGATION, 120, 2, 4, []),
    "three-dimensions": forces.case(forces.AGGREGATION, 20, 3, 4, []),
    "double-well": forces.case(forces.DOUBLE_WELL, 20, 2, 8, []),
    "svgd": svgd._case(60, 2, 4, []),
    "svgd-wide": svgd._case(60, 50, 4, []),
    "network": network._case(128, None, 2),
    "network-batches": network._case(96, 128, 12),
    "posterior": posterior._case(200, 60),
}


def error_of(case, body: str) -> float:
    arrays = case.arrays()
    result = as_array(case.bodies[body](arrays)())
    return case.error(result[case.rows], case.oracle(arrays))


# ------------------------------------------------------------------------------------------------- bodies and oracles


@pytest.mark.parametrize("body", [OURS, ENDS, PIECES, TORCH])
@pytest.mark.parametrize("name", SMALL)
def test_bodies_compute_what_the_oracle_does(name, body):
    case = SMALL[name]
    if body == PIECES and name.startswith(("network", "posterior")):
        assert case.bodies[body](case.arrays())() is None  # a part of the work, without a result
        return
    assert error_of(case, body) < case.bound


@pytest.mark.skipif(not JAX_HERE, reason="jax is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_jax_computes_what_the_oracle_does(name):
    case = SMALL[name]
    bodies = [body for body in case.bodies if body.startswith(JAX)]
    assert bodies
    for body in bodies:
        assert error_of(case, body) < case.bound, body


WRONG = {
    # 3 % more noise, and a step too many, where the law still moves: 14 and 40 standard errors
    "ou: noise": (
        ornstein_uhlenbeck.case(200_000, 2, steps=40, libraries=False),
        lambda arrays: {"x": arrays["x"] * 1.03},
    ),
    "quadratic": (SMALL["quadratic"], lambda arrays: {"x": arrays["x"] * (1 + 1e-8)}),
    "svgd": (SMALL["svgd"], lambda arrays: {"x": arrays["x"] * np.float32(1 + 1e-4)}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_body_that_begins_elsewhere_is_found(name):
    case, change = WRONG[name]
    arrays = case.arrays()
    result = as_array(case.bodies[ENDS](change(arrays))())
    assert case.error(result[case.rows], case.oracle(arrays)) > case.bound


@pytest.mark.parametrize("name", [n for n in SMALL if not n.startswith(("ou", "posterior"))])
def test_a_body_that_takes_a_step_more_or_less_is_found(name):
    case = SMALL[name]
    short = {
        "network": lambda a: network.end(slice(None), case.steps - 1, a),
        "svgd": lambda a: svgd.end(slice(None), case.steps - 1, a),
    }.get(name.partition("-")[0])
    if short is None:
        flow = next(f for f in (forces.QUADRATIC, forces.AGGREGATION, forces.DOUBLE_WELL) if f.title in case.name)
        short = partial(potentials.end, flow, case.steps - 1)
    arrays = case.arrays()
    assert case.error(short(arrays)[case.rows], case.oracle(arrays)) > case.bound


@pytest.mark.parametrize("term", ["pairs", "temperature"])
def test_a_missing_term_is_found(term):
    case, flow = SMALL["aggregation"], replace(forces.AGGREGATION, **{term: 0.0})
    arrays = case.arrays()
    assert case.error(potentials.end(flow, case.steps, arrays), case.oracle(arrays)) > 1e-4 > case.bound


def test_other_minibatches_are_found():
    case = SMALL["network-batches"]
    arrays = case.arrays()
    other = {**arrays, "batches": arrays["batches"][::-1]}
    assert case.error(network.end(case.rows, case.steps, other), case.oracle(arrays)) > case.bound


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_another_temperature_is_found(temperature, monkeypatch):
    """At n = 2·10⁴ both laws are 50 standard errors and more from the other temperature."""
    case = ornstein_uhlenbeck.case(20_000, 2, steps=20, libraries=False)
    arrays = case.arrays()
    known = case.oracle(arrays)
    monkeypatch.setattr(langevin, "SCALE", langevin.SCALE * math.sqrt(temperature))
    assert case.error(langevin.by_torch(20, arrays)(), known) > case.bound


def test_the_law_is_that_of_many_runs():
    """400 ensembles of 50 particles: their mean within 5 of its standard errors, their spread within 20 %."""
    arrays = ornstein_uhlenbeck.ensemble(50, 2, "float64")
    rng, runs = np.random.default_rng(1), []
    for _ in range(400):
        x = arrays["x"]
        for _ in range(30):
            x = langevin.DECAY * x + langevin.SCALE * rng.standard_normal(x.shape)
        runs.append(langevin.moments(x))
    expected, spread = langevin.law(30, arrays)
    assert (np.abs(np.mean(runs, axis=0) - expected) < 5 * spread / 20).all()
    np.testing.assert_allclose(np.std(runs, axis=0), spread, rtol=0.2)
    with pytest.raises(ValueError, match="moments"):
        langevin.deviation(np.zeros(3), np.stack([expected, spread]))


def test_the_posterior_has_another_width_than_its_start():
    """A run that does nothing, or has noise of half the temperature, is beyond the bound at the size of the page."""
    case = posterior._case(500, 400)
    arrays = case.arrays()
    known = case.oracle(arrays)
    assert case.error(posterior.moments(arrays["x"]), known) > case.bound
    mean, cov = known[0], known[1:]
    assert case.error(np.concatenate([mean[None], 0.5 * cov]), known) > case.bound / 2


def test_the_record_has_an_error():
    case = records._case(500, 1.0, 1.0)
    truth = case.oracle({})
    assert truth == pytest.approx([math.log(2 * math.pi * math.e), 4.5])
    assert case.error(truth * [1.0, 0.6], truth) == pytest.approx(0.4)
    assert 0 < error_of(case, OURS) < 1.0


# ------------------------------------------------------------------------------------------------- peers and threads


@pytest.mark.parametrize("body", ["torchsde", "diffrax", "BlackJAX", "KeOps", JAX, "scikit-learn"])
def test_a_peer_without_its_package_says_so(body, monkeypatch):
    """An ImportError that names it, which the process of the peer turns into "... is not installed"."""
    package = {"BlackJAX": "blackjax", "KeOps": "pykeops", JAX: "jax", "scikit-learn": "sklearn"}.get(body, body)
    if package in ("diffrax", "blackjax") and not JAX_HERE:
        package = "jax"  # which is then missing first
    case = {
        "KeOps": SMALL["svgd"],
        "scikit-learn": SMALL["network"],
    }.get(body, ornstein_uhlenbeck.case(20, 2, steps=2, libraries=True))
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as missing:
        case.bodies[body](case.arrays())
    assert missing.value.name.partition(".")[0] == package


def test_a_process_of_one_thread_is_told_so():
    assert threads(OURS_ALONE)["OMP_NUM_THREADS"] == "1"
    assert threads(f"{JAX}{ALONE}")["PJRT_NPROC"] == "1"
    assert "OMP_NUM_THREADS" not in threads(OURS)


def test_programs_that_spin_end_with_the_block():
    started = []

    def work():
        with spinning(2) as programs:
            started.extend(programs)
            assert all(program.poll() is None for program in programs)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        work()
    assert len(started) == 2
    assert all(program.poll() is not None for program in started)


# ------------------------------------------------------------------------------------------------- targets and the page


def cases():
    for files in flows.FAMILIES.values():
        for file in files:
            yield from getattr(import_module(file, "wgf.benchmarks.flows"), "cases", lambda quick: [])(False)


def test_every_target_compares_with_something_that_is_measured():
    names = []
    for case in cases():
        names.append(case.name)
        assert all(floor.rate in WORK for floor in case.floors.values())
        for target in case.targets:
            assert target.ours in case.bodies, case.name
            assert target.kind == "step" or any(name in case.bodies for name in target.against) or not target.against
        if case.steps:
            assert {ENDS, TORCH, JAX} & set(case.bodies)
            assert case.checked in case.bodies
    assert len(names) == len(set(names)) >= 25


def test_targets_judge_the_body_that_they_name():
    case = replace(SMALL["quadratic"], steps=4)
    times = {OURS: [8.0], ENDS: [2.0], TORCH: [4.0], OURS_ALONE: [3.0]}
    wanted = [Target("faster", (TORCH,), 1.0, ours=ENDS), Target("step", (), 0.4, ours=ENDS), ours.THREADS]
    entries = judge(replace(case, targets=wanted), times, {OURS: 1.0, ENDS: 0.0})
    assert [(entry["value"], entry["verdict"]) for entry in entries] == [
        (2.0, "met"), (0.5, "not met"), (pytest.approx(2 / 3), "stretch"),
    ]  # fmt: skip
    (failed,) = judge(replace(case, targets=[Target("faster", (TORCH,), 0.1)]), times, {OURS: 1.0, ENDS: 0.0})
    assert failed["verdict"] == "failed"


ROW = {
    "name": "toy run", "family": "toy", "steps": 100, "unit": "distance", "bound": 1e-9, "targets": [], "gap": "Why.",
    "floors": {"memory": 0.5},
    "bodies": {
        OURS: {"seconds": 4.0, "error": 1e-16, "rounds": 7}, ENDS: {"seconds": 2.0}, PIECES: {"seconds": 1.5},
        TORCH: {"seconds": 1.0, "error": 2e-16}, f"{TORCH}{ALONE}": {"seconds": 0.1}, "KeOps": {"absent": "no KeOps"},
    },
}  # fmt: skip


def test_the_page_compares_with_the_fastest_peer_and_takes_our_time_apart(tmp_path):
    assert flows_page.fastest(ROW) == (TORCH, 1.0)
    result = {"date": "2026-01-01", "quick": False, "rows": [ROW], **machine_facts()}
    text = flows_page.page(result, "flows.png")
    assert "| toy run | wgf | 4 s | 40000 | 0.25× | 1.0e-16 (1e-09) | 7 |" in text
    assert f"|  | {ENDS} | 2 s | 20000 | 0.5× |" in text
    assert "|  | KeOps | no KeOps |" in text
    assert "| toy run | 4 s | 2 s (50%) | 500 ms (12%) | 1 s (25%) | 500 ms (12%) |" in text
    assert "- toy: distance." in text
    assert "![whole runs](flows.png)" in text
    assert figure.write([ROW], tmp_path, "flows") == "flows.png"
    assert (tmp_path / "flows.png").stat().st_size > 5000
    assert figure.write([], tmp_path, "nothing") == ""
    assert set(figure.STYLES) >= {OURS, ENDS, TORCH, JAX, JAX_FIRST}


# ------------------------------------------------------------------------------------------------- the command


@pytest.mark.slow
def test_the_command_writes_a_page_a_figure_and_json(tmp_path):
    done = CliRunner().invoke(
        app, ["bench", "flows", "--quick", "--only", "posterior", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0
    (stored,) = tmp_path.glob("*.json")
    (row,) = json.loads(stored.read_text(encoding="utf-8"))["rows"]
    for body in (OURS, ENDS, TORCH):
        assert row["bodies"][body]["error"] < row["bound"]
        assert row["bodies"][body]["rounds"] >= 2
    assert row["same_bits"] is True
    text = (tmp_path / f"{stored.stem}.md").read_text(encoding="utf-8")
    assert "ALDI, logistic posterior" in text
    assert f"![whole runs]({stored.stem}.png)" in text
    assert (tmp_path / f"{stored.stem}.svg").exists()


@pytest.mark.slow
def test_a_busy_row_runs_with_its_programs_and_ends_them(monkeypatch):
    monkeypatch.setattr("wgf.benchmarks.frame.measure.ROUNDS", 1)
    monkeypatch.setattr("wgf.benchmarks.frame.measure.BUDGET", 0.0)
    (busy,) = [c for c in ornstein_uhlenbeck.cases(True) if c.busy]
    with Hall(quick=True) as hall:
        row = hall.measure(
            ornstein_uhlenbeck.__name__, replace(busy, bodies={name: busy.bodies[name] for name in (ENDS, OURS_ALONE)})
        )
    assert row["busy"] == 2
    assert row["targets"][0]["verdict"] != "not measured"
    assert row["bodies"][OURS_ALONE]["error"] == row["bodies"][ENDS]["error"]


@pytest.mark.slow
def test_the_first_run_of_a_session_is_timed():
    (row,) = startup.rows(quick=True)
    assert {name: body["rounds"] for name, body in row["bodies"].items()} == {
        startup.IMPORT: 1, startup.FIRST: 1, startup.HELP: 1,
    }  # fmt: skip
    assert all(0 < target["value"] < 60 for target in row["targets"])


@pytest.mark.slow
def test_the_default_run_is_judged_by_its_time_its_closure_and_its_accuracy():
    (row,) = default_run.rows(quick=True)
    (target,) = row["targets"]
    error = row["bodies"][default_run.RUN]["error"]
    assert 0 < target["value"] < 60
    assert target["verdict"] == "failed"  # a network of 200 neurons does not learn the digits in 4 steps
    assert 1.0 == row["bound"] < error < 0.96 / 0.04
    assert "right in" in row["gap"]


def test_the_command_refuses_a_family_it_does_not_know(tmp_path):
    unknown = CliRunner().invoke(app, ["bench", "flows", "--only", "forcs", "--out", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "did you mean 'forces'" in unknown.output
    assert os.listdir(tmp_path) == []
