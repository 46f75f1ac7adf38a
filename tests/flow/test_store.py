"""The directory of a run: stopped anywhere, it goes on to the same particles, ledger and trajectory."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from resumed import prepared, same_ledgers
from stored import CASES, same

import wgf
from wgf.errors import CheckpointError, ConfigError, LockedError, WgfWarning
from wgf.flow.describing import versions
from wgf.flow.store import METRICS, RUN, TRAJECTORY, RunStore
from wgf.ledger import Ledger, Lines
from wgf.storage import appending, zarr

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")
SHORT = [name for name in CASES if name.split()[1] in ("Heun", "plain")]
slow = [pytest.param(name, marks=() if name in SHORT else pytest.mark.slow) for name in CASES]
LANGEVIN = CASES["noise Langevin"]


class Copying(wgf.flow.Monitor):
    """Copies the directory of a run while it goes on, as a kill would leave it: before step `step` is observed."""

    def __init__(self, folder, step):
        self.folder, self.step = folder, step
        self.copy = folder.with_name(f"{folder.name}-{step}")

    def advance(self, done, t, row):
        if done >= self.step and not self.copy.exists():  # a compiled stretch may leap over the step
            shutil.copytree(self.folder, self.copy)
            (self.copy / "lock.json").unlink()


@pytest.mark.parametrize("name", slow)
def test_a_run_that_goes_on_from_any_moment_is_the_unbroken_one(tmp_path, name):
    """From a copy of the directory in the middle, with checkpoints at any step; and in pieces of 9 steps."""
    case = CASES[name]
    whole = case.begin(tmp_path / "whole", checkpoint_every=0.1, progress=Copying(tmp_path / "whole", 5))
    again = case.go_on(tmp_path / "whole-5", checkpoint_every=0.0)
    assert same(whole, again, (tmp_path / "whole", tmp_path / "whole-5"))
    end = case.begin(tmp_path / "pieces", max_steps=7, checkpoint_every=None)
    assert end.status.name == "STEP_LIMIT"
    while end.status.name == "STEP_LIMIT":
        end = case.go_on(tmp_path / "pieces", max_steps=9)
    assert same(whole, end, (tmp_path / "whole", tmp_path / "pieces"))
    assert same(whole, wgf.load(tmp_path / "whole"), (tmp_path / "whole", tmp_path / "pieces"))


def test_a_stored_run_is_the_run_in_memory(tmp_path):
    stored, held = (
        wgf.solve(LANGEVIN.F(), wgf.Ensemble.gaussian(40, 2), LANGEVIN.solver(), dt=0.05, t_end=1.0, trajectory_every=4,
                  store=folder)
        for folder in (tmp_path / "run", None)
    )  # fmt: skip
    assert same_ledgers(stored.ledger, held.ledger)
    assert np.array_equal(stored.trajectory.numpy(), held.trajectory.numpy())
    assert stored.trajectory.shape == held.trajectory.shape
    assert stored.trajectory_ids.dtype == held.trajectory_ids.dtype
    assert torch.equal(stored.frame(-1).x, held.frame(-1).x)
    with pytest.raises(ConfigError, match="frame"):
        stored.frame(6)


def test_a_run_goes_further_with_one_ledger(tmp_path):
    whole = LANGEVIN.begin(tmp_path / "whole", t_end=3.0)
    LANGEVIN.begin(tmp_path / "a", t_end=1.5, trajectory_every=3)
    later = LANGEVIN.go_on(tmp_path / "a", t_end=3.0)
    assert same_ledgers(whole.ledger, later.ledger)
    assert LANGEVIN.go_on(tmp_path / "a").state.t == 3.0


def test_a_leg_can_be_stored(tmp_path):
    first = LANGEVIN.begin(tmp_path / "first", t_end=1.0)
    given = {"dt": 0.05, "t_end": 2.0, "record_every": 3, "state": first.state}
    whole = wgf.solve(LANGEVIN.F(), None, LANGEVIN.solver(), **given)
    wgf.solve(LANGEVIN.F(), None, LANGEVIN.solver(), **given, store=tmp_path / "leg", max_steps=7, throw=False)
    assert same_ledgers(whole.ledger, LANGEVIN.go_on(tmp_path / "leg", max_steps=99).ledger)


def test_a_failed_run_has_its_solution_and_its_store(tmp_path):
    F = wgf.Potential(lambda x: x.pow(4).sum(1))
    mu = wgf.Ensemble.gaussian(20, 1, cov=4.0)
    sol = wgf.solve(
        F, mu, wgf.solvers.Euler(), dt=0.5, t_end=9.0, store=tmp_path / "a", throw=False, trajectory_every=1
    )
    assert sol.status.name == wgf.load(tmp_path / "a").status.name == "DIVERGED"
    assert wgf.load(tmp_path / "a").state.step == sol.state.step
    assert torch.equal(sol.trajectory[-1], sol.ensemble.x)


# ------------------------------------------------------------------------------------------ what ends a run


@pytest.mark.parametrize("when", ["observer", "step"])
def test_an_interrupt_in_the_middle_costs_nothing(tmp_path, when):
    """In a record, half of which is in the books, and in a step."""
    case, calls = LANGEVIN, []

    def interrupting(mu, t):
        calls.append(t)
        if len(calls) == 4 and when == "observer":
            raise KeyboardInterrupt
        return float(mu.x.std())

    @dataclass(frozen=True)
    class Stopping(wgf.solvers.Langevin):
        def step(self, dynamics, state, h, noise):
            if state.step == 8 and when == "step" and not calls[4:]:
                calls.extend([0.0] * 9)
                raise KeyboardInterrupt
            return super().step(dynamics, state, h, noise)

    case = type(case)(case.F, Stopping if when == "step" else wgf.solvers.Langevin)
    with pytest.raises(KeyboardInterrupt):
        case.begin(tmp_path / "a", observers={"s": interrupting}, throw=True, checkpoint_every=None)
    assert wgf.load(tmp_path / "a").status.name == "INTERRUPTED"
    solver = None
    if when == "step":
        with pytest.raises(ConfigError, match=r"solver of the run in .* has .*Stopping"):
            case.go_on(tmp_path / "a", observers={"s": interrupting})
        solver = Stopping()
    end = case.go_on(tmp_path / "a", observers={"s": interrupting}, solver=solver)
    whole = case.begin(tmp_path / "whole", observers={"s": interrupting})
    assert same(whole, end, (tmp_path / "whole", tmp_path / "a"))


STOPPED = """
import sys, warnings, wgf, time
warnings.simplefilter("always")
class Slow(wgf.flow.Monitor):
    def advance(self, done, t, row):
        if done == 10:  # the end of a stretch
            print("going", flush=True)
        time.sleep(0.02)
F = wgf.Quadratic() - 0.1 * wgf.Shannon()
wgf.solve(F, wgf.Ensemble.gaussian(20, 2), wgf.solvers.Langevin(), dt=0.01, t_end=900.0, store=sys.argv[1],
          progress=Slow(), record_every=10, trajectory_every=10)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_checkpoint_of_the_last_step(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", STOPPED, str(tmp_path / "a")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "going\n"
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode in (-number, 130 if number == signal.SIGINT else -number)
    assert f"wgf.resume({str(tmp_path / 'a')!r}) goes on" in said
    assert wgf.load(tmp_path / "a").state.step >= 10
    sol = wgf.resume(tmp_path / "a", max_steps=8, throw=False)
    assert torch.equal(sol.trajectory[-1], sol.ensemble.x)


def test_threads_get_no_signals_and_store_all_the_same(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(LANGEVIN.begin(tmp_path / "a")))
    thread.start()
    thread.join()
    assert found[0].status.ok
    assert wgf.load(tmp_path / "a").status.ok


# ------------------------------------------------------------------------------------------ refused


def test_what_is_lost_or_foreign_is_told(tmp_path):
    a = tmp_path / "a"
    LANGEVIN.begin(a, max_steps=8)
    with pytest.raises(CheckpointError, match="holds a run; resume it"):
        LANGEVIN.begin(a)
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        LANGEVIN.go_on(tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with RunStore(a), pytest.raises(LockedError, match=f"by process {os.getpid()}"):
        LANGEVIN.go_on(a)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(CheckpointError, match=r"holds something else \(thesis.tex\)"):
        LANGEVIN.begin(tmp_path / "mine")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot write to"):
        LANGEVIN.begin(tmp_path / "file")
    metrics = a / METRICS
    content = metrics.read_bytes()
    for damaged, said in (
        (content[: len(content) // 2], "records were made|Records were lost"),
        (b"{}x" + content[3:], "line 1"),
        (b'{"t": 1' + b"0" * 400 + b"}\n" + content, "line 1: a number is beyond the range"),
        (content.replace(b"1", b"2", 1), "are not those that were written"),
        (b"", "Records were lost"),
    ):
        metrics.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=said):
            LANGEVIN.go_on(a)
        with pytest.raises(CheckpointError, match=said):
            wgf.load(a)
    metrics.write_bytes(content + b'{"t": 0.3')  # a process was killed while it wrote
    (a / TRAJECTORY).rename(tmp_path / "gone")
    with pytest.raises(CheckpointError, match=r"trajectory.zarr is gone; 3 frames were made"):
        LANGEVIN.go_on(a)
    (tmp_path / "gone").rename(a / TRAJECTORY)
    run = (a / RUN).read_bytes()
    (a / RUN).write_bytes(run[:-1] + bytes([run[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="is damaged or was changed"):
        LANGEVIN.go_on(a)
    (a / RUN).write_bytes(run)
    assert LANGEVIN.go_on(a, max_steps=100).status.ok


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    whole = LANGEVIN.begin(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "checkpoints")
    (tmp_path / "a" / f"{RUN}.partial").touch()
    with pytest.raises(CheckpointError, match="holds no whole checkpoint: there is none"):
        LANGEVIN.go_on(tmp_path / "a")
    again = LANGEVIN.begin(tmp_path / "a")
    assert same(whole, again, (tmp_path / "whole", tmp_path / "a"))


def test_a_lock_that_was_left_behind_is_taken_over_and_told(tmp_path):
    LANGEVIN.begin(tmp_path / "a", max_steps=8)
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys, os; from wgf.storage import DirectoryLock; "
         "DirectoryLock(sys.argv[1]).__enter__(); os._exit(0)", str(tmp_path / "a")],
        check=True,
    )  # fmt: skip
    assert done.returncode == 0
    with pytest.warns(WgfWarning, match="took over the lock of process"):
        assert LANGEVIN.go_on(tmp_path / "a", max_steps=99).status.ok


def test_another_F_or_scheme_is_told_by_what_differs(tmp_path):
    F, mu = wgf.Quadratic(center=0.5) - 0.1 * wgf.LogDet(), wgf.Ensemble.gaussian(30, 2)
    given = {"dt": 0.05, "t_end": 1.0}
    wgf.solve(F, mu, wgf.solvers.Heun(), **given, store=tmp_path / "a", max_steps=4, throw=False)
    for other, said in (
        (2 * F, r"F.Quadratic.coefficient.number is 2.0, not 1.0; F.LogDet.coefficient.number is -0.2, not -0.1"),
        (F + wgf.Quadratic(), "F.terms has 3 entries, not 2"),
        (wgf.Quadratic(center=1.5) - 0.1 * wgf.LogDet(), r"F.Quadratic.center is 'float64\[\] 1.5', not 'float64"),
        (wgf.Quadratic(center=0.5) - 0.1 * wgf.Variance(), "F.LogDet"),
    ):
        with pytest.raises(ConfigError, match=said):
            wgf.resume(tmp_path / "a", other)
    with pytest.raises(ConfigError, match="solver is of the class Euler, not Heun"):
        wgf.resume(tmp_path / "a", solver=wgf.solvers.Euler())
    with pytest.raises(ConfigError, match=r"observers are \['spread'\]"):
        wgf.resume(tmp_path / "a", observers={"spread": lambda mu: 0.0})
    with pytest.raises(ConfigError, match=r"domain is not that of the run: domain is .*, not None"):
        wgf.resume(tmp_path / "a", domain=wgf.domains.Box())
    assert wgf.resume(tmp_path / "a", F, solver=wgf.solvers.Heun(), max_steps=99).status.ok


def test_functions_of_the_user_are_given_again(tmp_path):
    def well(x):
        return (x**2).sum(1)

    mu, given = wgf.Ensemble.gaussian(30, 2), {"dt": 0.05, "t_end": 1.0, "max_steps": 4, "throw": False}
    watched = {"until": lambda row: row["t"] > 0.7, "observers": {"n": lambda mu: mu.n}}
    wgf.solve(wgf.Potential(well), mu, wgf.solvers.Heun(), **given, **watched, store=tmp_path / "a")
    with pytest.raises(
        ConfigError, match=r"has the function .*well, which a file cannot hold; give it again.*F=\.\.\."
    ):
        wgf.resume(tmp_path / "a", observers=watched["observers"])
    with pytest.raises(ConfigError, match=r"until of the run in .*lambda"):
        wgf.resume(tmp_path / "a", wgf.Potential(well), observers=watched["observers"])
    sol = wgf.resume(tmp_path / "a", wgf.Potential(well), **watched, max_steps=99)
    assert sol.status.name == "CONVERGED"
    assert wgf.resume(tmp_path / "a", wgf.Potential(well), **watched).status.name == "CONVERGED"


def test_other_versions_are_told(tmp_path, monkeypatch):
    LANGEVIN.begin(tmp_path / "a", max_steps=8)
    now = versions()
    monkeypatch.setattr("wgf.flow.describing.versions", lambda: now | {"torch": "9.0"})
    with pytest.warns(WgfWarning, match=r"was begun elsewhere \(torch .* then, 9.0 now\)"):
        LANGEVIN.go_on(tmp_path / "a", max_steps=3)
    monkeypatch.setattr("wgf.flow.describing.versions", lambda: now | {"wgf": "9.0"})
    with pytest.raises(ConfigError, match=r"is of wgf .*; give solver= again"):
        LANGEVIN.go_on(tmp_path / "a", max_steps=3)
    assert wgf.resume(tmp_path / "a", LANGEVIN.F(), solver=LANGEVIN.solver(), max_steps=99).status.ok


def test_a_damaged_last_checkpoint_costs_steps_and_no_bit(tmp_path):
    whole = LANGEVIN.begin(tmp_path / "whole")
    LANGEVIN.begin(tmp_path / "broken", max_steps=11)
    last = sorted((tmp_path / "broken" / "checkpoints").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-9])
    with pytest.warns(WgfWarning, match="going on from the older"):
        end = LANGEVIN.go_on(tmp_path / "broken", max_steps=99)
    assert same(whole, end, (tmp_path / "whole", tmp_path / "broken"))


# ------------------------------------------------------------------------------------------ the disk


def test_a_full_disk_ends_the_run_with_its_solution(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    def put(path, content):
        if "/c/2/" in str(path):
            raise full
        zarr.put(path, content)

    monkeypatch.setattr(appending, "put", put)
    sol = LANGEVIN.begin(tmp_path / "a", checkpoint_every=0.0)
    assert sol.status.name == "FAILED"
    assert "cannot write the trajectory" in sol.status.message
    assert "No space left" in sol.status.message
    assert sol.ledger.rows > 2
    monkeypatch.undo()
    end = LANGEVIN.go_on(tmp_path / "a")
    assert same(LANGEVIN.begin(tmp_path / "whole"), end, (tmp_path / "whole", tmp_path / "a"))


class Doing(wgf.flow.Monitor):
    """Does something at a step."""

    def __init__(self, what):
        self.what = what

    def advance(self, done, t, row):
        if done == 9:
            self.what()


def test_a_directory_that_is_deleted_ends_the_run_with_its_solution(tmp_path):
    gone = Doing(lambda: shutil.rmtree(tmp_path / "a"))
    with pytest.raises(CheckpointError) as raised:
        LANGEVIN.begin(tmp_path / "a", checkpoint_every=0.0, progress=gone, throw=True)
    assert raised.value.solution.state.step >= 9
    assert raised.value.solution.trajectory is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs rights that can be taken")
def test_a_directory_that_becomes_read_only(tmp_path):
    folder = tmp_path / "a" / "checkpoints"
    closed = Doing(lambda: folder.chmod(0o500))
    sol = LANGEVIN.begin(tmp_path / "a", checkpoint_every=0.0, progress=closed)
    folder.chmod(0o700)
    assert sol.status.name == "FAILED"
    assert "cannot write the checkpoint" in sol.status.message
    assert LANGEVIN.go_on(tmp_path / "a").status.ok


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
    with RunStore(tmp_path) as folder:
        folder.begin()
        made = prepared(LANGEVIN.F(), wgf.Ensemble.gaussian(60, 3), wgf.solvers.Langevin(), dt=0.1, t_end=1.0)
        with pytest.raises(CheckpointError, match=r"the checkpoint\['state'\].memory is the function print"):
            folder.checkpoint(made.state.with_(memory=print), made.books.memory())


# ------------------------------------------------------------------------------------------ save and load


def test_a_solution_is_saved_and_read(tmp_path):
    for index, name in enumerate(("noise Underdamped", "drives Heun", "minibatch Heun", "adaptive plain")):
        case = CASES[name]
        sol = case.begin(tmp_path / f"run{index}")
        sol.save(tmp_path / f"saved{index}")
        back = wgf.load(tmp_path / f"saved{index}")
        assert same_ledgers(sol.ledger, back.ledger)
        assert torch.equal(sol.ensemble.x, back.ensemble.x)
        assert back.timing == sol.timing
        assert torch.equal(sol.trajectory[:], back.trajectory[:])
        assert str(back.status) == str(sol.status)
        with pytest.raises(CheckpointError, match="has something in it"):
            sol.save(tmp_path / f"saved{index}")
        with pytest.raises(CheckpointError, match="no run to resume"):
            wgf.resume(tmp_path / f"saved{index}")


def test_a_state_that_was_saved_goes_on(tmp_path):
    given = {"dt": 0.05, "record_every": 4}
    F, mu = LANGEVIN.F(), wgf.Ensemble.gaussian(40, 2)
    first = wgf.solve(F, mu, LANGEVIN.solver(), **given, t_end=1.0)
    first.save(tmp_path / "a")
    later = [wgf.solve(F, None, LANGEVIN.solver(), **given, t_end=2.0, state=state)
             for state in (first.state, wgf.load(tmp_path / "a").state)]  # fmt: skip
    assert torch.equal(later[0].ensemble.x, later[1].ensemble.x)


READER = """
import sys
sys.modules["wgf"] = sys.modules["torch"] = None
import xarray
data = xarray.open_zarr(sys.argv[1])
print(dict(data.sizes), data.time.values.tolist(), float(data.x.isel(time=-1).sum()), bool(data.x.isnull().any()))
"""


@pytest.mark.slow
def test_xarray_reads_a_run_that_is_writing_without_this_package(tmp_path):
    """It shows the frames of the last checkpoint, and all of them at the end."""
    pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    said = []

    def read():
        done = subprocess.run(
            [sys.executable, "-P", "-W", "error", "-c", READER, str(tmp_path / "a" / TRAJECTORY)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said.append(done.stdout or done.stderr)

    sol = LANGEVIN.begin(tmp_path / "a", checkpoint_every=0.0, progress=Doing(read))
    read()
    first, last = (str(sol.trajectory_times[:count].tolist()) for count in (3, 11))
    assert said[0].startswith(f"{{'time': 3, 'particle': 40, 'axis': 2}} {first} "), said[0]
    assert said[1].startswith(f"{{'time': 11, 'particle': 40, 'axis': 2}} {last} "), said[1]
    assert all(text.endswith(" False\n") for text in said)
    assert float(said[1].split()[-2]) == pytest.approx(float(sol.ensemble.x.sum()))


def test_a_living_run_can_be_read(tmp_path):
    seen = []
    reading = Doing(lambda: seen.append(wgf.load(tmp_path / "a")))
    LANGEVIN.begin(tmp_path / "a", checkpoint_every=0.0, progress=reading)
    assert seen[0].state.step == 8
    assert seen[0].status.name == "INTERRUPTED"
    assert "wgf.resume" in seen[0].status.message
    assert len(seen[0].trajectory) == 3
    assert seen[0].ledger.rows == 3
