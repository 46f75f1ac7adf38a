"""TOML files: read them with errors that name the line, change single keys, and write plain tables."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, printable, shown

LARGEST, MOST, DEEPEST = 2**20, 500, 16
"""A configuration has at most so many bytes, so many tables, and so many levels."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""A number as people type it. TOML itself refuses ".5" and "5."."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PARTS, _DOTTED = re.compile(r"[=,{\[]"), re.compile(r"[\w\"'-][ \t]*\.[ \t]*(?=[\w\"'-])")


def read(path: Path, label: str) -> dict[str, Any]:
    """Read a TOML file. ConfigError names the file, and the line where it is malformed."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read ({error.strerror or error}).") from error
    except ValueError as error:  # a path with NUL
        raise ConfigError(f"{label}: cannot be read ({error}).") from error
    if len(content) > LARGEST:
        raise ConfigError(f"{label}: {len(content)} bytes; wanted a configuration of at most {LARGEST >> 20} MiB.")
    try:
        return _parsed(text)
    except _TooDeep as error:
        raise ConfigError(f"{label}: {error}; wanted tables and lists at most {DEEPEST} deep.") from None
    except ValueError as error:
        where = str(error).replace("at end of document", f"at the end, line {text.rstrip().count(chr(10)) + 1}")
        raise ConfigError(f"{label}: malformed TOML: {printable(where, 120)}.") from error


class _TooDeep(Exception):
    """A key or a value is nested so deeply that reading it takes very long or is impossible."""


def _parsed(text: str) -> dict[str, Any]:
    """The tables of a text. ValueError where it is malformed: also for an integer of 5000 digits, by Python's limit."""
    for number, line in enumerate(text.split("\n"), start=1):
        dotted = line.count(".") > DEEPEST and not line.lstrip().startswith("#")
        if dotted and any(len(_DOTTED.findall(part)) > DEEPEST for part in _PARTS.split(line)):
            raise _TooDeep(f"line {number} has a key of more than {DEEPEST} parts")  # tomllib takes quadratic time
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _TooDeep("a value is nested too deeply") from None


def require_plain(table: Mapping[str, Any], label: str) -> None:
    """Refuse what no configuration needs and what would fail later, or take very long.

    Parameters
    ----------
    table : mapping
        The tables of a file, with the changes by --set.
    label : str
        What to call the file.

    Raises
    ------
    ConfigError
        For more than `MOST` tables, for more than `DEEPEST` levels, integers of more than 1000 bits, and text
        that no path can hold or no file can store: with NUL, or not UTF-8. It names the key.
    """
    waiting: list[tuple[str, Any, int]] = [("", table, 0)]
    count = 0
    while waiting:
        key, value, depth = waiting.pop()
        if isinstance(value, (dict, list)):
            count += isinstance(value, dict)
            if depth > DEEPEST:
                raise ConfigError(
                    f"{label}: {printable(key, 80)} is nested too deeply; wanted at most {DEEPEST} levels."
                )
            if count > MOST:
                raise ConfigError(f"{label}: more than {MOST} tables; wanted a configuration of one run.")
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(f"{key}.{part}" if key else str(part), entry, depth + 1) for part, entry in parts]
        elif isinstance(value, int) and value.bit_length() > 1000:
            raise ConfigError(
                f"{label}: {printable(key, 80)} = {shown(value)}: wanted an integer that a computer can count to."
            )
        elif isinstance(value, str) and not _is_storable(value):
            raise ConfigError(
                f"{label}: {printable(key, 80)} = {shown(value)}: wanted UTF-8 text without NUL. Rename the file."
            )


def _is_storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def override(table: dict[str, Any], assignment: str) -> str:
    """Apply an assignment such as "solver.dt=0.05" to the tables.

    Parameters
    ----------
    table : dict
        The tables of a file; changed in place.
    assignment : str
        "a.b=value". Items of an array are counted from 0, as in "energy.0.coefficient=1".

    Returns
    -------
    str
        The key, "a.b".

    Raises
    ------
    ConfigError
        For an assignment without "=", a value that is not TOML, or a key inside something that is not a table.
    """
    key, equals, text = assignment.partition("=")
    key, parts = key.strip(), [part.strip() for part in key.split(".")]
    if not equals or not all(parts) or len(parts) > DEEPEST:
        raise ConfigError(f"--set {shown(assignment)}: wanted KEY=VALUE, such as solver.dt=0.05.")
    put(table, parts, _literal(text.strip(), assignment), f"--set {key}")
    return key


def put(table: dict[str, Any], parts: Sequence[str], value: Any, said: str) -> None:
    """Set one key of the tables.

    Parameters
    ----------
    table : dict
        The tables of a file; changed in place.
    parts : sequence of str
        The parts of the key. Items of an array are counted from 0.
    value : object
        The value.
    said : str
        How an error message begins.

    Raises
    ------
    ConfigError
        For a key inside something that is not a table.
    """
    node: Any = table
    for depth, part in enumerate(parts):
        here = ".".join(parts[:depth])
        last = depth == len(parts) - 1
        if isinstance(node, list):
            if not part.isdecimal() or len(part) > 9 or int(part) >= len(node):
                what = f"{here} has {len(node)} item(s), counted from 0; there is no {shown(part)}."
                raise ConfigError(f"{said}: {what}")
            index: Any = int(part)
        elif isinstance(node, dict):
            index = part
            if not last and part not in node:
                node[part] = {}
        else:
            raise ConfigError(f"{said}: {here} = {shown(node)} has no key {shown(part)}.")
        if last:
            node[index] = value
        else:
            node = node[index]


def _literal(text: str, assignment: str) -> Any:
    """Read a TOML value. A word without quotes is a string."""
    try:
        parsed = _parsed(f"value = {text}")
    except _TooDeep as error:
        raise ConfigError(f"--set {shown(assignment)}: {error}.") from None
    except ValueError:
        if text[:1] in "\"'[{" or not text:
            raise ConfigError(f"--set {shown(assignment)}: the value is not valid TOML.") from None
        return float(text) if _NUMBER.fullmatch(text) else text
    if set(parsed) != {"value"}:
        raise ConfigError(f"--set {shown(assignment)}: wanted one value.")
    return parsed["value"]


def write(tables: dict[str, Any]) -> str:
    """Write tables as TOML text: plain values first, then [tables] and [[arrays of tables]].

    `load_config` of this text gives the same tables.
    """
    lines = [f"{_key(key)} = {_value(value)}" for key, value in tables.items() if not _is_section(value)]
    for key, value in tables.items():
        if _is_section(value) and value:
            header, sections = (f"[{_key(key)}]", [value]) if isinstance(value, dict) else (f"[[{_key(key)}]]", value)
            for section in sections:
                lines += ["", header, *(f"{_key(k)} = {_value(v)}" for k, v in section.items())]
    return "\n".join(lines) + "\n"


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, (list, tuple)) and all(isinstance(v, dict) for v in value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"{value!r} has no place in a configuration")
