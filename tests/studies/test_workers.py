"""The worker processes of a study end with it: at its end, on a signal, and when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wgf.errors import ConfigError
from wgf.studies import Work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
]


def children(parent: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found |= {int(folder.name)} | children(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def alive(processes: set[int]) -> set[int]:
    """Those of the processes that still run; one that has ended and whose parent was not told is a zombie."""

    def runs(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return {process for process in processes if runs(process)}


def wait(condition, seconds: float = 60.0):
    patience = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < patience:
        time.sleep(0.1)
    return value


@pytest.mark.parametrize(
    ("numbers", "group", "code"),
    [
        ((signal.SIGKILL,), False, -9),
        ((signal.SIGTERM,), False, 143),
        ((signal.SIGINT,), True, 130),  # as a terminal sends it, to the workers too
        ((signal.SIGHUP, signal.SIGTERM), True, 129),
    ],
)
def test_workers_end_with_a_study_that_is_stopped(tmp_path, numbers, group, code):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wgf.cli", "study", "chaos", "--jobs", "2", "--out", "a/study"],
        cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert wait(lambda: len(children(process.pid)) >= 4)  # two workers, two trackers
        time.sleep(1.0)
        workers = children(process.pid)
        for number in numbers:
            (os.killpg if group and number != signal.SIGKILL else os.kill)(process.pid, number)
        _, said = process.communicate(timeout=60)
        first = {code, 143} if len(numbers) == 2 else {code}  # either of two at once may come first
        assert process.returncode in first, said
        assert "Traceback" not in said
        assert wait(lambda: not alive(workers), 20), "workers live on"
        if code > 0:
            if (tmp_path / "a").exists():  # some of its runs were over
                assert "of its runs are kept in" in said
            else:
                assert said.endswith("interrupted; nothing was saved\n")
    finally:
        if process.poll() is None:
            process.kill()


def test_results_come_in_order_and_workers_share_the_threads_and_see_no_ctrl_c(tmp_path):
    (tmp_path / "tasks.py").write_text(
        "import os, signal, torch\n"
        "def number(k):\n"
        "    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "    return k, torch.get_num_threads(), os.getpid(), signal.SIGINT in blocked, signal.SIGTERM in blocked\n"
        "def broken(k):\n"
        "    if k == 3:\n"
        "        from wgf.errors import ConfigError\n"
        "        raise ConfigError('mine')\n"
        "    return k\n"
    )
    code = (
        "import os, tasks\nfrom wgf.process.workers import processors\n"
        "from wgf.studies import Work\nfrom wgf.errors import ConfigError\n"
        "found = Work(2).each('numbers', tasks.number, [(k,) for k in range(9)])\n"
        "assert [row[0] for row in found] == list(range(9))\n"
        "assert {row[1] for row in found} == {max(1, processors() // 2)}\n"
        "assert os.getpid() not in {row[2] for row in found}\n"
        "assert {row[3:] for row in found} == {(True, False)}\n"
        "try:\n    Work(2).each('broken', tasks.broken, [(k,) for k in range(9)])\n"
        "except ConfigError as error:\n    print(error)\n"
        "assert Work(2).each('again', tasks.broken, [(k,) for k in range(3)]) == [0, 1, 2]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr


def test_jobs_are_checked():
    with pytest.raises(ConfigError):
        Work(0)
