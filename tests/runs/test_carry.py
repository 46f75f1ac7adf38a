"""Runs that are carried on: new, running, broken or done; killed ones go on to the same bits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import CONTENTS, SMALL, rows, wgf_command

import wgf
from wgf.errors import ConfigError, LockedError
from wgf.flow.store import RunStore
from wgf.process import signals
from wgf.runs import Standing, carry_on, load_config, resume, run, standing, store
from wgf.runs.job import Watch
from wgf.storage import DirectoryLock


def interrupted_at(monkeypatch, record):
    """A signal comes at a record; the command has the handlers."""
    real, seen = Watch._distance, []

    def distance(self, mu, t):
        seen.append(t)
        if len(seen) == record:
            raise KeyboardInterrupt
        return real(self, mu, t)

    monkeypatch.setattr(Watch, "_distance", distance)


def same_files(one, other):
    """Whether two run directories hold the same results."""
    assert (Path(one) / store.METRICS).read_bytes() == (Path(other) / store.METRICS).read_bytes()
    assert (Path(one) / store.FINAL).read_bytes() == (Path(other) / store.FINAL).read_bytes()
    assert (Path(one) / store.FRAMES).read_bytes() == (Path(other) / store.FRAMES).read_bytes()
    a, b = (store.read_json(Path(folder) / store.SUMMARY) for folder in (one, other))
    assert a["final"] == b["final"]
    assert a["notes"] == b["notes"]
    return True


def test_a_run_is_carried_out_once(place, undrawn):
    config = load_config(place / "small.toml")
    assert standing("out") is Standing.NEW
    first = carry_on(config, "out")
    assert first["status"] == "COMPLETED"
    assert standing("out") is Standing.DONE
    assert carry_on(config, "out") == first
    (place / "out").rename(place / "out.partial")
    (place / "out.partial" / store.SUMMARY).unlink()
    assert standing("out") is Standing.BROKEN
    with DirectoryLock(place / "out.partial"):
        assert standing("out") is Standing.RUNNING
        with pytest.raises(LockedError, match="out' is being written by another process"):
            carry_on(config, "out")
        with pytest.raises(LockedError, match=r"out.partial is being written by another process"):
            resume("out", progress=False)
    assert carry_on(config, "out")["final"] == first["final"]
    assert standing("out") is Standing.DONE


def test_an_interrupted_run_goes_on_to_the_same_files(place, undrawn, monkeypatch):
    whole = run(load_config("small.toml"), "whole", progress=False)
    with monkeypatch.context() as patch:
        interrupted_at(patch, 5)
        part = run(load_config("small.toml"), "part", progress=False)
    assert part.summary["status"] == "INTERRUPTED"
    assert standing("part") is Standing.BROKEN
    assert part.summary["records"] == 4
    end = resume("part", progress=False)
    assert end.summary["status"] == "COMPLETED"
    assert end.summary["seconds"] > part.summary["seconds"]
    assert end.summary["started"] == part.summary["started"]
    assert same_files("whole", "part")
    assert whole.solution.ledger.rows == end.solution.ledger.rows
    assert {path.name for path in Path("part").iterdir()} == CONTENTS


def test_a_killed_run_goes_on_in_its_partial_directory(place, undrawn, monkeypatch):
    run(load_config("small.toml"), "whole", progress=False)
    copied: list[Any] = []
    real = Watch._distance

    def copying(self, mu, t):
        if t == 1.5 and not copied:
            shutil.copytree("out.partial", "killed.partial")
            os.unlink("killed.partial/lock.json")
            copied.append(t)
        return real(self, mu, t)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "_distance", copying)
        run(load_config("small.toml"), "out", progress=False)
    assert len(rows(Path("killed.partial"))) == 6
    assert standing("killed") is Standing.BROKEN
    refused = wgf_command("run", "small.toml", "--out", "killed")
    assert "`wgf resume` goes on with it" in refused.stderr
    result = wgf_command("resume", "killed.partial")
    assert result.exit_code == 0, result.output
    assert same_files("whole", "killed")
    shutil.copytree("killed", "early.partial")
    shutil.rmtree("early.partial/checkpoints")
    assert wgf_command("resume", "early", "-q").exit_code == 0
    assert same_files("whole", "early")


def test_the_configuration_says_how_often_a_checkpoint_is_written(place, undrawn, monkeypatch):
    counts = {}
    for every in (0.0, 1e9):
        written: list[int] = []
        made = RunStore.checkpoint
        with monkeypatch.context() as patch:
            patch.setattr(
                RunStore, "checkpoint", lambda *a, made=made, to=written, **b: (to.append(1), made(*a, **b))[1]
            )
            run(load_config("small.toml", [f"solver.checkpoint_every={every:g}"]), f"out-{every}", progress=False)
        counts[every] = len(written)
        assert load_config(f"out-{every}/config.toml").solver.checkpoint_every == every
    assert counts[0.0] > counts[1e9] <= 2


def test_a_done_run_is_taken_further(place, undrawn):
    run(load_config("small.toml", ["solver.t_end=5"]), "whole", progress=False)
    run(load_config("small.toml"), "out", progress=False)
    result = wgf_command("resume", "out")
    assert result.exit_code == 2
    assert "is done: it ended at t = 3" in result.stderr
    assert {path.name for path in Path("out").iterdir()} == CONTENTS
    result = wgf_command("resume", "out", "--until", "5")
    assert result.exit_code == 0, result.output
    assert [row["free_energy"] for row in rows(Path("whole"))] == [row["free_energy"] for row in rows(Path("out"))]
    assert load_config("out/config.toml").solver.t_end == 5.0
    assert wgf.load("out").state.t == 5.0


def test_what_cannot_go_on_is_told(place, undrawn, monkeypatch):
    assert "holds no run of `wgf run`" in wgf_command("resume", "nothing").stderr
    Path("early.partial").mkdir()
    assert "the run was killed as it began" in wgf_command("resume", "early").stderr
    Path("data.csv").write_text("".join(f"{k % 7},{k % 5},{k % 3}\n" for k in range(60)))
    table = ["data.source=data.csv", "solver.t_end=1.0", "data.task=regression", "data.header=false"]
    with monkeypatch.context() as patch:
        interrupted_at(patch, 3)
        run(load_config("small.toml", table), "out", progress=False)
    Path("data.csv").write_text("".join(f"{k % 7},{k % 5},{k % 4}\n" for k in range(60)))
    with pytest.raises(ConfigError, match="F is not that of the run"):
        resume("out", progress=False)
    Path("data.csv").write_text("".join(f"{k % 7},{k % 5},{k % 3}\n" for k in range(60)))
    assert resume("out", progress=False).summary["ok"]


def test_an_interrupted_command_says_how_to_go_on(place, undrawn, monkeypatch):
    interrupted_at(monkeypatch, 3)
    with signals.during(signals.Mode.RAISE):
        result = wgf_command("run", "small.toml", "--out", "out")
    assert result.exit_code == 130
    assert "what was computed is saved; `wgf resume out` goes on" in result.stderr
    assert SMALL
