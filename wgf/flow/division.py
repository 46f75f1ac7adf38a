"""How the particles of a checkpoint are divided into parts, and how the rows of a process are read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..measure import Ensemble, ShardedEnsemble
from ..protocol import State
from ..storage import from_tree, read_tensors, remembered, require_digest, to_tree, unpack
from ..wire import Group, Layout

PART = "wgf-part-1"
"""The format of a part."""


@remembered
@dataclass(frozen=True)
class Rows:
    """The place of an array with a row for each particle, which is in the parts."""

    name: str


@remembered
@dataclass(frozen=True)
class Division:
    """How the particles of a checkpoint are divided.

    Attributes
    ----------
    n, blocks : int
        All particles, and their blocks.
    parts : tuple of (str, str, int, int)
        The name of each part, its checksum, its first row, and the one after its last.
    memory, small : str, dict
        What the scheme remembers, packed, with `Rows` in place of arrays that have a row for each particle.
    period : Tensor or None
        Lengths after which space repeats.
    history : int
        What the particles remember of noise.
    """

    n: int
    blocks: int
    parts: tuple[tuple[str, str, int, int], ...]
    memory: str
    small: dict[str, Tensor]
    period: Tensor | None
    history: int


def taken(node: Any, rows: int, name: str, arrays: dict[str, Tensor]) -> Any:
    """A tree with `Rows` in place of the arrays that have a row for each particle, which go to `arrays`."""
    if isinstance(node, Tensor) and node.ndim and len(node) == rows:
        arrays[name] = node
        return to_tree(Rows(name))
    if isinstance(node, dict):
        return {key: taken(entry, rows, f"{name}.{key}", arrays) for key, entry in node.items()}
    if isinstance(node, tuple):
        return tuple(taken(entry, rows, f"{name}.{k}", arrays) for k, entry in enumerate(node))
    return node


def _put(node: Any, arrays: Mapping[str, Tensor]) -> Any:
    """A tree with the arrays in place of `Rows`."""
    if isinstance(node, dict) and node.get("") == "Rows":
        return arrays[node["name"]]
    if isinstance(node, dict):
        return {key: _put(entry, arrays) for key, entry in node.items()}
    return tuple(_put(entry, arrays) for entry in node) if isinstance(node, tuple) else node


def _rows(division: Division, folder: Path, first: int, last: int) -> dict[str, Tensor]:
    """The arrays of some rows of all particles, from the parts that have them."""
    found: list[dict[str, Tensor]] = []
    for name, checksum, begin, end in division.parts:
        low, high = max(first, begin), min(last, end)
        if low >= high:
            continue
        try:
            require_digest((folder / name).read_bytes(), checksum, folder / name)
        except OSError as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"cannot read {folder / name}: {error.strerror or error}.") from error
        arrays = read_tensors(folder / name, PART)
        if len(arrays["x"]) != end - begin:
            raise CheckpointError(f"{folder / name} has {len(arrays['x'])} particles; wanted {end - begin}.")
        found.append({key: part[low - begin : high - begin] for key, part in arrays.items()})
    return {key: torch.cat([part[key] for part in found]) for key in found[0]}


def divided(state: State, division: Division, folder: Path, group: Group, device: str | None = None) -> State:
    """The state with the rows that this process owns, whatever the number of processes that wrote them.

    Parameters
    ----------
    state : State
        The state of the checkpoint, without its particles.
    division : Division
        How they are divided there.
    folder : Path
        Where the parts are.
    group : Group
        The processes.
    device : str, optional
        Where the arrays go.

    Returns
    -------
    State
        With a `ShardedEnsemble`.
    """
    layout = Layout.of(division.n, group.rank, group.size, division.blocks)
    rows, memory = _read(division, folder, *layout.span(group.rank), device)
    return state.with_(mu=ShardedEnsemble.of(rows, group, layout), memory=memory)


def whole(state: State, division: Division | None, folder: Path, device: str | None = None) -> State:
    """The state with all particles in this process; as it is where they are not divided."""
    if division is None:
        return state
    mu, memory = _read(division, folder, 0, division.n, device)
    return state.with_(mu=mu, memory=memory)


def _read(division: Division, folder: Path, first: int, last: int, device: str | None) -> tuple[Ensemble, Any]:
    """Particles and memory of some rows."""
    arrays = {name: part.to(device or part.device) for name, part in _rows(division, folder, first, last).items()}
    tree = _put(unpack(division.memory, division.small, "the memory of the scheme", device), arrays)
    mu = Ensemble(arrays["x"], ids=arrays["ids"], copy=False).on(division.period).remembering(division.history)
    return mu.weighing(arrays["weights"]), from_tree(tree, "the memory of the scheme")
