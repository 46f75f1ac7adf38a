"""Data sets in NumPy's files .npy and .npz: their headers are compared with the file before memory is reserved."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import ConfigError, ShapeError, printable
from .table import Table, column, numbered

_DEFLATE = 1040
"""No deflated file becomes larger than about this many times its size."""


def read_arrays(path: Path, target: str | int | None) -> Table:
    """Read a .npy (M, D + 1) or a .npz with x (M, D) and y; integer targets keep their dtype."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
            size = file.seek(0, 2)
            file.seek(0)
            found = _members(file) if zipped else {"": _array(file, size)}
    except ConfigError:
        raise
    except Exception as reason:  # the parsers of NumPy and zipfile raise a dozen kinds for damaged files
        text = str(reason) or type(reason).__name__
        raise ConfigError(f"{path}: cannot be read as arrays of numbers ({printable(text, 120)}).") from reason
    name = printable(path.name)
    if not zipped:
        table = found[""]
        if table.ndim != 2 or table.shape[1] < 2 or not len(table):
            raise ShapeError(f"{path}: shape {table.shape}, wanted (M, D + 1): inputs and a target.")
        index = column(target, None, table.shape[1], path)
        numbers = _finite(path, "the array", table)
        y = _exact(table[:, index], numbers[:, index])
        return Table(name, np.delete(numbers, index, axis=1), y, numbered(table.shape[1] - 1))
    x, y = _x_and_y(path, found)
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or 0 in (*x.shape, *y.shape):
        raise ShapeError(f"{path}: x {x.shape} and y {y.shape}, wanted (M, D) and (M,) or (M, K).")
    y = y if y.dtype.kind == "U" else _exact(y, _finite(path, "y", y))
    y = y[:, 0] if y.shape[1:] == (1,) else y
    return Table(name, _finite(path, "x", x), y, numbered(x.shape[1]))


def _x_and_y(path: Path, found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    names = [name.lower() for name in found]
    if names.count("x") != 1 or names.count("y") != 1:
        listed = printable(", ".join(found) or "none", 120)
        raise ConfigError(f"{path}: wanted arrays x and y, found {listed}.")
    arrays = dict(zip(names, found.values(), strict=True))
    return arrays["x"], arrays["y"]


def _members(file: IO[bytes]) -> dict[str, np.ndarray]:
    """The arrays x and y of an .npz by name; the others are not read, and are empty here."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            found[name] = np.empty(0)
            if name.lower() in ("x", "y"):
                if info.file_size > _DEFLATE * (info.compress_size + 1):
                    raise ValueError(f"{name} cannot have {info.file_size} bytes")
                with archive.open(info) as member:
                    found[name] = _array(member, info.file_size)
                    if member.read(1):  # reading to the end checks the checksum of the archive
                        raise ValueError(f"{name} is longer than its header says")
    return found


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """The array in a file of `size` bytes; ValueError where its header says something else than the file holds."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format {version[0]}.{version[1]} of .npy; wanted 1.0 or 2.0")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = header(file)
    except Exception as error:  # the header is Python's text: it raises what its parser raises
        raise ValueError("its header cannot be read") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if not dtype.itemsize or min(shape, default=1) < 0:
        raise ValueError(f"shape {shape} of {dtype} holds no numbers")
    needed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if needed != there:
        raise ValueError(f"the header says shape {shape} of {dtype}, which takes {needed} bytes; {there} follow")
    file.seek(0)
    array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _finite(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"{path}: {name} has dtype {array.dtype}, wanted real numbers.")
    numbers = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, col = bad[0][0], f", column {bad[0][1]}" if array.ndim == 2 else ""
        raise ConfigError(f"{path}: {name} is {numbers[tuple(bad[0])]} in row {row}{col} (counted from 0).")
    return numbers


def _exact(given: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Integers as they are, which float64 would round beyond 2⁵³; other numbers in float64."""
    if given.dtype.kind in "iu":
        return given.astype(given.dtype.newbyteorder("="))
    return numbers
