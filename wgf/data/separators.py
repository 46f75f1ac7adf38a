"""What separates the cells of a text, and whether its decimals have commas: told from the text, or refused."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError, printable, shown

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
"""The separators, by the mark in the file."""
DECIMALS = (".", ",")
_LOOKED_AT = 20
"""So many lines are looked at, to find out what separates the cells."""
_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?|[+-]?\d+\.([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_PLAIN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
Rows = list[tuple[int, list[str]]]
"""(line, cells) of each row."""


def require_separators(separator: object, decimal: object) -> None:
    """ConfigError for a separator or a decimal mark that is none."""
    if separator is not None and (not isinstance(separator, str) or separator not in NAMES):
        raise ConfigError(f"separator = {shown(separator)}: wanted one of {', '.join(map(repr, NAMES))}.")
    if decimal is not None and (not isinstance(decimal, str) or decimal not in DECIMALS):
        raise ConfigError(f"decimal = {shown(decimal)}: wanted '.' or ','.")
    if decimal == "," == separator:
        raise ConfigError("separator and decimal are both ','; wanted two marks.")


def separated(path: Path, text: str, separator: str | None, decimal: str | None) -> Rows:
    """The rows of a text that are not empty, with points in decimal numbers.

    ConfigError where two separators fit, or commas in numbers may be decimal marks or mark thousands.
    """
    mark = separator or told(path, text)
    rows = split(text, mark)
    return rows if mark == "," else pointed(path, rows, decimal)


def split(text: str, mark: str) -> Rows:
    """The cells of each row that is not empty."""
    if mark == " ":
        lines = enumerate(text.splitlines(), start=1)
        return [(number, line.split()) for number, line in lines if line.strip()]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]


def told(path: Path, text: str) -> str:
    """What separates the cells: a mark that is equally often in every line. ConfigError where it may be two."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in itertools.islice(_lines(text), _LOOKED_AT)]
    fits = [mark for mark in (",", ";", "\t", "|") if _even(lines, mark)]
    if len(fits) > 1:
        numeric = [mark for mark in fits if _numeric(text, mark)]
        if len(numeric) == 1:
            return numeric[0]
        names = " or ".join(NAMES[mark] for mark in fits)
        raise ConfigError(f"{path}: the cells may be separated by {names}. Tell by separator=.")
    if fits:
        return fits[0]
    words = {len(line.split()) for line in lines}
    return " " if len(words) == 1 and words != {1} and not any("," in line for line in lines) else ","


def _even(lines: Sequence[str], mark: str) -> bool:
    counts = {line.count(mark) for line in lines}
    return len(counts) == 1 and counts != {0}


def _numeric(text: str, mark: str) -> bool:
    """Whether all cells below the first line are numbers, but for one column, which may be labels."""
    rows = [cells for _, cells in split("\n".join(_lines(text)[:_LOOKED_AT]), mark)][1:]
    if not rows or len({len(cells) for cells in rows}) != 1:
        return False
    shape = re.compile(_PLAIN.pattern.replace(",", "")) if mark == "," else _PLAIN
    columns = list(zip(*rows, strict=True))
    return sum(not all(shape.fullmatch(cell) for cell in cells) for cells in columns) <= (1 if len(columns) > 2 else 0)


def pointed(path: Path, rows: Rows, decimal: str | None) -> Rows:
    """The rows with points in place of decimal commas."""
    cells = [(line, cell) for line, row in rows for cell in row if _COMMA.fullmatch(cell) or _THOUSANDS.fullmatch(cell)]
    if not cells or decimal == ".":
        return rows
    if decimal is None:
        point = next(((line, cell) for line, row in rows for cell in row if _POINT.fullmatch(cell)), None)
        if point is not None:
            (line, cell), (other, number) = cells[0], point
            raise ConfigError(
                f"{path}: {shown(cell, 30)} in line {line} has a comma, {shown(number, 30)} in line {other} a point; "
                "which one is decimal? Tell by decimal=',' or decimal='.'."
            )
        if all(_THOUSANDS.fullmatch(cell) for _, cell in cells):
            line, cell = cells[0]
            raise ConfigError(
                f"{path}, line {line}: the comma in {printable(cell, 30)} may be decimal or mark thousands. "
                "Tell by decimal=','; or save the file without marks of thousands."
            )
    return [(line, [cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell for cell in row]) for line, row in rows]


def _lines(text: str) -> Sequence[str]:
    return [line for line in text[:100_000].splitlines() if line.strip()]
