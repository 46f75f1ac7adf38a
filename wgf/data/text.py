"""Data sets in separated text: what could be read in two ways is refused, and the message says how to tell."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path

import numpy as np

from ..errors import ConfigError, printable, shown
from .separators import Rows, separated
from .table import Table, column, numbered

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
_WHOLE = re.compile(r"[+-]?\d+")
_CODE = re.compile(r"[+-]?0\d+")
"""Digits with a zero before them are no number but a code: 01 and 1 are two labels."""


def read_csv(
    path: Path,
    target: str | int | None,
    task: str | None,
    header: bool | None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Table:
    """Read a .csv. A target column of integers stays exact, one of other numbers is float64, else it is text."""
    rows = _rows(path, separator, decimal)
    first = rows[0][1] if rows else []
    has_header = bool(first) and _has_header(path, rows, target, header)
    names, rows = (first, rows[1:]) if has_header else (list(numbered(len(first))), rows)
    if not rows or len(first) < 2:
        raise ConfigError(f"{path}: wanted at least one row of two columns or more, inputs and a target.")
    for line, cells in rows:
        if len(cells) != len(first):
            raise ConfigError(f"{path}, line {line}: {len(cells)} cells where the first line has {len(first)}.")
    index = column(target, names if has_header else None, len(first), path)
    values = np.array([[_number(cell) for cell in cells] for _, cells in rows])
    bad = ~np.isfinite(values)
    text = task != "regression" and (bad[:, index].all() or (task == "classification" and bad[:, index].any()))
    text |= task != "regression" and any(_CODE.fullmatch(cells[index]) for _, cells in rows)
    if text:
        bad[:, index] = [cells[index].lower() in MISSING for _, cells in rows]
    for i, j in np.argwhere(bad)[:1]:
        line, cell = rows[i][0], rows[i][1][j]
        hint = "; task='classification' reads the column as labels" if j == index and task is None else ""
        hint += "; if this line is a header, pass header=True" if i == 0 and not has_header else ""
        problem = f"missing value{hint}" if cell.lower() in MISSING else f"not a finite number{hint}"
        raise ConfigError(f"{path}, line {line}, column {shown(names[j], 40)}: {shown(cell, 40)}, {problem}.")
    told = [cells[index] for _, cells in rows]
    y = np.array(told) if text else _exact(told, values[:, index])
    features = tuple(printable(name, 80) for j, name in enumerate(names) if j != index)
    return Table(printable(path.name), np.delete(values, index, axis=1), y, features)


def _rows(path: Path, separator: str | None, decimal: str | None) -> Rows:
    """The rows of the file that are not empty; ConfigError where it is no separated text."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = separated(path, text, separator, decimal)
    except UnicodeDecodeError as reason:
        raise ConfigError(
            f"{path}: cannot be read as comma-separated text: byte {reason.start} is not UTF-8. Save it as UTF-8."
        ) from reason
    except ConfigError:
        raise
    except (OSError, ValueError, csv.Error) as reason:
        raise ConfigError(
            f"{path}: cannot be read as comma-separated text ({printable(str(reason), 100)})."
        ) from reason
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError(f"{path}, line {line}: a NUL character; this is no comma-separated text.")
    return rows


# ------------------------------------------------------------------------------------------------- the first line


def _has_header(path: Path, rows: Rows, target: str | int | None, header: bool | None) -> bool:
    """Whether the first line names the columns; ConfigError where it may do so or may be a row."""
    first = rows[0][1]
    if header is not None:
        return header
    if isinstance(target, str) and target in first:
        return True
    numbers = [j for j, cell in enumerate(first) if not np.isnan(_number(cell))]
    if not numbers:
        doubt = "missing values" if any(cell.lower() in MISSING - {""} for cell in first) else ""
    else:
        doubt = _looks_like_names(first, [cells for _, cells in rows[1:] if len(cells) == len(first)], numbers)
    if doubt:
        raise ConfigError(
            f"{path}: the first line, {shown(', '.join(first), 50)}, may name the columns or be a row ({doubt}). "
            "Tell by header=True or header=False."
        )
    return not numbers


def _looks_like_names(first: list[str], rows: list[list[str]], columns: list[int]) -> str:
    """Why the numbers of the first line may be names of columns; empty where they look as the rows below."""
    values = [_number(first[j]) for j in columns]
    count = len(values)
    if count < 2 or len(set(values)) < count:  # names differ
        return ""
    if values == list(range(count)) or (count > 2 and values == list(range(1, count + 1))):
        return "it counts the columns"
    below = [[_number(cells[j]) for j in columns] for cells in rows[:1000]]
    if below and not any(np.isfinite(row).any() for row in below):
        return "no numbers follow"
    if _even(values) and not any(_even(row) for row in below[:1]):
        return "its numbers have equal steps"
    if count >= 6 and _ordered(values) and sum(map(_ordered, below)) <= len(below) / 2:
        return "its numbers are ordered, and those below are not"
    decimal = sum(any(_is_decimal(cells[j]) for cells in rows[:1000]) for j in columns)
    whole = all(_WHOLE.fullmatch(first[j]) for j in columns)
    return "whole numbers above decimals" if whole and 2 * decimal >= count else ""


def _is_decimal(cell: str) -> bool:
    return not _WHOLE.fullmatch(cell) and bool(np.isfinite(_number(cell)))


def _even(values: list[float]) -> bool:
    """Whether three or more numbers have equal steps."""
    steps = np.diff(values)
    with np.errstate(invalid="ignore"):
        return len(steps) >= 2 and steps[0] != 0 and bool((np.abs(steps - steps[0]) <= 1e-9 * np.abs(steps[0])).all())


def _ordered(values: list[float]) -> bool:
    with np.errstate(invalid="ignore"):
        steps = np.diff(values)
        return bool((steps > 0).all() or (steps < 0).all())


# ------------------------------------------------------------------------------------------------- cells


def _number(cell: str) -> float:
    """The number in a cell, NaN if there is none. Python reads 1_000 as a number; here it is text."""
    try:
        return float("nan" if "_" in cell else cell)
    except ValueError:
        return float("nan")


def _exact(cells: list[str], values: np.ndarray) -> np.ndarray:
    """The numbers of the cells: whole ones as integers, which float64 would round beyond 2⁵³."""
    if not (values == np.rint(values)).all():
        return values
    try:
        whole = [Decimal(cell) for cell in cells]
        if any(number != int(number) for number in whole):
            return values
        numbers = [int(number) for number in whole]
    except ArithmeticError:
        return values
    fits = all(-(2**63) <= number < 2**63 for number in numbers)
    return np.array(numbers, dtype=np.int64 if fits else object)
