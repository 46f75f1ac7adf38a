"""A study that was killed goes on with the runs that it has, and finds the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wgf import studies
from wgf.errors import ConfigError
from wgf.process.workers import processors
from wgf.studies import Work
from wgf.studies.frame import write


def counted(folder, k):
    """Leaves a trace of each call; the last one fails until it is mended."""
    with open(Path(folder) / f"{k}.calls", "a", encoding="utf-8") as file:
        file.write("called\n")
    if k == 3 and not (Path(folder) / "mended").exists():
        raise ValueError("three")
    return {"k": [k], "square": float(k) ** 2}


def test_kept_results_are_not_computed_again(tmp_path):
    work = Work().kept_in(tmp_path / "runs")
    with pytest.raises(ConfigError, match="lasting name"):
        work.each("numbers", counted, [(object(), 1)])
    with pytest.raises(ValueError, match="three"):
        work.each("numbers", counted, [(str(tmp_path), k) for k in range(4)])
    (tmp_path / "mended").touch()
    found = work.each("numbers", counted, [(str(tmp_path), k) for k in range(4)])
    assert found == [{"k": [k], "square": float(k) ** 2} for k in range(4)]
    calls = [len((tmp_path / f"{k}.calls").read_text().splitlines()) for k in range(4)]
    assert calls == [1, 1, 1, 2]


def test_no_more_jobs_than_processors():
    assert Work(1000).jobs == processors()


@pytest.mark.slow
def test_a_killed_study_goes_on(tmp_path, monkeypatch):
    """By the same command; the results of its runs are read, and the outcome is that of the unbroken study."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wgf.cli", "study", "chaos", "--quick", "--quiet"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def kept():
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*.partial/runs/*/result.safetensors")}

    patience = time.monotonic() + 100
    while len(kept()) < 4 and time.monotonic() < patience:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = kept()
    assert before
    seen = {}
    monkeypatch.setattr(write.shutil, "rmtree", lambda folder: seen.update(kept()))
    result = studies.run("chaos", quick=True)
    assert before.items() <= seen.items()
    assert [finding.measured for finding in result.outcome.findings] == [
        finding.measured for finding in studies.load("chaos", quick=True).run().findings
    ]


@pytest.mark.slow
def test_other_settings_begin_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = studies.load("chaos", quick=True)
    with pytest.raises(RuntimeError), write._place(study, None, False):
        raise RuntimeError
    assert write._unfinished("chaos", None, {}) is None  # an error removes a place without runs
