"""Pages: templates that share one look (page.html), and figures as pictures inside them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError
from ..figures import WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
"""Of what is drawn as pixels; everything else is drawn as lines."""


def render(template: Path, **content: Any) -> str:
    """A page from a template that extends page.html; what is filled in is escaped."""
    from jinja2 import Environment, FileSystemLoader, TemplateNotFound

    loader = FileSystemLoader([template.parent, Path(__file__).parent])
    try:
        page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
        return page.get_template(template.name).render(**content)
    except TemplateNotFound as error:
        raise CheckpointError(f"cannot read {template}: {error}.") from error


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes for the same figure."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "wgf", "svg.fonttype": "path"}):  # else its ids are random
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def image(figure: Figure, drawn: bytes | None = None) -> tuple[str, int]:
    """The figure as an SVG data URI, and its width in per cent of the widest; `drawn` is its SVG if at hand."""
    encoded = base64.b64encode(drawn or svg(figure)).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}", round(100 * figure.get_figwidth() / WIDTH)
