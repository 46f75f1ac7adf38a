"""Use, then fork: the child of a process whose threads have worked does its own work and ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

USE = """
import hashlib, multiprocessing, sys, warnings
import numpy as np, torch, wgf

warnings.simplefilter("ignore")
torch.set_num_threads(2)
rng = np.random.default_rng(0)
x, y = torch.from_numpy(rng.normal(size=(400, 3))), torch.from_numpy(rng.normal(size=400))
KINDS = {{
    "gaussian": (None, None, 50_000),
    "quadratic": (wgf.Quadratic(), "Heun", 50_000),
    "noise": (wgf.Quadratic() - 0.1 * wgf.Shannon(), "Langevin", 50_000),
    "covariance": (wgf.Quadratic() - 0.1 * wgf.LogDet(), "Euler", 50_000),
    "autograd": (wgf.Potential(lambda x: (x**4).sum(1)), "Euler", 50_000),
    "pairs": (wgf.Interaction(wgf.kernels.Gaussian(0.7)) + wgf.Quadratic(), "Euler", 3_000),
    "slices": (wgf.SlicedWasserstein(x[:, :2]), "Euler", 20_000),
    "network": (wgf.NetworkRisk(x, y), "Heun", 2_000),
}}

def bits(mu):
    return hashlib.sha256(mu.x.numpy().tobytes()).hexdigest()

def work(kind):
    F, scheme, n = KINDS[kind]
    if F is None:
        return bits(wgf.Ensemble.gaussian(n, 2))
    mu = F.initial(n, seed=0) if kind == "network" else wgf.Ensemble.gaussian(n, 2)
    sol = wgf.solve(F, mu, getattr(wgf.solvers, scheme)(), dt=0.01, t_end=0.02)
    return bits(sol.ensemble)

def child(kind, pipe):
    before = torch.get_num_threads()
    pipe.send((before, work(kind)))

kinds = {kinds!r}
mine = {{kind: work(kind) for kind in kinds}}
context = multiprocessing.get_context("fork")
for kind in kinds:
    receiver, sender = context.Pipe(False)
    process = context.Process(target=child, args=(kind, sender), daemon=True)
    process.start()
    if not receiver.poll(30):
        process.kill()
        sys.exit(f"{{kind}}: the child hangs")
    threads, found = receiver.recv()
    assert threads == 1, threads
    assert found == mine[kind], kind
    process.join(20)
    assert process.exitcode == 0, process.exitcode
assert torch.get_num_threads() == 2, "nothing changes in the parent"
"""
INSIDE = """
import os, torch, wgf
from wgf.ops import threads
torch.set_num_threads(2)
wgf.Ensemble.gaussian(50_000, 2)
with threads.one_torch_thread(), threads.one_blas_thread():
    child = os.fork()
if child == 0:
    wgf.Ensemble.gaussian(50_000, 2)
    os._exit(torch.get_num_threads())
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 1
assert torch.get_num_threads() == 2
"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def run(code: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@forks
@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds", [["gaussian", "quadratic", "noise", "covariance"], ["autograd", "pairs", "slices", "network"]]
)
def test_a_forked_child_works_and_finds_the_numbers_of_its_parent(kinds):
    run(USE.format(kinds=kinds))


@forks
@pytest.mark.slow
def test_a_fork_within_a_setting_leaves_it_with_one_thread():
    run(INSIDE)
