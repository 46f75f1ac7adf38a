"""The id of a job: a hash of its settings, the same in every process and on every machine."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from typing import Any

import numpy as np

from ..errors import ConfigError, shown
from ..storage import parts_of

DIGITS = 16
"""Hexadecimal digits of an id. Two of 10⁶ jobs have the same one with probability 3·10⁻⁸."""


def identity(*settings: Any) -> str:
    """The id of a job from its settings.

    Parameters
    ----------
    *settings : object
        Numbers, strings, lists, dictionaries, arrays, functions by their name, and dataclasses of these.

    Returns
    -------
    str
        16 hexadecimal digits: the beginning of a SHA-256.

    Raises
    ------
    ConfigError
        For something that has no lasting name, such as an open file.

    See Also
    --------
    wgf.sweeps.Results, wgf.sweeps.Work

    Examples
    --------
    >>> identity({"dt": 0.1, "n": 5}) == identity({"n": 5, "dt": 0.1})
    True
    >>> identity({"dt": 0.1}) == identity({"dt": 0.2})
    False
    """
    text = json.dumps([_plain(part, "a setting") for part in settings], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def _plain(value: Any, where: str) -> Any:
    """A value as JSON can hold it, so that different values stay different."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, enum.Enum):
        return {"name": f"{type(value).__qualname__}.{value.name}"}
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, np.generic):
        return _plain(value.item(), where)
    if isinstance(value, (list, tuple)):
        return [_plain(entry, f"{where}[{k}]") for k, entry in enumerate(value)]
    if isinstance(value, dict):
        pairs = [[_plain(key, where), _plain(entry, f"{where}[{key!r}]")] for key, entry in value.items()]
        return {"pairs": sorted(pairs, key=lambda pair: json.dumps(pair[0], sort_keys=True))}
    array = _array(value)
    if array is not None:
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return {"array": digest, "dtype": str(array.dtype), "shape": list(array.shape)}
    parts = parts_of(value)
    if parts is None and dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if parts is not None:
        found = {name: _plain(part, f"{where}.{name}") for name, part in parts.items()}
        return {"class": type(value).__qualname__, "parts": found}
    if callable(value) and "<" not in getattr(value, "__qualname__", "<"):
        return {"name": value.__qualname__}
    raise ConfigError(
        f"{where} = {shown(value)} has no lasting name, so the job would have no id. Wanted numbers, strings, lists, "
        "dictionaries, arrays, or dataclasses of these; make other objects from them inside the function."
    )


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, np.ndarray):
        return value if value.dtype.hasobject is False else None
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        return np.asarray(value.detach().cpu())
    return None
