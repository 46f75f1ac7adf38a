"""Compilations are counted: a kernel that compiles again for another size, layout or step would cost seconds a call."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numba.core import event

import wgf

DEFAULT_RUN = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    import wgf
    train, _ = wgf.data.load("digits")
    risk = wgf.NetworkRisk(train.x[:200], train.y[:200], loss="cross_entropy")
    F = risk + 1e-3 * wgf.Quadratic() - 1e-2 * wgf.LogDet()
    wgf.solve(F, risk.initial(300, seed=0), wgf.solvers.Heun(), dt=0.5, t_end=1.0)
print(sum(e.is_end for _, e in recorder.buffer))
"""


def compilations(body):
    """How many functions numba compiled while `body` ran (what comes from its disk cache is not compiled)."""
    with event.install_recorder("numba:compile") as recorder:
        body()
    return sum(e.is_end for _, e in recorder.buffer)


def flow(n, dtype, seed, d=2, weights=False, width=0.7):
    def body():
        mu = wgf.Ensemble.gaussian(n, d, seed=seed, dtype=dtype)
        if weights:
            w = torch.rand(n, dtype=torch.float64) + 0.1
            mu = wgf.Ensemble(mu.x, w / w.sum())
        F = wgf.Interaction(wgf.kernels.Gaussian(width), method="dense") + wgf.Quadratic() - 0.1 * wgf.LogDet()
        wgf.solve(F - 0.1 * wgf.Shannon(), mu, wgf.solvers.Langevin(), dt=0.01, t_end=0.03, record_every=3)

    return body


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nothing_is_compiled_twice(dtype):
    """After one run of a kind, other sizes, seeds, steps and bandwidths find everything compiled."""
    flow(200, dtype, 0)()  # as many as visit each pair once: fewer are summed by rows, in another loop
    flow(200, dtype, 0, weights=True)()
    assert compilations(flow(777, dtype, 5)) == 0
    assert compilations(flow(64, dtype, 1, width=2.0)) == 0
    assert compilations(flow(333, dtype, 2, weights=True)) == 0


def test_views_and_slices_do_not_compile_again():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(600, 6)))
    kernel, w = wgf.kernels.Matern(1.5, 1.0), torch.full((300,), 1 / 300, dtype=torch.float64)
    kernel.sums(x[:300, :3].contiguous(), x[300:, 3:].contiguous(), w)
    assert compilations(lambda: kernel.sums(x[::2, :3], x[300:, 3:].flip(0), w)) == 0


def test_the_counter_counts():
    import numba

    assert compilations(lambda: numba.njit(lambda a: a + 1)(1)) == 1


@pytest.mark.slow
def test_a_process_finds_what_another_compiled(tmp_path):
    """The default run compiles a known number of functions once; with the cache warm it compiles none."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def count():
        done = subprocess.run(
            [sys.executable, "-P", "-c", DEFAULT_RUN], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout.split()[-1])

    cold, warm = count(), count()
    assert 0 < cold <= 76  # functions that are inlined count too
    assert warm == 0
