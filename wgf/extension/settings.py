"""The settings of a class, read off its constructor, and the comparison of two values of a setting."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, get_type_hints

import numpy as np
from torch import Tensor

Numbers: TypeAlias = Annotated[Any, "a number, a list of numbers or a matrix"]
"""The type of a setting that a configuration file may write as a number, a list of numbers or a list of rows."""


@dataclass(frozen=True)
class Setting:
    """One argument of a constructor: its type, and its default where it has one."""

    kind: Any
    default: Any
    required: bool


def settings_of(cls: Any) -> dict[str, Setting]:
    """The arguments of a class (or of a function that makes an object), by name, as its signature declares them."""
    function = cls.__init__ if inspect.isclass(cls) else cls
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    return {
        name: Setting(hints.get(name, Any), parameter.default, parameter.default is parameter.empty)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def same_value(a: Any, b: Any) -> bool:
    """Whether two values of a setting are the same: arrays entry by entry, containers item by item, NaN equals NaN."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if hasattr(a, "same_as"):  # a term inside a term
        return bool(a.same_as(b))
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and _same_array(a.detach().cpu().numpy(), b.detach().cpu())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and _same_array(a, b)
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same_value(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same_value, a, b))
    try:
        return bool(a == b) or (isinstance(a, float) and a != a and b != b)
    except (TypeError, ValueError, RuntimeError):  # a type whose comparison is no truth value
        return False


def _same_array(a: np.ndarray, b: Any) -> bool:
    return bool(np.array_equal(a, np.asarray(b), equal_nan=a.dtype.kind in "fc"))
