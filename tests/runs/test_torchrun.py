"""`wgf run` under torchrun: it speaks once, and a killed process costs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import wgf
from wgf.measure import ShardedEnsemble
from wgf.runs import resume

CONFIG = """
[problem]
particles = 400
dim = 2

[[energy]]
term = "DoubleWell"

[[entropy]]
term = "Shannon"
temperature = 0.5

[solver]
name = "Langevin"
dt = 0.01
t_end = 10.0
record_every = 100
"""


def begun(folder: Path) -> subprocess.Popen[str]:
    (folder / "run.toml").write_text(CONFIG)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "3"]
    command = [*torchrun, "--monitor-interval", "0.1", "-m", "wgf", "run", "run.toml", "-o", "out", "--timeout", "60"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=pipe, stderr=pipe)


def processes(folder: Path, rank: int) -> list[int]:
    """The processes of this rank that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            if b"RANK=%d" % rank in environment and (path / "cwd").readlink() == folder:
                found.append(int(path.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


@pytest.mark.filterwarnings("ignore:.*was begun elsewhere")  # with one thread, and goes on here with more
def test_a_killed_process_costs_nothing(tmp_path):
    running = begun(tmp_path.resolve())
    until = time.monotonic() + 60
    while not list(tmp_path.glob("out.partial/checkpoints/checkpoint-*")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    for process in processes(tmp_path.resolve(), 1):
        os.kill(process, signal.SIGKILL)
    try:
        said, errors = running.communicate(timeout=100)
    finally:
        running.kill()
    assert running.returncode == 0, errors
    assert said.count("report: ") + said.count("results: ") == 1  # SIGTERM at the end leaves no time for a report
    assert said.count("free energy F") == 1
    ended = wgf.load(tmp_path / "out")
    assert ended.status.name == "COMPLETED"
    F = wgf.DoubleWell() - 0.5 * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(400, 2, seed=0).shard()
    assert isinstance(mu, ShardedEnsemble)
    straight = wgf.solve(F, mu, wgf.solvers.Langevin(), dt=0.01, t_end=10.0, record_every=100)
    assert torch.equal(ended.ensemble.x, straight.ensemble.x)
    assert ended.ledger["free_energy"].tolist() == straight.ledger["free_energy"].tolist()
    longer = resume(tmp_path / "out", until=10.1, progress=False, report=False)  # in this process alone
    further = wgf.solve(F, mu, wgf.solvers.Langevin(), dt=0.01, t_end=10.1, record_every=100)
    assert longer.summary["ok"]
    assert torch.equal(longer.solution.ensemble.x, further.ensemble.x)
