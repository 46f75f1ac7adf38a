"""A data set before its split: inputs, targets, and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError, closest, require_integer, shown


class Table(NamedTuple):
    """Inputs x (M, D) float64, and targets y (M,) or (M, K): numbers, exact integers or text.

    `features` are the names of the inputs, `labels` those of the classes 0..C−1 where y holds indices.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...]
    labels: tuple[Any, ...] = ()


def numbered(count: int) -> tuple[str, ...]:
    """Names for columns without names."""
    return tuple(f"x{j}" for j in range(count))


def column(target: str | int | None, names: list[str] | None, count: int, path: Path) -> int:
    """The index of the target among `count` columns, by default the last."""
    if isinstance(target, str):
        if names is None:
            raise ConfigError(f"{path} names no columns: give the index of the target, not {shown(target)}.")
        if names.count(target) != 1:
            problem = f"more than one column {shown(target)}" if target in names else f"no column {shown(target)}"
            raise ConfigError(f"{path} has {problem}{closest(target, names)}")
        return names.index(target)
    return count - 1 if target is None else require_integer("target", target, low=-count, high=count - 1) % count
