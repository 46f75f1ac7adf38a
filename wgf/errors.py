"""The errors and the warning of `wgf`, and the checks of numbers that raise them.

Every failure has its own type. A message says what was given, what was wanted and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class WgfError(Exception):
    """The base class of all errors that `wgf` raises on purpose.

    Catch it to tell a refusal or a failed run from a bug. Each subclass also derives from the built-in error of its
    kind, so `except ValueError` catches a `ConfigError`.

    Attributes
    ----------
    solution : wgf.Solution or None
        Where the error ended a run: what was computed until then, up to the last good state. Else None.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> try:
    ...     wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0, max_steps=3)
    ... except WgfError as error:
    ...     print(type(error).__name__, error.solution.status.name, error.solution.state.step)
    ResourceError STEP_LIMIT 3
    """

    solution: Any = None


class ConfigError(WgfError, ValueError):
    """An argument, an option or a value of a configuration file is not acceptable."""


class ShapeError(WgfError, ValueError):
    """An array has the wrong number of axes or the wrong lengths."""


class DivergenceError(WgfError, ArithmeticError):
    """A value or a force is NaN or infinite. The message names step, time, particle and term where they are known."""


class StepSizeError(WgfError, ArithmeticError):
    """The solver found no step length that it may take."""


class CheckpointError(WgfError, OSError):
    """A stored ensemble, checkpoint or run directory cannot be read or written."""


class BackendError(WgfError, RuntimeError):
    """A requested device or operation is not available on this machine."""


class ResourceError(WgfError, RuntimeError):
    """A limit on steps, memory or work was reached."""


class TransportError(WgfError, ArithmeticError):
    """An optimal-transport computation failed or warned, so its number cannot be trusted."""


class WgfWarning(UserWarning):
    """A run goes on or has ended well, but whoever reads its results must know something."""


def closest(given: object, known: Iterable[str]) -> str:
    """Finish a sentence about an unknown name: suggest the nearest known name, and list all known names.

    Parameters
    ----------
    given : object
        The unknown name.
    known : iterable of str
        The names that would be accepted.

    Returns
    -------
    str
        Text to put right after the unknown name in a message.

    Examples
    --------
    >>> "kernel 'Gausian'" + closest("Gausian", ["Gaussian", "Matern"])
    "kernel 'Gausian'; did you mean 'Gaussian'? Known: Gaussian, Matern."
    """
    names = sorted(known)
    match = difflib.get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {match[0]!r}?" if match else "."
    return f"{hint} Known: {', '.join(names)}."


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
        raise ConfigError(f"{name} = {value!r}: wanted {wanted}.")
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
        raise ConfigError(f"{name} = {value!r}: wanted {wanted}.")
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
    raise ConfigError(f"{name} returned {type(value).__name__} {str(value)[:40]}: wanted True or False.")


def require_seed(value: Any) -> int:
    """Check that an argument is a seed: an integer from 0 to 2⁶⁴ − 1, the key of the Philox generator.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    int
        The seed.

    Raises
    ------
    ConfigError
        If `value` is no such integer.
    """
    return require_integer("seed", value, low=0, high=2**64 - 1)
