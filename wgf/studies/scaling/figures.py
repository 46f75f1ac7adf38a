"""The figures of the study `scaling`: the residual risk with three fitted laws, and the information stock."""

from __future__ import annotations

import math

import numpy as np

from ...figures.canvas import BLUE, GREEN, MUTED, ORANGE, RED, canvas, finish, log_scale
from ..frame import Figure
from ..frame.statistics import t_interval
from .laws import LawFit
from .sweep import Sweep

LAW_COLOURS = {"power": BLUE, "exponential": ORANGE, "logarithmic": GREEN}
RESOURCE_COLOURS = {"neurons": BLUE, "samples": GREEN, "steps": ORANGE}


def laws(sweeps: dict[str, Sweep], fits: dict[str, dict[str, LawFit]]) -> Figure:
    """The residual risk R against each resource, with the three fitted laws."""
    figure, axes = canvas(1, len(sweeps))
    for axis, (name, sweep) in zip(axes, sweeps.items(), strict=True):
        found = [t_interval(row) for row in sweep.residual]
        grid = np.geomspace(sweep.sizes[0], sweep.sizes[-1], 200)
        for law, fit in fits[name].items():
            axis.plot(grid, fit(grid), color=LAW_COLOURS[law], lw=1.2, label=f"{law} ({_weight(fit.weight)})")
        low = [max(e.value - e.low, 0.0) for e in found]
        reach = [low, [e.high - e.value for e in found]]
        means = [e.value for e in found]
        axis.errorbar(sweep.sizes, means, reach, color=RED, ls="", marker="o", ms=3.5, capsize=2)
        axis.set_xscale("log", base=2)
        log_scale(axis)
        axis.set_ylim(0.7 * min(means), 1.4 * max(e.high for e in found))
        finish(axis, "residual risk R" if axis is axes[0] else "", name)
    return Figure(
        "laws",
        "Residual risk and three laws",
        "Means with 95 % intervals over seeds; lines are the fits, with their Akaike weights among the three.",
        figure,
    )


def _weight(weight: float) -> str:
    return "–" if math.isnan(weight) else "below 0.01" if weight < 0.01 else f"{weight:.2f}"


def stocks(sweeps: dict[str, Sweep]) -> Figure:
    """The stock I and J/γ against each resource, and R against I."""
    figure, axes = canvas(1, len(sweeps) + 1, width=11.0)
    for axis, (name, sweep) in zip(axes, sweeps.items(), strict=False):
        axis.plot(sweep.sizes, sweep.stock.mean(axis=1), color=RESOURCE_COLOURS[name], marker="o", ms=3.5, label="I")
        axis.plot(sweep.sizes, sweep.balanced.mean(axis=1), color=MUTED, marker="s", ms=3, ls="--", label="J/γ")
        axis.set_xscale("log", base=2)
        log_scale(axis)
        finish(axis, "nats" if axis is axes[0] else "", name)
        axes[-1].plot(
            sweep.stock.mean(axis=1), sweep.residual.mean(axis=1), color=RESOURCE_COLOURS[name], marker="o", ms=3.5,
            label=name,
        )  # fmt: skip
    log_scale(axes[-1])
    finish(axes[-1], "residual risk R", "stock I, nats")
    return Figure(
        "stocks",
        "The information stock",
        "Left three: the stock I, and J/γ, which equals I where injection and dissipation are in balance. Right: R "
        "against I in each sweep. If R − R∞ = c I^{−β} held for all resources, the curves would differ only by R∞.",
        figure,
    )
