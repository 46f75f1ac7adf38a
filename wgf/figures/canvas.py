"""The drawing board of every figure: colours, sizes and how axes look; matplotlib without pyplot or global state."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#222222", "#6b6b6b", "#e4e4e4"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (BLUE, GREEN, ORANGE, PURPLE, SKY, RED)  # Okabe and Ito: told apart with any colour vision
WIDTH, HEIGHT = 9.0, 3.1  # inches; a report shows them about 900 pixels wide
TIME = "flow time t"


def canvas(
    rows: int, columns: int, *, width: float = WIDTH, height: float = HEIGHT, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many panels, in inches, and its axes row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    return figure, list(grid.flat)


def log_scale(axis: Axes) -> None:
    """A logarithmic axis labelled with plain numbers: at 1, 2 and 5 where it spans few decades, linear within one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.dataLim.intervaly
    if high < 8 * low:  # a logarithmic locator would find two ticks or fewer
        axis.set_ylim(0, 1.15 * high)
        return
    axis.set_yscale("log")
    narrow = high / low < 300
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=9))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def say(axis: Axes, text: str) -> None:
    """A sentence in place of a drawing."""
    wrapped = "\n".join(textwrap.wrap(text, 26))
    axis.text(0.5, 0.5, wrapped, transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=9)


def finish(axis: Axes, ylabel: str, xlabel: str = TIME, legend: bool = True) -> None:
    """Labels, ticks, grid and legend as all our axes have them."""
    axis.set_xlabel(xlabel, fontsize=9.5, color=INK)
    axis.set_ylabel(ylabel, fontsize=9.5, color=INK)
    axis.tick_params(labelsize=8.5, colors=MUTED, length=3)
    axis.grid(color=GRID, lw=0.7)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
    if legend and axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=8.5, frameon=False, labelcolor=INK)
