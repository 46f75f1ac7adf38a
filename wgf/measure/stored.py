"""An ensemble in a file: its parts as safetensors with a checksum."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..storage import read_tensors, tensor_bytes, write_whole

_FORMAT, _OLD = "wgf-ensemble-2", "wgf-ensemble-1"
_NEEDED = {"x", "weights", "ids"}


def write_parts(path: str | os.PathLike[str], parts: dict[str, Tensor | None], history: int) -> None:
    """Write the parts that are there and the history, completely or not at all; CheckpointError if it fails."""
    tensors = {name: part for name, part in parts.items() if part is not None}
    tensors |= {"history": torch.tensor(history)} if history else {}
    write_whole(path, tensor_bytes(tensors, _FORMAT), "the ensemble")


def read_parts(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], int]:
    """The parts and the history that `write_parts` wrote; CheckpointError if the file holds something else."""
    parts = read_tensors(Path(path), _FORMAT, _OLD)
    if not set(parts) >= _NEEDED or set(parts) - _NEEDED - {"history", "period"}:
        raise CheckpointError(f"{path} holds no ensemble: it has {', '.join(sorted(parts)) or 'no tensor'}.")
    return parts, int(parts.pop("history", 0))
