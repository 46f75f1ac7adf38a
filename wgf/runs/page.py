"""HTML pages from templates that share one look (page.html), with figures as pictures inside the page."""

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
"""Resolution of clouds of particles, which an SVG holds as pixels; lines and text need none."""


def render(template: Path, **content: Any) -> str:
    """Fill a template that extends page.html with `content`, escaped for HTML. CheckpointError if it is missing."""
    from jinja2 import Environment, FileSystemLoader, TemplateNotFound

    loader = FileSystemLoader([template.parent, Path(__file__).parent])
    try:
        page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
        return page.get_template(template.name).render(**content)
    except TemplateNotFound as error:
        raise CheckpointError(f"cannot read {template}: {error}.") from error


def svg(figure: Figure) -> bytes:
    """The figure as SVG. The same figure always gives the same bytes."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "wgf", "svg.fonttype": "path"}):  # without a salt the ids are random
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def image(figure: Figure, drawn: bytes | None = None) -> tuple[str, int]:
    """The figure as a data URI for an <img>, and its width in per cent of the page. `drawn` is its SVG, if known."""
    encoded = base64.b64encode(drawn or svg(figure)).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}", round(100 * figure.get_figwidth() / WIDTH)
