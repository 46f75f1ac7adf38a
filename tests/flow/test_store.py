"""The directory of a run: stopped anywhere, it goes on to the same particles, ledger and trajectory."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from resumed import Further, prepared, same_ledgers

import wgf
from wgf.errors import CheckpointError, LockedError, WgfWarning
from wgf.flow.store import METRICS, TRAJECTORY, RunStore
from wgf.ledger import Ledger, Lines
from wgf.storage import Trajectory, appending, zarr

SETTINGS = {"dt": 0.05, "t_end": 2.0, "record_every": 3, "trajectory_every": 4, "seed": 5}


class Stored(Further):
    """A run that keeps its directory, as the loop will do it."""

    store: RunStore
    frame_time: float | None = None
    every = 1

    def _next_stop(self):
        return min(super()._next_stop(), (self.state.step // self.every + 1) * self.every)

    def _observe(self):
        row = super()._observe()
        if row is not None:
            self.store.record(row)
        if self.state.step % self.every == 0:
            self.store.checkpoint(self.state, self.books)
        return row

    def _frame(self):
        if self.cadence.frames and self.state.t != self.frame_time:
            if self.state.step % self.cadence.frames and not self.plan.done(self.state):
                return  # the picture of the end of a run that was stopped
            self.store.frame(self.state.mu, self.state.t)
            self.frame_time = self.state.t


def F(kind):
    if kind == "noise":
        return wgf.Quadratic() - (lambda t: 0.2 + t) * wgf.Shannon()
    data = wgf.NetworkRisk([[1.0], [2.0], [0.5], [3.0]], [0.0, 1.0, 1.0, 0.0], batch=2)
    control = wgf.drives.Controller(0.1, ratio=0.5)
    return data + wgf.drives.Budget(wgf.drives.Displacement(), 0.1) - control * wgf.LogDet(ridge=1e-2)


CASES: dict[str, tuple[wgf.Solver, dict[str, Any]]] = {
    "noise": (wgf.solvers.Langevin(), {}),
    "drives": (wgf.solvers.Heun(), {}),
}


def run(folder, kind="noise", every=1, stop=10**6, resumed=False):
    """Run, or go on, in a directory; stop after so many steps."""
    solver, more = CASES[kind]
    given = SETTINGS | more
    with RunStore(folder, head={"configuration": kind}) as store:
        if resumed:
            found = store.resume()
            run = prepared(F(kind), None, solver, **given | {"seed": 0, "state": found.state, "max_steps": stop})
            run.books.recall(found.books, found.ledger)
        else:
            store.begin()
            start = wgf.Ensemble.gaussian(60, 3)
            run, found = prepared(F(kind), start, solver, **given, max_steps=stop), None
        stored = Stored(run.state, run.flow, run.books, run.cadence, run.stops)
        stored.store, stored.every = store, every
        stored.frame_time = found.frame_time if found else None
        solution = stored.go(throw=False)
        if solution.status.ok:
            store.checkpoint(stored.state, stored.books)
    return solution


def same_runs(one, other, folders):
    assert torch.equal(one.ensemble.x, other.ensemble.x)
    assert same_ledgers(one.ledger, other.ledger)
    lines, frames = zip(*(((f / METRICS).read_bytes(), Trajectory(f / TRAJECTORY)) for f in folders), strict=True)
    assert lines[0] == lines[1]
    assert frames[0].times.tolist() == frames[1].times.tolist()
    for k in range(len(frames[0])):
        for read in (Trajectory.__getitem__, Trajectory.weights, Trajectory.ids):
            assert torch.equal(read(frames[0], k), read(frames[1], k))
    return True


@pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("every", [1, 5])
def test_a_run_that_is_stopped_again_and_again_is_the_unbroken_one(tmp_path, kind, every):
    """With a checkpoint at every step, and with steps after the last one that are made again."""
    whole = run(tmp_path / "whole", kind)
    run(tmp_path / "broken", kind, every, stop=7)
    for _ in range(20):
        end = run(tmp_path / "broken", kind, every, stop=9, resumed=True)
        if end.status.ok:
            break
    assert same_runs(whole, end, (tmp_path / "whole", tmp_path / "broken"))
    assert len(Trajectory(tmp_path / "whole" / TRAJECTORY)) == 11


@pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")
def test_a_damaged_last_checkpoint_costs_steps_and_no_bit(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "broken", every=4, stop=11)
    last = sorted((tmp_path / "broken" / "checkpoints").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-9])
    with pytest.warns(WgfWarning, match="going on from the older"):
        end = run(tmp_path / "broken", resumed=True)
    assert same_runs(whole, end, (tmp_path / "whole", tmp_path / "broken"))


def test_what_is_lost_or_foreign_is_told(tmp_path):
    run(tmp_path / "a", stop=8)
    with pytest.raises(CheckpointError, match="holds a run; resume it"):
        run(tmp_path / "a")
    with pytest.raises(CheckpointError, match="holds no whole checkpoint: there is none"):
        run(tmp_path / "b", resumed=True)
    with RunStore(tmp_path / "a"), pytest.raises(LockedError, match=f"by process {os.getpid()}"):
        run(tmp_path / "a", resumed=True)
    metrics = tmp_path / "a" / METRICS
    content = metrics.read_bytes()
    for damaged, said in (
        (content[: len(content) // 2], "records were made|Records were lost"),
        (b"{}x" + content[3:], "line 1"),
        (content.replace(b"1", b"2", 1), "are not those that were written"),
        (b"", "Records were lost"),
    ):
        metrics.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=said):
            run(tmp_path / "a", resumed=True)
    metrics.write_bytes(content + b'{"t": 0.3')  # a process was killed while it wrote
    (tmp_path / "a" / TRAJECTORY).rename(tmp_path / "gone")
    with pytest.raises(CheckpointError, match=r"trajectory.zarr is gone; 3 frames were made"):
        run(tmp_path / "a", resumed=True)
    (tmp_path / "gone").rename(tmp_path / "a" / TRAJECTORY)
    assert run(tmp_path / "a", resumed=True).status.ok


def test_a_full_disk_ends_the_run_with_its_solution(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    calls = []

    def put(path, content):
        calls.append(path)
        if "/c/2/" in str(path):
            raise full
        zarr.put(path, content)

    monkeypatch.setattr(appending, "put", put)
    sol = run(tmp_path / "a")
    assert sol.status.name == "FAILED"
    assert "cannot write the trajectory" in sol.status.message
    assert "No space left" in sol.status.message
    monkeypatch.undo()
    assert run(tmp_path / "a", resumed=True).status.ok
    whole = run(tmp_path / "whole")
    assert torch.equal(Trajectory(tmp_path / "a" / TRAJECTORY)[-1], whole.ensemble.x)


def test_every_number_of_a_record_comes_back(tmp_path):
    values = [0.1, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7976931348623157e308, 1 / 3]
    row = {f"term:{k}": value for k, value in enumerate(values)} | {"step": 3}
    lines = Lines(tmp_path / "m")
    lines.append(row)
    lines.append(row)
    lines.close()
    again = Lines(tmp_path / "m", keep=1)
    ledger = Ledger()
    ledger.append(row)
    assert same_ledgers(again.ledger, ledger)
    again.append(row)
    again.close()
    assert (tmp_path / "m").read_bytes().count(b"\n") == 2


def test_a_foreign_state_needs_its_class(tmp_path):
    with RunStore(tmp_path) as store:
        store.begin()
        made = prepared(F("noise"), wgf.Ensemble.gaussian(60, 3), wgf.solvers.Langevin(), **SETTINGS)
        with pytest.raises(CheckpointError, match=r"the checkpoint\['state'\].memory is the function print"):
            store.checkpoint(replace(made.state, memory=print), made.books)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_at_any_moment_it_goes_on_to_the_same_bits(tmp_path):
    """SIGKILL at seeded moments; what was reported as committed is there."""
    whole = run(tmp_path / "whole", "drives")
    code = "import sys; sys.path[:0] = sys.argv[3:]; from test_store import run; from pathlib import Path; " \
        "run(Path(sys.argv[1]), 'drives', 2, resumed=sys.argv[2] == 'True')"  # fmt: skip
    folders = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
    clock, folder, kills = random.Random(1), tmp_path / "killed", 0
    for _ in range(6):
        before = newest(folder)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, str(folder), str(bool(before)), *folders],
        )
        while process.poll() is None and newest(folder) == before:
            time.sleep(0.002)
        time.sleep(clock.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() != 0
    assert kills > 0
    with pytest.warns(WgfWarning, match="took over|closure"):
        end = run(folder, "drives", resumed=True)
    assert same_runs(whole, end, (tmp_path / "whole", folder))


def newest(folder):
    """The name of the newest checkpoint; empty without one."""
    return max((path.name for path in folder.glob("checkpoints/checkpoint-*.safetensors")), default="")
