"""Loading a data set: from a name or a file to a training part and a test part, split and standardised."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from ..errors import ConfigError, closest, require_number, require_seed, shown
from ..ops import ROUNDING
from .arrays import read_arrays
from .memory import is_data, read_memory
from .separators import require_separators
from .table import Table, numbered
from .teacher import TEACHER, teacher_student
from .text import read_csv

Task = Literal["classification", "regression"]
TASKS = get_args(Task)
BUNDLED = ("breast-cancer", "diabetes", "digits")  # they come with scikit-learn: nothing is downloaded
SUFFIXES = (".csv", ".npy", ".npz")
MOST_CLASSES = 20  # integer targets with more distinct values mean regression


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

    See Also
    --------
    wgf.data.load, wgf.data.teacher_student

    Examples
    --------
    >>> train, test = load("diabetes")
    >>> train, len(test)
    (Dataset('diabetes', 353 × 10, regression), 89)
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
        names = [shown(label).strip("'") if isinstance(label, str) else str(label) for label in self.classes[:20]]
        more = [] if len(self.classes) <= 20 else ["..."]
        classes = f": {', '.join(names + more)}" if names else ""
        return f"Dataset({self.name!r}, {len(self)} × {self.x.shape[1]}, {self.task}{classes})"

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Dataset:
        """The same data on `device` with floats of `dtype`; class indices stay int64.

        ConfigError where a number is out of the range of that dtype.
        """

        def move(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            moved = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            if value.is_floating_point() and moved.dtype != value.dtype and not bool(torch.isfinite(moved).all()):
                largest = float(value.abs().max())
                raise ConfigError(f"{self.name}: {largest:g} is out of the range of {dtype}; scale the data.")
            return moved

        return replace(self, x=move(self.x), y=move(self.y), y_mean=move(self.y_mean), y_scale=move(self.y_scale))


def load(
    source: Any,
    *,
    target: str | int | None = None,
    header: bool | None = None,
    task: Task | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    standardise: bool = True,
    separator: str | None = None,
    decimal: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Load a data set and return its training part and its test part.

    Parameters
    ----------
    source : str, path, or data
        "digits", "breast-cancer", "diabetes" (Dua & Graff 2019, UCI Machine Learning Repository), "teacher"
        (`teacher_student` with `TEACHER`), or a path: .csv (separated UTF-8), .npy (2-D) or .npz (x (M, D), y).
        Or data in memory: a pair (x, y) of arrays or tensors, an array (M, D + 1), a frame of pandas or polars, or a
        dataset of torch with pairs (x, y).
    target : str or int, optional
        The column of the target in a .csv or a frame (name or index), a .npy or an array (index); by default the last.
    header : bool, optional
        Whether the first line of a .csv names the columns. By default it does where none of its cells is a number. A
        first line of numbers that may be names, such as 0,1,2,3, is refused until this says what it is.
    task : {"classification", "regression"}, optional
        By default classification for text and for integers with at most 20 distinct values.
    test_fraction, seed : float and int
        The split is scikit-learn's `train_test_split(random_state=seed)`, stratified for classification.
    standardise : bool, default True
        Scale x and a regression target to mean 0, std 1 by training statistics alone; constant columns get scale 1.

    separator, decimal : str, optional
        What separates the cells of a .csv: "," ";" "|", a tab or a space; and its decimal mark, "." or ",". By default
        they are told from the file. It is refused where two of them fit, or commas may mark thousands.

    Raises
    ------
    ConfigError, ShapeError
        If the data cannot be used. The message names the file, the row and the column; ShapeError is for shapes.

    See Also
    --------
    wgf.NetworkRisk, wgf.Unit, wgf.energies.TwoLayer, wgf.estimators.MeanFieldClassifier

    Notes
    -----
    Integer labels are exact: they never pass through float64. Nothing is dropped, filled or guessed.

    Examples
    --------
    >>> train, test = load("digits")
    >>> tuple(train.x.shape), len(test), train.task, len(train.classes)
    ((1437, 64), 360, 'classification', 10)
    """
    seed = require_seed(seed)
    fraction = require_number("test_fraction", test_fraction)
    if not 0 < fraction < 1:
        raise ConfigError(f"test_fraction = {shown(test_fraction)}: wanted a number strictly between 0 and 1.")
    if task is not None and (not isinstance(task, str) or task not in TASKS):
        raise ConfigError(f"Unknown task {shown(task)}{closest(task, TASKS)}")
    if header is not None and not isinstance(header, bool):
        raise ConfigError(f"header = {shown(header)}: wanted True, False or None.")
    require_separators(separator, decimal)
    table = _read(source, target, header, task, seed, (separator, decimal))
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


def _read(
    source: Any,
    target: str | int | None,
    header: bool | None,
    task: Task | None,
    seed: int,
    marks: tuple[str | None, str | None],
) -> Table:
    if not isinstance(source, (str, os.PathLike)):
        if not is_data(source):
            raise ConfigError(f"source = {shown(source)}: wanted the name of a data set, a path, or data.")
        if header is not None:
            raise ConfigError(f"header = {header} is about the first line of a .csv file; the source is in memory.")
        return read_memory(source, target)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".npy") and target is not None:
        raise ConfigError(
            f"target = {shown(target)} picks a column of a .csv or .npy file; {shown(str(source))} fixes its own."
        )
    if suffix != ".csv" and header is not None:
        raise ConfigError(f"header = {header} is about the first line of a .csv file; {shown(str(source))} is none.")
    if suffix in SUFFIXES:
        _require_file(path)
        return read_csv(path, target, task, header, *marks) if suffix == ".csv" else read_arrays(path, target)
    name = str(source).lower().replace("_", "-")
    if name == "teacher":
        x, y = teacher_student(seed=seed, **TEACHER)  # type: ignore[arg-type]
        return Table(name, x.numpy(), y.numpy(), numbered(x.shape[1]))
    if name not in BUNDLED:
        hint = closest(name, (*BUNDLED, "teacher"))
        raise ConfigError(f"Unknown data set {shown(str(source))}, and no path to a .csv, .npy or .npz file{hint}")
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    labels = tuple(label.item() for label in bunch["target_names"]) if "target_names" in bunch else ()
    features = tuple(str(feature) for feature in bunch["feature_names"])
    return Table(name, bunch["data"].astype(np.float64), bunch["target"], features, labels)


def _require_file(path: Path) -> None:
    try:
        if path.is_file():
            return
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: no such file ({error}).") from error
    raise ConfigError(f"{path}: no such file.")


def _infer_task(y: np.ndarray) -> Task:
    if y.dtype.kind == "U":
        return "classification"
    few = y.ndim == 1 and _whole(y) and len(np.unique(y)) <= MOST_CLASSES
    return "classification" if few else "regression"


def _whole(y: np.ndarray) -> bool:
    """Whether all targets are whole numbers; those of an integer dtype, or Python's own where they are larger, are."""
    return y.dtype.kind in "iuO" or bool(np.all(y == np.rint(y)))


def _encode(table: Table, task: Task) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Targets as class indices with the labels of the classes, or as floats without labels."""
    name, y, text = table.name, table.y, table.y.dtype.kind == "U"
    if task == "regression":
        if text:
            raise ConfigError(f"{name}: task='regression' wants numeric targets, the first is {shown(str(y.flat[0]))}.")
        return y.astype(np.float64), ()
    if y.ndim != 1:
        raise ConfigError(f"{name}: task='classification' wants one class per row, y has shape {y.shape}.")
    if not text and not _whole(y):
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
    if labels is not None and len(np.unique(labels[train])) < labels.max() + 1:
        raise ConfigError(
            f"{name}: cannot split {rows} rows with test_fraction = {fraction}: a class has no row to train on."
        )
    return train, test


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, on [−1, 1] so that nothing overflows; 0 to rounding becomes 1."""
    low, high = values.min(axis=0), values.max(axis=0)
    centre, half = low / 2 + high / 2, high / 2 - low / 2
    unit = (values - centre) / np.where(half > 0, half, 1.0)  # exactly 0 in a constant column
    scale, largest = half * unit.std(axis=0), np.maximum(np.abs(low), np.abs(high))
    return centre + half * unit.mean(axis=0), np.where(
        scale > ROUNDING * np.finfo(np.float64).eps * largest, scale, 1.0
    )
