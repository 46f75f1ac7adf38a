"""A tree of plain values as JSON text and tensors by name, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError
from .tree import CLASS, FLOAT, TENSOR, Tree

if TYPE_CHECKING:
    from torch import Tensor


def pack(tree: Tree) -> tuple[str, dict[str, Tensor]]:
    """Split a tree into JSON text and tensors by name.

    Parameters
    ----------
    tree : tree
        A tree of `to_tree`.

    Returns
    -------
    text : str
        The tree with names in the places of tensors.
    tensors : dict of str to Tensor
        The tensors, each named by its place in the tree. One that occurs twice is there once.

    Examples
    --------
    >>> import math
    >>> pack({"t": 0.5, "worst": (math.inf, None)})
    ('{"t": 0.5, "worst": [{"": "float", "is": "inf"}, null]}', {})
    """
    found: dict[int, tuple[str, Tensor]] = {}
    taken = {"__metadata__"}

    def name(place: str) -> str:
        free = place or "tensor"
        while free in taken:
            free += "'"
        taken.add(free)
        return free

    def plain(node: Tree, place: str) -> Any:
        if isinstance(node, float):
            return node if math.isfinite(node) else {CLASS: FLOAT, "is": str(node)}
        if node is None or isinstance(node, (bool, int, str)):
            return node
        if isinstance(node, tuple):
            return [plain(entry, f"{place}[{k}]") for k, entry in enumerate(node)]
        if isinstance(node, dict):
            return {key: plain(entry, f"{place}.{key}" if place else key) for key, entry in node.items()}
        if id(node) not in found:
            found[id(node)] = name(place), node
        return {CLASS: TENSOR, "name": found[id(node)][0], "device": str(node.device)}

    text = json.dumps(plain(tree, ""), allow_nan=False)
    return text, {called: _apart(node, found) for called, node in found.values()}


def _apart(node: Tensor, found: dict[int, tuple[str, Tensor]]) -> Tensor:
    """The tensor, copied if it is a view of memory that another one may share; a file holds each by itself."""
    whole = node.is_contiguous() and node.untyped_storage().nbytes() == node.numel() * node.element_size()
    alone = sum(other.untyped_storage().data_ptr() == node.untyped_storage().data_ptr() for _, other in found.values())
    return node if whole and alone == 1 else node.clone(memory_format=_contiguous())


def _contiguous() -> Any:
    import torch

    return torch.contiguous_format


def unpack(text: str, tensors: Mapping[str, Tensor], where: str = "it", device: str | None = None) -> Tree:
    """Put a tree together again from what `pack` gave.

    Parameters
    ----------
    text : str
        The JSON text.
    tensors : mapping of str to Tensor
        The tensors.
    where : str, default "it"
        What it is, for messages.
    device : str, optional
        Where its tensors go. By default each goes to the device on which it was.

    Returns
    -------
    tree
        The tree.

    Raises
    ------
    CheckpointError
        If the text is damaged, a tensor is missing, or its device does not exist here.
    """
    moved: dict[tuple[str, str], Tensor] = {}

    def full(node: Any) -> Tree:
        if isinstance(node, list):
            return tuple(full(entry) for entry in node)
        if not isinstance(node, dict):
            return node
        if node.get(CLASS) == FLOAT:
            return float(node["is"])
        if node.get(CLASS) != TENSOR:
            return {key: full(entry) for key, entry in node.items()}
        key = (node["name"], device or node["device"])
        if key not in moved:
            moved[key] = tensors[key[0]].to(key[1])
        return moved[key]

    try:
        return full(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"cannot read {where}: {type(error).__name__}: {error}.") from error
    except (RuntimeError, AssertionError) as error:  # torch, for a device that is not there
        raise CheckpointError(f"cannot read {where}: {error}. Give another device.") from error
