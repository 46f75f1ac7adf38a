"""Measure what it costs to keep a run: the same run with and without a store, one after the other.

    python -m wgf.benchmarks.storing                  # 10⁶ particles in three dimensions, runs of two minutes
    python -m wgf.benchmarks.storing --seconds 20     # shorter runs, with frames and checkpoints as often

A run of two minutes has 20 frames and a checkpoint every 60 seconds. Frames are written beside the next steps. The
number of steps is the same for both runs. Run it while the machine is idle.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import torch

from ..energies import Quadratic
from ..entropies import LogDet
from ..flow import Solution, solve
from ..measure import Ensemble
from ..solvers import Heun

FRAMES, LONG, APART = 20, 120.0, 60.0
"""So many frames in so many seconds, and a checkpoint every so many seconds."""
ALLOWED = 0.02
"""A store may cost this part of the time of a run."""


def run(mu: Ensemble, steps: int, every: int, store: Path | None, apart: float) -> tuple[float, Solution]:
    """The seconds of a run, and its solution."""
    begun = time.perf_counter()
    sol = solve(
        Quadratic() - 0.1 * LogDet(), mu, Heun(), dt=1e-4, t_end=1e-4 * steps, record_every=max(1, steps // 20),
        trajectory_every=None if store is None else every, store=store, checkpoint_every=apart,
    )  # fmt: skip
    return time.perf_counter() - begun, sol


def measured(seconds: float = LONG, n: int = 10**6, pairs: int = 1, folder: Path | None = None) -> float:
    """The part of the time that a store costs: the least over pairs of runs. Prints each pair.

    Parameters
    ----------
    seconds : float
        How long a run takes, about.
    n : int
        The number of particles.
    pairs : int
        How many pairs of runs.
    folder : Path, optional
        Where to write. By default the folder for temporary files.

    Returns
    -------
    float
        Seconds with a store over seconds without, minus one.
    """
    mu, best = Ensemble.gaussian(n, 3), float("inf")
    frames = max(1, round(FRAMES * seconds / LONG))
    run(mu, 3, 1, None, APART)
    steps = max(frames, round(20 * seconds / run(mu, 20, 1, None, APART)[0]))
    for _ in range(pairs):
        base = Path(tempfile.mkdtemp(dir=folder))
        try:
            plain, one = run(mu, steps, steps // frames, None, APART)
            stored, other = run(mu, steps, steps // frames, base / "run", APART * seconds / LONG)
            assert torch.equal(one.ensemble.x, other.ensemble.x)
            best = min(best, stored / plain - 1.0)
            told = f"{plain:.2f} s, with a store {stored:.2f} s ({stored / plain - 1:+.2%})"
            print(f"{steps} steps, {frames} frames: {told}")
        finally:
            shutil.rmtree(base)
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=LONG, help="how long a run takes")
    parser.add_argument("--n", type=int, default=10**6, help="the number of particles")
    parser.add_argument("--pairs", type=int, default=1, help="how many pairs of runs")
    parser.add_argument("--folder", type=Path, help="where to write")
    given = parser.parse_args()
    cost = measured(given.seconds, given.n, given.pairs, given.folder)
    print(f"a store costs {cost:+.2%} of the time; {ALLOWED:.0%} is allowed")
