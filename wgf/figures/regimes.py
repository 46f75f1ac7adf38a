"""Shading of the degenerate regimes of the information force in a figure over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..diagnostics.regimes import Span
from .canvas import BLUE, INK, ORANGE, PURPLE, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHADES = {"weak": (BLUE, ""), "unstable": (RED, "//"), "misaligned": (PURPLE, "\\\\"), "collapsed": (ORANGE, "..")}
"""Colour and hatching of each regime. The hatching shows overlaps, also in a grey print."""
NARROWEST = 0.004
"""A regime seen at a single record is a stripe this wide, as a fraction of the panel."""

LEGEND = 0.3
"""The figure grows by this many inches to make room for the legend."""


def shade(figure: Figure, t: np.ndarray, spans: Sequence[Span]) -> None:
    """Shade the spans in every panel of a figure over time `t` (k,), with one legend below."""
    if not spans:
        return
    least = NARROWEST * max(float(np.ptp(t)), np.finfo(float).tiny)
    shown = {}
    for axis in figure.axes:
        limits = axis.get_xlim()
        for span in spans:
            colour, hatch = SHADES[span.regime]
            wider = max(0.0, least - (span.end - span.start)) / 2
            shown[span.regime] = axis.axvspan(
                span.start - wider, span.end + wider, facecolor=(colour, 0.12), edgecolor=(colour, 0.3), hatch=hatch,
                lw=0, zorder=0,
            )  # fmt: skip
        axis.set_xlim(limits)
    figure.set_figheight(figure.get_figheight() + LEGEND)
    figure.legend(
        shown.values(), shown.keys(), loc="outside lower center", ncols=len(shown), frameon=False, fontsize=8.5,
        labelcolor=INK,
    )  # fmt: skip
