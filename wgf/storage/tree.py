"""Trees of plain values: the form in which everything that a run remembers is stored. Nothing is pickled.

A tree is None, a boolean, an integer, a float, a string, a tensor, a tuple of trees, or a dictionary of trees by
string. An object of a class that is registered by `remembered` is a dictionary too: its key "" holds the name of the
class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar, overload

from ..errors import CheckpointError, ConfigError, shown

Tree: TypeAlias = Any
"""None, bool, int, float, str, Tensor, tuple of trees, or dict of trees by string."""

CLASS = ""
"""The key of a dictionary under which the name of its class stands."""
TENSOR, FLOAT, LEFT_OUT = "tensor", "float", "left out"
"""Names that no class may have."""
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")

C = TypeVar("C", bound=type)


class _Kind(NamedTuple):
    """How objects of one class become a dictionary, and come back."""

    cls: type
    parts: Callable[[Any], Mapping[str, Any]]
    make: Callable[[dict[str, Any]], Any]


_kinds: dict[str, _Kind] = {}
"""The registered classes by name."""
_names: dict[type, str] = {}


@dataclass(frozen=True)
class LeftOut:
    """It stands in the place of something that a file cannot hold, such as a user's function, and names it."""

    name: str


@overload
def remembered(cls: C, /) -> C: ...
@overload
def remembered(
    *,
    name: str | None = None,
    parts: Callable[[Any], Mapping[str, Any]] | None = None,
    make: Callable[[dict[str, Any]], Any] | None = None,
) -> Callable[[C], C]: ...
def remembered(
    cls: Any = None,
    /,
    *,
    name: str | None = None,
    parts: Callable[[Any], Mapping[str, Any]] | None = None,
    make: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """Register a class whose objects are remembered between steps, so that a checkpoint can hold them.

    Use it as a decorator of a dataclass: `@remembered`. Its fields are stored one by one. They may be numbers, strings,
    tensors, tuples, dictionaries, None, and objects of other registered classes.

    Parameters
    ----------
    cls : type
        The class; a dataclass, unless `parts` and `make` are given.
    name : str, optional
        The name under which it is stored. By default it is the name of the class.
    parts : callable, optional
        Gives what is stored of an object, as a dictionary. By default these are the fields.
    make : callable, optional
        Makes an object from that dictionary. By default the class is called with the fields by name.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    ConfigError
        If it is no dataclass, or another class has its name.

    See Also
    --------
    wgf.protocol.State

    Examples
    --------
    >>> @remembered
    ... @dataclass(frozen=True)
    ... class Counted:
    ...     steps: int
    >>> to_tree((Counted(3), 0.5))
    ({'': 'Counted', 'steps': 3}, 0.5)
    >>> from_tree(to_tree(Counted(3)))
    Counted(steps=3)
    """
    if cls is None:
        return lambda found: _register(found, name, parts, make)
    return _register(cls, name, parts, make)


def _register(cls: type, name: str | None, parts: Any, make: Any) -> type:
    called = cls.__name__ if name is None else name
    if (parts is None or make is None) and not dataclasses.is_dataclass(cls):
        raise ConfigError(f"remembered({called}): wanted a dataclass, or parts= and make=.")
    taken = _kinds.get(called)
    same = taken is not None and (taken.cls.__module__, taken.cls.__qualname__) == (cls.__module__, cls.__qualname__)
    if called in (CLASS, TENSOR, FLOAT, LEFT_OUT) or (taken is not None and not same):
        raise ConfigError(f"remembered({called}): the name is taken; give another one by name=.")
    _kinds[called] = _Kind(cls, parts or _fields, make or (lambda found: cls(**found)))
    _names[cls] = called
    return cls


def parts_of(value: Any) -> Mapping[str, Any] | None:
    """What is stored of an object of a registered class, by name; None for another object."""
    called = _names.get(type(value))
    return None if called is None else _kinds[called].parts(value)


def name_of(value: Any) -> str | None:
    """The name under which objects of the class of `value` are stored; None if it is not registered."""
    return _names.get(type(value))


def make_of(called: str) -> Callable[[dict[str, Any]], Any]:
    """What makes an object of the class that is registered under a name, from its parts."""
    return _kinds[called].make


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


# ------------------------------------------------------------------------------------------------- objects and trees


def to_tree(value: Any, where: str = "it", leave_out: bool = False) -> Tree:
    """Turn what is remembered into a tree.

    Parameters
    ----------
    value : object
        A tree whose parts may also be objects of registered classes.
    where : str, default "it"
        What it is, for messages, such as "the memory of Heun".
    leave_out : bool, default False
        Whether what a tree cannot hold is left out, with a `LeftOut` in its place that names it.

    Returns
    -------
    tree
        The tree. Tensors are the same objects as in `value`.

    Raises
    ------
    CheckpointError
        Where something cannot be held, such as a function or an object of a class that is not registered. The message
        names it and its place. Not if `leave_out` is true.
    """
    import torch

    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, torch.Tensor):
        if str(value.dtype).removeprefix("torch.") in _DTYPES and value.layout == torch.strided:
            return value.detach() if value.requires_grad else value
        return _refused(f"a tensor of {value.dtype}", where, leave_out, "Wanted a dense real tensor.")
    if isinstance(value, LeftOut):
        return {CLASS: LEFT_OUT, "name": value.name}
    if type(value) is tuple:
        return tuple(to_tree(entry, f"{where}[{k}]", leave_out) for k, entry in enumerate(value))
    if type(value) is dict:
        if not all(isinstance(key, str) and key for key in value):
            return _refused(f"a dictionary with the keys {shown(list(value))}", where, leave_out, "Wanted strings.")
        return {key: to_tree(entry, f"{where}[{key!r}]", leave_out) for key, entry in value.items()}
    called = _names.get(type(value))
    if called is None:
        return _refused(_described(value), where, leave_out, _advice(value))
    parts = _kinds[called].parts(value)
    return {CLASS: called} | {key: to_tree(entry, f"{where}.{key}", leave_out) for key, entry in parts.items()}


def from_tree(tree: Tree, where: str = "it") -> Any:
    """Turn a tree of `to_tree` into what was remembered.

    Parameters
    ----------
    tree : tree
        The tree.
    where : str, default "it"
        What it is, for messages.

    Returns
    -------
    object
        As it was given to `to_tree`. What was left out is a `LeftOut`.

    Raises
    ------
    CheckpointError
        If a class is not known here or has other parts than it had, or the tree is none.
    """
    if isinstance(tree, tuple):
        return tuple(from_tree(entry, f"{where}[{k}]") for k, entry in enumerate(tree))
    if not isinstance(tree, dict):
        return tree
    parts = {key: entry for key, entry in tree.items() if key != CLASS}
    if CLASS not in tree:
        return {key: from_tree(entry, f"{where}[{key!r}]") for key, entry in parts.items()}
    called = tree[CLASS]
    if called == LEFT_OUT:
        return LeftOut(str(parts.get("name")))
    kind = _kinds.get(called)
    if kind is None:
        raise CheckpointError(
            f"{where} is of the class {shown(called)}, which is not known here; import the module that defines it, "
            "and register it there by @wgf.protocol.remembered."
        )
    values = {key: from_tree(entry, f"{where}.{key}") for key, entry in parts.items()}
    try:
        return kind.make(values)
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{where}: {called} has other parts here than where it was stored ({error}).") from error


def _refused(what: str, where: str, leave_out: bool, advice: str) -> Tree:
    if leave_out:
        return {CLASS: LEFT_OUT, "name": what}
    raise CheckpointError(f"{where} is {what}, which a checkpoint cannot hold. {advice}")


def _described(value: Any) -> str:
    """What something is, by name and without an address in memory."""
    if callable(value):
        return f"the function {getattr(value, '__qualname__', type(value).__qualname__)}"
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _advice(value: Any) -> str:
    if callable(value):
        return "Keep functions among the settings of the scheme or the drive, not in its memory."
    if dataclasses.is_dataclass(value):
        return "Register its class by @wgf.protocol.remembered."
    return "Wanted numbers, strings, tensors, tuples, dictionaries by string, None, or a registered dataclass of them."
