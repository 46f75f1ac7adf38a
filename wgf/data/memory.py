"""Data sets that are in memory: arrays, frames of pandas and polars, and datasets of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, ShapeError, printable, shown
from .table import Table, column, numbered

NAME = "data"
"""The name of a data set without one."""
_MOST = 10_000_000
"""A dataset of torch has at most so many samples: they are read one by one."""


def is_data(source: Any) -> bool:
    """Whether a source is data in memory, not the name of some."""
    return isinstance(source, (tuple, list)) or hasattr(source, "shape") or (hasattr(source, "__getitem__") and not (
        isinstance(source, (str, bytes, dict))
    ))  # fmt: skip


def read_memory(source: Any, target: str | int | None) -> Table:
    """The table of a pair (x, y), of an array whose last column is the target, of a frame, or of a torch dataset."""
    if isinstance(source, (tuple, list)) and len(source) == 2:
        _no_target(target, "a pair (x, y)")
        return _pair(*source)
    if hasattr(source, "columns") and hasattr(source, "shape"):
        return _frame(source, target)
    if hasattr(source, "shape"):
        table = _array("the array", source)
        if table.ndim != 2 or table.shape[1] < 2 or not len(table):
            raise ShapeError(f"{NAME}: an array of shape {table.shape}; wanted (M, D + 1): inputs and a target.")
        index = column(target, None, table.shape[1], Path(NAME))
        return Table(
            NAME, _numbers("x", np.delete(table, index, 1)), _target(table[:, index]), numbered(table.shape[1] - 1)
        )
    if hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, (tuple, list)):
        _no_target(target, "a torch dataset")
        return _samples(source)
    raise ConfigError(f"source of {shown(type(source).__name__)}: wanted a pair (x, y) of arrays, or an array.")


def _no_target(target: Any, what: str) -> None:
    if target is not None:
        raise ConfigError(f"target = {shown(target)} picks a column; {what} has its targets apart.")


def _pair(x: Any, y: Any) -> Table:
    """Inputs and targets given apart; the names of a frame of inputs are kept."""
    names = tuple(printable(str(name), 80) for name in x.columns) if hasattr(x, "columns") else None
    inputs, targets = _numbers("x", _array("x", x)), _target(_array("y", y))
    inputs = inputs[:, None] if inputs.ndim == 1 else inputs
    if inputs.ndim != 2 or targets.ndim not in (1, 2) or len(inputs) != len(targets) or not inputs.size:
        raise ShapeError(f"{NAME}: x {inputs.shape} and y {targets.shape}; wanted (M, D) and (M,) or (M, K).")
    targets = targets[:, 0] if targets.shape[1:] == (1,) else targets
    return Table(NAME, inputs, targets, names or numbered(inputs.shape[1]))


def _frame(frame: Any, target: str | int | None) -> Table:
    """A frame of pandas or polars: one column is the target."""
    names = [str(name) for name in frame.columns]
    if len(names) < 2 or not frame.shape[0]:
        raise ShapeError(f"{NAME}: a frame of shape {tuple(frame.shape)}; wanted inputs and a target.")
    index = column(target, names, len(names), Path(NAME))
    columns = [frame[name] for name in frame.columns]
    inputs = [
        _numbers(f"column {shown(names[j], 40)}", _array(names[j], part))
        for j, part in enumerate(columns)
        if j != index
    ]
    features = tuple(printable(name, 80) for j, name in enumerate(names) if j != index)
    return Table(NAME, np.stack(inputs, 1), _target(_array(names[index], columns[index])), features)


def _samples(dataset: Any) -> Table:
    """A dataset of torch: sample by sample, each a pair (x, y); x of any shape becomes a row."""
    count = len(dataset)
    if not 1 <= count <= _MOST:
        raise ConfigError(f"{NAME}: a dataset of {count} samples; wanted from 1 to {_MOST}.")
    rows, targets = [], []
    for index in range(count):
        sample = dataset[index]
        if not isinstance(sample, (tuple, list)) or len(sample) != 2:
            raise ConfigError(f"{NAME}: sample {index} is no pair (x, y), but {shown(type(sample).__name__)}.")
        rows.append(_array("x", sample[0]).reshape(-1))
        targets.append(_array("y", sample[1]))
        if len(rows[-1]) != len(rows[0]) or targets[-1].shape != targets[0].shape:
            raise ShapeError(f"{NAME}: sample {index} has another shape than the first.")
    return _pair(np.stack(rows), np.stack(targets))


def _array(name: str, value: Any) -> np.ndarray:
    """What was given as an array of numpy; tensors leave their device."""
    if np.ma.isMaskedArray(value):
        raise ConfigError(f"{NAME}: {name} is a masked array; drop the masked rows, or fill them.")
    plain = value.detach().cpu().resolve_conj() if hasattr(value, "detach") else value
    try:
        array = plain.to_numpy() if hasattr(plain, "to_numpy") else np.asarray(plain)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{NAME}: {name} is no array ({printable(str(error), 80)}).") from error
    return np.asarray(array)


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    """Finite numbers as float64."""
    try:
        if array.dtype.kind in "USOMm" and any(isinstance(entry, str) for entry in array.reshape(-1)[:1000]):
            raise ValueError("text")
        numbers = array.astype(np.float64) if array.dtype.kind != "c" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or array.dtype.kind in "Mm":
        raise ConfigError(f"{NAME}: {name} has dtype {array.dtype}; wanted real numbers. Encode categories first.")
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        raise ConfigError(f"{NAME}: {name} is {numbers[tuple(bad[0])]} in row {bad[0][0]} (counted from 0).")
    return numbers


def _target(array: np.ndarray) -> np.ndarray:
    """Targets: integers as they are, text as text, other numbers as float64."""
    if array.dtype.kind in "iu":
        return array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind in "OT" and array.size and all(isinstance(entry, str) for entry in array.reshape(-1)):
        return array.astype(str)
    return _numbers("y", array)
