"""A case of a benchmark: one piece of work, the implementations ("bodies") that do it, and the targets for ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Arrays = dict[str, np.ndarray]
Body = Callable[[Arrays], Callable[[], Any]]
"""An implementation of the work: it takes the arrays, prepares (not timed), and returns the call that is timed."""

OURS = "wgf"
F32, F64 = 2e-6, 1e-13
"""The largest relative error that our result may have, in float32 and in float64."""


class Unavailable(Exception):
    """Raised by a body that cannot run here, with the reason: a missing package or operation."""


class TooSlow(Unavailable):
    """Raised by a body whose call would take longer than a limit, with an estimate.

    Parameters
    ----------
    limit : float
        The longest call that is made, in seconds.
    estimate : float
        About how many seconds the call would take. Targets are judged by a third of it, but not by less than the limit.
    """

    def __init__(self, limit: float, estimate: float) -> None:
        super().__init__(f"over the limit of {limit:.0f} s: about {estimate:.2g} s")
        self.bound = max(limit, estimate / 3.0)


@dataclass(frozen=True)
class Target:
    """A target for the speed of our body.

    Parameters
    ----------
    kind : str
        What the numbers `least` and `stretch` mean:

        - "faster": the fastest body of `against` takes at least this many times our time.
        - "slower": we take at most this many times the time of the body `against`.
        - "floor": the floor `against` is at least this fraction of our time.
        - "seconds": our time in seconds is at most this; with `against`, the time of that body.
        - "step": our time per step of a run, in seconds, is at most this.
    against : tuple of str
        Names of bodies, or of one floor.
    least : float, optional
        The target. None where there is only a stretch target.
    stretch : float, optional
        A harder target.
    ours : str, default "wgf"
        The body of ours that is judged.
    """

    kind: Literal["faster", "floor", "slower", "seconds", "step"]
    against: tuple[str, ...]
    least: float | None
    stretch: float | None = None
    ours: str = OURS


@dataclass(frozen=True)
class Floor:
    """A lower bound of the time: `amount` operations or bytes, at the rate that the machine body `rate` measures."""

    rate: str
    amount: float


def relative_error(result: np.ndarray, oracle: np.ndarray) -> float:
    """max |result − oracle| / max |oracle|; NaN if any entry is NaN. ValueError for different shapes."""
    if result.shape != oracle.shape:
        raise ValueError(f"a result of shape {result.shape}; the oracle has {oracle.shape}")
    return float(np.abs(result - oracle).max() / np.abs(oracle).max())


@dataclass(frozen=True)
class Case:
    """One row of the results: the same work done by several bodies.

    Parameters
    ----------
    name, family : str
        The name of the row, and the group that `--only` selects.
    arrays : function
        Makes the input arrays from fixed seeds. Every process makes its own; their digests are compared.
    bodies : mapping of str to Body
        The implementations by name. Names that agree up to a colon share a process ("wgf", "wgf: no noise").
    oracle : function of the arrays, optional
        The rows `rows` of the exact result in float64. A body that returns None has no error.
    rows : slice
        The rows of the result that are compared with the oracle.
    bound : float
        The largest error that our result may have.
    floors : mapping of str to Floor
        Lower bounds of the time, by name.
    targets : sequence of Target
        The targets for our body.
    gap : str
        Why our time is above the floor, for the page.
    error : function of result and oracle
        The error of a result; by default relative.
    unit : str
        What the error is, for the page.
    steps : int
        Steps in a call that is a whole run; 0 for other work.
    checked : str
        The body of ours whose memory, and bits with one thread, are examined. Empty for none.
    busy : int
        How many other programs spin on the cores while the bodies are timed.
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
    error: Callable[[np.ndarray, np.ndarray], float] = relative_error
    unit: str = ""
    steps: int = 0
    checked: str = OURS
    busy: int = 0


def process_of(body: str) -> str:
    """The name of the process that a body runs in: its own name up to the colon."""
    return body.partition(":")[0]


def digest(arrays: Arrays) -> str:
    """A short digest of the names, shapes and contents of arrays."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        state.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        state.update(np.ascontiguousarray(arrays[name]).data)
    return state.hexdigest()[:16]


def as_array(result: Any) -> np.ndarray | None:
    """The result of a body as a numpy array. A list of coordinates becomes an array with these columns."""
    if result is None:
        return None
    if isinstance(result, (tuple, list)):
        return np.stack([np.asarray(part) for part in result], axis=1)
    if hasattr(result, "detach"):
        result = result.detach().numpy()
    return np.asarray(result)


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
