"""The picture of README.md and of the first page: `python docs/picture.py` writes docs/_static/run.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import wgf

PLACE = Path(__file__).parent / "_static" / "run.png"


def draw() -> Figure:
    """Particles that repel each other in a ring-shaped potential, at three times, and the ledger of that run."""
    ring = wgf.Potential(lambda x: 4 * (x.square().sum(1).sqrt() - 1.5).square()).named("potential")
    F = ring + 1.0 * wgf.Interaction(wgf.kernels.Gaussian(0.5)) - 0.05 * wgf.Blob(0.15)
    mu = wgf.Ensemble.gaussian(400, 2, mean=[0.9, 0.0], cov=0.02, seed=2)
    sol = wgf.solve(F, mu, wgf.solvers.BogackiShampine(), dt=0.02, t_end=30.0, trajectory_every=1)

    figure, places = plt.subplot_mosaic("abc;ddd", figsize=(7.2, 4.6), layout="constrained", height_ratios=[1.25, 1])
    times = np.asarray(sol.trajectory_times)
    for name, t in zip("abc", (0.0, 0.4, 30.0), strict=True):
        k, axis = int(np.abs(times - t).argmin()), places[name]
        axis.scatter(*sol.frame(k).x.T, s=5, color="#0072B2", alpha=0.7, linewidths=0)
        axis.set(title=f"particles at t = {times[k]:.1f}", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
        axis.set(xticks=[], yticks=[])
    ledger, axis = sol.ledger, places["d"]
    axis.plot(ledger["t"], ledger["free_energy"], color="#222222", label="free energy F")
    axis.plot(ledger["t"], ledger["term:potential"], color="#E69F00", label="potential")
    axis.plot(ledger["t"], ledger["term:Interaction"], color="#009E73", label="interaction")
    closure = f"{ledger['closure_total'][-1]:+.1%}".replace("-", "−")
    axis.set(title=f"the ledger; closure {closure}", xlabel="flow time t", ylabel="energy", xlim=(0, 3))
    axis.legend(frameon=False)
    return figure


if __name__ == "__main__":
    draw().savefig(PLACE, dpi=110)
