"""The settings of a class, read from the signature of its constructor, and a comparison of settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, get_type_hints

import numpy as np
from torch import Tensor

Numbers: TypeAlias = Annotated[Any, "a number, a list of numbers or a matrix"]
"""The type of a setting that a configuration file may write as a number, a list of numbers or a list of rows."""


Rows: TypeAlias = Annotated[Any, "rows of numbers"]
"""The type of a setting that a configuration file writes as a list of rows of numbers."""
Pairs: TypeAlias = Annotated[Any, "pairs of integers"]
"""The type of a setting that a configuration file writes as a list of pairs of integers."""


@dataclass(frozen=True)
class Setting:
    """One argument of a constructor.

    Attributes
    ----------
    kind : type
        Its annotation; `Any` where it has none.
    default : object
        Its default value. It has no meaning where `required` is true.
    required : bool
        Whether the argument has no default.
    """

    kind: Any
    default: Any
    required: bool


def settings_of(cls: Any) -> dict[str, Setting]:
    """Read the arguments of a constructor from its signature.

    Parameters
    ----------
    cls : type or callable
        A class, or a function that makes an object. `*args` and `**options` are left out.

    Returns
    -------
    dict of str to Setting
        The arguments by name, in the order of the signature.

    Examples
    --------
    >>> from wgf.kernels import Gaussian
    >>> settings_of(Gaussian)["h"].kind
    <class 'float'>
    """
    function = cls.__init__ if inspect.isclass(cls) else cls
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    return {
        name: Setting(hints.get(name, Any), parameter.default, parameter.default is parameter.empty)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def same_value(a: Any, b: Any) -> bool:
    """Tell whether two values of a setting are the same.

    Arrays are compared entry by entry, containers item by item. NaN equals NaN. Values of different types differ.

    Parameters
    ----------
    a, b : object
        The values. Tensors and arrays must agree in dtype and shape; the device does not matter.

    Returns
    -------
    bool
        True if they are the same. False also where the two cannot be compared.

    Examples
    --------
    >>> same_value([1.0, float("nan")], [1.0, float("nan")]), same_value(1, 1.0)
    (True, False)
    """
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
    except (TypeError, ValueError, RuntimeError):  # the comparison raises, or its result is neither true nor false
        return False


def _same_array(a: np.ndarray, b: Any) -> bool:
    """Whether two arrays of the same shape agree entry by entry."""
    return bool(np.array_equal(a, np.asarray(b), equal_nan=a.dtype.kind in "fc"))
