"""Pages in a headless browser, on a desk and on a phone, in light and dark: nothing overflows, is cut or is lost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import pytest
from browser import chromium

from wgf import studies
from wgf.errors import WgfWarning
from wgf.figures.canvas import CYCLE, canvas, finish
from wgf.runs import load_config, run
from wgf.studies import Estimate, Figure, Finding, Outcome, Study, Table, Work
from wgf.sweeps import compare

FLOW = """
[problem]
particles = 60
dim = 2
[[energy]]
term = "Quadratic"
coefficient = 1.0
[[entropy]]
term = "LogDet"
temperature = 0.5
[solver]
name = "Heun"
dt = 0.1
t_end = 1.0
"""
BLIND = FLOW.replace("LogDet", "Shannon").replace("Heun", "Langevin").replace("dim = 2", "dim = 12")
"""In 12 dimensions nothing estimates the Shannon entropy, so most of the panels have nothing to show."""

LOOK = """() => {
  const page = document.documentElement, drawn = [...document.querySelectorAll("figure svg")];
  const shown = drawn.filter(svg => svg.getBoundingClientRect().width > 1);
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  return {
    over: page.scrollWidth - page.clientWidth,
    lost: [...document.images].filter(image => !(image.naturalWidth > 0)).length,
    figures: new Set(shown.map(svg => svg.parentElement)).size, all: document.querySelectorAll("figure").length,
    small: shown.filter(svg => svg.getBoundingClientRect().height < 8).length,
    outside: shown.map(svg => svg.getBoundingClientRect()).filter(b => b.left < 0 || b.right > page.clientWidth).length,
    empty: shown.map(svg => svg.getBBox()).filter(box => box.width < 5 || box.height < 5).length,
    dark: (r + g + b) / 3 < 128,
  };
}"""


@dataclass(frozen=True, kw_only=True)
class Wide(Study):
    """A study whose table and legend are wider than a phone."""

    name: ClassVar[str] = "wide"
    title: ClassVar[str] = "A wide study"
    question: ClassVar[str] = "Does it fit?"

    def quick(self) -> Study:
        return self.replace(seeds=3)

    def run(self, work: Work | None = None) -> Outcome:
        figure, axes = canvas(1, 2)
        lines = [axes[k % 2].plot([0, 1], [k, 1])[0] for k in range(6)]
        assert len(lines) == len(CYCLE)
        for axis in axes:
            finish(axis, "y", "x", legend=False)
        names = [f"a curve with the long name {k}" for k in range(6)]
        figure.legend(lines, names, loc="outside lower center", ncols=3, fontsize=8.5, frameon=False)
        alone, (axis,) = canvas(1, 1)
        axis.plot([1, 2], [-1, 1], label="the only curve")
        finish(axis, "y", "x")
        value = Estimate(-0.5, -0.6, -0.4, 0.95, "Student t")
        columns = tuple(f"column {k}" for k in range(12))
        return Outcome(
            (Finding.covers("β_c, a number", value, -0.5, 0.2),),
            (Table("wide", "A wide table", columns, [tuple(range(12))]),),
            (Figure("two", "Two panels", "n^{−½}", figure), Figure("one", "One panel", "", alone)),
            ("Nothing.",),
        )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A report with all of its sections, one of a run without estimates, a page of many runs, and one of a study."""
    folder = tmp_path_factory.mktemp("pages")
    for name, given in (("flow", FLOW), ("blind", BLIND)):
        (folder / f"{name}.toml").write_text(given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WgfWarning)  # that the entropy has no estimate
            run(load_config(folder / f"{name}.toml"), folder / name, progress=False)
    one, two = folder / "flow", folder / "blind"
    many = compare([one, two], folder / "many").report
    with studies.REGISTRY.including(Wide):
        study = studies.run("wide", quick=True, out=folder / "wide").report
    return {"flow": one / "report.html", "blind": two / "report.html", "many": many, "study": study}


@pytest.mark.slow
def test_pages_fit_a_desk_and_a_phone_in_light_and_dark(pages):
    with chromium() as browser:
        for width, scheme in ((1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")):
            view = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            for name, path in pages.items():
                view.goto(path.as_uri())
                seen = view.evaluate(LOOK)
                where = f"{name}, {width} pixels, {scheme}: {seen}"
                assert seen["over"] <= 0, where
                assert [seen[key] for key in ("lost", "small", "outside", "empty")] == [0, 0, 0, 0], where
                assert seen["figures"] == seen["all"] > 0, where
                assert seen["dark"] is (scheme == "dark"), where
            view.close()
        view = browser.new_page(viewport={"width": 390, "height": 800})
        view.goto(pages["study"].as_uri())
        assert view.locator("svg.phone:visible").count() == 2 + 6 + 1  # panels, entries of the legend, the narrow one
        assert view.locator("sub", has_text="c").count() > 0
        assert "−0.5" in view.inner_text("main")
        steps(browser, pages["flow"])


def steps(browser, path):
    """The slider and the arrow keys step through the pictures, which differ, and the button plays them."""
    view = browser.new_page(viewport={"width": 1200, "height": 800})
    faults: list[str] = []
    view.on("pageerror", lambda error: faults.append(str(error)))
    view.goto(path.as_uri())
    told, picture = view.locator(".wgf-player output"), "document.querySelector('.wgf-player canvas').toDataURL()"
    first, before = told.inner_text(), view.evaluate(picture)
    assert first == "t = 0"
    view.keyboard.press("ArrowRight")
    assert told.inner_text() == "t = 0.1"
    assert view.evaluate(picture) != before
    view.locator(".wgf-player input").focus()
    view.keyboard.press("ArrowLeft")
    assert told.inner_text() == first
    assert view.evaluate(picture) == before
    view.locator(".wgf-player button").click()
    view.wait_for_function("document.querySelector('.wgf-player output').textContent !== 't = 0'")
    assert not faults


def test_the_page_of_a_run_begins_with_the_answer(pages):
    text = pages["flow"].read_text(encoding="utf-8")
    answer = text.partition('<p class="answer">')[2].partition("</p>")[0]
    assert answer.startswith("The run reached t = 1; the free energy F fell from ")
    assert "the time step resolves the flow (closure " in answer
    assert text.index('class="answer"') < text.index("<figure>")


def test_what_has_nothing_to_show_is_left_out(pages):
    text = pages["blind"].read_text(encoding="utf-8")
    assert 'id="dissipation"' not in text
    assert "<b>–</b>" not in text
    section = text.partition('id="information-force"')[2].partition("</section>")[0]
    assert section.count("<tr>") == 2  # the header and the loss force
    assert "What could not be computed" in text
