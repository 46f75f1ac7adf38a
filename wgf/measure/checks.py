"""Checks on values: looked at where they are made or, where looking would stop a device, all at once later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from .. import ops
from ..ops.finite import all_finite_elsewhere

_LARGE = 2**14  # numbers from which our own pass over memory is worth its call


class Deferred:
    """Whether every check made so far has held: one number on the device, read only by `held`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held = torch.ones((), dtype=torch.bool, device=device)

    def note(self, condition: Tensor) -> None:
        """Add a check, without waiting for its outcome."""
        self._held = self._held & condition

    def held(self) -> bool:
        """Look: this waits for the device."""
        return bool(self._held)


_now: ContextVar[Deferred | None] = ContextVar("wgf.measure.checks: where checks are put off to", default=None)
_forced: ContextVar[bool | None] = ContextVar("wgf.measure.checks: what runs do on any device", default=None)


@contextmanager
def deferred(device: torch.device) -> Iterator[Deferred]:
    """Inside, checks on values of `device` are taken to hold, and noted; whoever opened it must ask `held()`.

    Until then results may be NaN where a typed error would have been raised.
    """
    notes = Deferred(device)
    token = _now.set(notes)
    try:
        yield notes
    finally:
        _now.reset(token)


@contextmanager
def forced(deferring: bool) -> Iterator[None]:
    """Runs started inside put their checks off, or look at every step, whatever their device."""
    token = _forced.set(deferring)
    try:
        yield
    finally:
        _forced.reset(token)


def deferred_on(device: torch.device) -> bool:
    """Whether a run on this device looks at values at records only: on the CPU looking costs nothing."""
    choice = _forced.get()
    return device.type != "cpu" if choice is None else choice


def holds(condition: Tensor) -> bool:
    """Whether a condition (a 0-d boolean tensor) is true; where checks are put off it is noted and taken to be."""
    notes = _now.get()
    if notes is None or condition.device != notes.device:
        return bool(condition)
    notes.note(condition)
    return True


def finite(values: Tensor) -> bool:
    """Whether no entry is NaN or infinite, by `holds`."""
    if not (values.is_floating_point() or values.is_complex()) or not values.numel():
        return True
    values = values.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    ours = values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64) and values.numel() >= _LARGE
    return holds((ops.all_finite if ours else all_finite_elsewhere)(values))


def first_bad_row(result: Tensor) -> int | None:
    """The first row of a tensor that holds NaN or infinity; None if there is none, or checks are put off."""
    if finite(result):
        return None
    return int(torch.nonzero(~torch.isfinite(result).reshape(len(result), -1).all(1))[0])
