"""Memory and threads, measured in processes of their own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

# the peak of this process alone; ru_maxrss would begin with what the parent had at the fork
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc/self/status")


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
@linux
def test_a_step_of_100_000_particles_in_the_plane_within_one_gibibyte():
    """A Gaussian interaction over 10¹⁰ pairs: the peak of the whole process, interpreter and torch included."""
    code = PEAK + (
        "import wgf\n"
        "mu = wgf.Ensemble.gaussian(100_000, 2)\n"
        "F = wgf.Interaction(wgf.kernels.Gaussian(0.5))\n"
        "state = wgf.solve(F, mu, wgf.solvers.Euler(), dt=0.1, t_end=0.1)\n"
        "assert state.status.ok and state.state.step == 1\n"
        "print(peak())"
    )
    assert int(run(code)) < 1024**2  # in KiB


@pytest.mark.slow
@linux
def test_network_memory_is_a_block_not_neurons_times_samples():
    """20 000 neurons × 10 000 samples would be 1.6 GB of activations."""
    code = PEAK + (
        "import numpy as np, wgf\n"
        "rng = np.random.default_rng(0)\n"
        "risk = wgf.NetworkRisk(rng.normal(size=(10_000, 3)), rng.normal(size=10_000))\n"
        "mu = risk.initial(20_000)\n"
        "risk.evaluate(risk.initial(10))\n"
        "before = peak()\n"
        "risk.evaluate(mu)\n"
        "print(peak() - before)"
    )
    assert int(run(code)) < 100 * 1024


@pytest.mark.slow
def test_a_network_trains_to_the_same_bits_with_one_and_two_threads():
    """The default run in small, with the thread count set from outside as a user would."""
    code = (
        "import hashlib, torch, wgf\n"
        "train, _ = wgf.data.load('digits')\n"
        "risk = wgf.NetworkRisk(train.x, train.y, loss='cross_entropy')\n"
        "F = risk + 1e-3 * wgf.Quadratic() - 1e-2 * wgf.LogDet() - 1e-3 * wgf.Softmax(axis='particles')\n"
        "sol = wgf.solve(F, risk.initial(1200, seed=1), wgf.solvers.Heun(), dt=1.0, t_end=4.0)\n"
        "print(torch.get_num_threads(), hashlib.sha256(sol.ensemble.x.numpy().tobytes()).hexdigest(),"
        " sol.ledger['free_energy'].tobytes().hex())"
    )
    one, two = (run(code, OMP_NUM_THREADS=str(k), OPENBLAS_NUM_THREADS=str(k)).split() for k in (1, 2))
    assert (one[0], two[0]) == ("1", "2")
    assert one[1:] == two[1:]
    assert len(one[1]) == len(hashlib.sha256(b"").hexdigest())
