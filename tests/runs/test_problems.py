"""Configurations of particles without a network, of schedules and drives, and runs under several seeds."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from commands import rows, wgf_command

import wgf
from wgf import drives
from wgf.errors import ConfigError, ShapeError
from wgf.runs import dump, load_config, run
from wgf.runs.config import validate
from wgf.runs.jobs import prepare
from wgf.runs.terms import models

PROBLEM: dict[str, Any] = {
    "problem": {"particles": 50, "dim": 2},
    "energy": [{"term": "DoubleWell"}],
    "entropy": [{"term": "LogDet", "temperature": 0.1}],
    "solver": {"name": "Heun", "dt": 0.002, "t_end": 0.02},
}
NETWORK: dict[str, Any] = {
    "data": {"source": "breast-cancer"},
    "network": {"neurons": 20, "loss": "logistic"},
    "solver": {"dt": 0.1, "t_end": 0.2},
}


ITEMS = [[float(i == j) for j in range(30)] for i in range(3)]
"""Three inputs that are compared with each other."""


def temperature(**table: Any) -> dict[str, Any]:
    return PROBLEM | {"entropy": [{"term": "LogDet", "temperature": table}]}


# ------------------------------------------------------------------------------------------ particles


def test_a_problem_is_the_run_that_a_script_makes(tmp_path):
    config = validate(
        PROBLEM | {"seed": 7, "problem": {"particles": 60, "initial": {"law": "gaussian", "mean": [1, 0]}}}
    )
    result = run(config, tmp_path / "run", progress=False)
    F = wgf.DoubleWell() - 0.1 * wgf.LogDet()
    mu = wgf.Ensemble.gaussian(60, 2, [1.0, 0.0], seed=7)
    sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.002, t_end=0.02, seed=7)
    assert sol.ensemble.x.equal(result.solution.ensemble.x)
    assert result.summary["problem"] == {"name": "doublewell", "data": None}
    assert {"task", "data"} & set(result.summary) == set()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "doublewell: 60 particles in 2 dimensions" in page
    assert 'id="free-energy"' in page
    assert 'id="learning"' not in page
    assert "accuracy" not in page
    again = load_config(tmp_path / "run" / "config.toml")
    assert prepare(again).start.x.equal(mu.x)


@pytest.mark.parametrize("law", [
    {"law": "gaussian", "mean": [0.0, 1.0], "cov": [[1.0, 0.2], [0.2, 2.0]]},
    {"law": "uniform", "low": -1.0, "high": [1.0, 2.0]},
    {"law": "sphere", "radius": 2.0},
    {"law": "given", "x": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.5]], "weights": [0.5, 0.25, 0.25]},
])  # fmt: skip
def test_every_law_of_first_particles(law):
    config = validate(PROBLEM | {"problem": {"initial": law, "dim": 2}})
    start = prepare(config).start
    assert start.dim == 2
    assert start.n == (3 if law["law"] == "given" else 1000)
    if law["law"] == "given":
        assert start.weights.tolist() == law["weights"]
    assert validate(tomllib.loads(dump(config))) == config


def test_the_dimension_comes_from_what_fixes_it():
    for energy, dim in (({"term": "MullerBrown"}, 2), ({"term": "GaussianMixture", "means": [[0.0, 0.0, 1.0]]}, 3)):
        config = validate(PROBLEM | {"problem": {}, "energy": [energy]})
        assert prepare(config).start.dim == dim


def test_float32_and_the_data_of_a_posterior():
    table = PROBLEM | {
        "problem": {"particles": 10}, "data": {"source": "breast-cancer"}, "dtype": "float32",
        "energy": [{"term": "LogisticPosterior", "prior": 2.0}],
    }  # fmt: skip
    job = prepare(validate(table))
    train, _ = wgf.data.load("breast-cancer")
    assert str(job.start.x.dtype) == "torch.float32"
    assert job.start.dim == 31
    expected = wgf.LogisticPosterior(train.x, train.y, prior=2.0)
    assert float(job.free_energy["LogisticPosterior"].value(job.start)) == float(expected.value(job.start))


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"problem": {}}, ConfigError, "problem.dim is missing; wanted the dimension"),
    ({"problem": {"dim": 0}}, ConfigError, "problem.dim = 0: wanted an integer ≥ 1"),
    ({"problem": {"dims": 1}}, ConfigError, "unknown key problem.dims = 1; did you mean 'dim'"),
    ({"network": {}}, ConfigError, "wanted one of them"),
    ({"problem": {"initial": {"law": "gauss"}}}, ConfigError, "problem.initial.law = 'gauss'; did you mean 'gaussian'"),
    ({"problem": {"initial": {"law": "gaussian", "men": 1}}}, ConfigError, "initial.men = 1; did you mean 'mean'"),
    ({"problem": {"initial": {"law": "gaussian", "cov": -1.0}}}, ConfigError, "problem.initial: cov = -1.0"),
    ({"problem": {"initial": {"law": "given", "x": [1.0]}}}, ShapeError, "a list of particles"),
    ({"problem": {"dim": 3, "initial": {"law": "gaussian", "mean": [1, 0]}}}, ConfigError, "3 by problem.dim, 2 by"),
    ({"problem": {"particles": 2, "initial": {"law": "given", "x": [[1, 0]]}}}, ConfigError, "leave `particles` out"),
    ({"energy": [], "entropy": []}, ConfigError, "energy is missing"),
    ({"energy": [{"term": "LogisticPosterior"}]}, ConfigError, "data is missing"),
    ({"energy": [{"term": "DoubleWell", "barrier": -1.0}]}, ConfigError, "energy.0: barrier = -1.0"),
    ({"data": {"source": "digits"}}, ConfigError, "no term takes data"),
    ({"drive": [{"drive": "CVaR", "level": 0.5}]}, ConfigError, "CVaR alters the risk of a network"),
])  # fmt: skip
def test_a_problem_that_is_not_whole_is_refused(change, error, message):
    with pytest.raises(error) as caught:
        prepare(validate(PROBLEM | change))
    assert message in str(caught.value)


def test_a_network_takes_no_term_of_data_of_its_own():
    with pytest.raises(ConfigError, match=r"wanted a table \[problem\]"):
        validate(NETWORK | {"energy": [{"term": "LogisticPosterior"}]})


# ------------------------------------------------------------------------------------------ schedules and drives


def test_a_temperature_by_a_schedule_is_that_of_the_ledger(tmp_path):
    table = temperature(schedule="Exponential", start=0.1, end=1e-3, time=0.02)
    config = validate(table)
    result = run(config, tmp_path / "run", progress=False)
    ledger = result.solution.ledger
    schedule = drives.Exponential(0.1, 1e-3, t1=0.02)
    assert ledger["temperature"].tolist() == pytest.approx([schedule(t) for t in ledger["t"]], rel=1e-14)
    assert load_config(tmp_path / "run" / "config.toml").entropy == config.entropy
    with_begin = validate(temperature(schedule="Linear", start=1.0, end=0.0, t0=2.0, time=3.0))
    assert with_begin.entropy[0].temperature.build() == drives.Linear(1.0, 0.0, t1=5.0, t0=2.0)


@pytest.mark.parametrize("name", models("schedule"))
def test_every_schedule_can_be_named(name):
    values: dict[str, Any] = {
        "value": 0.5, "start": 0.5, "end": 0.1, "t1": 2.0, "points": [[0.0, 1.0], [2, 0.5]], "duration": 2.0,
        "then": {"schedule": "Linear", "start": 0.5, "end": 0.1, "time": 2.0}, "initial": 0.1,
    }  # fmt: skip
    model = models("schedule")[name]
    settings = {key: values[key] for key, field in model.model_fields.items() if field.is_required() if key in values}
    config = validate(temperature(schedule=name, **settings, **({"ratio": 0.5} if name == "Controller" else {})))
    assert isinstance(config.entropy[0].temperature.build(), getattr(drives, name))
    assert validate(tomllib.loads(dump(config))) == config


@pytest.mark.parametrize(("drive", "settings"), [
    ("CVaR", {"level": 0.4}),
    ("CVaR", {"level": {"schedule": "Linear", "start": 0.0, "end": 0.5, "time": 1.0}}),
    ("EntropicRisk", {"aversion": 1.0}),
    ("MeanVariance", {"aversion": 0.5}),
    ("LabelShift", {"priors": [0.2, 0.8]}),
    ("CovariateShift", {"displacement": {"schedule": "Linear", "start": 0.0, "end": 0.5, "time": 1.0}}),
    ("Budget", {"cost": {"term": "Quadratic", "stiffness": 2.0}, "limit": 0.5}),
    ("EvaluationCap", {"limit": 3}),
    ("Displacement", {}),
    ("Swap", {"terms": [{"at": 0.0, "term": "Quadratic"},
                        {"at": 0.1, "term": "Quadratic", "center": 1.0, "coefficient": 0.5}]}),
    ("Swap", {"terms": [{"at": 0, "term": "Interaction", "kernel": {"name": "Gaussian", "h": 1.0}, "coefficient":
                         {"schedule": "Linear", "start": 0.5, "end": 0.1, "time": 1.0}}]}),
    ("Preferences", {"items": ITEMS, "pairs": [[0, 1], [1, 2]], "times": [0.1, 0.2], "scale": 0.5}),
])  # fmt: skip
def test_every_drive_that_a_file_can_write_runs(drive, settings, tmp_path):
    assert set(models("drive")) == {
        "Budget", "CVaR", "CovariateShift", "Displacement", "EntropicRisk", "EvaluationCap", "LabelShift",
        "MeanVariance", "Preferences", "Swap",
    }  # fmt: skip
    config = validate(NETWORK | {"drive": [{"drive": drive, **settings}]})
    job = prepare(config)
    if drive == "EvaluationCap":
        assert job.until is not None
        assert job.until({"evaluations": 3.0})
    else:
        assert drive in [term.name for term in job.free_energy.terms]
    assert validate(tomllib.loads(dump(config))) == config


def test_exchanged_terms_are_those_of_a_script_also_without_another_term(tmp_path):
    terms = [{"at": 0, "term": "MullerBrown"}, {"at": 1e-4, "term": "MullerBrown", "coefficient": 0.5}]
    table = {"problem": {"particles": 20, "initial": {"law": "sphere"}}, "drive": [{"drive": "Swap", "terms": terms}]}
    config = validate(table | {"solver": {"name": "Heun", "dt": 1e-5, "t_end": 2e-4}})
    result = run(config, tmp_path / "run", progress=False)
    assert result.solution.ensemble.dim == 2  # told by the terms that are exchanged
    F = drives.Swap([(0.0, wgf.MullerBrown()), (1e-4, 0.5 * wgf.MullerBrown())])
    sol = wgf.solve(F, prepare(config).start, wgf.solvers.Heun(), dt=1e-5, t_end=2e-4)
    assert sol.ensemble.x.equal(result.solution.ensemble.x)
    assert prepare(load_config(tmp_path / "run" / "config.toml")).free_energy.terms[0].name == "Swap"
    assert validate(tomllib.loads(dump(validate({**table, "problem": {}, "solver": {"dt": 0.1, "t_end": 1.0}}))))


@pytest.mark.parametrize(("table", "settings", "message"), [
    (PROBLEM, {"drive": "Swap", "terms": []}, "drive.0.terms = []: wanted a list of tables such as { at = 0.0"),
    (PROBLEM, {"drive": "Swap", "terms": [{"term": "Quadratic"}]}, "drive.0.terms.0.at is missing"),
    (PROBLEM, {"drive": "Swap", "terms": [{"at": 0, "term": "Quadratic", "centr": 1}]}, "did you mean 'center'"),
    (PROBLEM, {"drive": "Swap", "terms": [{"at": 0, "term": "LogisticPosterior"}]}, "terms.0.term = 'LogisticPos"),
    (PROBLEM, {"drive": "Budget", "cost": {"term": "LogisticPosterior"}, "limit": 1.0}, "drive.0.cost.term = 'Log"),
    (PROBLEM, {"drive": "Preferences", "items": ITEMS, "pairs": [[0, 1]]}, "needs the outputs of a network"),
    (NETWORK, {"drive": "Preferences", "items": 3, "pairs": [[0, 1]]}, "drive.0.items = 3: wanted a list of rows"),
    (NETWORK, {"drive": "Preferences", "items": ITEMS, "pairs": [[0.5, 1]]}, "wanted a list of pairs of integers"),
    (NETWORK, {"drive": "Preferences", "items": ITEMS, "pairs": [[0, 7]]}, "drive.0: preference 0 is about item 7"),
])  # fmt: skip
def test_a_wrong_drive_is_named_by_its_place(table, settings, message):
    with pytest.raises(ConfigError) as caught:
        prepare(validate(table | {"drive": [settings]}))
    assert message in str(caught.value)


def test_shifted_labels_have_the_frequencies_of_their_schedules():
    ramp = [{"schedule": "Linear", "start": a, "end": 1 - a, "time": 10.0} for a in (0.6, 0.4)]
    job = prepare(validate(NETWORK | {"drive": [{"drive": "LabelShift", "priors": ramp}]}))
    shifted: Any = job.free_energy.terms[0].functional
    classes = shifted.base.targets.flatten() > 0
    for t, share in ((0.0, 0.4), (5.0, 0.5), (10.0, 0.6)):
        assert float(shifted.at(t).law[classes].sum()) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize(("table", "message"), [
    ({"schedule": "Exponental"}, "temperature.schedule = 'Exponental'; did you mean 'Exponential'"),
    ({"schedule": "Linear", "strt": 0.1, "end": 1.0, "time": 1.0}, "temperature.strt = 0.1; did you mean 'start'"),
    ({"schedule": "Linear", "start": 0.1, "end": 1.0}, "temperature.t1 is missing"),
    ({"schedule": "Linear", "start": 0.1, "end": 1.0, "time": 0.0}, "wanted t0 < t1"),
    ({"schedule": "Steps", "points": [[0, 1], [2]]}, "wanted a list of points [t, value]"),
    ({"schedule": "Steps", "points": [[1, 1], [0, 2]]}, "wanted increasing times"),
    ({"start": 1}, "the key 'schedule' is missing"),
    ({"schedule": "Exponential", "start": 1.0, "end": -1.0, "time": 1.0}, "wanted positive ends"),
])  # fmt: skip
def test_a_wrong_schedule_is_named_by_its_place(table, message):
    with pytest.raises(ConfigError) as caught:
        validate(temperature(**table))
    assert message in str(caught.value)
    assert "entropy.0" in str(caught.value)


# ------------------------------------------------------------------------------------------ schemes


@pytest.mark.parametrize(("settings", "scheme"), [
    ({"name": "Stein", "kernel": {"name": "Gaussian", "h": 0.5}}, wgf.solvers.Stein(wgf.kernels.Gaussian(0.5))),
    ({"name": "Stein", "kernel": 0.5}, wgf.solvers.Stein(0.5)),
    ({"name": "BirthDeath", "inner": {"name": "Underdamped", "friction": 2.0}},
     wgf.solvers.BirthDeath(inner=wgf.solvers.Underdamped(2.0))),
    ({"name": "RandomBatch", "inner": "LeimkuhlerMatthews"},
     wgf.solvers.RandomBatch(inner=wgf.solvers.LeimkuhlerMatthews())),
    ({"name": "Grid", "cells": [64, 32]}, wgf.solvers.Grid((64, 32))),
    ({"name": "Accelerated", "restart": "none"}, wgf.solvers.Accelerated(restart=None)),
])  # fmt: skip
def test_settings_that_are_kernels_schemes_lists_or_none(settings, scheme):
    config = validate(PROBLEM | {"solver": {**settings, "dt": 0.1, "t_end": 1.0}})
    assert config.solver.scheme() == scheme
    assert validate(tomllib.loads(dump(config))).solver.scheme() == scheme


@pytest.mark.parametrize(("settings", "message"), [
    ({"name": "Stein", "kernel": {"name": "Gausian"}}, "solver.kernel.name = 'Gausian'; did you mean 'Gaussian'"),
    ({"name": "Stein", "kernel": {"name": "Gaussian"}}, "solver.kernel.h is missing"),
    ({"name": "BirthDeath", "inner": {"name": "Lngevin"}}, "solver.inner.name = 'Lngevin'; did you mean 'Langevin'"),
    ({"name": "BirthDeath", "inner": {"name": "Heun", "x": 1}}, "solver.inner.x = 1 is no setting of Heun"),
])  # fmt: skip
def test_a_wrong_setting_of_a_scheme_is_named(settings, message):
    with pytest.raises(ConfigError) as caught:
        validate(PROBLEM | {"solver": {**settings, "dt": 0.1, "t_end": 1.0}})
    assert message in str(caught.value)


# ------------------------------------------------------------------------------------------ seeds


def test_seeds_are_runs_of_their_own_and_their_spread_is_shown(tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    Path("two.toml").write_text(dump(validate(PROBLEM | {"seed": 4})), encoding="utf-8")
    done = wgf_command("run", "two.toml", "--seeds", 3, "--out", "seeds")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in Path("seeds").iterdir()) == ["seed-4", "seed-5", "seed-6"]
    last = [rows(Path("seeds") / f"seed-{seed}")[-1]["energy"] for seed in (4, 5, 6)]
    assert len(set(last)) == 3
    mean = sum(last) / 3
    assert f"{mean:.4g} ± " in done.output
    assert wgf_command("run", "two.toml", "--set", "seed=5", "--out", "alone").exit_code == 0
    assert rows(Path("alone")) == rows(Path("seeds/seed-5"))
    assert json.loads(Path("alone/summary.json").read_text())["ok"]


@pytest.mark.parametrize(("seeds", "message"), [("0", "seeds = 0"), ("2000", "seeds = 2000")])
def test_a_number_of_seeds_out_of_range_is_refused(seeds, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two.toml").write_text(dump(validate(PROBLEM)), encoding="utf-8")
    done = wgf_command("run", "two.toml", "--seeds", seeds)
    assert done.exit_code == 2
    assert message in done.output
    assert not Path("runs").exists()
