"""Finiteness checks: immediate on the CPU, deferred to the next record on a GPU and in several processes.

A check reads a value. On a GPU that makes the CPU wait for all work in progress; in several processes it takes a
message to all. So such a run assumes that its checks hold, collects their results, and reads them at each record. If
one failed, the steps since then are repeated with immediate checks, which raise the typed error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from .. import ops
from ..ops.finite import all_finite_elsewhere
from ..wire import Awaited

_LARGE = 2**14  # from this many numbers on, the compiled check of wgf.ops is faster than that of torch
_REAL = (torch.float64, torch.float32)


class Deferred:
    """Collects the results of checks in one number on the device.

    Parameters
    ----------
    device : torch.device
        Where the checked values are.

    Examples
    --------
    >>> checks = Deferred(torch.device("cpu"))
    >>> checks.note(torch.tensor(True)), checks.note(torch.tensor(False)), checks.held()
    (None, None, False)
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held = torch.ones((), dtype=torch.bool, device=device)
        self._awaited: list[Tensor] = []

    def note(self, condition: Tensor) -> None:
        """Add the result of a check (a 0-d boolean tensor) without reading it."""
        self._held = self._held & condition

    def note_finite(self, values: Tensor) -> None:
        """Add a check that numbers are finite which come later."""
        self._awaited.append(values)

    def local(self) -> Tensor:
        """Whether the checks of numbers that are here have held, a 0-d boolean tensor."""
        return self._held

    def held(self) -> bool:
        """Whether all checks so far have held. Reading this waits for the device."""
        awaited, self._awaited = self._awaited, []
        return bool(self._held) and all(bool(all_finite_elsewhere(values)) for values in awaited)


_now: ContextVar[Deferred | None] = ContextVar("wgf.measure.checks: where checks are put off to", default=None)
_forced: ContextVar[bool | None] = ContextVar("wgf.measure.checks: what runs do on any device", default=None)


@contextmanager
def deferred(device: torch.device) -> Iterator[Deferred]:
    """Defer checks inside a `with` block: they are assumed to hold, and their results are collected.

    Parameters
    ----------
    device : torch.device
        Only checks of values on this device are deferred.

    Yields
    ------
    Deferred
        Ask it `held()` at the end. Before that, results may be NaN where a typed error would have been raised.

    Examples
    --------
    >>> with deferred(torch.device("cpu")) as notes:
    ...     finite(torch.tensor([float("nan")]))
    True
    >>> notes.held()
    False
    """
    notes = Deferred(device)
    token = _now.set(notes)
    try:
        yield notes
    finally:
        _now.reset(token)


@contextmanager
def forced(deferring: bool) -> Iterator[None]:
    """Make runs that start inside a `with` block defer their checks, or not, on any device; for tests.

    Parameters
    ----------
    deferring : bool
        True: as on a GPU. False: as on the CPU.

    Examples
    --------
    >>> with forced(True):
    ...     deferred_on(torch.device("cpu"))
    True
    """
    token = _forced.set(deferring)
    try:
        yield
    finally:
        _forced.reset(token)


def deferred_on(device: torch.device, divided: bool = False) -> bool:
    """Whether a run defers its checks: on a GPU, and where particles are divided among processes.

    On the CPU in one process a check costs nothing. Elsewhere it stops the device, or takes a message.
    """
    choice = _forced.get()
    return divided or device.type != "cpu" if choice is None else choice


def deferring() -> bool:
    """Whether checks are deferred now."""
    return _now.get() is not None


def holds(condition: Tensor) -> bool:
    """Whether a condition is true; inside `deferred` it is noted, and assumed to be true.

    Parameters
    ----------
    condition : Tensor, 0-d, bool
        The condition.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds(torch.tensor(1.0) > 0)
    True
    """
    notes = _now.get()
    if notes is None or condition.device != notes.device:
        return bool(condition)
    notes.note(condition)
    return True


def finite(values: Tensor) -> bool:
    """Whether no entry is NaN or infinite; inside `deferred` that is noted, and assumed.

    Parameters
    ----------
    values : Tensor
        Any shape and dtype. Integers are always finite.

    Returns
    -------
    bool

    Examples
    --------
    >>> finite(torch.tensor([1.0, float("inf")]))
    False
    """
    notes = _now.get()
    if notes is not None and isinstance(values, Awaited):
        notes.note_finite(values)
        return True
    small = type(values) is Tensor and values.dtype in _REAL and values.numel() < _LARGE
    # a sum with NaN or infinity is not finite; without them it may be, if it overflows
    if small and notes is None and math.isfinite(values if values.ndim == 0 else values.detach().sum()):
        return True
    if not (values.is_floating_point() or values.is_complex()) or not values.numel():
        return True
    return holds(_finite(values))


def finite_now(values: Tensor) -> bool:
    """Whether no entry of real numbers is NaN or infinite, whether or not checks are deferred."""
    return bool(_finite(values))


def _finite(values: Tensor) -> Tensor:
    """The same as a 0-d boolean tensor, for at least one number."""
    values = values.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    ours = values.device.type == "cpu" and values.dtype in _REAL and values.numel() >= _LARGE
    return (ops.all_finite if ours else all_finite_elsewhere)(values)


def first_bad_row(result: Tensor) -> int | None:
    """The index of the first row that holds NaN or infinity.

    Parameters
    ----------
    result : Tensor (n, ...)
        A tensor with one row per particle.

    Returns
    -------
    int or None
        None if there is none, and always inside `deferred`.

    Examples
    --------
    >>> first_bad_row(torch.tensor([[1.0], [float("nan")]]))
    1
    """
    if finite(result):
        return None
    return int(torch.nonzero(~torch.isfinite(result).reshape(len(result), -1).all(1))[0])
