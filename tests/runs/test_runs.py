"""Runs and the command line: what a run directory holds, how failures end, and that nothing half-written is left."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import wgf
from wgf.cli import app
from wgf.errors import CheckpointError, ConfigError, TransportError
from wgf.runs import DEFAULT, dump, load_config, run, store, write_report

CONTENTS = {
    "config.toml", "final.safetensors", "frames.safetensors", "metrics.jsonl", "report.html", "summary.json",
    "versions.json",
}  # fmt: skip
SMALL = """
seed = 3
[data]
source = "diabetes"
[network]
neurons = 40
[[energy]]
term = "Quadratic"
coefficient = 0.03
[[entropy]]
term = "LogDet"
temperature = 0.01
[solver]
name = "Heun"
dt = 0.25
t_end = 3.0
"""
SECTIONS = ("free-energy", "dissipation", "information-force", "learning", "particles", "transport")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory with a small configuration in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One small run that every test may read and none may write."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SMALL)
    result = run(load_config(folder / "small.toml"), folder / "run", progress=False)
    return result


@pytest.fixture
def undrawn(monkeypatch):
    """For tests that are not about the report, which takes longer than their runs."""
    monkeypatch.setattr(sys.modules["wgf.runs.run"], "write_report", lambda folder: (folder / "report.html").touch())


def wgf_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


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
    times, frames = store.read_frames(finished.directory / "frames.safetensors")
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


def test_the_report_is_one_page_with_every_figure_and_no_outside_resource(finished):
    page = (finished.directory / "report.html").read_text(encoding="utf-8")
    for name in SECTIONS:
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert section.count("data:image/svg+xml;base64,") == 1, name
    assert not re.search(r"(?i)https?://|<script|<link|@import|url\(|src=\"(?!data:)", page)
    for text in (
        "test loss",
        "closure",
        "W₂ from the start",
        "F = NetworkRisk + 0.03 * Quadratic",
        "neurons = 40",
        "torch",
    ):
        assert text in page


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
    times, _ = store.read_frames(Path("adaptive") / store.FRAMES)
    np.testing.assert_array_equal(times, ledger["t"][pictures])


def test_the_force_report_is_on_the_page_and_in_the_summary(finished):
    """The same from the stored files as from the run; 40 neurons in 12 dimensions at T = 0.01 have no regime."""
    page = (finished.directory / "report.html").read_text()
    section = page.partition('id="information-force"')[2].partition("</section>")[0]
    report = wgf.diagnostics.force_report(finished.solution)
    assert finished.summary["force_report"] == store.plain(report.to_dict())
    assert store.read_json(finished.directory / "summary.json")["force_report"]["effective"] is report.effective
    assert report.verdict[1:] in section
    assert section.count("<tr>") == 1 + len(report.columns)
    assert "no degenerate regime" in section


def test_the_report_drawn_again_is_the_same(finished, tmp_path):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(finished.directory, copy)
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    result = wgf_command("report", copy)
    assert result.exit_code == 0, result.output
    assert (copy / "report.html").read_bytes() == before
    assert {path.name for path in copy.iterdir()} == CONTENTS


def test_what_the_user_writes_is_escaped(tmp_path):
    table = np.random.default_rng(0).normal(size=(60, 3))
    source = tmp_path / "a<b>&c.csv"
    np.savetxt(source, table, delimiter=",")
    assignments = [f"data.source='{source}'", "data.task=regression", "network.loss=squared", "network.neurons=20"]
    config = load_config(None, [*assignments, "solver.dt=0.1", "solver.t_end=1"])
    page = (run(config, tmp_path / "<i>", progress=False).directory / "report.html").read_text(encoding="utf-8")
    assert "a&lt;b&gt;&amp;c" in page
    assert "<b>&c" not in page
    assert "<i>" not in page


def test_a_directory_that_is_no_run_or_damaged_is_refused(finished, tmp_path):
    result = wgf_command("report", tmp_path)
    assert result.exit_code == 2
    assert "is no run directory" in result.stderr
    import shutil

    for name in ("metrics.jsonl", "frames.safetensors", "versions.json"):
        copy = tmp_path / name
        shutil.copytree(finished.directory, copy)
        (copy / name).write_text("not this")
        with pytest.raises(CheckpointError, match=re.escape(name)):
            write_report(copy)


def test_reasons_stand_where_numbers_are_missing(place):
    result = wgf_command(
        "run", "small.toml", "--out", "noisy", "-q", "--set", "solver.name=Langevin", "--set", "entropy.0.term=Shannon"
    )
    assert result.exit_code == 0, result.output
    page = Path("noisy/report.html").read_text(encoding="utf-8")
    assert "What could not be computed" in page
    assert "no Shannon estimate in dimension 12" in page
    assert rows(Path("noisy"))[-1]["free_energy"] is None


def test_a_fault_in_drawing_does_not_cost_the_run(place, monkeypatch):
    def broken(directory):
        raise ZeroDivisionError("somewhere")

    monkeypatch.setattr(sys.modules["wgf.runs.run"], "write_report", broken)
    result = wgf_command("run", "small.toml", "--out", "kept")
    assert result.exit_code == 0, result.output
    assert "could not be drawn (ZeroDivisionError: somewhere)" in result.stderr
    assert {path.name for path in Path("kept").iterdir()} == CONTENTS - {"report.html"}


def test_a_distance_that_fails_leaves_a_note_not_a_wreck(place, monkeypatch):
    def broken(mu, nu):
        raise TransportError("no distance today")

    monkeypatch.setattr(sys.modules["wgf.runs.run"], "wasserstein", broken)
    result = wgf_command("run", "small.toml", "--out", "kept")
    assert result.exit_code == 0, result.output
    assert "no distance today" in Path("kept/report.html").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------ the command


def test_run_says_what_came_out_and_where_the_report_is(place, undrawn):
    result = wgf_command("run", "small.toml", "--set", "solver.t_end=1.0", "--out", "here/and/there")
    assert result.exit_code == 0, result.output
    for text in ("free energy F", "energy E", "entropy S", "test loss", "closure", "force ratio", "W₂", "time"):
        assert text in result.stdout
    assert re.search(r"information force +effective, 0\.\d+ ≤ I/G ≤ ", result.stdout)
    assert "report: here/and/there/report.html" in result.stdout
    assert rows(Path("here/and/there"))[-1]["t"] == 1.0


def test_run_without_a_directory_makes_one_under_runs_and_never_takes_the_same_twice(place, undrawn):
    for _ in range(2):
        assert wgf_command("run", "small.toml", "-q", "--set", "solver.t_end=0.5").exit_code == 0
    made = sorted(path.name for path in Path("runs").iterdir())
    assert len(made) == 2
    assert all(re.fullmatch(r"diabetes-\d{8}-\d{6}(-2)?", name) for name in made)


def test_quiet_prints_the_report_alone(place, undrawn):
    result = wgf_command("run", "small.toml", "-q", "--out", "out")
    assert result.output == "report: out/report.html\n"


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


@pytest.mark.parametrize(
    "sets",
    [
        ["network.batch=50", "solver.name=Euler"],
        ["solver.t_end=0", "data.source=teacher"],
        ["network.neurons=1", "entropy.0.ridge=0.1"],
    ],
)
def test_runs_at_the_edge_have_reports(sets, place):
    arguments = [part for assignment in sets for part in ("--set", assignment)]
    result = wgf_command("run", "small.toml", "-q", "--set", "solver.t_end=0.5", "--out", "out", *arguments)
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("out").iterdir()} == CONTENTS


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


def test_new_writes_the_commented_default_and_overwrites_nothing(place):
    result = wgf_command("new", "mine.toml")
    assert result.exit_code == 0, result.output
    assert Path("mine.toml").read_text(encoding="utf-8") == DEFAULT.read_text(encoding="utf-8")
    assert dump(load_config("mine.toml")) == dump(load_config())
    Path("mine.toml").write_text("# precious")
    again = wgf_command("new", "mine.toml")
    assert again.exit_code == 2
    assert "is not overwritten" in again.stderr
    assert Path("mine.toml").read_text() == "# precious"
    assert wgf_command("new", "absent/mine.toml").exit_code == 2


def test_info_version_and_help(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    info = wgf_command("info")
    assert info.exit_code == 0
    for text in ("torch", "threads", "BLAS in numpy", "OPENBLAS_CORETYPE=Haswell", "halves the speed"):
        assert text in info.stdout
    assert wgf_command("--version").stdout == f"wgf {wgf.__version__}\n"
    bare = wgf_command()
    assert bare.exit_code == 0
    for command in ("run", "new", "report", "info"):
        assert command in bare.stdout


# ------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.toml"], "absent.toml: cannot be read"),
        (["small.toml", "--set", "solver.dt=-1"], "solver.dt = -1: wanted a number > 0"),
        (["small.toml", "--set", "solver.dtt=1"], "did you mean 'dt'?"),
        (["small.toml", "--set", "data.source=digitz"], "did you mean 'digits'?"),
        (["small.toml", "--set", "data.source=absent.csv"], "absent.csv: no such file"),
        (["small.toml", "--set", "data.source=ragged.csv"], "ragged.csv, line 3"),
        (["small.toml", "--set", "data.source=holes.csv"], "holes.csv, line 2, column"),
        (["small.toml", "--set", "network.loss=logistic"], "diabetes is a regression"),
        (["small.toml", "--set", "network.batch=1000"], "at most the 353 training samples"),
        (["small.toml", "--set", "entropy.0.term=Shannon"], "Heun is deterministic and cannot realise the Shannon"),
        (["small.toml", "--set", "network.neurons=5"], "singular"),
        (["small.toml", "--set", "energy.0.stiffness=[1, 2]"], "stiffness"),
        (["small.toml", "--out", "full"], "is not empty"),
        (["small.toml", "--out", "small.toml"], "there is a file of that name"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_leaves_nothing(arguments, message, place):
    Path("ragged.csv").write_text("a,b,c\n1,2,3\n1,2\n")
    Path("holes.csv").write_text("a,b,c\n1,,3\n1,2,3\n")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    before = sorted(place.rglob("*"))
    result = wgf_command("run", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(place.rglob("*")) == before


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


def test_a_coarse_step_is_a_warning_in_the_report_and_on_stderr(place):
    result = wgf_command(
        "run", "small.toml", "--out", "out", "--set", "solver.dt=1.5", "--set", "energy.0.coefficient=1"
    )
    assert result.exit_code == 0, result.output
    assert "warning: closure" in result.stderr
    assert "a smaller dt resolves the flow better" in Path("out/report.html").read_text(encoding="utf-8")


def test_an_unwritable_place_is_a_typed_error(place):
    Path("file").write_text("")
    result = wgf_command("run", "small.toml", "--out", "file/out")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot write to ")


def test_ctrl_c_keeps_what_was_computed_and_exits_130(place):
    command = [sys.executable, "-m", "wgf.cli", "run", "small.toml", "--out", "out", "--set", "solver.t_end=10000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a process started in the background, as a worker of pytest-xdist is, ignores SIGINT, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    metrics, patience = Path("out.partial/metrics.jsonl"), time.monotonic() + 30
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < patience:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted at t = " in errors
    assert "Traceback" not in errors
    assert {path.name for path in Path("out").iterdir()} == CONTENTS
    assert not Path("out.partial").exists()
    assert store.read_json(Path("out/summary.json"))["status"] == "INTERRUPTED"
