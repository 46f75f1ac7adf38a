"""Objects of this package as trees: terms, schemes and domains with their settings, from which they are built again.

What belongs to the user, such as a function or an object of a class outside this package, is left out and named.
Building runs no code of a file: it names classes and functions of this package alone.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, shown
from .tree import CLASS, LEFT_OUT, LeftOut, Tree, make_of, name_of, parts_of

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "wgf"
LARGEST = 2**26
"""Tensors of one object may have so many bytes together, 64 MiB; more are left out."""
_PLAIN = (bool, int, float, str)


def object_tree(value: Any) -> Tree:
    """Turn an object of this package into a tree.

    Parameters
    ----------
    value : object
        A term, a sum of terms, a scheme, a domain, or a tree of such objects.

    Returns
    -------
    tree
        The tree. `object_from` builds the object again. Each part that cannot be stored is named in it: see `left_out`.

    Examples
    --------
    >>> import wgf
    >>> tree = object_tree(2.0 * wgf.Quadratic(center=1.0))
    >>> object_from(tree)
    2 * Quadratic
    >>> left_out(tree), left_out(object_tree({"fn": print}))
    ((), ('the function print',))
    """
    return _Writer().tree(value)


class _Writer:
    """Remembers the objects that it has seen, so that one that occurs twice is one again."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}
        self._room = LARGEST

    def tree(self, value: Any) -> Tree:
        import numpy as np
        import torch

        if value is None or type(value) in _PLAIN:
            return value
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, (np.ndarray, np.generic)):
            kind = value.dtype.kind
            if kind not in "biuf":
                return _without(f"an array of {value.dtype}")
            form = "array" if isinstance(value, np.ndarray) else "number"
            return {CLASS: form, "of": self._tensor(torch.from_numpy(np.array(value)))}
        if isinstance(value, (torch.dtype, torch.device)):
            return {CLASS: type(value).__name__, "of": str(value).removeprefix("torch.")}
        if type(value) in (tuple, list):
            entries = tuple(self.tree(entry) for entry in value)
            return entries if type(value) is tuple else {CLASS: "list", "of": entries}
        if type(value) is dict:
            pairs = tuple((self.tree(key), self.tree(entry)) for key, entry in value.items())
            return {CLASS: "dict", "of": pairs}
        if id(value) in self._seen:
            return {CLASS: "again", "of": self._seen[id(value)][0]}
        return self._object(value)

    def _tensor(self, value: Tensor) -> Tree:
        self._room -= value.nbytes
        if self._room < 0 or value.is_sparse:
            return _without(f"an array of {value.nbytes / 2**20:.0f} MiB")
        return value.detach()

    def _object(self, value: Any) -> Tree:
        cls = type(value)
        if isinstance(value, LeftOut):
            return _without(value.name)
        known = name_of(value)
        if known is None and _place(value) is not None:
            return {CLASS: "name", "of": _place(value)}
        if known is None and (_place(cls) is None or not hasattr(value, "__dict__")):
            named = getattr(value, "__qualname__", None)
            return _without(
                f"the function {named}" if callable(value) and named else f"{cls.__module__}.{cls.__name__}"
            )
        number = len(self._seen)
        self._seen[id(value)] = number, value
        parts = parts_of(value)
        if parts is None:
            computed = {name for name in dir(cls) if isinstance(getattr(cls, name, None), cached_property)}
            parts = {name: part for name, part in vars(value).items() if name not in computed}
        form = {CLASS: "object", "of": _place(cls)} if known is None else {CLASS: "remembered", "of": known}
        return form | {"number": number, "with": {name: self.tree(part) for name, part in parts.items()}}


def _without(name: str) -> Tree:
    return {CLASS: LEFT_OUT, "name": name}


def _place(thing: Any) -> str | None:
    """Where a class or function of this package is found, as "module:name"; None for another thing."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module.partition(".")[0] != PACKAGE:
        return None
    try:
        return f"{module}:{name}" if _found(f"{module}:{name}") is thing else None
    except CheckpointError:
        return None


def _found(place: str) -> Any:
    """The class or function of this package at a place."""
    module, _, name = place.partition(":")
    try:
        if module.partition(".")[0] != PACKAGE:
            raise ImportError("it is not of this package")
        thing: Any = importlib.import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
        if getattr(thing, "__module__", None) != module or getattr(thing, "__qualname__", None) != name:
            raise AttributeError("it is another thing")
        return thing
    except (ImportError, AttributeError) as error:
        raise CheckpointError(f"{shown(place)} is not known here: {error}.") from error


def left_out(tree: Tree) -> tuple[str, ...]:
    """Name what was left out of a tree.

    Parameters
    ----------
    tree : tree
        A tree of `object_tree`.

    Returns
    -------
    tuple of str
        Each thing once.
    """
    found: dict[str, None] = {}

    def look(node: Tree) -> None:
        if isinstance(node, dict) and node.get(CLASS) == LEFT_OUT:
            found[str(node["name"])] = None
        elif isinstance(node, (tuple, dict)):
            for part in node if isinstance(node, tuple) else node.values():
                look(part)

    look(tree)
    return tuple(found)


def object_from(tree: Tree) -> Any:
    """Build an object from a tree of `object_tree`.

    Parameters
    ----------
    tree : tree
        The tree, without a part that was left out.

    Returns
    -------
    object
        An object with the same settings.

    Raises
    ------
    CheckpointError
        If it names a class that is not known here, or is no such tree.
    """
    made: dict[int, Any] = {}

    def build(node: Tree) -> Any:
        import torch

        if isinstance(node, tuple):
            return tuple(map(build, node))
        if not isinstance(node, dict):
            return node
        form, inside = node[CLASS], node["of"]
        if form in ("list", "dict"):
            return {"list": list, "dict": dict}[form](build(inside))
        if form in ("array", "number"):
            return inside.numpy() if form == "array" else inside.numpy()[()]
        if form in ("dtype", "device"):
            return getattr(torch, inside) if form == "dtype" else torch.device(inside)
        if form == "name":
            return _found(inside)
        if form == "again":
            return made[inside]
        if form == "remembered":
            made[node["number"]] = make_of(inside)({name: build(part) for name, part in node["with"].items()})
            return made[node["number"]]
        if form != "object":
            raise KeyError(form)
        new = object.__new__(_found(inside))
        made[node["number"]] = new
        vars(new).update({name: build(part) for name, part in node["with"].items()})
        return new

    try:
        return build(tree)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the description cannot be read here: {type(error).__name__}: {error}.") from error
