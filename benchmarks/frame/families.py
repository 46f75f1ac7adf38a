"""The course of a benchmark: families of work, measured one after the other, each row printed and stored at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...errors import ConfigError, closest
from .case import OURS
from .facts import machine_name
from .measure import Hall, Row
from .page import line
from .stored import Stored

Families = Mapping[str, tuple[str, ...]]
"""Families of work and the modules that hold them, relative to a package.

A module has `cases(quick)`, which returns a list of Case, or `rows(quick)`, which yields rows that it measured."""
Finish = Callable[[dict[str, Any], Path, str], str]


Work = list[tuple[str, str, Any, str]]
"""Pieces of work as (family, module, case or None, title), in the order of the page."""


def run(
    command: str,
    families: Families,
    package: str,
    folder: Path,
    page: Finish,
    *,
    quick: bool,
    only: str | None,
    merge: bool = False,
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
        One family, or words that the names of some rows contain; by default everything.
    merge : bool
        Put the rows into the stored results of everything, in place of older ones of the same name. So a long
        benchmark can be made in pieces.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        Where `only` is no family and in no name of a row, or where the stored results are from another machine or
        from other versions.
    """
    everything = _work(families, package, quick)
    work = _chosen(everything, families, only)
    words = only.replace(" ", "-").replace("/", "-") if only else ""
    name = "-".join([command, machine_name(), *(["quick"] if quick else []), *([words] if words and not merge else [])])
    stem = command if not quick and (merge or only is None) else name
    stored = Stored(folder / f"{name}.json", quick, None if merge else only, merge)
    target = folder / f"{stem}.md"
    console, begun = Console(highlight=False), time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    done = 0
    try:
        with Progress(*columns, console=console, transient=True) as bar, Hall(quick) as hall:
            task = bar.add_task("", total=len(work))
            for family, module, case, title in work:
                bar.update(task, description=title)
                for row in _measured(hall, family, module, case, title, quick):
                    console.print(line(row), markup=False, soft_wrap=True)
                    stored.put(row, [(family, case and case.name) for family, _, case, _ in everything])
                    stored.write(time.monotonic() - begun)
                    target.write_text(page(stored.result, folder, stem), encoding="utf-8")
                bar.advance(task)
                done += 1
    except KeyboardInterrupt as stop:
        if done:
            stop.add_note(f"{done} of {len(work)} rows are saved in {target}")
        raise
    return target


def _chosen(work: Work, families: Families, only: str | None) -> Work:
    """The work of one family, or else the work whose title contains the words."""
    if only is None:
        return work
    found = [piece for piece in work if piece[0] == only] or [piece for piece in work if only in piece[3]]
    if not found:
        raise ConfigError(f"--only {only}{closest(only, families)} Words of the name of a row would do, too.")
    return found


def _work(families: Families, package: str, quick: bool) -> Work:
    """All the work."""
    work: Work = []
    for family, files in families.items():
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
