"""The built pages in a headless browser: `pytest -n 2 docs/test_pages.py`, after the build.

Every page fits a desk and a phone, in light and dark: it is not wider than the screen, and all of its images are there.
That links lead somewhere is checked by the build (`links.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import chromium

BUILT = Path(__file__).parent / "_build" / "html"
WIDTHS = 1200, 390
LOOK = """async () => {
  const images = [...document.images], page = document.documentElement, seen = {};
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  for (const theme of ["light", "dark"]) {
    page.dataset.theme = theme;
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
    if (page.scrollWidth > page.clientWidth) seen[theme] = `${page.scrollWidth - page.clientWidth} pixels too wide`;
    if (((r + g + b) / 3 < 128) !== (theme === "dark")) seen[theme] = "not its colours";
  }
  const lost = images.filter(image => !(image.naturalWidth > 0)).map(image => image.getAttribute("src"));
  return lost.length ? {...seen, lost} : seen;
}"""


@pytest.fixture(scope="module")
def pages():
    if not (BUILT / "index.html").exists():
        pytest.skip("the pages are not built: python -m sphinx docs docs/_build/html")
    return sorted(path for path in BUILT.rglob("*.html") if "_static" not in path.parts)


@pytest.mark.parametrize("part", [0, 1])
def test_pages_fit_a_desk_and_a_phone_in_light_and_dark(pages, part):
    assert len(pages) > 250
    found = []
    with chromium() as browser:
        view = browser.new_page()
        for path in pages[part::2]:
            view.goto(path.as_uri())
            for width in WIDTHS:
                view.set_viewport_size({"width": width, "height": 900})
                if seen := view.evaluate(LOOK):
                    found.append(f"{path.relative_to(BUILT)}, {width} pixels: {seen}")
        view = browser.new_page(color_scheme="dark")
        view.goto((BUILT / "index.html").as_uri())
        assert view.evaluate("document.documentElement.dataset.theme") == "dark"  # that of the reader
    assert found == []
