"""The figure of whole runs: for every row the times of all bodies over that of our run with records at both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from ...figures.canvas import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RED, SKY
from ..frame.case import OURS
from .ours import ENDS
from .peers import JAX, JAX_FIRST, TORCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES: dict[str, tuple[str, str]] = {
    ENDS: (INK, "|"),
    OURS: (INK, "o"),
    TORCH: (ORANGE, "s"),
    JAX: (BLUE, "D"),
    JAX_FIRST: (SKY, "D"),
    f"{JAX}: products": (SKY, "v"),
    "torchsde": (RED, "P"),
    "diffrax": (GREEN, "^"),
    "BlackJAX": (PURPLE, "X"),
    "KeOps": (RED, "*"),
    "scikit-learn": (GREEN, "p"),
}
"""Colour and mark of each body that is drawn."""


def write(rows: Sequence[Mapping[str, Any]], folder: Path, stem: str) -> str:
    """Write the figure as PNG and SVG. Returns the name of the PNG file, empty where there is nothing to draw."""
    drawn = [row for row in rows if "seconds" in row["bodies"].get(ENDS, {})]
    if not drawn:
        return ""
    figure = draw(drawn)
    for kind in ("png", "svg"):
        with mpl.rc_context({"svg.hashsalt": "wgf", "svg.fonttype": "path"}):
            figure.savefig(folder / f"{stem}.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else {})
    return f"{stem}.png"


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw one line for each row. Further right is slower than our run with records at both ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 1.4 + 0.3 * len(rows)), layout="constrained", facecolor="white")
    axis = figure.subplots()
    for name, (colour, mark) in STYLES.items():
        found = [
            (row["bodies"][name]["seconds"] / row["bodies"][ENDS]["seconds"], -place)
            for place, row in enumerate(rows)
            if "seconds" in row["bodies"].get(name, {})
        ]
        if found:
            ratios, places = zip(*found, strict=True)
            axis.plot(ratios, places, color=colour, marker=mark, ls="", ms=8 if mark == "|" else 6, label=name)
    axis.axvline(1.0, color=MUTED, lw=0.9)
    axis.set_xscale("log")
    axis.set_yticks([-place for place in range(len(rows))], [row["name"] for row in rows], fontsize=8)
    axis.set_xlabel("time over that of our run with records at both ends (further right is slower)", color=INK)
    axis.grid(True, which="major", color=GRID, lw=0.8)
    axis.tick_params(colors=INK)
    for edge in ("top", "right"):
        axis.spines[edge].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure
