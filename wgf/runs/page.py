"""HTML pages from templates that share one look (page.html), with figures as pictures inside the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..figures import WIDTH
from ..figures.vector import colours


def render(template: Path, **content: Any) -> str:
    """Fill a template that extends page.html with `content`, escaped for HTML. CheckpointError if it is missing."""
    from jinja2 import Environment, FileSystemLoader, TemplateNotFound

    loader = FileSystemLoader([template.parent, Path(__file__).parent])
    try:
        page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
        page.filters["typeset"] = typeset
        page.globals |= {"colours": colours(), "full": 72 * WIDTH}
        return page.get_template(template.name).render(**content)
    except TemplateNotFound as error:
        raise CheckpointError(f"cannot read {template}: {error}.") from error


def typeset(text: Any) -> Any:
    """Text for a page: T_c and n^{−½} with real indices and exponents, and minus signs before numbers."""
    from markupsafe import Markup, escape

    shown = str(escape(text))
    shown = re.sub(r"(?<=[\wα-ω|⟩])\^\{([^{}]*)\}", r"<sup>\1</sup>", shown)
    shown = re.sub(r"(?<![^\W\d])([A-Za-zα-ωΑ-Ω])_([A-Za-z0-9ℓ]{1,3})(?![A-Za-z0-9_])", r"\1<sub>\2</sub>", shown)
    return Markup(re.sub(r"(?<![\w.–-])-(?=\d|\.\d)", "−", shown))
