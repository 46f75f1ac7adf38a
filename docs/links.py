"""A Sphinx extension: every link of the built pages to a page, a place in it or a picture leads there."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the places that links can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.places.add(value)
            elif value and name in ("href", "src") and tag != "link":
                self.links.add(value)


def faults(folder: Path) -> list[str]:
    """Every link that leads nowhere, with its page."""
    pages = {
        path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html") if "_static" not in path.parts
    }
    found = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (target in pages and unquote(parts.fragment) not in pages[target].places):
                found.append(f"{path.relative_to(folder)}: {link}")
    return found


def check(app: Any, exception: Exception | None) -> None:
    """Stop the build where a link leads nowhere."""
    if exception is None and app.builder.format == "html" and (found := faults(Path(app.outdir).resolve())):
        raise RuntimeError("links that lead nowhere:\n" + "\n".join(found))


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("build-finished", check, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
