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
    "default run": (".default_run",),
}
"""Families of work and the modules that hold them, relative to this package."""


def run(folder: Path, *, quick: bool = False, only: str | None = None, merge: bool = False) -> Path:
    """Measure whole runs and write the results as JSON, a figure (PNG and SVG) and a page.

    Parameters
    ----------
    folder : Path
        Where the files go; it is created if needed.
    quick : bool
        Small sizes, to test that everything works. The targets do not apply to them.
    only : str, optional
        One family of `FAMILIES`, or words that the names of some rows contain; by default everything.
    merge : bool
        Put the rows into the stored results of everything, so that a run can be made in pieces.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        For a family or a name that is unknown, and where stored rows are from another machine or other versions.
    """
    wanted = {name: files for name, files in FAMILIES.items() if not (quick and name == "machine")}
    return families.run("flows", wanted, str(__package__), folder, _page, quick=quick, only=only, merge=merge)


def _page(result: dict[str, Any], folder: Path, stem: str) -> str:
    return page(result, figure.write(result["rows"], folder, stem))
