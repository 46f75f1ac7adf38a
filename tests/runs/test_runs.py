"""A run: what its directory holds, how failures end, and that nothing half-written is left."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import CONTENTS, SMALL, rows, wgf_command

import wgf
from wgf.errors import ConfigError
from wgf.runs import load_config, run, store

# ------------------------------------------------------------------------------------------ a run directory


def test_a_run_directory_holds_all_that_is_promised(finished):
    assert {path.name for path in finished.directory.iterdir()} == CONTENTS
    assert finished.summary == store.read_json(finished.directory / "summary.json")
    assert (finished.summary["ok"], finished.summary["status"]) == (True, "COMPLETED")
    assert finished.summary["name"] == "run"
    versions = store.read_json(finished.directory / "versions.json")
    assert {"wgf", "python", "torch", "numba", "numpy", "scipy", "POT", "platform", "cpu", "threads", "device"} <= set(
        versions
    )


def test_metrics_are_the_ledger_and_end_with_the_test_loss(finished):
    recorded, ledger = rows(finished.directory), finished.solution.ledger
    assert len(recorded) == ledger.rows == 13
    assert recorded[0]["closure"] is None, "NaN is null"
    assert {"train_loss", "test_loss", "train_r2", "test_r2"} <= set(recorded[-1])
    for column in ("t", "free_energy", "dissipation", "test_loss"):
        np.testing.assert_array_equal([row[column] for row in recorded], ledger[column])
    last = recorded[-1]
    assert last["train_loss"] == pytest.approx(last["term:NetworkRisk"], rel=1e-12)


def test_the_stored_ensemble_is_the_final_one_and_gives_the_stored_loss(finished):
    mu = wgf.Ensemble.load(finished.directory / "final.safetensors")
    assert torch.equal(mu.x, finished.solution.ensemble.x)
    train, test = wgf.data.load("diabetes")
    risk = wgf.NetworkRisk(train.x, train.y)
    assert risk.loss_on(mu, test.x, test.y) == pytest.approx(rows(finished.directory)[-1]["test_loss"], rel=1e-12)


def test_frames_go_from_the_start_to_the_end(finished):
    times, frames, _ = store.read_frames(finished.directory / "frames.safetensors")
    assert (times[0], times[-1]) == (0.0, 3.0)
    assert 8 <= len(times) <= 14
    final = wgf.Ensemble.load(finished.directory / "final.safetensors")
    np.testing.assert_array_equal(frames[-1], final.x.float().numpy())


def test_the_distance_from_the_start_is_the_wasserstein_distance(finished):
    recorded = [row for row in rows(finished.directory) if row["distance_from_start"] is not None]
    assert recorded[0]["distance_from_start"] == 0.0
    train, _ = wgf.data.load("diabetes")
    start = wgf.NetworkRisk(train.x, train.y).initial(40, seed=3)
    expected = wgf.diagnostics.wasserstein(finished.solution.ensemble, start)
    assert recorded[-1]["distance_from_start"] == pytest.approx(float(expected), rel=1e-12)
    assert finished.summary["wasserstein"]["method"] == expected.method == "emd"


def test_the_stored_configuration_repeats_the_run(finished, tmp_path, undrawn):
    again = run(load_config(finished.directory / "config.toml"), tmp_path / "again", progress=False)
    assert torch.equal(again.solution.ensemble.x, finished.solution.ensemble.x)
    assert (tmp_path / "again" / "metrics.jsonl").read_text() == (finished.directory / "metrics.jsonl").read_text()


# ------------------------------------------------------------------------------------------ the report


@pytest.mark.slow
def test_an_adaptive_run_in_a_ball_is_written_like_any_other(place):
    """Nobody knows how many records come: pictures are taken by time, and every step has its row."""
    sets = [
        "solver.name=BogackiShampine",
        "solver.rtol=1e-4",
        "solver.t_end=20.0",
        "domain.kind=Ball",
        "domain.radius=40",
    ]
    result = run(load_config("small.toml", sets), "adaptive", progress=False)
    ledger = result.solution.ledger
    assert result.summary["ok"]
    assert ledger.rows == result.solution.state.step + 1
    pictures = np.isfinite(ledger["distance_from_start"])
    assert 5 <= pictures.sum() <= 12
    assert pictures[0]
    assert pictures[-1]
    times, *_ = store.read_frames(Path("adaptive") / store.FRAMES)
    np.testing.assert_array_equal(times, ledger["t"][pictures])


# ------------------------------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("sets", "metric"),
    [
        (["data.source=breast-cancer", "network.loss=logistic", "entropy.0.ridge=1e-3"], "test_accuracy"),
        (["data.source=breast-cancer", "dtype=float32", "entropy=[]"], "test_accuracy"),
        (["network.loss=huber", "entropy.0={term='Blob', temperature=0.1, bandwidth='silverman'}"], "test_loss"),
        (["energy.0={term='Interaction', kernel={name='Gaussian', h=1.0}}", "entropy.0.temperature=0"], "test_loss"),
    ],
)
def test_settings_of_many_kinds_run(sets, metric, place, undrawn):
    arguments = [part for assignment in sets for part in ("--set", assignment)]
    result = wgf_command("run", "small.toml", "-q", "--set", "solver.t_end=0.5", "--out", "out", *arguments)
    assert result.exit_code == 0, result.output
    assert rows(Path("out"))[-1][metric] is not None


def test_a_table_of_ones_own_runs(place, undrawn):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 2))
    lines = ["first,kind,second"] + [f"{a},{'up' if a + b > 0 else 'down'},{b}" for a, b in x]
    Path("mine.csv").write_text("\n".join(lines))
    text = SMALL.replace('"diabetes"', '"mine.csv"\ntarget = "kind"').replace(
        "temperature", "ridge = 0.01\ntemperature"
    )
    Path("mine.toml").write_text(text)
    result = wgf_command("run", "mine.toml", "-q", "--out", "out")
    assert result.exit_code == 0, result.output
    assert rows(Path("out"))[-1]["test_accuracy"] > 0.8
    assert store.read_json(Path("out/summary.json"))["data"]["classes"] == 2


# ------------------------------------------------------------------------------------------ what goes wrong


def test_an_empty_directory_is_used_and_a_partial_one_is_not(place, undrawn):
    Path("empty").mkdir()
    assert wgf_command("run", "small.toml", "-q", "--out", "empty", "--set", "solver.t_end=0.5").exit_code == 0
    assert {path.name for path in Path("empty").iterdir()} == CONTENTS
    Path("other.partial").mkdir()
    result = wgf_command("run", "small.toml", "--out", "other")
    assert result.exit_code == 2
    assert "other.partial is in the way" in result.stderr
    with pytest.raises(ConfigError, match="not empty"):
        run(load_config("small.toml"), "empty")


def test_a_run_that_diverges_is_kept_with_its_status_and_exits_1(place):
    coarse = ("--set", "solver.dt=1e3", "--set", "solver.t_end=1e6", "--set", "energy.0.coefficient=1")
    result = wgf_command("run", "small.toml", "--out", "out", *coarse, "--set", "entropy=[]")
    assert result.exit_code == 1, result.output
    assert re.search(r"error: the run failed after t = [\de+.]+: step ", result.stderr)
    assert {path.name for path in Path("out").iterdir()} == CONTENTS
    summary = store.read_json(Path("out/summary.json"))
    assert (summary["ok"], summary["status"]) == (False, "DIVERGED")
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "This run did not finish" in page
    assert "step " in page.partition('role="alert"')[2][:300]
    assert bool(torch.isfinite(wgf.Ensemble.load("out/final.safetensors").x).all()), "the last good state is kept"


def test_a_run_that_cannot_start_leaves_no_trace_of_its_parents(place):
    result = wgf_command("run", "small.toml", "--out", "a/b/c", "--set", "network.neurons=5")
    assert result.exit_code == 2
    assert not Path("a").exists()


def test_an_unwritable_place_is_a_typed_error(place):
    Path("file").write_text("")
    result = wgf_command("run", "small.toml", "--out", "file/out")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot write to ")
