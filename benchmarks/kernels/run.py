"""The command `wgf bench kernels`: every operation of the package, compared with its peers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import BackendError, ConfigError
from ...measure import require_device
from ..frame import families
from ..frame.page import page

FAMILIES: families.Families = {
    "machine": ("..frame.machine",),
    "pairwise": (".pairwise",),
    "near-linear": (".large", ".near_linear"),
    "stein": (".stein",),
    "network": (".network",),
    "moments": (".moments",),
    "regularizers": (".regularizers",),
    "langevin": (".langevin",),
    "transport": (".sliced",),
    "entropic": (".entropic",),
    "neighbours": (".neighbours",),
    "startup": (".startup",),
}
"""Families of work and the modules that hold them, relative to this package."""


def run(
    folder: Path, *, quick: bool = False, only: str | None = None, merge: bool = False, device: str = "cpu"
) -> Path:
    """Measure the kernels and write the results as JSON and as a page.

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
    device : str
        "cpu", or "cuda" for the benchmark of the GPU kernels.

    Returns
    -------
    Path
        The page, or the JSON file for "cuda".

    Raises
    ------
    ConfigError
        For a family, name or device that is unknown, and where stored rows are from another machine or other versions.
    BackendError
        For "cuda" where torch has no GPU, or triton is not installed.
    """
    if device != "cpu":
        return _on_gpu(device, folder)
    return families.run("kernels", FAMILIES, str(__package__), folder, _page, quick=quick, only=only, merge=merge)


def _page(result: dict[str, Any], folder: Path, stem: str) -> str:
    return page(result)


def _on_gpu(device: str, folder: Path) -> Path:
    """Run the benchmark of the GPU kernels, which has its own peers and floors."""
    if require_device(device).type != "cuda":
        raise ConfigError(f'--device {device}: wanted "cpu" or "cuda".')
    if find_spec("triton") is None:
        raise BackendError("the bodies for GPUs need triton, which is not installed here.")
    from . import gpu

    return gpu.run(folder)
