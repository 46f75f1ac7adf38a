"""Sending results to another process: whole arrays, and without the user's functions that pickle cannot send.

This is the only use of pickle in this package: no file is ever read by it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields, replace
from pickle import dumps, loads
from typing import Any


def can_be_sent(thing: Any) -> bool:
    """Whether pickle can send this to another process."""
    try:
        dumps(thing)
    except Exception:  # what an object raises when it is pickled can be anything
        return False
    return True


def comes_through(thing: Any) -> bool:
    """Whether another process gets this as it is: some errors can be sent, but not received."""
    try:
        return type(loads(dumps(thing))) is type(thing)
    except Exception:
        return False


def refusal(sent: bytes) -> str:
    """Why this process cannot receive what another one sent, in words; empty where it can."""
    try:
        loads(sent)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Sent:
    """A frozen dataclass that can always be pickled, so that an error that carries it comes through as well.

    Its parts travel as one string of bytes. Torch would send tensors by shared memory, which is lost where the sender
    ends first; the receiver would then wait for ever.
    """

    def _parts(self) -> dict[str, Any]:
        """What is sent, by the names of the fields."""
        return {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (type(self), dumps(self._parts()))

    def __copy__(self) -> Any:
        return replace(self)  # type: ignore[type-var]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return replace(self, **{name: deepcopy(part, memo) for name, part in Sent._parts(self).items()})  # type: ignore[type-var]


def _received(kind: type[Sent], parts: bytes) -> Sent:
    return kind(**loads(parts))
