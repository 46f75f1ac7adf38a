"""A sweep of small runs, and its unbroken result."""

from __future__ import annotations

import pytest

from wgf.sweeps import Work, load_plan, run_sweep

SWEEP = """
[data]
source = "diabetes"
[network]
neurons = 30
[[entropy]]
term = "LogDet"
temperature = 0.01
[solver]
name = "Heun"
dt = 0.25
t_end = 2.0
record_every = 2
[sweep]
solver.dt = [0.125, 0.25]
entropy.0.temperature = { from = 1e-3, to = 1e-1, count = 3, log = true }
seeds = 4
"""
"""24 runs of a tenth of a second each."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory with the sweep in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SWEEP)
    return tmp_path


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """The sweep of 24 runs in one call; nobody may write to it."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "small.toml").write_text(SWEEP)
    return run_sweep(load_plan(folder / "small.toml"), folder / "out", Work())
