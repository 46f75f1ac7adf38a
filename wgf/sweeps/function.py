"""`wgf.sweep`: a function of keyword parameters at every point of a grid, with the results kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from types import CodeType
from typing import Any

from ..errors import CheckpointError, ConfigError, JobError, shown
from ..flow import Solution
from ..runs import store as files
from .grid import Grid
from .identity import identity
from .results import Results
from .table import Table
from .work import Work

HEAD = "sweep.json"


@dataclass(frozen=True, eq=False)
class Swept:
    """The result of `wgf.sweep`.

    Attributes
    ----------
    points : list of dict
        The parameters of each point.
    results : list of dict or None
        What the function gave at each point; None where it failed.
    errors : dict of int to Exception
        The error of each point that failed, by its number.

    See Also
    --------
    wgf.sweep, wgf.sweeps.Table

    Examples
    --------
    >>> import wgf
    >>> found = wgf.sweep(lambda x: {"square": x * x}, {"x": [1.0, 2.0]})
    >>> len(found), found.results, found.errors
    (2, [{'square': 1.0}, {'square': 4.0}], {})
    """

    points: list[dict[str, Any]]
    results: list[dict[str, Any] | None]
    errors: dict[int, Exception]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def table(self) -> Table:
        """Parameters and results, one row for each point. `table.write("sweep.csv")` writes it."""
        return Table(point | (result or {}) for point, result in zip(self.points, self.results, strict=True))

    def best(self, name: str, largest: bool = False) -> dict[str, Any]:
        """The point at which a result is smallest.

        Parameters
        ----------
        name : str
            The result.
        largest : bool, default False
            Whether to take the largest instead.

        Returns
        -------
        dict
            Parameters and results of this point.

        Raises
        ------
        ConfigError
            If no point has a finite result of this name.
        """
        rows = [row for row in self.table.rows if isinstance(row.get(name), Real) and abs(row[name]) < float("inf")]
        if not rows:
            raise ConfigError(f"no point has a finite result {name!r}.")
        return (max if largest else min)(rows, key=lambda row: row[name])


def sweep(
    function: Callable[..., Mapping[str, Any] | Solution],
    grid: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    store: str | os.PathLike[str] | None = None,
    *,
    zipped: Sequence[Sequence[str]] = (),
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: bool = False,
    throw: bool = True,
    changed: bool = False,
) -> Swept:
    """Call a function at every point of a grid, and keep each result as soon as it is there.

    Use it to vary parameters of your own code. If the process is killed, the same call goes on: points whose result is
    in the store are not computed again.

    Parameters
    ----------
    function : callable
        Called as function(**parameters). It returns a dictionary of numbers, or a `Solution`, of which the status and
        the last record are kept.
    grid : mapping, or iterable of mappings
        For each parameter a list of values, or a range: {"from": 1e-3, "to": 1e-1, "count": 5, "log": True}. All
        combinations are taken. An iterable of mappings gives the points themselves.
    store : str or Path, optional
        The folder in which results are kept. Without it they are only returned.
    zipped : sequence of sequences of str
        Groups of parameters whose values go together, the first with the first and so on.
    jobs : int ≥ 1, default 1
        Number of processes; at most one for each processor, with one share of the threads each.
    backend : str, default "loky"
        "loky" for processes of this machine, "threading", "dask", "ray", or another backend of joblib.
    scheduler : str, optional
        The address of a Dask scheduler or a Ray cluster. Its workers must see the store under the same path.
    progress : bool, default False
        Whether to show the progress.
    throw : bool, default True
        Whether a point that fails raises an error, when all the others are done.
    changed : bool, default False
        Whether results in the store count that another version of the function computed.

    Returns
    -------
    Swept
        Points, results and errors, in the order of the grid.

    Raises
    ------
    ConfigError
        For a bad grid, the same point twice, a result that is no dictionary of numbers, or a store of another function.
    ResourceError
        For more than 100 000 points.
    JobError
        If points failed and `throw` is true. The results of the others are in the store.
    BackendError
        If the backend is not installed, or no cluster answers.

    See Also
    --------
    wgf.solve, wgf.benchmark

    Notes
    -----
    A result is found by a hash of the parameters. The store remembers a hash of the code of the function: a change of
    it is refused, since old and new results would be mixed. It does not see changes in functions that it calls.

    Examples
    --------
    >>> def energy(stiffness, x):
    ...     return {"E": 0.5 * stiffness * x**2}
    >>> found = sweep(energy, {"stiffness": [1.0, 2.0], "x": {"from": 0, "to": 2, "count": 3}})
    >>> found.table["E"]
    [0.0, 0.5, 2.0, 0.0, 1.0, 4.0]
    >>> found.best("E", largest=True)
    {'stiffness': 2.0, 'x': 2, 'E': 4.0}
    """
    if not callable(function):
        raise ConfigError(f"function = {shown(function)}: wanted a function of keyword parameters.")
    points = list(Grid.of(grid, zipped, "grid").points() if isinstance(grid, Mapping) else map(dict, grid))
    names = _names(points)
    results = None if store is None else Results(store)
    if results is not None:
        _require_same(function, results.folder, changed)
    work = Work(jobs, progress, backend=backend, scheduler=scheduler, results=results)
    found: list[dict[str, Any] | None] = [None] * len(points)
    errors: dict[int, Exception] = {}
    call = partial(_numbers, function)
    with closing(work.ended("points", call, [(point,) for point in points], names)) as endings:
        for index, ending in endings:
            found[index] = ending.value
            if ending.error is not None:
                errors[index] = ending.error
    if errors and throw:
        first = min(errors)
        told = f"{len(errors)} of {len(points)} points failed. The first is {shown(points[first])}"
        raise JobError(f"{told}: {type(errors[first]).__name__}: {errors[first]}") from errors[first]
    return Swept(points, found, dict(sorted(errors.items())))


def _names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of the points. ConfigError for a point that comes twice."""
    seen: dict[str, int] = {}
    for index, point in enumerate(points):
        if not all(isinstance(key, str) for key in point):
            raise ConfigError(f"point {index} = {shown(point)}: wanted parameters by their names.")
        first = seen.setdefault(identity(dict(point)), index)
        if first != index:
            raise ConfigError(f"points {first} and {index} are the same: {shown(point)}. Remove one of them.")
    return list(seen)


def _numbers(function: Callable[..., Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """What the function gives at a point, as plain numbers by name."""
    given = function(**point)
    if isinstance(given, Solution):
        last = given.ledger.row(-1) if given.ledger.rows else {}
        return {"status": given.status.name, "steps": given.state.step, **last}
    if not isinstance(given, Mapping):
        raise ConfigError(f"the function returned {shown(given)}; wanted a dictionary of numbers, or a Solution.")
    return {name: _number(name, value) for name, value in given.items()}


def _number(name: Any, value: Any) -> Any:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"the function returned the key {shown(name)}; wanted a name.")
    if (hasattr(value, "item") and getattr(value, "size", None) in (1,)) or callable(getattr(value, "numel", None)):
        with_one = value.numel() == 1 if callable(getattr(value, "numel", None)) else True
        value = value.item() if with_one else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigError(f"the function returned {name} = {shown(value)}; wanted a number.")


def _require_same(function: Callable[..., Any], folder: Path, changed: bool) -> None:
    """Refuse a store of another function, or one whose code has changed since."""
    head = folder / HEAD
    name = getattr(function, "__qualname__", type(function).__qualname__)
    mine = {"function": name, "code": _code(function)}
    if head.exists():
        stored = files.read_json(head)
        if stored.get("function") != name:
            raise ConfigError(
                f"{folder} has results of the function {shown(stored.get('function'))}, not of {name!r}; give another "
                "store."
            )
        if stored.get("code") == mine["code"] or changed:
            return
        raise ConfigError(
            f"{folder} has results of another version of {name}(): its code has changed. Give a new store, or "
            "changed=True if the old results are still right."
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and no store of a sweep; give a new directory.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot write to {folder}: {error.strerror or error}.") from error
    files.write_json(head, mine)


def _code(function: Any) -> str:
    """A hash of the code of a function: comments and layout do not change it. Empty where it cannot be seen."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return hashlib.sha256(repr(_parts(code)).encode()).hexdigest() if isinstance(code, CodeType) else ""


def _parts(code: CodeType) -> tuple[Any, ...]:
    constants = [_parts(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return code.co_code.hex(), code.co_names, code.co_varnames, constants
