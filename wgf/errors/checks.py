"""Checks of numbers and of results that raise the errors."""

from __future__ import annotations

from typing import Any

from .kinds import ConfigError
from .words import shown


def require_number(
    name: str,
    value: Any,
    *,
    positive: bool = False,
    nonnegative: bool = False,
) -> float:
    """Check that an argument is a finite number.

    Parameters
    ----------
    name : str
        The name of the argument, for the message.
    value : object
        What was given. Strings and booleans are not accepted as numbers.
    positive : bool, default False
        Whether the number must be > 0.
    nonnegative : bool, default False
        Whether the number must be ≥ 0.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ConfigError
        If `value` is no such number.

    Examples
    --------
    >>> require_number("dt", 1, positive=True)
    1.0
    """
    wanted = "a positive number" if positive else "a number ≥ 0" if nonnegative else "a finite number"
    bad = isinstance(value, (str, bytes, bool))
    try:
        number = float("nan") if bad else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not (-float("inf") < number < float("inf")) or (positive and number <= 0) or (nonnegative and number < 0):
        raise ConfigError(f"{name} = {shown(value)}: wanted {wanted}.")
    return number


def require_unmasked(name: str, value: Any) -> Any:
    """`value`, or a ConfigError where it has masked entries: arrays made of it would hold what the mask hides.

    >>> import numpy as np
    >>> float(require_unmasked("x", np.ma.array([1.0, 2.0])).sum())
    3.0
    """
    if _is_masked(value):
        raise ConfigError(
            f"{name}: a masked array; what its mask hides would be used as numbers. Drop the masked rows, or fill them."
        )
    return value


def _is_masked(value: Any, depth: int = 0) -> bool:
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        return value.dtype.names is not None or bool(np.ma.is_masked(value))
    if isinstance(value, (list, tuple)) and depth < 64:  # numpy has no more axes than that
        return any(_is_masked(entry, depth + 1) for entry in value if type(entry) not in (float, int))
    return type(value).__name__ == "MaskedTensor" and not bool(value.get_mask().all())  # of torch


LENGTHS = 1e-50, 1e50
"""The lengths that kernels and entropies take: their sixth powers are in the range of float64."""


def require_length(name: str, value: Any, *, zero: bool = False) -> float:
    """`value` as a length > 0 (≥ 0 with `zero`) in the units of x, from 1e-50 to 1e50, or a ConfigError."""
    number = require_number(name, value, positive=not zero, nonnegative=zero)
    if not (LENGTHS[0] <= number <= LENGTHS[1] or number == 0.0):
        raise ConfigError(
            f"{name} = {shown(value)}: wanted a length from {LENGTHS[0]:g} to {LENGTHS[1]:g}; measure x in other units."
        )
    return number


STEEPEST = 100.0
"""The largest exponent of a kernel or of a density: powers of two lengths then leave the range of float64 late."""


def require_exponent(name: str, value: Any) -> float:
    """`value` as an exponent from 0 (excluded) to 100, or a ConfigError."""
    number = require_number(name, value, positive=True)
    if number > STEEPEST:
        raise ConfigError(f"{name} = {shown(value)}: wanted an exponent of at most {STEEPEST:g}.")
    return number


def require_integer(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """Check that an argument is an integer from `low` to `high`.

    Parameters
    ----------
    name : str
        The name of the argument, for the message.
    value : object
        What was given. Booleans, floats and strings are not accepted as integers.
    low : int
        The least value allowed.
    high : int, optional
        The greatest value allowed. By default there is no upper limit.

    Returns
    -------
    int
        The integer.

    Raises
    ------
    ConfigError
        If `value` is no such integer.

    Examples
    --------
    >>> require_integer("n", 4, low=1)
    4
    """
    import operator

    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        wanted = f"an integer ≥ {low}" if high is None else f"an integer from {low} to {high}"
        raise ConfigError(f"{name} = {shown(value)}: wanted {wanted}.")
    return number


def require_truth(name: str, value: Any) -> bool:
    """Check that the result of a function is true or false: a bool of Python, numpy or torch.

    Parameters
    ----------
    name : str
        The function, for the message.
    value : object
        What it returned. Numbers are not accepted: NaN counts as true in Python.

    Returns
    -------
    bool
        The truth value.

    Raises
    ------
    ConfigError
        If `value` is no such thing.

    Examples
    --------
    >>> require_truth("until", 1.0 < 2.0)
    True
    """
    dtype = getattr(value, "dtype", None)
    if isinstance(value, bool) or (str(dtype).rpartition(".")[2].startswith("bool") and getattr(value, "ndim", 1) == 0):
        return bool(value)
    raise ConfigError(f"{name} returned {type(value).__name__} {shown(value)}: wanted True or False.")


def require_seed(value: Any, name: str = "seed") -> int:
    """Check that an argument is a seed: an integer from 0 to 2⁶⁴ − 1, the key of the Philox generator.

    Parameters
    ----------
    value : object
        What was given.
    name : str, default "seed"
        The name of the argument, for the message.

    Returns
    -------
    int
        The seed.

    Raises
    ------
    ConfigError
        If `value` is no such integer.
    """
    return require_integer(name, value, low=0, high=2**64 - 1)
