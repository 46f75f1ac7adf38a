"""The error tree: every failure is typed, and its message names what was given, what was wanted and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class WgfError(Exception):
    """Root of all errors raised on purpose by `wgf`.

    `solution` is the partial `wgf.Solution` up to the last good state when the error ended a run, else None.
    """

    solution: Any = None


class ConfigError(WgfError, ValueError):
    """An argument, an option or a configuration value is not acceptable."""


class ShapeError(WgfError, ValueError):
    """An array has the wrong number of axes or the wrong lengths."""


class DivergenceError(WgfError, ArithmeticError):
    """A value or a force ceased to be finite; the message names step, time, particle and term where they are known."""


class StepSizeError(WgfError, ArithmeticError):
    """The solver could not proceed with any step size that it was allowed."""


class CheckpointError(WgfError, OSError):
    """A stored ensemble, checkpoint or run directory cannot be read or written."""


class BackendError(WgfError, RuntimeError):
    """A device or an operation that was asked for is not available here."""


class ResourceError(WgfError, RuntimeError):
    """A limit on steps, memory or work was reached."""


class TransportError(WgfError, ArithmeticError):
    """An optimal-transport computation failed or warned; its number would not be trustworthy."""


class WgfWarning(UserWarning):
    """Something a careful reader of the results must know, though the run may go on."""


def closest(given: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, if any is near, and what names there are."""
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
    """`value` as a finite float, or a ConfigError that names it; strings and booleans are not numbers."""
    wanted = "a positive number" if positive else "a number ≥ 0" if nonnegative else "a finite number"
    bad = isinstance(value, (str, bytes, bool))
    try:
        number = float("nan") if bad else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not (-float("inf") < number < float("inf")) or (positive and number <= 0) or (nonnegative and number < 0):
        raise ConfigError(f"{name} = {value!r}: wanted {wanted}.")
    return number


LENGTHS = 1e-50, 1e50
"""The lengths that kernels and entropies take: their sixth powers are in the range of float64."""


def require_length(name: str, value: Any, *, zero: bool = False) -> float:
    """`value` as a length > 0 (≥ 0 with `zero`) in the units of x, from 1e-50 to 1e50, or a ConfigError."""
    number = require_number(name, value, positive=not zero, nonnegative=zero)
    if not (LENGTHS[0] <= number <= LENGTHS[1] or number == 0.0):
        raise ConfigError(
            f"{name} = {value!r}: wanted a length from {LENGTHS[0]:g} to {LENGTHS[1]:g}; measure x in other units."
        )
    return number


def require_integer(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """`value` as an int in [low, high], or a ConfigError; booleans, floats and strings are not integers."""
    import operator

    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        wanted = f"an integer ≥ {low}" if high is None else f"an integer from {low} to {high}"
        raise ConfigError(f"{name} = {value!r}: wanted {wanted}.")
    return number


def require_seed(value: Any) -> int:
    """A seed keys the 64-bit Philox generator: an integer from 0 to 2⁶⁴ − 1."""
    return require_integer("seed", value, low=0, high=2**64 - 1)
