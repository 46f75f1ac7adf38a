"""Data sets for training and testing: bundled ones by name, files, and a random teacher; the same on every machine."""

from __future__ import annotations

import csv
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from scipy import special

from .errors import ConfigError, ShapeError, closest, require_integer, require_number, require_seed
from .ops.memory import counted, require_memory

Task = Literal["classification", "regression"]
TASKS = get_args(Task)
BUNDLED = ("breast-cancer", "diabetes", "digits")  # they come with scikit-learn: nothing is downloaded
SUFFIXES = (".csv", ".npy", ".npz")
TEACHER = {"samples": 1000, "dim": 10, "neurons": 5, "noise": 0.1}  # what load("teacher") draws
MOST_CLASSES = 20  # integer targets with more distinct values mean regression
MISSING = frozenset({"", "na", "n/a", "nan", "null"})
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda s: np.maximum(s, 0.0), "erf": special.erf, "sigmoid": special.expit}


@dataclass(frozen=True, eq=False)
class Dataset:
    """One part of a data set, for training or for testing: inputs x with targets y. `load` makes it.

    Parameters
    ----------
    x, y : Tensor
        Inputs (M, D), float64. Targets: int64 classes 0..C−1 (M,), or for regression float64 (M,) or (M, K).
    feature_names, classes : tuple
        The D names of the inputs. The C labels in the order of their indices; empty for regression.
    y_mean, y_scale : float or Tensor
        `y * y_scale + y_mean` undoes the standardisation of a regression target; (K,) for K targets.
    """

    x: torch.Tensor
    y: torch.Tensor
    task: Task
    feature_names: tuple[str, ...]
    classes: tuple[Any, ...]
    name: str
    y_mean: float | torch.Tensor = 0.0
    y_scale: float | torch.Tensor = 1.0

    def __len__(self) -> int:
        return self.x.shape[0]

    def __repr__(self) -> str:
        classes = f": {', '.join(map(str, self.classes))}" if self.classes else ""
        return f"Dataset({self.name!r}, {len(self)} × {self.x.shape[1]}, {self.task}{classes})"

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Dataset:
        """The same data on `device` with floats of `dtype`; class indices stay int64."""

        def move(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            return value.to(device=device, dtype=dtype if value.is_floating_point() else None)

        return replace(self, x=move(self.x), y=move(self.y), y_mean=move(self.y_mean), y_scale=move(self.y_scale))


class _Table(NamedTuple):  # a data set before the split: x (M, D) float64, y (M,) or (M, K), numbers or text
    name: str
    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...]
    labels: tuple[Any, ...] = ()  # names of the classes 0..C-1 where y holds indices


def load(
    source: str | os.PathLike[str],
    *,
    target: str | int | None = None,
    task: Task | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    standardise: bool = True,
) -> tuple[Dataset, Dataset]:
    """Load a data set and return its training part and its test part.

    Parameters
    ----------
    source : str or path
        "digits", "breast-cancer", "diabetes" (Dua & Graff 2019, UCI Machine Learning Repository), "teacher"
        (`teacher_student` with `TEACHER`), or a path: .csv (a header is recognised), .npy (2-D) or .npz (x (M, D), y).
    target : str or int, optional
        The column of the target in a .csv (name or index) or .npy (index); by default the last.
    task : {"classification", "regression"}, optional
        By default classification for text and for integers with at most 20 distinct values.
    test_fraction, seed : float and int
        The split is scikit-learn's `train_test_split(random_state=seed)`, stratified for classification.
    standardise : bool, default True
        Scale x and a regression target to mean 0, std 1 by training statistics alone; constant columns get scale 1.

    Raises
    ------
    ConfigError, ShapeError
        If the data cannot be used. The message names the file, the row and the column; ShapeError is for shapes.

    Examples
    --------
    >>> train, test = load("digits")
    >>> tuple(train.x.shape), len(test), train.task, len(train.classes)
    ((1437, 64), 360, 'classification', 10)
    """
    seed = require_seed(seed)
    fraction = require_number("test_fraction", test_fraction)
    if not 0 < fraction < 1:
        raise ConfigError(f"test_fraction = {test_fraction!r}: wanted a number strictly between 0 and 1.")
    if task is not None and task not in TASKS:
        raise ConfigError(f"Unknown task {task!r}{closest(task, TASKS)}")
    table = _read(source, target, task, seed)
    task = task or _infer_task(table.y)
    y, classes = _encode(table, task)
    rows = _split(y if classes else None, len(y), fraction, seed, table.name)
    x_mean, x_scale = _moments(table.x[rows[0]]) if standardise else (np.zeros(1), np.ones(1))
    y_mean, y_scale = _moments(y[rows[0]]) if standardise and not classes else (np.zeros(()), np.ones(()))

    def part(index: np.ndarray) -> Dataset:
        x = torch.from_numpy((table.x[index] - x_mean) / x_scale)
        targets = torch.from_numpy(y[index] if classes else (y[index] - y_mean) / y_scale)
        undo = [torch.from_numpy(s) if s.ndim else float(s) for s in (y_mean, y_scale)]
        return Dataset(x, targets, task, table.features, classes, table.name, *undo)

    return part(rows[0]), part(rows[1])


def teacher_student(
    samples: int, dim: int, *, neurons: int = 5, noise: float = 0.0, activation: str = "tanh", seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw inputs x (samples, dim) and the outputs y (samples,) of a random two-layer network, the teacher; float64.

    y = neurons^{−1/2} Σⱼ aⱼ σ(wⱼ·x + bⱼ) + noise·ξ,  x ~ N(0, I),  w ~ N(0, I/dim),  a, b, ξ ~ N(0, 1);  σ is "tanh",
    "relu", "erf" or "sigmoid", else ConfigError. (Seung, Sompolinsky & Tishby 1992, Phys. Rev. A 45, 6056.)

    >>> [tuple(part.shape) for part in teacher_student(100, 3, noise=0.1, seed=1)]
    [(100, 3), (100,)]
    """
    m, d = require_integer("samples", samples, low=1), require_integer("dim", dim, low=1)
    k, noise = require_integer("neurons", neurons, low=1), require_number("noise", noise, nonnegative=True)
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ConfigError(f"Unknown activation {activation!r}{closest(activation, ACTIVATIONS)}")
    require_memory(f"{counted(m * d)} numbers, {counted(k)} neurons", 8 * (m * d + 2 * m * k + k * d), "take fewer")
    rng = np.random.Generator(np.random.Philox(require_seed(seed)).jumped())  # not the random numbers of the split
    a, b, w = rng.standard_normal(k), rng.standard_normal(k), rng.standard_normal((k, d)) / np.sqrt(d)
    x, xi = rng.standard_normal((m, d)), rng.standard_normal(m)
    hidden = ACTIVATIONS[activation](np.einsum("md,kd->mk", x, w) + b)  # einsum: rounding by BLAS depends on threads
    return torch.from_numpy(x), torch.from_numpy(np.einsum("mk,k->m", hidden, a) / np.sqrt(k) + noise * xi)


def _read(source: str | os.PathLike[str], target: str | int | None, task: Task | None, seed: int) -> _Table:
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(f"source = {source!r}: wanted the name of a data set or a path.")
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".npy") and target is not None:
        raise ConfigError(f"target = {target!r} picks a column of a .csv or .npy file; {str(source)!r} fixes its own.")
    if suffix in SUFFIXES:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file.")
        return _read_csv(path, target, task) if suffix == ".csv" else _read_numpy(path, target)
    name = str(source).lower().replace("_", "-")
    if name == "teacher":
        x, y = teacher_student(seed=seed, **TEACHER)  # type: ignore[arg-type]
        return _Table(name, x.numpy(), y.numpy(), _names(x.shape[1]))
    if name not in BUNDLED:
        hint = closest(name, (*BUNDLED, "teacher"))
        raise ConfigError(f"Unknown data set {str(source)!r}, and no path to a .csv, .npy or .npz file{hint}")
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    labels = tuple(label.item() for label in bunch["target_names"]) if "target_names" in bunch else ()
    features = tuple(str(feature) for feature in bunch["feature_names"])
    return _Table(name, bunch["data"].astype(np.float64), bunch["target"], features, labels)


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(count))


def _read_csv(path: Path, target: str | int | None, task: Task | None) -> _Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise ConfigError(f"{path}: cannot be read as comma-separated text ({reason}).") from reason
    first = rows[0][1] if rows else []
    has_header = bool(first) and (target in first or all(np.isnan(_number(cell)) for cell in first))
    names, rows = (first, rows[1:]) if has_header else (list(_names(len(first))), rows)
    if not rows or len(first) < 2:
        raise ConfigError(f"{path}: wanted at least one row of two columns or more, inputs and a target.")
    for line, cells in rows:
        if len(cells) != len(first):
            raise ConfigError(f"{path}, line {line}: {len(cells)} cells where the first line has {len(first)}.")
    column = _column(target, names if has_header else None, len(first), path)
    values = np.array([[_number(cell) for cell in cells] for _, cells in rows])
    bad = ~np.isfinite(values)
    text = task != "regression" and (bad[:, column].all() or (task == "classification" and bad[:, column].any()))
    if text:
        bad[:, column] = [cells[column].lower() in MISSING for _, cells in rows]
    for i, j in np.argwhere(bad)[:1]:
        cell = rows[i][1][j]
        hint = "; task='classification' reads the column as labels" if j == column and task is None else ""
        problem = "missing value" if cell.lower() in MISSING else f"not a finite number{hint}"
        raise ConfigError(f"{path}, line {rows[i][0]}, column {names[j]!r}: {cell!r}, {problem}.")
    y = np.array([cells[column] for _, cells in rows]) if text else values[:, column]
    features = tuple(name for j, name in enumerate(names) if j != column)
    return _Table(path.name, np.delete(values, column, axis=1), y, features)


def _number(cell: str) -> float:
    """The number in a cell, NaN if there is none. Python reads 1_000 as a number; here it is text."""
    try:
        return float("nan" if "_" in cell else cell)
    except ValueError:
        return float("nan")


def _column(target: str | int | None, names: list[str] | None, count: int, path: Path) -> int:
    if isinstance(target, str):
        if names is None:
            raise ConfigError(f"{path} names no columns: give the index of the target, not {target!r}.")
        if names.count(target) != 1:
            problem = f"more than one column {target!r}" if target in names else f"no column {target!r}"
            raise ConfigError(f"{path} has {problem}{closest(target, names)}")
        return names.index(target)
    return count - 1 if target is None else require_integer("target", target, low=-count, high=count - 1) % count


def _read_numpy(path: Path, target: str | int | None) -> _Table:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as reason:
        raise ConfigError(f"{path}: cannot be read as arrays of numbers ({reason}).") from reason
    if isinstance(arrays, np.ndarray):
        if arrays.ndim != 2 or arrays.shape[1] < 2:
            raise ShapeError(f"{path}: shape {arrays.shape}, wanted (M, D + 1): inputs and a target.")
        column = _column(target, None, arrays.shape[1], path)
        table = _finite(path, "the array", arrays)
        return _Table(path.name, np.delete(table, column, axis=1), table[:, column], _names(table.shape[1] - 1))
    found = {key.lower(): array for key, array in arrays.items()}
    if not {"x", "y"} <= found.keys():
        raise ConfigError(f"{path}: wanted arrays x and y, found {', '.join(arrays) or 'none'}.")
    x, y = found["x"], found["y"]
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or 0 in (*x.shape, *y.shape):
        raise ShapeError(f"{path}: x {x.shape} and y {y.shape}, wanted (M, D) and (M,) or (M, K).")
    y = _finite(path, "y", y) if y.dtype.kind != "U" else y
    y = y[:, 0] if y.shape[1:] == (1,) else y
    return _Table(path.name, _finite(path, "x", x), y, _names(x.shape[1]))


def _finite(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"{path}: {name} has dtype {array.dtype}, wanted real numbers.")
    array = array.astype(np.float64)
    for bad in np.argwhere(~np.isfinite(array))[:1]:
        row, column = bad[0], f", column {bad[1]}" if array.ndim == 2 else ""
        raise ConfigError(f"{path}: {name} is {array[tuple(bad)]} in row {row}{column} (counted from 0).")
    return array


def _infer_task(y: np.ndarray) -> Task:
    if y.dtype.kind == "U":
        return "classification"
    few = y.ndim == 1 and len(np.unique(y)) <= MOST_CLASSES and bool(np.all(y == np.rint(y)))
    return "classification" if few else "regression"


def _encode(table: _Table, task: Task) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Targets as class indices with the labels of the classes, or as floats without labels."""
    name, y, text = table.name, table.y, table.y.dtype.kind == "U"
    if task == "regression":
        if text:
            raise ConfigError(f"{name}: task='regression' wants numeric targets, the first is {y.flat[0]!r}.")
        return y.astype(np.float64), ()
    if y.ndim != 1:
        raise ConfigError(f"{name}: task='classification' wants one class per row, y has shape {y.shape}.")
    if not text and np.any(y != np.rint(y)):
        raise ConfigError(f"{name}: task='classification' wants text or integers, not {y[y != np.rint(y)][0]}.")
    values, index = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise ConfigError(f"{name}: task='classification' wants two classes or more, there is only {values[0]}.")
    return index.astype(np.int64), table.labels or tuple(v.item() if text else int(v) for v in values)


def _split(
    labels: np.ndarray | None, rows: int, fraction: float, seed: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """The rows for training and for testing, by scikit-learn's split; stratified if there are labels."""
    from sklearn.model_selection import train_test_split

    # scikit-learn accepts seeds below 2³² only
    state: Any = seed if seed < 2**32 else np.random.RandomState(np.random.MT19937(seed))
    try:
        train, test = train_test_split(np.arange(rows), test_size=fraction, random_state=state, stratify=labels)
    except ValueError as error:
        raise ConfigError(f"{name}: cannot split {rows} rows with test_fraction = {fraction}: {error}") from error
    if len(train) < 2:
        raise ConfigError(f"{name}: cannot split {rows} rows with test_fraction = {fraction}: one is left to train.")
    return train, test


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, computed on [−1, 1] so that nothing overflows; std 0 becomes 1."""
    low, high = values.min(axis=0), values.max(axis=0)
    centre, half = low / 2 + high / 2, high / 2 - low / 2
    unit = (values - centre) / np.where(half > 0, half, 1.0)  # exactly 0 in a constant column
    scale = half * unit.std(axis=0)
    return centre + half * unit.mean(axis=0), np.where(scale > 0, scale, 1.0)
