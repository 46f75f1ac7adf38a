"""Curves of many runs in common panels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ledger import Ledger
from ..ledger.balance import CLOSURE_LIMIT
from .canvas import CYCLE, GREEN, HEIGHT, MUTED, WIDTH, canvas, finish, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = len(CYCLE)
"""So many runs have colours and names of their own."""
SCORES = {
    "test_accuracy": "test accuracy",
    "test_r2": "test R²",
    "test_loss": "test loss",
}


def curves(
    ledgers: Sequence[Ledger], names: Sequence[str], values: Sequence[float] | None = None, meaning: str = ""
) -> Figure:
    """F, closure and the score on test data of many runs, against time.

    Parameters
    ----------
    ledgers : sequence of Ledger
        The records of each run.
    names : sequence of str
        What each is called. The legend has them where there are few runs.
    values : sequence of float, optional
        A number for each run, by which many runs are coloured.
    meaning : str
        What the number is.
    """
    score = next((name for name in SCORES if any(name in ledger for ledger in ledgers)), None)
    panels = 2 if score is None else 3
    across = max(1, min(3, 110 // (8 + max(map(len, names), default=1))))  # names in a line of the legend
    below = 0.25 * -(-len(names) // across) if len(ledgers) <= FEW else 0.0
    figure, axes = canvas(1, panels, width=WIDTH * panels / 3, height=HEIGHT + below)
    colours, scale = _colours(len(ledgers), values)
    _panel(axes[0], ledgers, "free_energy", "free energy F", colours)
    _closures(axes[1], ledgers, colours)
    if score is not None:
        _panel(axes[2], ledgers, score, SCORES[score], colours)
    if len(ledgers) <= FEW:
        lines = [axes[0].plot([], [], color=colour)[0] for colour in colours]
        figure.legend(lines, names, loc="outside lower center", ncols=across, fontsize=8.5, frameon=False)
    elif scale is not None:
        bar = figure.colorbar(scale, ax=axes, fraction=0.03, pad=0.01)
        if bar.solids is not None:
            bar.solids.set_edgecolor("face")  # else the paper is seen between its colours
        bar.set_label(meaning, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    return figure


def _colours(count: int, values: Sequence[float] | None) -> tuple[list[Any], Any]:
    """A colour for each run, and the scale that explains them where it is by a number."""
    if count <= FEW:
        return list(CYCLE[:count]), None
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    shades = colormaps["viridis"](np.linspace(0.2, 0.9, 48))  # without its ends, which dark or white paper swallows
    palette = ListedColormap(shades)
    known = np.array([math.nan] * count if values is None else values, dtype=float)
    finite = known[np.isfinite(known)]
    if not len(finite) or finite.min() == finite.max():
        return [palette(k / (count - 1)) for k in range(count)], None
    wide = finite.min() > 0 and finite.max() / finite.min() > 20
    scale = ScalarMappable((LogNorm if wide else Normalize)(finite.min(), finite.max()), palette)
    return [scale.to_rgba(value) if math.isfinite(value) else MUTED for value in known], scale


def _panel(axis: Axes, ledgers: Sequence[Ledger], column: str, label: str, colours: Sequence[Any]) -> None:
    """One column of all runs. The range is that of most of the values, so that a run that diverges does not set it."""
    seen: list[np.ndarray] = []
    for ledger, colour in zip(ledgers, colours, strict=True):
        if column in ledger:
            y = ledger[column]
            drawn = np.isfinite(y) & (np.abs(y) < 1e100)
            axis.plot(ledger["t"][drawn], y[drawn], color=colour, **_look(len(ledgers)))
            seen.append(y[drawn])
    values = np.concatenate([*seen, np.zeros(0)])
    if not len(values):
        say(axis, "no run has values of it")
    else:
        low, high = np.quantile(values, [0.01, 0.99])
        room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        inside = 4 * (high - low)
        least, most = max(values.min(), low - inside), min(values.max(), high + inside)
        axis.set_ylim(least - room, most + room)
    finish(axis, label, legend=False)


def _closures(axis: Axes, ledgers: Sequence[Ledger], colours: Sequence[Any]) -> None:
    """The closure since the start in per cent, with the band in which the step resolves the flow."""
    reach = 150 * CLOSURE_LIMIT
    drawn = False
    for ledger, colour in zip(ledgers, colours, strict=True):
        if "closure_total" in ledger:
            y = 100 * ledger["closure_total"]
            known = np.isfinite(y)
            axis.plot(ledger["t"][known], y[known], color=colour, **_look(len(ledgers)))
            drawn = drawn or bool(known.any())
            reach = max(reach, 1.2 * float(np.quantile(np.abs(y[known]), 0.9))) if known.any() else reach
    if drawn:
        axis.axhspan(-100 * CLOSURE_LIMIT, 100 * CLOSURE_LIMIT, color=GREEN, alpha=0.10, lw=0, zorder=0)
        axis.set_ylim(-min(reach, 1000), min(reach, 1000))
    else:
        say(axis, "no run has a closure")
    finish(axis, "closure since the start, %", legend=False)


def _look(count: int) -> dict[str, Any]:
    return {"lw": 1.6 if count <= FEW else 0.9, "alpha": 1.0 if count <= FEW else 0.75}
