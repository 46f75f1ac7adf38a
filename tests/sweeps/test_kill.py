"""A sweep that is killed goes on: every run is done once, and the table is that of the unbroken sweep."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import wgf
from wgf.errors import JobError
from wgf.sweeps import Work, load_plan, run_sweep
from wgf.sweeps.workers import environment_kept

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills processes by SIGKILL"),
]


def done(folder: Path) -> dict[str, tuple[int, int]]:
    """The runs that are over, with what changes when a summary is written again."""
    found = {}
    for path in (folder / "runs").glob("*/summary.json"):
        if not path.parent.name.endswith(".partial"):
            found[path.parent.name] = path.stat().st_ino, path.stat().st_mtime_ns
    return found


def wait(condition, seconds=300.0):
    patience = time.monotonic() + seconds
    while not condition() and time.monotonic() < patience:
        time.sleep(0.02)
    assert condition()


def start(jobs):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "wgf.cli", "sweep", "small.toml", "--out", "out", "--jobs", jobs, "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_runs_killed_twice_and_finished_by_a_third_call(place, unbroken):
    before: dict[str, tuple[int, int]] = {}
    for least in (3, 10):
        process = start("2")
        try:
            wait(lambda least=least: len(done(place / "out")) >= least)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        now = done(place / "out")
        assert len(now) < 24
        assert before.items() <= now.items()
        before = now
    process = start("2")
    said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    after = done(place / "out")
    assert len(after) == 24
    assert before.items() <= after.items()  # what was done is as it was
    assert (place / "out/table.csv").read_bytes() == (unbroken.directory / "table.csv").read_bytes()
    assert not list((place / "out/runs").glob("*.partial"))
    again = run_sweep(load_plan("small.toml"), "out", Work())
    assert again.skipped == 24
    assert done(place / "out") == after


def test_a_signal_saves_the_running_runs_and_says_how_to_go_on(place, unbroken):
    process = start("2")
    wait(lambda: len(done(place / "out")) >= 3)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 143, said
    assert said.startswith("interrupted; ")
    assert said.endswith("the same command goes on\n")
    assert "Traceback" not in said
    result = run_sweep(load_plan("small.toml"), "out", Work())
    assert 3 <= result.skipped < 24
    assert result.table.rows == unbroken.table.rows


def test_dask_loses_a_worker_and_no_run(place, unbroken, monkeypatch):
    """And a function that the workers cannot import is refused by name."""
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with environment_kept(), distributed.LocalCluster(**settings) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        (place / "here").mkdir()
        (place / "here/only_here.py").write_text("def twice(x):\n    return {'y': 2 * x}\n")
        monkeypatch.syspath_prepend(place / "here")
        twice = importlib.import_module("only_here").twice
        with pytest.raises(JobError, match=r"cannot receive the function: .* No module named 'only_here'"):
            wgf.sweep(twice, {"x": [1, 2]}, backend="dask", scheduler=cluster.scheduler_address)

        def kill():
            wait(lambda: len(done(place / "out")) >= 4)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        work = Work(backend="dask", scheduler=cluster.scheduler_address)
        result = run_sweep(load_plan("small.toml"), "out", work)
        killer.join()
        with pytest.raises(ProcessLookupError):
            os.kill(victim, 0)
    assert len(done(place / "out")) == 24
    assert result.table.rows == unbroken.table.rows
    assert (place / "out/table.csv").read_bytes() == (unbroken.directory / "table.csv").read_bytes()
