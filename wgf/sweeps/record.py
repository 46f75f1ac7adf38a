"""One run of many, read from its directory: settings, end values, and its ledger for the curves."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, ConfigError, WgfError, closest, shown
from ..ledger import Ledger
from ..runs import store

HEAD, RUNS = "sweep.json", "runs"
"""The file that makes a directory that of a sweep, and the folder of its runs."""
DRAWN = 100
"""At most so many curves are drawn."""
LARGER = ("accuracy", "r2")
"""Endings of the columns of which larger values are better; of others smaller ones are."""


@dataclass(frozen=True, eq=False)
class Record:
    """A run as it stands beside others.

    Attributes
    ----------
    name : str
        What it is called: the id in a sweep, else the name of its directory.
    settings : dict
        The keys by which it is told from the others, with its values.
    end : dict
        What came out: the last record of the ledger by column.
    status : str
        How it ended; "ERROR" where it did not begin.
    message : str
        How it ended, in words.
    steps : int
        The number of steps.
    seconds : float
        What it took.
    folder : Path or None
        Its directory, if it has one.
    ledger : Ledger or None
        Its records.
    """

    name: str
    settings: dict[str, Any]
    end: dict[str, Any] = field(default_factory=dict)
    status: str = "ERROR"
    message: str = ""
    steps: int | None = None
    seconds: float = math.nan
    folder: Path | None = None
    ledger: Ledger | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status in ("COMPLETED", "CONVERGED")

    def row(self) -> dict[str, Any]:
        """The run as a row of the table. What differs from call to call, as the seconds, is left out."""
        said = {} if self.ok else {"message": self.message}
        return {"run": self.name} | self.settings | {"status": self.status, "steps": self.steps} | self.end | said


def read_record(
    folder: str | os.PathLike[str], name: str, settings: Mapping[str, Any], with_ledger: bool = True
) -> Record:
    """Read a run from its directory.

    Parameters
    ----------
    folder : str or Path
        The directory of a run that has ended.
    name : str
        What to call it.
    settings : mapping
        The keys by which it is told from others.
    with_ledger : bool, default True
        Whether to keep its ledger, for the curves.

    Returns
    -------
    Record
        The run.

    Raises
    ------
    ConfigError
        If it is no run directory.
    CheckpointError
        If a file in it is damaged.
    """
    path = Path(folder)
    if not (path / store.SUMMARY).is_file():
        raise ConfigError(f"{path} is no directory of a run that has ended: it has no {store.SUMMARY}.")
    summary = store.read_json(path / store.SUMMARY)
    if "checksums" in summary:
        store.require_unchanged(path, summary, (store.METRICS,))
    ledger = store.read_ledger(path, summary.get("notes", {}))
    try:
        return Record(
            name, dict(settings), dict(summary["final"]), str(summary["status"]), str(summary["message"]),
            summary["steps"], float(summary["seconds"]), path, ledger if with_ledger else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path / store.SUMMARY} lacks {error}.") from error


def read_records(folders: Sequence[str | os.PathLike[str]]) -> list[Record]:
    """Read runs that are to be compared, with the keys in which their configurations differ.

    Parameters
    ----------
    folders : sequence of str or Path
        Directories of runs, and of sweeps, which stand for all of their runs.

    Returns
    -------
    list of Record
        The runs, in this order.

    Raises
    ------
    ConfigError
        If a directory holds no run.
    CheckpointError
        If a file is damaged.
    """
    found = [run for folder in folders for run in _runs_in(Path(folder))]
    if not found:
        raise ConfigError("no runs to compare; wanted directories of runs or sweeps.")
    paths = list(dict.fromkeys(Path(os.path.abspath(path)) for path in found))
    tables = [settings_of_run(path) for path in paths]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    differ = [key for key in keys if len({repr(table.get(key)) for table in tables}) > 1]
    names = _names(paths)
    drawn = evenly(len(paths), DRAWN)
    return [
        read_record(path, name, {key: table.get(key) for key in differ}, number in drawn)
        for number, (path, name, table) in enumerate(zip(paths, names, tables, strict=True))
    ]


def settings_of_run(folder: Path) -> dict[str, Any]:
    """The configuration of a run by dotted key. CheckpointError where it cannot be read."""
    path = folder / store.CONFIG
    try:
        tables = tomllib.loads(store.read(path).decode("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    found: dict[str, Any] = {}

    def visit(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                visit(entry, f"{name}.{key}" if name else key)
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            for k, entry in enumerate(value):
                visit(entry, f"{name}.{k}")
        else:
            found[name] = value

    visit(tables, "")
    return found


def _runs_in(folder: Path) -> list[Path]:
    """The run in a directory, or those of a sweep that have ended."""
    if (folder / HEAD).is_file():
        runs = [folder / RUNS / str(run["id"]) for run in store.read_json(folder / HEAD).get("runs", ())]
        return [run for run in runs if (run / store.SUMMARY).is_file()]
    if not (folder / store.SUMMARY).is_file():
        raise ConfigError(f"{folder} is no directory of a run or a sweep that has ended.")
    return [folder]


def _names(paths: Sequence[Path]) -> list[str]:
    """The names of the directories; with their parents where two have the same."""
    short = [path.name for path in paths]
    return [
        name if short.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, short, strict=True)
    ]


def best_column(records: Sequence[Record]) -> str:
    """The column by which runs are judged if nobody says: accuracy or R² on test data, then F."""
    for name in ("test_accuracy", "test_r2", "test_loss", "free_energy"):
        if any(isinstance(record.end.get(name), (int, float)) for record in records):
            return name
    return "free_energy"


def judged_by(records: Sequence[Record], column: str | None) -> str:
    """The column by which runs are judged. ConfigError for one that no run has, with the nearest known one."""
    known = dict.fromkeys(name for record in records for name in record.end)
    if column is not None and known and column not in known:
        raise ConfigError(f"--best {shown(column)}: the ledger has no such column{closest(column, known)}")
    return column or best_column(records)


def evenly(count: int, most: int) -> set[int]:
    """At most so many of the numbers below `count`, evenly spread: the runs whose curves are drawn."""
    return set(range(count)) if count <= most else {round(k * (count - 1) / (most - 1)) for k in range(most)}


def ranked(records: Sequence[Record], column: str) -> list[Record]:
    """The runs that ended well and have a number in this column, the best first."""
    there = [record for record in records if record.ok and isinstance(record.end.get(column), (int, float))]
    sign = -1.0 if column.endswith(LARGER) else 1.0
    return sorted(there, key=lambda record: sign * record.end[column])


def failed(name: str, settings: Mapping[str, Any], error: Exception) -> Record:
    """A run that has no directory, because it did not begin or cannot be read."""
    kind = "" if isinstance(error, WgfError) else f"{type(error).__name__}: "
    return Record(name, dict(settings), message=f"{kind}{error}")
