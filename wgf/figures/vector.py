"""Figures as SVG, also for web pages: in colours that follow the reader's dark mode, and in parts for a phone."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .canvas import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RED, SKY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
"""Resolution of clouds of particles, which an SVG holds as pixels; lines and text need none."""
DARK = {
    "ink": (INK, "#e3e7eb"),
    "muted": (MUTED, "#9ba4ae"),
    "grid": (GRID, "#323a43"),
    "blue": (BLUE, "#4ba3e3"),
    "orange": (ORANGE, "#e6a532"),
    "green": (GREEN, "#2cb58a"),
    "red": (RED, "#f0824a"),
    "purple": (PURPLE, "#d98fb8"),
    "sky": (SKY, "#9bd3f5"),
    "paper": ("#ffffff", "#15191e"),
}
"""Each colour of the figures by its name: on white paper, and on dark paper."""
PHONE = 4.3
"""Inches: the width of a figure on a phone, where text of 9 points is still read."""


def colours() -> str:
    """The rules of CSS that give each colour its value, on white paper and in the reader's dark mode."""
    light = " ".join(f"--wgf-{name}: {pair[0]};" for name, pair in DARK.items()) + " --wgf-cloud: none;"
    dark = " ".join(f"--wgf-{name}: {pair[1]};" for name, pair in DARK.items())
    dark += " --wgf-cloud: saturate(0.7) brightness(1.6);"  # clouds are pixels, whose colours are no variables
    return f":root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def svg(figure: Figure) -> bytes:
    """The figure as SVG. The same figure always gives the same bytes."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "wgf", "svg.fonttype": "path"}):  # without a salt the ids are random
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _themed(figure: Figure) -> str:
    """The root of the SVG with its colours as variables of CSS, and without names that another figure has as well."""
    text = svg(figure).decode("utf-8")
    text = text[text.index("<svg") :]
    for name, (light, _) in {**DARK, "ink ": ("#000000", "")}.items():
        text = re.sub(rf"{light}\b", f"var(--wgf-{name.strip()})", text, flags=re.IGNORECASE)
    text = re.sub(r"<image (?![^>]*style=)", '<image style="filter: var(--wgf-cloud)" ', text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r'<g id="[^"]*">', "<g>", text)


def data_uri(figure: Figure, themed: bool) -> str:
    """The figure as the address of an <img>; with `themed` it follows the reader's dark mode by itself."""
    if not themed:
        return f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode('ascii')}"
    style = f"<style>{colours()} svg {{ fill: var(--wgf-ink); }}</style>"
    text = re.sub(r"(<svg [^>]*>)", lambda found: found[1] + style, _themed(figure), count=1)
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode('ascii')}"


@dataclass(frozen=True)
class Part:
    """A part of a figure: x, y, width and height in points, and whether it is a panel, which may be enlarged."""

    x: float
    y: float
    width: float
    height: float
    panel: bool

    @property
    def box(self) -> str:
        """The part as the viewBox of an <svg>."""
        return f"{self.x:.2f} {self.y:.2f} {self.width:.2f} {self.height:.2f}"

    @property
    def widest(self) -> int:
        """Its largest width on a page, in pixels."""
        return round((2.0 if self.panel else 1.35) * self.width)


@dataclass(frozen=True)
class Image:
    """A figure inside a page. Its colours are those of `colours`, which the page must have.

    Attributes
    ----------
    drawing : str
        The content of an <svg>.
    size : (float, float)
        Its width and height in points.
    parts : list of Part
        The panels and the entries of legends; a phone shows them below each other.
    narrow : Image or None
        Another drawing for a phone, where the only panel is too wide for it.
    """

    drawing: str
    size: tuple[float, float]
    parts: list[Part]
    narrow: Image | None = None

    @staticmethod
    def of(figure: Figure) -> Image:
        """Draw a figure for a page. A figure with one wide panel is made narrower by it: save it first."""
        text = _themed(figure)
        wide, high = figure.get_size_inches()
        drawing = text[text.index(">") + 1 : text.rindex("</svg>")]
        size, parts = (72 * wide, 72 * high), _parts(figure)
        if len(parts) > 1 or wide < 1.2 * PHONE:
            return Image(drawing, size, parts if len(parts) > 1 else [])
        figure.set_size_inches(PHONE, high)
        for legend in figure.legends:
            legend.set_ncols(2)
        return Image(drawing, size, [], Image.of(figure))


def _parts(figure: Figure) -> list[Part]:
    """Where the panels, the entries of common legends and the line below are, as they stand in the figure."""
    from matplotlib.transforms import Bbox

    renderer: Any = None  # that of the figure
    visible = [axis for axis in figure.axes if axis.get_visible()]
    panels: list[Any] = [axis.get_tightbbox(renderer) for axis in visible if axis.get_subplotspec() is not None]
    bars: list[Any] = [axis.get_tightbbox(renderer) for axis in visible if axis.get_subplotspec() is None]
    if bars and panels:  # a bar of colours stays at the panel beside it
        panels[-1] = Bbox.union([panels[-1], *bars])
    words: list[Any] = []
    for legend in figure.legends:
        for entry in zip(legend.legend_handles, legend.get_texts(), strict=True):
            words.append(Bbox.union([part.get_window_extent(renderer) for part in entry if part is not None]))
    if figure.get_supxlabel():
        across = figure.bbox
        words += [
            Bbox.from_extents(across.x0, box.y0, across.x1, box.y1)
            for text in figure.findobj(lambda part: getattr(part, "get_text", str)() == figure.get_supxlabel())
            for box in [text.get_window_extent(renderer)]
        ]
    scale, high = 72 / figure.dpi, float(figure.get_size_inches()[1])
    found = []
    for box, is_panel in [*((box, True) for box in panels), *((box, False) for box in words)]:
        if box is not None:
            more = 2.0 if is_panel else 5 + 0.04 * float(box.width) * scale  # letters are wider in an SVG
            x0, x1 = float(box.x0) * scale - 3, float(box.x1) * scale + more
            y0, y1 = float(box.y0) * scale - 4, float(box.y1) * scale + 4
            found.append(Part(x0, 72 * high - y1, x1 - x0, y1 - y0, is_panel))
    return found
