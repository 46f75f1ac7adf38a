"""The report of a run: one page with every figure, the same when drawn again, reasons where numbers are missing."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import CONTENTS, rows, wgf_command

import wgf
from wgf.errors import CheckpointError, TransportError, WgfError, WgfWarning
from wgf.runs import load_config, run, store, write_report
from wgf.runs.headlines import headlines

SECTIONS = ("free-energy", "dissipation", "information-force", "learning", "particles", "transport")


def test_the_report_is_one_page_with_every_figure_and_no_outside_resource(finished):
    page = (finished.directory / "report.html").read_text(encoding="utf-8")
    for name in SECTIONS:
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert section.count(f'<g id="drawing-{name}">') == 1, name
    assert page.count("<script>") == 1  # it steps through the pictures of the particles
    assert not re.search(r"(?i)https?://|<script |<link|@import|url\((?!#)|src=\"(?!data:)|href=\"(?!#|data:)", page)
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


def test_where_the_time_went_is_on_the_page_and_in_the_summary(finished):
    timing, summary = finished.solution.timing, store.read_json(finished.directory / "summary.json")
    assert summary["timing"] == timing.parts()
    assert 0 < timing.total < summary["seconds"]
    name, value, beside = headlines(summary | {"seconds": 20.0, "timing": {"steps": 12.0, "records": 6.0}})[-1]
    assert (name, value) == ("time", "20 s")
    assert beside.endswith("steps to t = 3: steps 12 s, records 6 s, data and files 2 s")
    assert f"steps {timing.steps:.3g} s" in (finished.directory / "report.html").read_text(encoding="utf-8")


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


def copied(finished, folder):
    import shutil

    shutil.copytree(finished.directory, folder)
    return folder


STORED = ("config.toml", "versions.json", "metrics.jsonl", "frames.safetensors", "summary.json")


@pytest.mark.parametrize("name", STORED)
def test_any_change_of_a_stored_file_is_found(finished, tmp_path, name):
    """A flipped bit, a cut and a lost file, at 30 places spread over each file."""
    copy = copied(finished, tmp_path / "run")
    whole = (copy / name).read_bytes()
    for place in np.linspace(0, len(whole) - 1, 30).astype(int):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(place) % 8
        for damaged in (bytes(flipped), whole[:place], whole[:place] + b"0" + whole[place:]):
            (copy / name).write_bytes(damaged)
            with pytest.raises(CheckpointError, match=re.escape(name)):
                write_report(copy)
    (copy / name).unlink()
    with pytest.raises(WgfError, match=re.escape(name)):
        write_report(copy)


def test_a_file_of_another_run_is_found(finished, tmp_path):
    copy = copied(finished, tmp_path / "run")
    for name in STORED[:4]:
        whole = (copy / name).read_bytes()
        for other in STORED[:4]:
            if other != name:
                (copy / name).write_bytes((finished.directory / other).read_bytes())
                with pytest.raises(CheckpointError, match=re.escape(name)):
                    write_report(copy)
        (copy / name).write_bytes(whole)
    write_report(copy)


def of_the_first_release(finished, folder):
    """The run as version 0.1.0 stored it: without formats and checksums."""
    from safetensors.torch import save

    copy = copied(finished, folder)
    for name in ("summary.json", "versions.json"):
        table = json.loads((copy / name).read_text())
        for key in ("sha256", "format", "checksums"):
            table.pop(key, None)
        (copy / name).write_text(json.dumps(table))
    t, x, _ = store.read_frames(copy / "frames.safetensors")
    (copy / "frames.safetensors").write_bytes(save({"t": torch.tensor(t).double(), "x": torch.from_numpy(x)}))
    return copy


def test_a_run_of_the_first_release_is_drawn_with_one_warning(finished, tmp_path):
    copy = of_the_first_release(finished, tmp_path / "run")
    with pytest.warns(WgfWarning, match="has no checksum") as warned:
        page = write_report(copy).read_text()
    assert len(warned) == 1
    assert page == (finished.directory / "report.html").read_text()


@pytest.mark.filterwarnings("ignore:.*has no checksum")
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("summary.json", '"final"', '"finale"'),
        ("summary.json", '"wasserstein": {', '"wasserstein": 3, "n": {'),
        ("summary.json", '"start": {', '"start": 3, "s": {'),
        ("summary.json", '"seconds": ', '"seconds": "long", "x": '),
        ("summary.json", '"records": ', '"records": 1'),
        ("summary.json", '"particles": {', '"particles": null, "p": {'),
        ("summary.json", "{", "[" * 100_000),
        ("metrics.jsonl", '"t"', '"time"'),
        ("metrics.jsonl", "0.", '"0.'),
        ("metrics.jsonl", '"t": 0.0', '"t": "0.0"'),
        ("metrics.jsonl", '"t": 0.0', '"t": true'),
        ("metrics.jsonl", '"t": 0.0', '"t": ' + "1" * 5000),
        ("metrics.jsonl", '"t": 0.0', '"t": ' + "1" * 4000),
        ("versions.json", "}", ""),
    ],
)
def test_damage_to_a_run_of_the_first_release_is_a_typed_error(finished, tmp_path, name, old, new):
    copy = of_the_first_release(finished, tmp_path / "run")
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    with pytest.raises(CheckpointError):
        write_report(copy)
    result = wgf_command("report", copy)
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.filterwarnings("ignore:.*has no checksum")
def test_particles_that_are_not_finite_are_told(finished, tmp_path, bad):
    copy = of_the_first_release(finished, tmp_path / "run")
    path = copy / "frames.safetensors"
    t, x, _ = store.read_frames(path)
    x[0, :3, 1] = bad
    weights, ids = torch.full((40,), 1 / 40), torch.arange(40)
    store.write_frames(path, [(time, torch.from_numpy(frame), weights, ids) for time, frame in zip(t, x, strict=True)])
    page = write_report(copy).read_text()
    assert "up to 3 of 40 particles of a picture are NaN or infinite" in page


@pytest.mark.filterwarnings("ignore:.*has no checksum")
def test_frames_that_are_no_pictures_are_refused(finished, tmp_path):
    from safetensors.torch import save

    copy = of_the_first_release(finished, tmp_path / "run")
    t, x = torch.zeros(2).double(), torch.zeros(2, 5, 12)
    for tensors in (
        {"t": t},
        {"t": t, "x": x[:1].clone()},
        {"t": t, "x": x[:, :, 0].clone()},
        {"t": t + math.nan, "x": x},
        {"t": t, "x": x.long()},
        {"t": t[:0].clone(), "x": x[:0].clone()},
    ):
        (copy / "frames.safetensors").write_bytes(save(tensors))
        with pytest.raises(CheckpointError, match="frames"):
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


@pytest.mark.slow
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
