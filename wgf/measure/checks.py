"""Finiteness checks: immediate on the CPU, deferred to the next record on a GPU.

A check reads a value. On a GPU that makes the CPU wait for all work in progress. So a run on a GPU assumes that its
checks hold, collects their results on the device, and reads them at each record. If one failed, the steps since then
are repeated with immediate checks, which raise the typed error.
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

    def note(self, condition: Tensor) -> None:
        """Add the result of a check (a 0-d boolean tensor) without reading it."""
        self._held = self._held & condition

    def held(self) -> bool:
        """Whether all checks so far have held. Reading this waits for the device."""
        return bool(self._held)


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


def deferred_on(device: torch.device) -> bool:
    """Whether a run on this device defers its checks: not on the CPU, where a check costs nothing."""
    choice = _forced.get()
    return device.type != "cpu" if choice is None else choice


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
    small = type(values) is Tensor and values.dtype in _REAL and values.numel() < _LARGE
    # a sum with NaN or infinity is not finite; without them it may be, if it overflows
    if small and _now.get() is None and math.isfinite(values if values.ndim == 0 else values.detach().sum()):
        return True
    if not (values.is_floating_point() or values.is_complex()) or not values.numel():
        return True
    values = values.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    ours = values.device.type == "cpu" and values.dtype in _REAL and values.numel() >= _LARGE
    return holds((ops.all_finite if ours else all_finite_elsewhere)(values))


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
