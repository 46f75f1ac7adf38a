"""The command `wgf bench kernels`: measures every family of work, prints each row, and writes it at once."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...errors import BackendError, ConfigError, closest
from ...measure import require_device
from ...runs import store
from ..frame.case import OURS
from ..frame.facts import machine_facts, machine_name
from ..frame.measure import Hall, Row
from ..frame.page import line, page

FAMILIES: dict[str, tuple[str, ...]] = {
    "machine": ("..frame.machine",),
    "pairwise": (".pairwise",),
    "near-linear": (".large", ".near_linear"),
    "stein": (".stein",),
    "network": (".network",),
    "moments": (".moments",),
    "langevin": (".langevin",),
    "transport": (".sliced",),
    "startup": (".startup",),
}
"""Families of work and the modules that hold them, relative to this package.

A module has `cases(quick)`, which returns a list of Case, or `rows(quick)`, which yields rows that it measured."""


def run(folder: Path, *, quick: bool = False, only: str | None = None, device: str = "cpu") -> Path:
    """Measure the kernels and write the results as JSON and as a page.

    Parameters
    ----------
    folder : Path
        Where the files go; it is created if needed.
    quick : bool
        Small sizes, to test that everything works. The targets do not apply to them.
    only : str, optional
        One family of `FAMILIES`; by default all.
    device : str
        "cpu", or "cuda" for the benchmark of the GPU kernels.

    Returns
    -------
    Path
        The page, or the JSON file for "cuda".

    Raises
    ------
    ConfigError
        For an unknown family or device.
    BackendError
        For "cuda" where torch has no GPU, or triton is not installed.
    """
    if device != "cpu":
        return _on_gpu(device, folder)
    if only is not None and only not in FAMILIES:
        raise ConfigError(f"--only {only}{closest(only, FAMILIES)}")
    name = "-".join(["kernels", machine_name(), *(["quick"] if quick else []), *([only] if only else [])])
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        "only": only,
        **machine_facts(),
        "rows": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ("kernels.md" if not quick and only is None else f"{name}.md")
    console, begun = Console(highlight=False), time.monotonic()
    work = _work(quick, only)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar, Hall(quick) as hall:
        task = bar.add_task("", total=len(work))
        for module, case, title in work:
            bar.update(task, description=title)
            for row in _measured(hall, module, case, title, quick):
                console.print(line(row), markup=False, soft_wrap=True)
                result["rows"].append(row)
                result["seconds"] = round(time.monotonic() - begun)
                store.write_json(folder / f"{name}.json", result)
                target.write_text(page(result), encoding="utf-8")
            bar.advance(task)
    return target


def _on_gpu(device: str, folder: Path) -> Path:
    """Run the benchmark of the GPU kernels, which has its own peers and floors."""
    if require_device(device).type != "cuda":
        raise ConfigError(f'--device {device}: wanted "cpu" or "cuda".')
    if find_spec("triton") is None:
        raise BackendError("the bodies for GPUs need triton, which is not installed here.")
    from . import gpu

    return gpu.run(folder)


def _work(quick: bool, only: str | None) -> list[tuple[str, Any, str]]:
    """The work to do as (module, case or None, title), in the order of the page."""
    work: list[tuple[str, Any, str]] = []
    for family, files in FAMILIES.items():
        if only not in (None, family):
            continue
        for file in files:
            name = resolve_name(file, str(__package__))
            module = import_module(name)
            if hasattr(module, "cases"):
                work += [(name, case, case.name) for case in module.cases(quick)]
            if hasattr(module, "rows"):
                work.append((name, None, family))
    return work


def _measured(hall: Hall, module: str, case: Any, title: str, quick: bool) -> Iterator[Row]:
    """The rows of one piece of work. An error becomes a row that reports it."""
    try:
        if case is not None:
            yield hall.measure(module, case)
        else:
            yield from import_module(module).rows(quick)
    except Exception as error:  # the benchmark goes on with the next piece
        reason = f"{type(error).__name__}: {error}"
        yield {"name": title, "family": module.rpartition(".")[2], "bodies": {OURS: {"failed": reason}}}
