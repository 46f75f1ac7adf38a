"""Results of jobs in a folder, by the id of the job. Each is computed once, also by several processes at a time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError, WgfWarning
from ..storage import (
    DirectoryLock,
    from_tree,
    pack,
    parts_of,
    remembered,
    tensor_bytes,
    to_tree,
    unpack,
    write_whole,
)
from ..storage.tensors import read_with_head
from ..storage.tree import CLASS, name_of

NAME, FORMAT = "result.safetensors", "wgf-result-1"


class Results:
    """A folder with one folder for each job, which holds its result.

    Parameters
    ----------
    folder : str or Path
        Where the results are kept. It is made with the first result.

    See Also
    --------
    wgf.sweeps.Work, wgf.sweeps.identity

    Examples
    --------
    >>> import tempfile
    >>> results = Results(tempfile.mkdtemp())
    >>> results.made("one", lambda: {"x": 2.0})  # computed
    {'x': 2.0}
    >>> results.made("one", lambda: 1 / 0)  # read
    {'x': 2.0}
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(os.path.abspath(folder))  # workers may have another current directory

    def place(self, job: str) -> Path:
        """The folder of a job, by its id."""
        return self.folder / job

    def __contains__(self, job: str) -> bool:
        return (self.folder / job / NAME).is_file()

    def load(self, job: str) -> Any:
        """Read a result.

        Parameters
        ----------
        job : str
            The id of the job.

        Returns
        -------
        object
            As it was kept: numbers, arrays, lists, dictionaries, and classes that are registered by `remembered`.

        Raises
        ------
        CheckpointError
            If it is not there or damaged.
        """
        path = self.folder / job / NAME
        tensors, head = read_with_head(path, FORMAT)
        tensors.pop(_FILL, None)
        return _taken_out(from_tree(unpack(head, tensors, str(path)), str(path)), str(path))

    def made(self, job: str, call: Callable[[], Any]) -> Any:
        """The result of a job: read if it is there, else computed and kept.

        Parameters
        ----------
        job : str
            The id of the job.
        call : callable
            Computes the result.

        Returns
        -------
        object
            The result. One that a file cannot hold, such as a function, is not kept.

        Raises
        ------
        LockedError
            If another process computes it now.
        CheckpointError
            If it cannot be written, or a kept one is damaged.
        """
        if job in self:
            return self.load(job)
        place = self.place(job)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot write to {place}: {error.strerror or error}.") from error
        with held(place):
            if job not in self:  # else another process has just finished it
                result = call()
                try:
                    text, tensors = pack(to_tree(_put_in(result), "the result"))
                except (CheckpointError, ConfigError):
                    return result
                tensors[_FILL] = torch.zeros(1)  # a file of safetensors needs a tensor
                write_whole(place / NAME, tensor_bytes(tensors, FORMAT, text), "the result of a job")
            return self.load(job)


class held:
    """The lock of a folder, taken over without a word from a process that was killed: jobs go on by design."""

    def __init__(self, folder: Path) -> None:
        self._lock = DirectoryLock(folder)

    def __enter__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WgfWarning)
            self._lock.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._lock.__exit__(*error)


# ------------------------------------------------------------------------------------------------- any result as a tree

_FILL = "fill"


@remembered(name="list")
@dataclass(frozen=True)
class _List:
    items: tuple[Any, ...]


@remembered(name="pairs")
@dataclass(frozen=True)
class _Pairs:
    """A dictionary whose keys are not all strings."""

    keys: tuple[Any, ...]
    values: tuple[Any, ...]


@remembered(name="array")
@dataclass(frozen=True)
class _Array:
    """An array of numpy, or a single number of numpy."""

    values: torch.Tensor
    single: bool


@remembered(name="object")
@dataclass(frozen=True)
class _Object:
    """An object of a class that is registered by `remembered`; its parts may be lists and arrays too."""

    name: str
    parts: dict[str, Any]


def _put_in(value: Any) -> Any:
    """A result in which lists, arrays of numpy and other dictionaries are objects that a tree can hold."""
    if isinstance(value, (np.ndarray, np.generic)):
        return _of_array(value)
    if type(value) is list:
        return _List(tuple(_put_in(entry) for entry in value))
    if type(value) is tuple:
        return tuple(_put_in(entry) for entry in value)
    if type(value) is dict:
        if all(isinstance(key, str) and key for key in value):
            return {key: _put_in(entry) for key, entry in value.items()}
        return _Pairs(tuple(map(_put_in, value.keys())), tuple(map(_put_in, value.values())))
    name, parts = name_of(value), parts_of(value)
    if name is None or parts is None:
        return value
    return _Object(name, {key: _put_in(part) for key, part in parts.items()})


def _of_array(value: np.ndarray | np.generic) -> _Array:
    try:
        return _Array(torch.from_numpy(np.array(value)), isinstance(value, np.generic))
    except TypeError as error:
        raise ConfigError(f"the result holds an array of {value.dtype}; wanted numbers.") from error


def _taken_out(value: Any, where: str) -> Any:
    if isinstance(value, _Array):
        array = value.values.numpy()
        return array[()] if value.single else array
    if isinstance(value, _List):
        return [_taken_out(entry, where) for entry in value.items]
    if isinstance(value, _Pairs):
        return {_taken_out(k, where): _taken_out(v, where) for k, v in zip(value.keys, value.values, strict=True)}
    if isinstance(value, _Object):
        return from_tree(
            {CLASS: value.name} | {key: _taken_out(part, where) for key, part in value.parts.items()}, where
        )
    if type(value) is tuple:
        return tuple(_taken_out(entry, where) for entry in value)
    if type(value) is dict:
        return {key: _taken_out(entry, where) for key, entry in value.items()}
    return value
