"""One process writes a directory: a second one is refused by name, a lock that was left behind is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from wgf.errors import CheckpointError, LockedError, WgfWarning
from wgf.process import identity
from wgf.storage import DirectoryLock

HOLDER = """
import sys, time
from wgf.storage import DirectoryLock
with DirectoryLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def foreign(folder, age=0.0):
    path = folder / "lock.json"
    path.write_text(json.dumps({"token": "t", "host": "far", "machine": "far boot", "pid": 12, "begun": "1"}))
    now = time.time()
    os.utime(path, (now - age, now - age))
    return path


def test_a_second_process_is_refused_by_name_and_a_killed_one_is_replaced(tmp_path):
    process = holder(tmp_path)
    try:
        said = f"is being written by process {process.pid} on {identity.host()}"
        with pytest.raises(LockedError, match=said), DirectoryLock(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()
    with pytest.warns(WgfWarning, match=f"took over the lock of process {process.pid} .*, which is dead"):
        lock = DirectoryLock(tmp_path).__enter__()
    with pytest.raises(LockedError, match=f"by process {os.getpid()}"), DirectoryLock(tmp_path):
        pass
    lock.__exit__(None, None, None)
    assert os.listdir(tmp_path) == []


def test_a_lock_of_another_machine_goes_by_its_heartbeat(tmp_path):
    foreign(tmp_path, age=100.0)
    with pytest.raises(LockedError, match="by process 12 on far"), DirectoryLock(tmp_path):
        pass
    foreign(tmp_path, age=130.0)
    with pytest.warns(WgfWarning, match="took over the lock of process 12 on far, which gave no sign for 130 s"):
        DirectoryLock(tmp_path).__enter__().__exit__(None, None, None)
    foreign(tmp_path, age=3.0)
    with pytest.warns(WgfWarning, match="took over"), DirectoryLock(tmp_path, stale=2.0):
        pass


def test_a_later_process_of_the_same_number_is_another_one(tmp_path):
    path = foreign(tmp_path)
    mine = {"machine": identity.here(), "pid": os.getpid(), "begun": "1"}
    path.write_text(json.dumps(json.loads(path.read_text()) | mine))
    if not identity.begun(os.getpid()):
        pytest.skip("this system does not say when a process began")
    with pytest.warns(WgfWarning, match="which is dead"), DirectoryLock(tmp_path):
        pass


def test_the_heart_beats_and_a_lock_that_was_taken_away_is_told(tmp_path):
    with DirectoryLock(tmp_path, interval=0.02) as lock:
        os.utime(lock.path, (0, 0))
        end = time.monotonic() + 10
        while lock.path.stat().st_mtime < 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert lock.path.stat().st_mtime > 1
        lock.require()
        foreign(tmp_path)
        while not lock.lost and time.monotonic() < end:
            time.sleep(0.01)
        with pytest.raises(LockedError, match="was taken over by process 12 on far; this process writes it no more"):
            lock.require()
    assert (tmp_path / "lock.json").exists(), "the lock of the other one stays"


@pytest.mark.filterwarnings("ignore:.*took over")
def test_of_many_who_take_over_one_succeeds(tmp_path):
    for _ in range(20):
        foreign(tmp_path, age=1000.0)
        taken: list[DirectoryLock] = []
        refused: list[Exception] = []
        together = threading.Barrier(8)

        def enter(taken=taken, refused=refused, together=together):
            together.wait()
            try:
                taken.append(DirectoryLock(tmp_path).__enter__())
            except LockedError as error:
                refused.append(error)

        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(taken), len(refused)) == (1, 7)
        taken[0].__exit__(None, None, None)
        assert os.listdir(tmp_path) == []


def test_damaged_locks_and_missing_folders(tmp_path):
    (tmp_path / "lock.json").write_text("{")
    with pytest.raises(LockedError, match="is being written by process None on None"), DirectoryLock(tmp_path):
        pass
    os.utime(tmp_path / "lock.json", (0, 0))
    with pytest.warns(WgfWarning, match="took over"), DirectoryLock(tmp_path):
        pass
    with pytest.raises(CheckpointError, match=r"cannot lock .*missing"), DirectoryLock(tmp_path / "missing"):
        pass
