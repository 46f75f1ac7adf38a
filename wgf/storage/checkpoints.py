"""The checkpoints of a run: files that are whole or not there. The last two are kept, the newest whole one is read."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, WgfWarning
from .files import sync_folder, write_whole
from .packing import pack, unpack
from .tensors import read_with_head, tensor_bytes
from .tree import from_tree, to_tree

FORMAT = "wgf-checkpoint-1"
KEPT = 2
"""How many checkpoints are kept."""
_NAME = re.compile(r"checkpoint-(\d{6,})\.safetensors")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was read.

    Attributes
    ----------
    path : Path
        Its file.
    head : dict
        What the writer said of it: step, time, versions, the hash of the configuration.
    content : object
        What was remembered.
    skipped : tuple of str
        Newer checkpoints that were passed over, each with the reason.
    """

    path: Path
    head: dict[str, Any]
    content: Any
    skipped: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints in a folder, numbered in the order in which they were written.

    A checkpoint is a file of safetensors with a SHA-256 over all of it. Its metadata hold a head and the tree of what
    is remembered, as JSON. The names of the tensors are their places in that tree. Any reader of safetensors can open
    it.

    Parameters
    ----------
    folder : str or Path
        The folder; made at the first write.

    Examples
    --------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(folder)
    ...     for step in range(3):
    ...         path = checkpoints.write({"x": torch.ones(2), "t": 0.1 * step}, {"step": step})
    ...     found = Checkpoints(folder).newest()
    ...     len(list(Path(folder).iterdir())), found.head["step"], found.content
    (2, 2, {'x': tensor([1., 1.]), 't': 0.2})
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._whole: list[Path] = []
        """Checkpoints that this object wrote or read, oldest first."""

    def paths(self) -> list[Path]:
        """Give the files of the checkpoints that are there, oldest first.

        Returns
        -------
        list of Path
            Their paths; whether they are whole is not looked at.
        """
        try:
            names = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"cannot read {self.folder}: {error.strerror or error}.") from error
        return sorted(names, key=_number)

    def write(self, content: Any, head: Mapping[str, Any], leave_out: bool = False) -> Path:
        """Write a checkpoint, and remove all but the last two.

        Parameters
        ----------
        content : object
            What is to be remembered: what `to_tree` takes.
        head : mapping of str to object
            What to say of it, as JSON can hold it without NaN and infinity.
        leave_out : bool, default False
            Whether what cannot be held is left out, with its name in its place.

        Returns
        -------
        Path
            The file. When this returns it is on the disk, under its name.

        Raises
        ------
        CheckpointError
            If something in `content` cannot be held, or the file cannot be written. The checkpoints before it are
            untouched then.
        """
        text, tensors = pack(to_tree(content, "the checkpoint", leave_out))
        said = f'{{"head": {json.dumps(dict(head), allow_nan=False)}, "tree": {text}}}'
        there = self.paths()
        path = self.folder / f"checkpoint-{_number(there[-1]) + 1 if there else 1:06d}.safetensors"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot write the checkpoint to {path}: {error.strerror or error}") from error
        write_whole(path, tensor_bytes(tensors, FORMAT, said), "the checkpoint")
        self._whole = [*self._whole, path][-KEPT:]
        self._tidy()
        return path

    def _tidy(self) -> None:
        """Remove what is neither one of the last whole checkpoints nor needed until there are so many."""
        partial = list(self.folder.glob("checkpoint-*.partial"))
        old = [path for path in self.paths() if path not in self._whole] if len(self._whole) == KEPT else []
        for path in (*old, *partial):
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            sync_folder(self.folder)

    def newest(self, device: str | None = None) -> Checkpoint:
        """Read the newest checkpoint that is whole.

        Parameters
        ----------
        device : str, optional
            Where its tensors go. By default each goes to the device on which it was.

        Returns
        -------
        Checkpoint
            It. Newer ones that are damaged are named in `skipped`, and in a WgfWarning.

        Raises
        ------
        CheckpointError
            If no checkpoint is whole. Or if the whole one holds something that this process cannot make: a class that
            is not registered here, or a tensor on a device that is not here.
        """
        skipped: list[str] = []
        for path in reversed(self.paths()):
            try:
                head, tree, tensors = _opened(path)
            except CheckpointError as error:
                skipped.append(str(error))
                continue
            content = from_tree(unpack(tree, tensors, str(path), device), "the checkpoint")
            self._whole = [path]
            if skipped:
                told = " ".join(skipped)
                warnings.warn(f"going on from the older {path.name}: {told}", WgfWarning, stacklevel=2)
            return Checkpoint(path, head, content, tuple(skipped))
        reason = " ".join(skipped) or "there is none."
        raise CheckpointError(f"{self.folder} holds no whole checkpoint: {reason}")

    def at(self, name: str, device: str | None = None) -> Checkpoint:
        """Read the checkpoint of this name; CheckpointError where it is not whole. `device` as for `newest`."""
        head, tree, tensors = _opened(self.folder / name)
        return Checkpoint(self.folder / name, head, from_tree(unpack(tree, tensors, name, device), "the checkpoint"))


def _opened(path: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The head, the tree as JSON and the tensors of a checkpoint."""
    tensors, text = read_with_head(path, FORMAT, old="")
    try:
        said = json.loads(text)
        return dict(said["head"]), json.dumps(said["tree"]), tensors
    except (ValueError, KeyError, TypeError) as error:  # it is as it was written, but by something else
        raise CheckpointError(f"{path} is no checkpoint of this version: {error}.") from error


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])
