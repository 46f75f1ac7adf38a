"""The command `wgf bench estimators`: scores by cross-validation and times of fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..frame import families
from .page import page

FAMILIES: families.Families = {"scores": (".scores",)}
"""The modules of this package that measure."""


def run(folder: Path, *, quick: bool = False) -> Path:
    """Measure scores and times, and write the results as JSON and a page.

    Parameters
    ----------
    folder : Path
        Where the files go; it is created if needed.
    quick : bool
        One small data set, to test that everything works.

    Returns
    -------
    Path
        The page.
    """
    return families.run("estimators", FAMILIES, str(__package__), folder, _page, quick=quick, only=None)


def _page(result: dict[str, Any], folder: Path, stem: str) -> str:
    return page(result)
