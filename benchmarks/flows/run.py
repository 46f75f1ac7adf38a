"""The command `wgf bench flows`: whole runs as users call them, compared with other libraries in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..frame import families
from . import figure
from .page import page

FAMILIES: families.Families = {
    "machine": ("..frame.machine",),
    "ornstein-uhlenbeck": (".ornstein_uhlenbeck",),
    "forces": (".forces",),
    "svgd": (".svgd",),
    "network": (".network",),
    "posterior": (".posterior",),
    "records": (".records",),
    "startup": (".startup",),
}
"""Families of work and the modules that hold them, relative to this package."""


def run(folder: Path, *, quick: bool = False, only: str | None = None) -> Path:
    """Measure whole runs and write the results as JSON, a figure (PNG and SVG) and a page.

    Parameters
    ----------
    folder : Path
        Where the files go; it is created if needed.
    quick : bool
        Small sizes, to test that everything works. The targets do not apply to them.
    only : str, optional
        One family of `FAMILIES`; by default all.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        For an unknown family.
    """
    wanted = {name: files for name, files in FAMILIES.items() if not (quick and name == "machine")}
    return families.run("flows", wanted, str(__package__), folder, _page, quick=quick, only=only)


def _page(result: dict[str, Any], folder: Path, stem: str) -> str:
    return page(result, figure.write(result["rows"], folder, stem))
