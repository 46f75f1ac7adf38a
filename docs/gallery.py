"""The gallery's sources: copies of examples/ with the headings that sphinx-gallery asks for."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

SECTIONS = {
    "flows": (
        "Flows and their exact answers",
        ("ornstein_uhlenbeck", "log_gas", "attention", "moving_target", "own_problem", "chains", "callbacks"),
    ),
    "networks": ("Networks", ("custom_unit", "sphere_neurons", "torch_modules", "estimators", "data", "feedback")),
    "entropies": (
        "Entropies and their forces",
        ("force_report", "learnt_score", "controller", "representations", "lightning_forces", "generation"),
    ),
    "drives": ("Open systems", ("shift", "budget", "decision_risk")),
    "studies": (
        "Whole questions",
        (
            "study_chaos",
            "study_dissipation",
            "study_generalisation",
            "study_information_force",
            "study_phase",
            "study_scaling",
        ),
    ),
}
"""The folders of the gallery: the heading, and the scripts in the order in which they are shown."""


def heading(docstring: str) -> tuple[str, str]:
    """The title of an example and the rest of its docstring: `Title: what it shows.` or a question and its answer."""
    first, _, rest = docstring.strip().partition("\n")
    title, colon, after = first.partition(": ")
    if not colon:
        return first.rstrip("."), rest.strip()
    return title, f"{after[:1].upper()}{after[1:]}\n{rest}".strip()


def page(source: str) -> str:
    """The text of an example as sphinx-gallery reads it: the docstring with a heading, then the code."""
    head = ast.parse(source).body[0]
    docstring = ast.get_docstring(ast.parse(source))
    if docstring is None:
        raise SystemExit("an example begins with a docstring that says what it shows")
    title, text = heading(docstring.replace("\\", "\\\\"))
    code = "\n".join(source.splitlines()[head.end_lineno :]).strip("\n")
    return f'r"""\n{title}\n{"=" * len(title)}\n\n{text.replace("|", chr(92) + "|")}\n"""\n\n{code}\n'


def write(examples: Path, folder: Path) -> None:
    """Write the sources of the gallery anew. An example without a place comes last."""
    placed = {name for _, names in SECTIONS.values() for name in names}
    there = {path.stem for path in examples.glob("*.py")}
    if placed - there:
        raise SystemExit(f"docs/gallery.py: examples/ has no {sorted(placed - there)}.")
    sections = SECTIONS | ({"others": ("Others", tuple(sorted(there - placed)))} if there - placed else {})
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    for number, (room, (title, names)) in enumerate(sections.items()):
        place = folder / f"{number}_{room}"
        place.mkdir()
        (place / "GALLERY_HEADER.rst").write_text(f"{title}\n{'-' * len(title)}\n", encoding="utf-8")
        for name in names:
            source = (examples / f"{name}.py").read_text(encoding="utf-8")
            (place / f"{name}.py").write_text(page(source), encoding="utf-8")
    for built in (folder.parent / "gallery").glob("*/*.rst"):  # an example that has left or moved leaves its page
        room = folder / built.parent.name
        if not room.exists():
            shutil.rmtree(built.parent, ignore_errors=True)
        elif built.stem not in ("index", "sg_execution_times") and not (room / f"{built.stem}.py").exists():
            built.unlink()


HEADER = """Gallery
=======

Short scripts of ``examples/``, with what they print and draw. They ran when these pages were built. Each can be had as
a script or as a notebook at the end of its page.
"""


def pictures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures of a block: those of pyplot, and figures that it has named, such as `figure = result.plot()`."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    named = [value for value in block_vars["example_globals"].values() if isinstance(value, Figure)]
    saved = []
    for figure in dict.fromkeys([*(plt.figure(number) for number in plt.get_fignums()), *named]):
        place = next(block_vars["image_path_iterator"])
        figure.savefig(place, dpi=110)
        saved.append(place)
    plt.close("all")
    return figure_rst(saved, gallery_conf["src_dir"])


def reset(gallery_conf: dict[str, Any], name: str) -> None:
    """Each example begins with the look of figures that matplotlib has by default, and without open figures."""
    import matplotlib.pyplot as plt

    plt.close("all")
