"""The figures of the study `dissipation`: decay and balance of the free energy, and the entropy estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from ...figures.canvas import BLUE, GREEN, INK, MUTED, ORANGE, TIME, canvas, finish, log_scale
from ..frame.statistics import t_interval
from .relaxation import FLOOR, Relaxation

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def decay(runs: Sequence[Relaxation]) -> Drawing:
    """F − F* over time: density, certified bound and particles, one panel for each case."""
    figure, axes = canvas(2, 2, height=6.0)
    for axis, run in zip(axes, runs, strict=True):
        t, gap = run.density["t"], run.true_gap
        axis.plot(t, gap, color=INK, lw=1.4, label="density")
        bound = gap[0] * np.exp(-run.case.certificate.rate * t)
        axis.plot(t, bound, ":", color=MUTED, lw=1.4, label=f"certified: {run.case.certificate.rate:.3g}")
        mean, reach = _over_seeds([run.gap(p) for p in run.particles])
        seen = mean > 0.3 * FLOOR
        low = np.minimum(reach, 0.9 * mean)
        errors = np.stack([low[seen], reach[seen]])
        axis.errorbar(
            run.particles[0]["t"][seen], mean[seen], errors, fmt="o", ms=3, lw=1, color=BLUE, label="particles"
        )
        axis.axhline(FLOOR, ls="--", lw=0.8, color=MUTED)
        log_scale(axis, always=True)
        axis.set_ylim(bottom=0.2 * FLOOR)
        axis.set_title(run.case.name, fontsize=10, color=INK)
        finish(axis, "F − F*", TIME)
    return figure


def balance(runs: Sequence[Relaxation]) -> Drawing:
    """F and F(0) − ∫D dt over time, of particles and of the density, one panel for each case."""
    figure, axes = canvas(2, 2, height=6.0)
    for axis, run in zip(axes, runs, strict=True):
        t = run.particles[0]["t"]
        free, reach = _over_seeds([p["free_energy"] for p in run.particles])
        axis.plot(t, free, color=BLUE, lw=1.8, label="F")
        axis.fill_between(t, free - reach, free + reach, color=BLUE, alpha=0.2, lw=0)
        lost = [p["free_energy"][0] - cumulative_trapezoid(p["dissipation"], p["t"], initial=0) for p in run.particles]
        mean, reach = _over_seeds(lost)
        axis.plot(t, mean, "--", color=ORANGE, lw=1.4, label="F(0) − ∫D dt")
        axis.fill_between(t, mean - reach, mean + reach, color=ORANGE, alpha=0.2, lw=0)
        dissipated = cumulative_trapezoid(run.density["dissipation"], run.density["t"], initial=0)
        truth = run.density["free_energy"][0] - dissipated
        axis.plot(run.density["t"], truth, ":", color=INK, lw=1.4, label="F(0) − ∫D dt, density")
        axis.set_title(run.case.name, fontsize=10, color=INK)
        finish(axis, "free energy", TIME)
    return figure


def entropy(runs: Sequence[Relaxation]) -> Drawing:
    """The entropy of the density and its two estimates from particles over time, one panel for each case."""
    figure, axes = canvas(2, 2, height=6.0)
    for axis, run in zip(axes, runs, strict=True):
        axis.plot(run.density["t"], run.density["entropy"], color=INK, lw=1.4, label="density")
        for name, colour, label in (("entropy", BLUE, "nearest neighbours"), ("gaussian", GREEN, "Gaussian")):
            mean, reach = _over_seeds([p[name] for p in run.particles])
            axis.errorbar(run.particles[0]["t"], mean, reach, fmt="o", ms=3, lw=1, color=colour, label=label)
        axis.set_title(run.case.name, fontsize=10, color=INK)
        finish(axis, "entropy, nats", TIME)
    return figure


def _over_seeds(rows: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means over seeds and the half-widths of their intervals, arrays (records,)."""
    found = [t_interval(column) for column in np.stack(rows, axis=1)]
    return np.array([f.value for f in found]), np.array([f.half_width for f in found])
