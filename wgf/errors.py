"""The errors and the warning of `wgf`, and the checks of numbers that raise them.

Every failure has its own type. A message says what was given, what was wanted and what to do.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 300
"""A line of a message has at most this many characters, whatever was given."""
MOST_LINES = 8
"""A message has at most this many lines."""


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

    def __str__(self) -> str:
        return printable(super().__str__())


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


class _Short(reprlib.Repr):
    """Writes any value in one short line; arrays by their shape and dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel, self.maxlong = 3, 40
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 4

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 14_000:  # Python refuses to write much longer ones
            return f"an integer of about {int(x.bit_length() * 0.30103) + 1} digits"
        return super().repr_int(x, level)

    def repr_instance(self, x: Any, level: int) -> str:
        shape = getattr(x, "shape", None)
        if isinstance(shape, tuple) and shape:
            return f"{type(x).__name__} of shape {tuple(shape)}"
        return " ".join(super().repr_instance(x, level).split())


_SHORT = _Short()


def shown(value: Any, longest: int = 80) -> str:
    """A value as an error message shows it: one line of at most `longest` characters, never an exception.

    Parameters
    ----------
    value : Any
        Anything: a number, also of 5000 digits; text; a deeply nested table; an array, which is described.
    longest : int
        The most characters. Longer text is cut in the middle.

    Returns
    -------
    str

    Examples
    --------
    >>> shown(0.1), shown(10**5000), shown("a" * 10_000, 10)
    ('0.1', 'an integer of about 5001 digits', "'aaaa…aaa'")
    """
    try:
        text = _SHORT.repr(value)
    except Exception:  # what a foreign class does must not hide the error that is to be told
        text = f"an object of class {type(value).__name__}"
    return printable(text, longest)


def printable(text: str, longest: int = LONGEST) -> str:
    """Text that any terminal and file can take: lines cut in the middle, what cannot be printed as escapes.

    >>> printable("a name with NUL \\x00 and half a character \\udcff")
    'a name with NUL \\\\x00 and half a character \\\\udcff'
    """
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"... and {len(lines) - MOST_LINES + 1} more lines."]
    return "\n".join(_line(line, longest) for line in lines)


def _line(line: str, longest: int) -> str:
    if len(line) > longest:
        end = (longest - 1) // 2
        line = f"{line[: longest - 1 - end]}…{line[len(line) - end :]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


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
    match = difflib.get_close_matches(given, names, n=1) if isinstance(given, str) and len(given) <= 100 else []
    hint = f"; did you mean {shown(match[0])}?" if match else "."
    told: list[str] = []
    length = 0
    for name in names:
        length += len(name) + 2
        if length > 160:
            return f"{hint} Known: {', '.join(told)} and {len(names) - len(told)} more."
        told.append(name)
    return f"{hint} Known: {', '.join(told)}."


def no_attribute(owner: Any, name: str, instead: Mapping[str, str]) -> AttributeError:
    """Make the AttributeError for a name that an object does not have, which says what to write.

    Parameters
    ----------
    owner : object
        The object.
    name : str
        The name that was looked up.
    instead : mapping of str to str
        What to write in place of names that people try.

    Returns
    -------
    AttributeError
        To be raised by `__getattr__`.

    Examples
    --------
    >>> no_attribute(1.5, "reel", {})
    AttributeError("float has no attribute 'reel'; did you mean 'real'?")
    """
    text = f"{type(owner).__name__} has no attribute {name!r}"
    if name.startswith("_"):  # looked up by copy, pickle and others, often on an object that is not yet filled
        return AttributeError(text, name=name)
    public = [known for known in dir(type(owner)) if not known.startswith("_")]
    near = difflib.get_close_matches(name, [*public, *getattr(type(owner), "__annotations__", ())], n=1)
    hint = f": write {instead[name]}." if name in instead else f"; did you mean {near[0]!r}?" if near else "."
    return AttributeError(text + hint, name=name, obj=owner)


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
