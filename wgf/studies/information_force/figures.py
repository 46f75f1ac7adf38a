"""The figures of the study `information-force`: force ratios over time, collapse without labels, and degeneracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...figures.canvas import CYCLE, INK, MUTED, canvas, finish, log_scale
from ..frame import Figure
from .criteria import interval
from .runs import VIEWS, Level, Runs, task_of
from .surrogates import DISSIPATION, FORCE, SURROGATES, Run
from .tables import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


STYLES = ("-", "--", ":")
LOOK: dict[str, dict[str, Any]] = {
    name: {"color": CYCLE[k % len(CYCLE)], "ls": STYLES[k // len(CYCLE) % len(STYLES)], "label": words}
    for k, (name, words) in enumerate(SURROGATES.items())
}


def _panels(count: int, height: float) -> tuple[Drawing, list[Axes]]:
    columns = min(3, count)
    rows = math.ceil(count / columns)
    drawing, axes = canvas(rows, columns, height=height * rows + 0.7)
    for axis in axes[count:]:
        axis.set_visible(False)
    return drawing, axes[:count]


def forces(runs: Runs) -> Figure:
    """The force ratio I/G over time, at the level of the table at the top."""
    level = headline(runs)
    drawing, axes = _panels(len(runs.settings), 2.5)
    for axis, setting in zip(axes, runs.settings, strict=True):
        for name in runs.names:
            here = [run for run in runs.over(setting, name, level) if run.finished]
            if here:
                curve = np.exp(np.mean([np.log(np.maximum(run.ratio, 1e-4)) for run in here], axis=0))
                axis.plot(here[0].t, curve, lw=1.3, **LOOK[name])
        axis.axhline(1.0, color=MUTED, lw=0.8, ls=":")
        log_scale(axis, always=True)
        axis.set_title(setting, fontsize=9.5)
        finish(
            axis, "force ratio I/G", "flow time t" if setting.startswith("neurons") else "steps of Adam", legend=False
        )
    _legend(drawing, axes[0])
    return Figure(
        "forces",
        "The force ratio along the run",
        f"All surrogates begin at I/G = {level[1]:g}. Geometric means over seeds; ratios below 10⁻⁴ are drawn there. "
        "On the dotted line information force and loss force are equal.",
        drawing,
    )


def views(runs: Runs) -> list[str]:
    """The settings without labels."""
    return [setting for setting in runs.settings if task_of(setting) == VIEWS]


def collapse(runs: Runs) -> Figure:
    """Rank and probe without labels, against r₀ and at matched dissipation."""
    settings = views(runs)
    drawing, axes = canvas(len(settings), 2, height=2.9 * len(settings) + 0.7)
    quantities: tuple[tuple[str, Callable[[Run], float]], ...] = (
        ("effective rank", lambda run: run.rank), ("accuracy of a linear probe", lambda run: run.probe),
    )  # fmt: skip
    for row, setting in enumerate(settings):
        for axis, (label, quantity) in zip(axes[2 * row : 2 * row + 2], quantities, strict=True):
            plain = [runs.plain(setting, seed) for seed in runs.seeds]
            start = np.mean([run.before[("rank", "probe")[label != "effective rank"]] for run in plain])
            axis.axhline(
                float(np.mean([quantity(run) for run in plain])), color=INK, lw=1.1, ls="--", label="no entropy"
            )
            axis.axhline(float(start), color=MUTED, lw=1.1, ls=":", label="before training")
            _curves(axis, runs, setting, quantity)
            axis.set_title(setting, fontsize=9.5)
            finish(axis, label, "force ratio r₀ at the start", legend=False)
    _legend(drawing, axes[0])
    return Figure(
        "collapse",
        "Does an encoder without labels collapse?",
        "Effective rank of the representations of test samples, and the accuracy of a linear probe, after training on "
        "two noisy views. Lines: by the force ratio at the start. The marks at D are at matched dissipation. "
        "Means with 95 % intervals over seeds.",
        drawing,
    )


def bounds(runs: Runs) -> Figure:
    """The least force ratio c₀ against the force ratio r₀ at the start."""
    drawing, axes = _panels(len(runs.settings), 2.5)
    for axis, setting in zip(axes, runs.settings, strict=True):
        _curves(axis, runs, setting, lambda run: max(run.c0, 1e-5), geometric=True)
        log_scale(axis)
        axis.set_ylim(5e-6, 3.0 * runs.ratios[-1])
        axis.plot(runs.ratios, runs.ratios, color=MUTED, lw=0.8, ls=":")
        axis.set_title(setting, fontsize=9.5)
        finish(axis, "c₀ = min I/G", "force ratio r₀ at the start", legend=False)
    _legend(drawing, axes[0])
    return Figure(
        "bounds",
        "The least force ratio of a run",
        "On the dotted line it is that of the start. Ratios below 10⁻⁵ are drawn there: the force switched off. "
        "The marks at D are at matched dissipation. Geometric means with 95 % intervals over seeds.",
        drawing,
    )


def degenerate(runs: Runs) -> Figure:
    """The share of degenerate runs, surrogate by setting."""
    drawing, (axis,) = canvas(1, 1, height=0.33 * len(runs.names) + 1.6)
    shares = np.array([
        [np.mean([run.degenerate for level in runs.levels for run in runs.over(setting, name, level)])
         for setting in runs.settings]
        for name in runs.names
    ])  # fmt: skip
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shares):
        axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=9,
                  color="white" if value > 0.6 else INK)  # fmt: skip
    axis.set_xticks(range(len(runs.settings)), [setting.replace(", ", "\n") for setting in runs.settings], fontsize=8.5)
    axis.set_yticks(range(len(runs.names)), [SURROGATES[name] for name in runs.names], fontsize=8.5)
    axis.tick_params(length=0, colors=INK)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return Figure(
        "degenerate",
        "Degenerate runs, in per cent",
        "Over all levels and seeds. Degenerate is a run whose force is weak, unstable, misaligned or collapsed for "
        "half of the time or more.",
        drawing,
    )


def _legend(figure: Drawing, axis: Axes) -> None:
    """Put one legend below all panels."""
    handles, labels = axis.get_legend_handles_labels()
    handles = [getattr(handle, "lines", [handle])[0] for handle in handles]  # the line alone of a curve with error bars
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), fontsize=8.5, frameon=False)


def _curves(
    axis: Axes, runs: Runs, setting: str, quantity: Callable[[Run], float], geometric: bool = False
) -> None:  # fmt: skip
    """A quantity against r₀, and at matched dissipation to the right of all r₀."""

    def found(name: str, level: Level) -> tuple[float, float, float]:
        values = [quantity(run) for run in runs.over(setting, name, level)]
        known = interval([math.log(value) for value in values] if geometric else values)
        centre, low, high = known.value, known.low, known.high
        if geometric:
            centre, low, high = (math.exp(end) for end in (centre, low, high))
        return centre, centre - low, high - centre

    right = runs.ratios[-1] * 4.0
    for k, name in enumerate(runs.names):
        centre, low, high = zip(*(found(name, level) for level in runs.matched(FORCE)), strict=True)
        look = LOOK[name]
        axis.errorbar(runs.ratios, centre, (low, high), lw=1.2, marker="o", ms=3, capsize=2, **look)
        for level in runs.matched(DISSIPATION):
            centre_, low_, high_ = found(name, level)
            at = right * 1.12**k
            style = {"color": look["color"], "mfc": "white" if look["ls"] != "-" else look["color"]}
            axis.errorbar([at], [centre_], ([low_], [high_]), lw=1.0, marker="s", ms=3.5, capsize=1.5, **style)
    axis.set_xscale("log")
    middle = right * 1.12 ** (0.5 * (len(runs.names) - 1))
    marks = [*runs.ratios, *(middle for _ in runs.matched(DISSIPATION))]
    axis.set_xticks(marks, [*(f"{ratio:g}" for ratio in runs.ratios), "D"][: len(marks)])
    axis.minorticks_off()
