"""The words of messages: any value in one short line, and hints for names that are not known."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 300
"""A line of a message has at most this many characters, whatever was given."""
MOST_LINES = 8
"""A message has at most this many lines."""


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


def with_minus(text: str) -> str:
    """Text for reports, tables and figures: hyphens of numbers become minus signs. Messages and files keep hyphens."""
    return text.replace("-", "−")


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
    fields = [known for known in getattr(owner, "__dict__", ()) if not known.startswith("_")]
    near = difflib.get_close_matches(name, [*public, *getattr(type(owner), "__annotations__", ()), *fields], n=1)
    hint = f": write {instead[name]}." if name in instead else f"; did you mean {near[0]!r}?" if near else "."
    return AttributeError(text + hint, name=name, obj=owner)
