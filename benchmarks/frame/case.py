"""What is compared: a piece of work, the bodies that do it, what it must cost, and what is asked of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Arrays = dict[str, np.ndarray]
Body = Callable[[Arrays], Callable[[], Any]]
"""Given the arrays, whatever may be made ready outside the timing is made ready; the call that comes back is timed."""

OURS = "wgf"
F32, F64 = 2e-6, 1e-13
"""The relative error that a figure of ours may have in each precision."""


class Unavailable(Exception):
    """A body that cannot run here, and why: an operation or a package that is not there."""


@dataclass(frozen=True)
class Target:
    """What is asked of ours.

    - "faster": the fastest of the bodies `against` takes at least so many times as long.
    - "floor": the floor `against` is at least this fraction of our time.
    - "slower": ours takes at most so many times as long as the body `against`.
    - "seconds": our time is at most this; with `against`, the time of that body of ours.

    Where `least` is None, only the stretch is stated.
    """

    kind: Literal["faster", "floor", "slower", "seconds"]
    against: tuple[str, ...]
    least: float | None
    stretch: float | None = None


@dataclass(frozen=True)
class Floor:
    """No less than `amount` operations (or bytes) at the rate that the machine body `rate` measures."""

    rate: str
    amount: float


@dataclass(frozen=True)
class Case:
    """One row: the same arrays for every body, an oracle for the error, floors and targets for the verdict.

    Bodies whose names agree up to a colon share a process ("wgf", "wgf: no noise"); every other one has its own.
    Each process makes the arrays anew from fixed seeds, and their digests must agree. `oracle` gives the rows `rows` of
    the result in float64; a body whose result is None (random numbers of its own) has no error.
    """

    name: str
    family: str
    arrays: Callable[[], Arrays]
    bodies: Mapping[str, Body]
    oracle: Callable[[Arrays], np.ndarray] | None = None
    rows: slice = field(default_factory=lambda: slice(None))
    bound: float = F64
    floors: Mapping[str, Floor] = field(default_factory=dict)
    targets: Sequence[Target] = ()
    gap: str = ""


def process_of(body: str) -> str:
    """The name of the process that a body runs in."""
    return body.partition(":")[0]


def digest(arrays: Arrays) -> str:
    """A short digest of names, shapes and contents."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        state.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        state.update(np.ascontiguousarray(arrays[name]).data)
    return state.hexdigest()[:16]


def as_array(result: Any) -> np.ndarray | None:
    """The result of a body as numpy: an array, a tensor, or coordinates one by one, which become columns."""
    if result is None:
        return None
    if isinstance(result, (tuple, list)):
        return np.stack([np.asarray(part) for part in result], axis=1)
    if hasattr(result, "detach"):
        result = result.detach().numpy()
    return np.asarray(result)


def relative_error(result: np.ndarray, oracle: np.ndarray) -> float:
    """max |result − oracle| / max |oracle|; NaN where anything is."""
    if result.shape != oracle.shape:
        raise ValueError(f"a result of shape {result.shape}; the oracle has {oracle.shape}")
    return float(np.abs(result - oracle).max() / np.abs(oracle).max())


def power(n: int) -> str:
    """A size as people write it: 10⁴, 5·10⁶, 1797."""
    text = f"{n:d}"
    digits = text.rstrip("0")
    zeros = len(text) - len(digits)
    if zeros < 3:
        return text
    exponent = str(zeros + len(digits) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"10{exponent}" if mantissa == "1" else f"{mantissa}·10{exponent}"
