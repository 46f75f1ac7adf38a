"""Work–precision figures: error against seconds, and against evaluations of ∇_W F, with one panel for each problem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..figures.canvas import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RED, SKY, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, OLIVE = "#222222", "#8C7A1A"
STYLES: dict[str, tuple[str, str, str]] = {
    "Euler": (BLUE, "o", "-"),
    "Heun": (SKY, "s", "-"),
    "RungeKutta4": (GREEN, "^", "-"),
    "BogackiShampine": (ORANGE, "D", "-"),
    "JKO": (RED, "P", "-"),
    "Grid": (BLACK, "X", "-"),
    "ExponentialEuler": (PURPLE, "v", "-"),
    "Langevin": (BLUE, "o", "--"),
    "LeimkuhlerMatthews": (GREEN, "^", "--"),
    "RandomBatch": (SKY, "s", "--"),
    "Underdamped": (ORANGE, "<", ":"),
    "AffineInvariant": (RED, ">", ":"),
    "Stein": (PURPLE, "*", ":"),
    "BirthDeath": (BLACK, "p", ":"),
    "Accelerated": (OLIVE, "H", ":"),
}
"""Colour, mark and line of each scheme. Solid lines: forces. Dashed lines and hollow marks: noise. Dotted lines: other
metrics. The colours are those of Okabe and Ito."""
_SPARE = "hd8<>v^"
"""Marks of schemes that are not in the list, such as a user's own; their colour is grey."""
TOP, BOTTOM = 2.0, 1e-13
WORKS = {"seconds": "seconds for the run", "evaluations": "evaluations of ∇F"}
"""The errors that are drawn. A run with an error above the first was unstable."""
_COLUMNS = 4
LABEL = 2.2  # inches that a name in the legend takes


def limit(problem: Mapping[str, Any]) -> float:
    """The error above which a run was unstable: `TOP`, or another "top" of the problem, where None is no limit."""
    top = problem.get("top", TOP)
    return math.inf if top is None else float(top)


def write(problems: Sequence[Mapping[str, Any]], folder: Path, stem: str) -> list[str]:
    """Write one figure for each measure of work, as PNG and SVG. Returns the names of the PNG files."""
    import matplotlib as mpl

    names = []
    for work in WORKS:
        figure = draw(problems, work)
        for kind in ("png", "svg"):
            with mpl.rc_context({"svg.hashsalt": "wgf", "svg.fonttype": "path"}):
                meta = {"Date": None} if kind == "svg" else {}
                figure.savefig(folder / f"{stem}-{work}.{kind}", dpi=110, metadata=meta)
        names.append(f"{stem}-{work}.png")
    return names


def draw(problems: Sequence[Mapping[str, Any]], work: str) -> Figure:
    """Draw the error against `work` ("seconds" or "evaluations"), one panel a problem, with a common legend."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(problems))
    width = max(7.5, 4.1 * columns)
    rows = -(-len(problems) // columns)
    figure = Figure(figsize=(width, 3.6 * rows + 1.1), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    shown: dict[str, Any] = {}
    for axis, problem in zip(axes, problems, strict=False):
        shown |= _panel(axis, problem, work)
    for axis in axes[len(problems) :]:
        axis.set_axis_off()
    order = [name for name in (*STYLES, *shown) if name in shown]
    handles = {name: shown[name] for name in order}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center",
        ncols=max(1, min(len(handles), int(width / LABEL))), frameon=False, fontsize=10, handlelength=3.2,
    )  # fmt: skip
    return figure


def _panel(axis: Axes, problem: Mapping[str, Any], work: str) -> dict[str, Any]:
    """Draw the curves and floors of one problem. Returns the lines by the name of the scheme."""
    lines = {}
    others = iter(_SPARE * len(problem["curves"]))
    for curve in problem["curves"]:
        points = [p for p in curve.get("points", ()) if p.get("error") is not None and p["error"] < limit(problem)]
        if not points:
            continue
        colour, mark, dash = STYLES.get(curve["solver"]) or (MUTED, next(others), "-")
        (lines[curve["solver"]],) = axis.plot(
            [p[work] for p in points], [max(p["error"], BOTTOM) for p in points],
            color=colour, marker=mark, ls=dash, lw=1.6, ms=7.0, alpha=0.95,
            mfc="white" if dash == "--" else colour, mec=colour if dash == "--" else "white",
            mew=1.5 if dash == "--" else 0.6,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    for kind, floor in problem.get("floors", {}).items():
        axis.axhline(floor, color=MUTED, lw=0.9, ls=(0, (1, 2)), zorder=0)
        side = 0 if kind == "sampling" else 1  # two floors may lie close together
        axis.annotate(
            f"floor by {kind}", (side, floor), xycoords=("axes fraction", "data"), xytext=(4 - 8 * side, -2),
            textcoords="offset points", ha=("left", "right")[side], va="top", fontsize=8, color=MUTED,
        )  # fmt: skip
    axis.set_title(problem["title"], fontsize=11, color=INK)
    axis.set_xlabel(WORKS[work], fontsize=9, color=INK)
    axis.set_ylabel("error", fontsize=9, color=INK)
    axis.grid(True, which="major", color=GRID, lw=0.8)
    axis.tick_params(labelsize=8, colors=INK)
    log_ticks(axis.xaxis, *axis.dataLim.intervalx)
    log_ticks(axis.yaxis, *axis.dataLim.intervaly)
    for edge in ("top", "right"):
        axis.spines[edge].set_visible(False)
    if not lines:
        axis.text(0.5, 0.5, "no run ended with\na finite error", ha="center", va="center", transform=axis.transAxes)
    return lines
