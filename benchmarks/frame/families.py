"""The course of a benchmark: families of work, measured one after the other, each row printed and stored at once."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...errors import ConfigError, closest
from ...runs import store
from .case import OURS
from .facts import machine_facts, machine_name
from .measure import Hall, Row
from .page import line

Families = Mapping[str, tuple[str, ...]]
"""Families of work and the modules that hold them, relative to a package.

A module has `cases(quick)`, which returns a list of Case, or `rows(quick)`, which yields rows that it measured."""
Finish = Callable[[dict[str, Any], Path, str], str]


def run(
    command: str, families: Families, package: str, folder: Path, page: Finish, *, quick: bool, only: str | None
) -> Path:
    """Measure families of work and write the results as JSON and as a page.

    Parameters
    ----------
    command : str
        The name of the benchmark, with which the names of its files begin.
    families : mapping
        The families, and the modules of `package` that hold them.
    package : str
        The package to which the names of modules are relative.
    folder : Path
        Where the files go; it is created if needed.
    page : callable
        Makes the page from the results, the folder and the stem of the file names. It is called after every row.
    quick : bool
        Small sizes, to test that everything works. The targets do not apply to them.
    only : str, optional
        One family; by default all.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        For an unknown family.
    """
    if only is not None and only not in families:
        raise ConfigError(f"--only {only}{closest(only, families)}")
    name = "-".join([command, machine_name(), *(["quick"] if quick else []), *([only] if only else [])])
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        "only": only,
        **machine_facts(),
        "rows": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    stem = command if not quick and only is None else name
    target = folder / f"{stem}.md"
    console, begun = Console(highlight=False), time.monotonic()
    work = _work(families, package, quick, only)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar, Hall(quick) as hall:
        task = bar.add_task("", total=len(work))
        for family, module, case, title in work:
            bar.update(task, description=title)
            for row in _measured(hall, family, module, case, title, quick):
                console.print(line(row), markup=False, soft_wrap=True)
                result["rows"].append(row)
                result["seconds"] = round(time.monotonic() - begun)
                store.write_json(folder / f"{name}.json", result)
                target.write_text(page(result, folder, stem), encoding="utf-8")
            bar.advance(task)
    return target


def _work(families: Families, package: str, quick: bool, only: str | None) -> list[tuple[str, str, Any, str]]:
    """The work to do as (family, module, case or None, title), in the order of the page."""
    work: list[tuple[str, str, Any, str]] = []
    for family, files in families.items():
        if only not in (None, family):
            continue
        for file in files:
            name = resolve_name(file, package)
            module = import_module(name)
            if hasattr(module, "cases"):
                work += [(family, name, case, case.name) for case in module.cases(quick)]
            if hasattr(module, "rows"):
                work.append((family, name, None, family))
    return work


def _measured(hall: Hall, family: str, module: str, case: Any, title: str, quick: bool) -> Iterator[Row]:
    """The rows of one piece of work. An error becomes a row that reports it."""
    try:
        if case is not None:
            yield hall.measure(module, case)
        else:
            yield from import_module(module).rows(quick)
    except Exception as error:  # the benchmark goes on with the next piece
        reason = f"{type(error).__name__}: {error}"
        yield {"name": title, "family": family, "bodies": {OURS: {"failed": reason}}}
