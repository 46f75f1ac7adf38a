"""The panels of a run against time, and a figure of several of them that leaves out those without values."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ledger import Ledger
from ..ledger.balance import CLOSURE_LIMIT
from .canvas import (
    BLUE,
    CYCLE,
    GREEN,
    HEIGHT,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    WIDTH,
    canvas,
    finish,
    log_scale,
    say,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 1e100
"""The largest value of a line that is drawn. A run that diverges has larger ones."""


def energies_panel(axis: Axes, ledger: Ledger) -> None:
    lines: list[Any] = [("F = E", "free_energy", INK, "-")]
    if np.isfinite(column(ledger, "entropy")).any() or not np.isfinite(column(ledger, "free_energy")).any():
        with np.errstate(invalid="ignore"):  # ∞ − ∞ where a run diverged
            minus_ts = column(ledger, "free_energy") - column(ledger, "energy")
        lines = [("F = E − T·S", "free_energy", INK, "-"), ("energy E", "energy", BLUE, "-")]
        lines.append(("−T·S", minus_ts, ORANGE, "-"))
    drawn(axis, ledger, "free energy F", lines)


def terms_panel(axis: Axes, ledger: Ledger) -> None:
    names = [name for name in ledger.columns if name.startswith("term:")]
    lines = [(name.removeprefix("term:"), name, CYCLE[k % 6], "-") for k, name in enumerate(names)]
    drawn(axis, ledger, "contribution to F", lines)


def dissipation_panel(axis: Axes, ledger: Ledger) -> None:
    drawn(axis, ledger, "dissipation D, per time", [("", "dissipation", BLUE, "-")], log=True)


def released_panel(axis: Axes, ledger: Ledger) -> None:
    """Released and dissipated free energy since the start. The lines agree where the time step resolves the flow."""
    lines: list[Any] = []
    names = ("released", "released: drop of F + work", SKY, "-"), ("dissipated", "dissipated: Σ h D", INK, "--")
    for name, label, colour, style in names:
        y = column(ledger, name)
        if np.isfinite(y).sum() > 1 or ledger.rows == 1:  # the first value is always 0
            lines.append((label, np.where(np.isfinite(y), np.nancumsum(y), math.nan), colour, style))
    drawn(axis, ledger, "free energy since the start", lines, reason=why_no_closure(ledger))
    for line, width in zip(axis.lines, (2.6, 1.2), strict=False):
        line.set_linewidth(width)


def closure_panel(axis: Axes, ledger: Ledger) -> None:
    """Closure per record and since the start, in per cent. The range ignores a few outliers."""
    each, total = 100 * column(ledger, "closure"), 100 * column(ledger, "closure_total")
    lines: list[Any] = [("since the record before", each, SKY, "-"), ("since the start", total, INK, "-")]
    if "closure_error" in ledger:
        lines = lines[1:]
    drawn(axis, ledger, "closure, %", lines, reason=why_no_closure(ledger))
    finite = np.abs(np.concatenate([line[1][np.isfinite(line[1])] for line in lines]))
    if len(finite):
        axis.axhspan(-100 * CLOSURE_LIMIT, 100 * CLOSURE_LIMIT, color=GREEN, alpha=0.10, lw=0, zorder=0)
        axis.axhline(0.0, color=MUTED, lw=0.8, zorder=1)
        reach = min(
            max(150 * CLOSURE_LIMIT, 1.2 * float(finite.max())),
            max(150 * CLOSURE_LIMIT, 4 * float(np.quantile(finite, 0.9))),
        )
        axis.set_ylim(-reach, reach)
        if "closure_error" in ledger:
            error = 100 * column(ledger, "closure_error")
            axis.fill_between(ledger["t"], total - error, total + error, color=INK, alpha=0.15, lw=0)


def why_no_closure(ledger: Ledger) -> str:
    """Say why the closure of a run has no values.

    Parameters
    ----------
    ledger : Ledger
        The records of a run.

    Returns
    -------
    str
        The reason, in words.

    See Also
    --------
    wgf.figures.dissipation

    Examples
    --------
    >>> import wgf
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Heun(), dt=0.1, t_end=0.0)
    >>> wgf.figures.why_no_closure(sol.ledger)
    'the run has only its start'
    """
    if ledger.rows == 1:
        return "the run has only its start"
    if np.isfinite(column(ledger, "dissipation")).any() and np.isfinite(column(ledger, "free_energy")).any():
        return "too little dissipation to compare with"
    return ledger.notes.get("dissipation", "") or ledger.notes.get("entropy", "") or "no values in this run"


def forces_panel(axis: Axes, ledger: Ledger) -> None:
    both = ("loss force G", "loss_force", BLUE, "-"), ("information force I", "information_force", ORANGE, "-")
    drawn(axis, ledger, "force (root mean square)", both, log=True)


def ratio_panel(axis: Axes, ledger: Ledger) -> None:
    drawn(axis, ledger, "force ratio I / G", [("", "force_ratio", PURPLE, "-")], log=True)
    if axis.lines:
        axis.axhline(1.0, color=MUTED, lw=0.8, ls=":")


def alignment_panel(axis: Axes, ledger: Ledger) -> None:
    drawn(axis, ledger, "alignment of the two forces", [("", "alignment", GREEN, "-")])
    if axis.lines:
        axis.axhline(0.0, color=MUTED, lw=0.8, ls=":")
        axis.set_ylim(-1.08, 1.08)
        axis.set_yticks([-1, 0, 1], ["−1\nopposed", "0", "+1\nsame"])


def panels(ledger: Ledger, *rows: tuple[Callable[[Axes, Ledger], None], ...], title: str = "") -> Figure:
    """Draw the panels that have something to show. A line below names the others, with the reason."""
    draws = list(itertools.chain(*rows))
    figure, axes = canvas(len(rows), len(rows[0]), height=len(rows) * HEIGHT)
    for axis, draw in zip(axes, draws, strict=True):
        draw(axis, ledger)
    kept = [draw for axis, draw in zip(axes, draws, strict=True) if axis.lines]
    if len(kept) < len(draws):
        reasons: dict[str, list[str]] = {}
        for axis in axes:
            if not axis.lines:
                told = " ".join(text.get_text().replace("\n", " ") for text in axis.texts)
                reasons.setdefault(told, []).append(axis.get_ylabel())
        left_out = "; ".join(f"{', '.join(labels)} ({reason})" for reason, labels in reasons.items())
        columns = min(len(rows[0]), max(len(kept), 1))
        count = -(-max(len(kept), 1) // columns)
        width = max(0.5, columns / len(rows[0])) * WIDTH
        lines = textwrap.wrap(f"Not shown: {left_out}", int(15 * width))
        figure, axes = canvas(count, columns, width=width, height=count * HEIGHT + 0.18 * len(lines))
        for axis, draw in zip(axes, kept or draws[:1], strict=False):
            draw(axis, ledger)
        for axis in axes[max(len(kept), 1) :]:
            axis.set_visible(False)
        if kept:
            figure.supxlabel("\n".join(lines), fontsize=8, color=MUTED)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def column(ledger: Ledger, name: str) -> np.ndarray:
    return ledger[name] if name in ledger else np.full(ledger.rows, math.nan)


def drawn(
    axis: Axes,
    ledger: Ledger,
    label: str,
    lines: Sequence[Any],
    log: bool = False,
    reason: str = "",
) -> None:
    """Draw lines (label, column name or values, colour, style) against t. A panel without any value says why."""
    t = column(ledger, "t")
    any_line = False
    for name, values, colour, style in lines:
        reason = reason or (ledger.notes.get(values, "") if isinstance(values, str) else "")
        y = column(ledger, values) if isinstance(values, str) else values
        y = np.where(np.abs(y) < LARGEST, y, math.nan)
        y = np.where(y > 1 / LARGEST, y, math.nan) if log else y
        if np.isfinite(y).any():
            lonely = np.isfinite(y).sum() <= 2
            axis.plot(t, y, style, color=colour, lw=1.6, label=name or None, marker="o" if lonely else None, ms=4)
            any_line = True
    if any_line and log:
        log_scale(axis)
    elif any_line and np.abs(axis.dataLim.intervaly).max() > 1e6:  # a run that diverges
        axis.set_yscale("symlog")
    if not any_line:
        axis.set_yticks([])
        say(axis, reason or ledger.notes.get("entropy", "") or "no values in this run")
    finish(axis, label)
