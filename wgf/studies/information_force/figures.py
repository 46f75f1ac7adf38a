"""The figures of the study `information-force`: force ratios over time, their bounds, and what was learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...figures.canvas import CYCLE, INK, MUTED, canvas, finish, log_scale
from ..frame import Figure
from ..frame.statistics import t_interval
from .runs import Runs
from .surrogates import ACCURACIES, NONE, SURROGATES, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


COLOURS = {name: CYCLE[k % len(CYCLE)] for k, name in enumerate(SURROGATES)}
SETTINGS = {"particles": "flow time t", "representations": "steps of Adam"}


def forces(runs: Runs) -> Figure:
    """The force ratio I/G over time, for the runs that begin at I/G nearest to 0.1."""
    ratio = min(runs.ratios, key=lambda r: (abs(math.log10(r) + 1), r))
    figure, axes = canvas(1, 2, height=3.5)
    for axis, (setting, time) in zip(axes, SETTINGS.items(), strict=True):
        for name, words in SURROGATES.items():
            here = [run for run in runs.over(setting, name, ratio) if run.finished]
            if here:
                curve = np.exp(np.mean([np.log(np.maximum(run.ratio, 1e-12)) for run in here], axis=0))
                axis.plot(here[0].t, curve, color=COLOURS[name], lw=1.3, label=words)
        axis.axhline(1.0, color=MUTED, lw=0.8, ls=":")
        axis.set_yscale("log")
        axis.set_title(setting, fontsize=9.5)
        finish(axis, "force ratio I/G", time, legend=False)
    _legend(figure, axes[0])
    return Figure(
        "forces",
        "The force ratio along the run",
        f"All surrogates begin at I/G = {ratio:g}. Geometric means over seeds. On the dotted line information force "
        "and loss force are equal.",
        figure,
    )


def bounds(runs: Runs) -> Figure:
    """The least force ratio c₀ and the variation of I, against the force ratio r₀ at the start."""
    figure, axes = canvas(2, 2, height=5.8)
    quantities: tuple[tuple[str, Callable[[Run], float]], ...] = (
        ("c₀ = min I/G", lambda run: run.c0),
        ("variation of I over the run", lambda run: run.varies),
    )
    for row, (label, quantity) in enumerate(quantities):
        for axis, setting in zip(axes[2 * row : 2 * row + 2], SETTINGS, strict=True):
            _curves(axis, runs, setting, quantity, plain=False)
            log_scale(axis)
            if row == 0:
                axis.plot(runs.ratios, runs.ratios, color=MUTED, lw=0.8, ls=":")
                axis.set_title(setting, fontsize=9.5)
            finish(axis, label, "force ratio r₀ at the start", legend=False)
    _legend(figure, axes[-1])
    return Figure(
        "bounds",
        "How strong and how steady",
        "Above: the least force ratio of the run; on the dotted line it equals that of the start. Below: the "
        "coefficient of variation of the information force over the run. Means with 95 % intervals over seeds.",
        figure,
    )


def learned(runs: Runs) -> Figure:
    """Effective rank and accuracies against the force ratio r₀ at the start."""
    figure, axes = canvas(2, 1 + len(ACCURACIES), width=11.0, height=5.4)
    words = {"clean": "accuracy, clean", "noise": "accuracy, noisy inputs", "shift": "accuracy, moved by a pixel"}
    for row, setting in enumerate(SETTINGS):
        here = axes[row * (1 + len(ACCURACIES)) : (row + 1) * (1 + len(ACCURACIES))]
        _curves(here[0], runs, setting, lambda run: run.rank)
        finish(here[0], f"{setting}\neffective rank", "r₀", legend=False)
        for axis, key in zip(here[1:], ACCURACIES, strict=True):
            _curves(axis, runs, setting, lambda run, key=key: run.accuracy[key])  # type: ignore[misc]
            finish(axis, words[key], "r₀", legend=False)
    _legend(figure, axes[0])
    return Figure(
        "learned",
        "What was learned",
        "Effective rank of the hidden layer (above) or the representation (below) over the test images, and "
        "accuracies, by the force ratio at the start. Means with 95 % intervals over seeds; dashed: without entropy.",
        figure,
    )


def _legend(figure: Drawing, axis: Axes) -> None:
    """Put one legend below all panels."""
    handles, labels = axis.get_legend_handles_labels()
    columns = min(len(labels), round(figure.get_figwidth() / 1.5))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False)


def _curves(
    axis: Axes,
    runs: Runs,
    setting: str,
    quantity: Callable[[Run], float],
    plain: bool = True,
) -> None:
    if plain:
        value = float(np.mean([quantity(run) for run in runs.over(setting, NONE, 0.0)]))
        axis.axhline(value, color=INK, lw=1.0, ls="--", label="no entropy")
    for name, words in SURROGATES.items():
        found = [_mean(list(map(quantity, runs.over(setting, name, ratio)))) for ratio in runs.ratios]
        means, reach = zip(*found, strict=True)
        axis.errorbar(runs.ratios, means, reach, color=COLOURS[name], label=words, lw=1.2, marker="o", ms=3, capsize=2)
    axis.set_xscale("log")


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half-width of the interval over the seeds with a finite value."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return (known[0] if known else math.nan), math.nan
    found = t_interval(known)
    return found.value, found.half_width
