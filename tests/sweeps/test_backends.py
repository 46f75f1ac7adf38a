"""Jobs in processes, threads and clusters: lost workers, busy results, errors that come through."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import pytest

import wgf
from wgf.errors import BackendError, ConfigError, JobError
from wgf.process.workers import processors
from wgf.storage import DirectoryLock
from wgf.sweeps import Results, Work, identity
from wgf.sweeps.workers import environment_kept

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # processes cannot import a file of tests
several = pytest.mark.skipif(processors() < 2, reason="with one processor jobs are done in this process")


class Strange(Exception):
    """It cannot be received by another process: it needs two arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def square(x):
    return {"y": x * x, "pid": os.getpid()}


def deadly(folder, x):
    """The first call of x = 3 kills its process, as the system does where memory ends."""
    trace = Path(folder) / "killed"
    if x == 3 and not trace.exists():
        trace.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"y": x * x}


def always_deadly(x):
    os.kill(os.getpid(), signal.SIGKILL)


def strange(x):
    raise Strange(1, 2)


def slow(x):
    time.sleep(x)
    return {"y": x}


@several
@pytest.mark.slow
def test_a_job_is_done_again_where_its_worker_was_lost(tmp_path):
    grid = {"folder": [str(tmp_path)], "x": [1, 2, 3, 4]}
    found = wgf.sweep(deadly, grid, tmp_path / "store", jobs=2)
    assert found.table["y"] == [1, 4, 9, 16]
    assert (tmp_path / "killed").exists()


@several
@pytest.mark.slow
def test_workers_that_are_lost_again_and_again_are_a_typed_error():
    with pytest.raises(JobError, match="workers were lost 3 times"):
        wgf.sweep(always_deadly, {"x": [1, 2, 3]}, jobs=2)


@several
@pytest.mark.slow
def test_errors_come_through_from_other_processes():
    found = wgf.sweep(strange, {"x": [1, 2]}, jobs=2, throw=False)
    assert [str(error) for error in found.errors.values()] == ["Strange: 1 and 2"] * 2
    assert isinstance(found.errors[0], JobError)
    assert "in strange" in "".join(found.errors[0].__notes__)


def test_a_result_that_another_process_computes_is_waited_for(tmp_path):
    results = Results(tmp_path)
    name = identity("busy")
    results.place(name).mkdir(parents=True)
    lock = DirectoryLock(results.place(name))
    lock.__enter__()

    def free():
        time.sleep(1.0)
        lock.__exit__(None, None, None)

    threading.Thread(target=free).start()
    begun = time.monotonic()
    work = Work(results=results)
    found = dict(work.ended("jobs", square, [(2,), (3,)], [name, identity("free")]))
    assert [found[0].value["y"], found[1].value["y"]] == [4, 9]
    assert time.monotonic() - begun >= 1.0


@pytest.mark.slow
def test_ray_gives_the_same():
    pytest.importorskip("ray")
    found = wgf.sweep(square, {"x": [1, 2, 3]}, jobs=2, backend="ray")
    assert found.table["y"] == [1, 4, 9]
    assert os.getpid() not in found.table["pid"]


def test_a_cluster_that_does_not_answer_is_a_typed_error():
    pytest.importorskip("distributed")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(BackendError, match="no Dask"):
        wgf.sweep(square, {"x": [1]}, backend="dask", scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_needs_a_backend_that_has_one():
    with pytest.raises(ConfigError, match="has none"):
        Work(scheduler="tcp://127.0.0.1:9")


def test_progress_shows_what_runs(capsys, monkeypatch):
    monkeypatch.setattr("wgf.sweeps.work.LOOK", 0.05)
    seen = []

    def running():
        seen.append(time.monotonic())
        return 0.5, "1 running"

    work = Work(progress=True)
    assert len(list(work.ended("jobs", slow, [(0.2,), (0.2,)], running=running))) == 2
    assert len(seen) >= 2


def test_a_local_cluster_leaves_the_environment_as_it_was(monkeypatch):
    """Dask sets OMP_NUM_THREADS and others here for its workers; what starts later would have one thread."""
    monkeypatch.setenv("WGF_KEPT", "1")
    before = dict(os.environ)
    with environment_kept():
        os.environ["WGF_NEW"] = "2"
        os.environ["WGF_KEPT"] = "3"
        del os.environ["PATH"]
    assert dict(os.environ) == before
