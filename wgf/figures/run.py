"""Figures of one run, drawn from its ledger: free energy, dissipation, forces, learning."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import cumulative_trapezoid

from ..diagnostics.force_report import ForceReport
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
    RED,
    SKY,
    WIDTH,
    canvas,
    finish,
    log_scale,
    say,
)
from .regimes import shade

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 1e100
"""The largest value of a line that is drawn. A run that diverges has larger ones."""


def overview(ledger: Ledger) -> Figure:
    """Up to six panels against time: free energy, dissipation, closure, forces, force ratio, alignment.

    Panels without values are left out; a line below says why. This is what `Solution.plot()` shows.
    """
    title = f"Free energy, dissipation and forces to t = {ledger['t'][-1]:.4g}" if ledger.rows else "An empty ledger"
    return _panels(ledger, (_energies, _dissipation, _closure), (_forces, _ratio, _alignment), title=title)


def free_energy(ledger: Ledger) -> Figure:
    """F = E − T·S with its two parts E and −T·S, and the contribution of every term."""
    return _panels(ledger, (_energies, _terms))


def dissipation(ledger: Ledger) -> Figure:
    """The dissipation D; the released free energy together with ∫D dt; and the closure, their relative difference."""
    return _panels(ledger, (_dissipation, _released, _closure))


def information_force(ledger: Ledger, report: ForceReport | None = None) -> Figure:
    """Loss force G and information force I, their ratio I/G and their alignment.

    Parameters
    ----------
    ledger : Ledger
        The records of a run.
    report : ForceReport, optional
        Its degenerate regimes are shaded.
    """
    figure = _panels(ledger, (_forces, _ratio, _alignment))
    shade(figure, ledger["t"] if report is not None else np.zeros(0), report.spans if report is not None else ())
    return figure


def learning(ledger: Ledger) -> Figure:
    """Accuracy, R² and loss on training and test data; those that the ledger has."""
    kinds = {"accuracy": "fraction classified rightly", "r2": "R², variance explained", "loss": "mean loss per sample"}
    shown = [kind for kind in kinds if f"train_{kind}" in ledger or f"test_{kind}" in ledger] or ["loss"]
    figure, axes = canvas(1, len(shown))
    for axis, kind in zip(axes, shown, strict=True):
        lines = [("train", f"train_{kind}", BLUE, "-"), ("test", f"test_{kind}", RED, "-")]
        _lines(axis, ledger, kinds[kind], lines)
        if kind != "loss":  # the first records are so low that they would flatten the rest
            values = np.concatenate([line.get_ydata() for line in axis.lines] or [np.zeros(1)])
            low, high = axis.get_ylim()
            axis.set_ylim(max(float(np.nanquantile(values, 0.1)) - 0.1, low), min(high, 1.01) if low < 1 else high)
    return figure


def transport(times: Sequence[float], distances: Sequence[float], ledger: Ledger | None = None) -> Figure:
    """The distance W₂ from the start at some times and, if a ledger is given, the path length ∫√D dt.

    Parameters
    ----------
    times : sequence of float
        Flow times of the distances.
    distances : sequence of float
        W₂ from the start, in the units of x. NaN is left out.
    ledger : Ledger, optional
        For the path length, an upper bound of the distance.
    """
    figure, axes = canvas(1, 1, width=0.5 * WIDTH)
    axis = axes[0]
    points = np.array([(t, w) for t, w in zip(times, distances, strict=True) if math.isfinite(w)]).reshape(-1, 2)
    if not len(points):
        say(axis, "no distance was computed")
    axis.plot(points[:, 0], points[:, 1], "o-", color=BLUE, ms=4, label="W₂ from the start")
    if ledger is not None and len(points) and np.isfinite(ledger["dissipation"]).all() and ledger.rows > 1:
        t, speed = ledger["t"], np.sqrt(ledger["dissipation"])
        length = cumulative_trapezoid(speed, t, initial=0)
        axis.plot(t, length, "--", color=MUTED, lw=1.2, label="length of the path, ∫√D dt")
    finish(axis, "distance, in units of x")
    return figure


def _energies(axis: Axes, ledger: Ledger) -> None:
    lines: list[Any] = [("F = E", "free_energy", INK, "-")]
    if np.isfinite(_column(ledger, "entropy")).any() or not np.isfinite(_column(ledger, "free_energy")).any():
        with np.errstate(invalid="ignore"):  # ∞ − ∞ where a run diverged
            minus_ts = _column(ledger, "free_energy") - _column(ledger, "energy")
        lines = [("F = E − T·S", "free_energy", INK, "-"), ("energy E", "energy", BLUE, "-")]
        lines.append(("−T·S", minus_ts, ORANGE, "-"))
    _lines(axis, ledger, "free energy F", lines)


def _terms(axis: Axes, ledger: Ledger) -> None:
    names = [name for name in ledger.columns if name.startswith("term:")]
    lines = [(name.removeprefix("term:"), name, CYCLE[k % 6], "-") for k, name in enumerate(names)]
    _lines(axis, ledger, "contribution to F", lines)


def _dissipation(axis: Axes, ledger: Ledger) -> None:
    _lines(axis, ledger, "dissipation D, per time", [("", "dissipation", BLUE, "-")], log=True)


def _released(axis: Axes, ledger: Ledger) -> None:
    """Released and dissipated free energy since the start. The lines agree where the time step resolves the flow."""
    lines: list[Any] = []
    names = ("released", "released: drop of F + work", SKY, "-"), ("dissipated", "dissipated: Σ h D", INK, "--")
    for name, label, colour, style in names:
        y = _column(ledger, name)
        if np.isfinite(y).sum() > 1 or ledger.rows == 1:  # the first value is always 0
            lines.append((label, np.where(np.isfinite(y), np.nancumsum(y), math.nan), colour, style))
    _lines(axis, ledger, "free energy since the start", lines, reason=why_no_closure(ledger))
    for line, width in zip(axis.lines, (2.6, 1.2), strict=False):
        line.set_linewidth(width)


def _closure(axis: Axes, ledger: Ledger) -> None:
    """Closure per record and since the start, in per cent. The range ignores a few outliers."""
    each, total = 100 * _column(ledger, "closure"), 100 * _column(ledger, "closure_total")
    lines: list[Any] = [("since the record before", each, SKY, "-"), ("since the start", total, INK, "-")]
    if "closure_error" in ledger:
        lines = lines[1:]
    _lines(axis, ledger, "closure, %", lines, reason=why_no_closure(ledger))
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
            error = 100 * _column(ledger, "closure_error")
            axis.fill_between(ledger["t"], total - error, total + error, color=INK, alpha=0.15, lw=0)


def why_no_closure(ledger: Ledger) -> str:
    """Why the closure of a run has no values, in words."""
    if ledger.rows == 1:
        return "the run has only its start"
    if np.isfinite(_column(ledger, "dissipation")).any() and np.isfinite(_column(ledger, "free_energy")).any():
        return "too little dissipation to compare with"
    return ledger.notes.get("dissipation", "") or ledger.notes.get("entropy", "") or "no values in this run"


def _forces(axis: Axes, ledger: Ledger) -> None:
    both = ("loss force G", "loss_force", BLUE, "-"), ("information force I", "information_force", ORANGE, "-")
    _lines(axis, ledger, "force (root mean square)", both, log=True)


def _ratio(axis: Axes, ledger: Ledger) -> None:
    _lines(axis, ledger, "force ratio I / G", [("", "force_ratio", PURPLE, "-")], log=True)
    if axis.lines:
        axis.axhline(1.0, color=MUTED, lw=0.8, ls=":")


def _alignment(axis: Axes, ledger: Ledger) -> None:
    _lines(axis, ledger, "alignment of the two forces", [("", "alignment", GREEN, "-")])
    if axis.lines:
        axis.axhline(0.0, color=MUTED, lw=0.8, ls=":")
        axis.set_ylim(-1.08, 1.08)
        axis.set_yticks([-1, 0, 1], ["−1\nopposed", "0", "+1\nsame"])


def _panels(ledger: Ledger, *rows: tuple[Callable[[Axes, Ledger], None], ...], title: str = "") -> Figure:
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


def _column(ledger: Ledger, name: str) -> np.ndarray:
    return ledger[name] if name in ledger else np.full(ledger.rows, math.nan)


def _lines(
    axis: Axes,
    ledger: Ledger,
    label: str,
    lines: Sequence[Any],
    log: bool = False,
    reason: str = "",
) -> None:
    """Draw lines (label, column name or values, colour, style) against t. A panel without any value says why."""
    t = _column(ledger, "t")
    drawn = False
    for name, values, colour, style in lines:
        reason = reason or (ledger.notes.get(values, "") if isinstance(values, str) else "")
        y = _column(ledger, values) if isinstance(values, str) else values
        y = np.where(np.abs(y) < LARGEST, y, math.nan)
        y = np.where(y > 1 / LARGEST, y, math.nan) if log else y
        if np.isfinite(y).any():
            lonely = np.isfinite(y).sum() <= 2
            axis.plot(t, y, style, color=colour, lw=1.6, label=name or None, marker="o" if lonely else None, ms=4)
            drawn = True
    if drawn and log:
        log_scale(axis)
    elif drawn and np.abs(axis.dataLim.intervaly).max() > 1e6:  # a run that diverges
        axis.set_yscale("symlog")
    if not drawn:
        axis.set_yticks([])
        say(axis, reason or ledger.notes.get("entropy", "") or "no values in this run")
    finish(axis, label)
