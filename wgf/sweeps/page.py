"""The page of many runs: the best ones, means over seeds, curves, and a table of all."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import shown, with_minus
from ..figures.many import SCORES, curves
from ..figures.vector import Image
from ..process.signals import Mode, during
from ..runs import store
from ..runs.headlines import number, percent
from ..runs.page import render
from ..storage import write_whole
from .record import LARGER, Record, judged_by, ranked

TEMPLATE = Path(__file__).with_name("many.html")
BEST, LISTED = 5, 500
"""At most so many best runs, and rows of the table, are shown."""
COLUMNS = (
    ("free_energy", "F"),
    ("closure_total", "closure"),
    ("closure_error", "± closure"),
    ("train_accuracy", "train accuracy"),
    ("test_accuracy", "test accuracy"),
    ("train_r2", "train R²"),
    ("test_r2", "test R²"),
    ("train_loss", "train loss"),
    ("test_loss", "test loss"),
    ("force_ratio", "I / G"),
    ("distance_from_start", "W₂ from start"),
)
"""The end values that the page shows, those that the runs have."""
PER_CENT = ("closure_total", "closure_error", "train_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Line:
    """A row of a table of the page: the cells, and a link for the first one."""

    cells: list[str]
    link: str = ""
    failed: bool = False


def write_page(path: Path, title: str, records: Sequence[Record], best: str | None = None, intro: str = "") -> None:
    """Write the page of many runs.

    Parameters
    ----------
    path : Path
        The file; one of this name is replaced.
    title : str
        Its heading.
    records : sequence of Record
        The runs.
    best : str, optional
        The column of the ledger by which runs are judged.
    intro : str
        A line below the heading.

    Raises
    ------
    CheckpointError
        If it cannot be written.
    """
    column = judged_by(records, best)
    ended = sum(record.folder is not None for record in records)
    drawn = [record for record in records if record.ledger is not None]
    figure, note = None, ""
    if drawn:
        figure = Image.of(_curves(drawn))
        note = f"{len(drawn)} of {ended} runs are drawn" if len(drawn) < ended else ""
    keys = list(dict.fromkeys(key for record in records for key in record.settings))
    top = ranked(records, column)
    groups = _groups(records, keys, column)
    page = render(
        TEMPLATE,
        title=title,
        intro=intro,
        answer=_answer(top, column, len(records)),
        bad=[record for record in records if not record.ok],
        count=len(records),
        column=_label(column),
        direction="largest" if column.endswith(LARGER) else "smallest",
        best=_table(top[:BEST], keys, path.parent) if len(records) > 2 else None,
        groups=groups,
        figure=figure,
        scored=any(name in record.ledger for record in drawn if record.ledger is not None for name in SCORES),
        note=note,
        all=_table(records[:LISTED], keys, path.parent, status=True),
        cut=len(records) if len(records) > LISTED else 0,
    )
    with during(Mode.HOLD):  # half a page is never left behind
        write_whole(path, page.encode(), "the page")


def _answer(top: Sequence[Record], column: str, count: int) -> str:
    """Which run is the best, in one sentence."""
    if not top or not _finite(top[0].end.get(column)):
        return f"None of the {count} runs has a value of {_label(column)} by which to judge it."
    best = top[0]
    settings = ", ".join(f"{key} = {_setting(value)}" for key, value in best.settings.items())
    which = "largest" if column.endswith(LARGER) else "smallest"
    value, name = _shown(column, best.end[column]), f"{settings} (run {best.name})" if settings else f"run {best.name}"
    return f"Of {count} runs, the one with {name} has the {which} {_label(column)} at the end: {value}."


def _curves(records: Sequence[Record]) -> Any:
    """The figure; many runs are coloured by the key with the most different numbers, a seed last."""
    numbers: dict[str, list[float]] = {}
    for key in records[0].settings:
        values = [record.settings.get(key) for record in records]
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values) and len(set(values)) > 1:
            numbers[key] = [float(v) for v in values if v is not None]
    by = max(numbers, key=lambda key: (not key.endswith("seed"), len(set(numbers[key]))), default="")
    differ = [key for key in records[0].settings if len({repr(r.settings.get(key)) for r in records}) > 1]
    names = [", ".join(f"{k} = {_setting(r.settings.get(k))[:24]}" for k in differ)[:100] or r.name for r in records]
    return curves([r.ledger for r in records if r.ledger is not None], names, numbers.get(by), by)


def _table(records: Sequence[Record], keys: Sequence[str], folder: Path, status: bool = False) -> tuple[Any, ...]:
    """Header and lines: the keys, and the end values that some run has."""
    columns = [(name, label) for name, label in COLUMNS if any(_finite(record.end.get(name)) for record in records)]
    header = ["run", *keys, *(["status"] if status else []), *(label for _, label in columns), "steps", "seconds"]
    lines = []
    for record in records:
        ends = [_shown(name, record.end.get(name)) for name, _ in columns]
        ended = [record.status.lower()] if status else []
        told = [_setting(record.settings.get(key)) for key in keys]
        steps = "–" if record.steps is None else str(record.steps)
        cells = [record.name, *told, *ended, *ends, steps, number(record.seconds, 3)]
        lines.append(Line(cells, _link(record.folder, folder), not record.ok))
    words = [
        0,
        *(1 + k for k, key in enumerate(keys) if not _numeric(records, key)),
        *([len(keys) + 1] if status else []),
    ]
    return header, lines, words


def summary_rows(records: Sequence[Record], column: str, most: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a short table for a terminal: the best runs by a column, then those that did not end well.

    Parameters
    ----------
    records : sequence of Record
        The runs.
    column : str
        The column of the ledger by which they are judged.
    most : int
        At most so many rows.
    """
    keys = list(dict.fromkeys(key for record in records for key in record.settings))
    order = ranked(records, column)
    order += [record for record in records if record not in order]
    ends = list(dict.fromkeys([column, "free_energy", "closure_total"]))
    header = ["run", *keys, "status", *map(_label, ends)]
    rows = [
        [r.name, *(_setting(r.settings.get(key)) for key in keys), r.status.lower()]
        + [_shown(name, r.end.get(name)) for name in ends]
        for r in order[:most]
    ]
    return header, rows


def _groups(records: Sequence[Record], keys: Sequence[str], column: str) -> tuple[Any, ...] | None:
    """Means and standard deviations over seeds, for each combination of the other keys, the best mean first."""
    others = [key for key in keys if key != "seed"]
    if "seed" not in keys or not others:
        return None
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.ok:
            found.setdefault(repr([record.settings.get(key) for key in others]), []).append(record)
    columns = [(name, label) for name, label in COLUMNS if any(_finite(r.end.get(name)) for r in records)]
    judged = [g for g in found.values() if all(_finite(record.end.get(column)) for record in g)]
    sign = -1.0 if column.endswith(LARGER) else 1.0
    judged.sort(key=lambda group: sign * float(np.mean([record.end[column] for record in group])))
    lines = []
    for group in judged[:LISTED]:
        cells = [_setting(group[0].settings.get(key)) for key in others]
        for name, _ in columns:
            numbers = [record.end[name] for record in group if _finite(record.end.get(name))]
            mean = float(np.mean(numbers)) if numbers else math.nan
            several = len(numbers) > 1
            cells.append(_spread(name, mean, float(np.std(numbers, ddof=1))) if several else _shown(name, mean))
        lines.append(Line([*cells, str(len(group))]))
    words = [k for k, key in enumerate(others) if not _numeric(records, key)]
    return ([*others, *(label for _, label in columns), "seeds"], lines, words) if lines else None


def _numeric(records: Sequence[Record], key: str) -> bool:
    """Whether a setting is a number in all runs, so that its column is aligned at the right."""
    values = [record.settings.get(key) for record in records]
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _shown(name: str, value: Any) -> str:
    value = float(value) if isinstance(value, (int, float)) else None
    return percent(value) if name in PER_CENT else number(value)


def _spread(name: str, mean: float, deviation: float) -> str:
    """A mean and a standard deviation, with as many places as the deviation has."""
    if name in PER_CENT:
        return f"{percent(mean)[:-2]} ± {percent(deviation)}"
    if not 1e-6 < deviation < 1e5:
        return f"{number(mean)} ± {number(deviation, 2)}"
    places = max(0, 1 - math.floor(math.log10(deviation)))
    return with_minus(f"{mean:.{places}f} ± {deviation:.{places}f}")


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return with_minus(f"{value:.6g}" if isinstance(value, float) else str(value))
    return "–" if value is None else value if isinstance(value, str) else shown(value, 60)


def _label(column: str) -> str:
    return dict(COLUMNS).get(column, column)


def _link(folder: Path | None, home: Path) -> str:
    """The report of a run as seen from the page, where there is one."""
    if folder is None or not (folder / store.REPORT).is_file():
        return ""
    return Path(os.path.relpath(folder / store.REPORT, home)).as_posix()
