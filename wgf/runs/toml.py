"""TOML files: read them with errors that name the line, change single keys, and write plain tables."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""A number as people type it. TOML itself refuses ".5" and "5."."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path, label: str) -> dict[str, Any]:
    """Read a TOML file. ConfigError names the file, and the line where it is malformed."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read ({error.strerror or error}).") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = str(error).replace("at end of document", f"at the end, line {text.rstrip().count(chr(10)) + 1}")
        raise ConfigError(f"{label}: malformed TOML: {where}.") from error


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
    if not equals or not all(parts):
        raise ConfigError(f"--set {assignment!r}: wanted KEY=VALUE, such as solver.dt=0.05.")
    node: Any = table
    for depth, part in enumerate(parts):
        here = ".".join(parts[:depth])
        last = depth == len(parts) - 1
        if isinstance(node, list):
            if not part.isdecimal() or int(part) >= len(node):
                raise ConfigError(f"--set {key}: {here} has {len(node)} item(s), counted from 0; there is no {part!r}.")
            index: Any = int(part)
        elif isinstance(node, dict):
            index = part
            if not last and part not in node:
                node[part] = {}
        else:
            raise ConfigError(f"--set {key}: {here} = {node!r} has no key {part!r}.")
        if last:
            node[index] = _literal(text.strip(), assignment)
        else:
            node = node[index]
    return key


def _literal(text: str, assignment: str) -> Any:
    """Read a TOML value. A word without quotes is a string."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        if text[:1] in "\"'[{" or not text:
            raise ConfigError(f"--set {assignment!r}: the value is not valid TOML.") from None
        return float(text) if _NUMBER.fullmatch(text) else text
    if set(parsed) != {"value"}:
        raise ConfigError(f"--set {assignment!r}: wanted one value.")
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
