"""The common look of all figures: colours, sizes and axes. Uses matplotlib without pyplot or global state."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#222222", "#6b6b6b", "#e4e4e4"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (BLUE, GREEN, ORANGE, PURPLE, SKY, RED)  # by Okabe and Ito, safe for every kind of colour vision
WIDTH, HEIGHT = 9.0, 3.1  # inches; a report shows a figure about 900 pixels wide
TIME = "flow time t"


def canvas(
    rows: int, columns: int, *, width: float = WIDTH, height: float = HEIGHT, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure with a grid of panels.

    Parameters
    ----------
    rows, columns : int
        The grid of panels.
    width, height : float
        Size of the whole figure, in inches.
    share : bool
        Whether all panels share one x axis and one y axis.

    Returns
    -------
    (Figure, list of Axes)
        The figure, and its panels row by row.
    """
    from .picture import Picture

    figure = Picture(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    return figure, list(grid.flat)


def log_scale(axis: Axes, always: bool = False) -> None:
    """Make the y axis logarithmic, with plain numbers as labels; linear where the data span less than a decade.

    Ticks are at 1, 2 and 5 of each decade where the axis spans few decades, else at 1 only. With `always`, for a power
    law, it is logarithmic wherever the data are positive.
    """
    low, high = axis.dataLim.intervaly
    if high < 8 * low and not (always and low > 0):  # a logarithmic axis would have two ticks or fewer
        axis.set_ylim(0, 1.15 * high)
        return
    axis.set_yscale("log")
    log_ticks(axis.yaxis, low, high)


def log_ticks(axis: XAxis | YAxis, low: float, high: float) -> None:
    """Label a logarithmic axis at 1, 2 and 5 of each decade where its data span little, else at 1 only."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    span = high / low if 0 < low < high else 1.0
    subs = tuple(range(1, 10)) if span < 8 else (1, 2, 5) if span < 300 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_locator(NullLocator())


def plain(value: float) -> str:
    """A tick of a logarithmic axis: 0.02, 300, and with a power of ten beyond: 10⁻⁵, 2·10⁻⁵."""
    if not 0 < value < math.inf or 0.9e-3 < value < 1e5:
        return f"{value:g}"
    digits, _, power = f"{value:.0e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"


def say(axis: Axes, text: str) -> None:
    """Write a sentence into an empty panel."""
    wrapped = "\n".join(textwrap.wrap(text, 26))
    axis.text(0.5, 0.5, wrapped, transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=9)


def finish(axis: Axes, ylabel: str, xlabel: str = TIME, legend: bool = True) -> None:
    """Give a panel its labels and the common ticks, grid and legend."""
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
