"""The report of a run: one page with every figure, the same when drawn again, reasons where numbers are missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import CONTENTS, rows, wgf_command

import wgf
from wgf.errors import CheckpointError, TransportError
from wgf.runs import load_config, run, store, write_report

SECTIONS = ("free-energy", "dissipation", "information-force", "learning", "particles", "transport")


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

    monkeypatch.setattr(sys.modules["wgf.runs.job"], "wasserstein", broken)
    result = wgf_command("run", "small.toml", "--out", "kept")
    assert result.exit_code == 0, result.output
    assert "no distance today" in Path("kept/report.html").read_text(encoding="utf-8")


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


def test_a_coarse_step_is_a_warning_in_the_report_and_on_stderr(place):
    result = wgf_command(
        "run", "small.toml", "--out", "out", "--set", "solver.dt=1.5", "--set", "energy.0.coefficient=1"
    )
    assert result.exit_code == 0, result.output
    assert "warning: closure" in result.stderr
    assert "a smaller dt resolves the flow better" in Path("out/report.html").read_text(encoding="utf-8")
