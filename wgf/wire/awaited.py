"""Sums that wait for each other: one is sent when its numbers are first looked at, and all that wait go with it.

A message costs more than its bytes: processes wait for the slowest of them. In a stretch of steps, values of terms and
dissipations are needed by nobody before the next record. So they travel with the sums that forces need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import CommunicationError

MOST = 64
"""Sums that wait at most."""
FEW = 16
"""Arithmetic on so many numbers waits with them; on more it does not."""

_ARITHMETIC = {
    "add", "__add__", "__radd__", "sub", "__sub__", "__rsub__", "mul", "__mul__", "__rmul__", "div", "__truediv__",
    "neg", "reshape", "stack", "sum", "double",
}  # fmt: skip
_ATTRIBUTES = {"shape", "dtype", "device", "ndim", "is_cpu", "is_cuda", "requires_grad", "layout"}
_METHODS = {"dim", "size", "numel", "element_size", "is_floating_point", "is_complex", "__len__", "__hash__"}
"""What is known of an array before its numbers are."""


class Awaited(Tensor):
    """Numbers that come with the next message. It is a plain tensor from then on.

    Sums and products of a few of them wait too. Any other use sends the message: all processes must make it.
    """

    _outbox: Outbox

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, func.__name__
        with torch._C.DisableTorchFunctionSubclass():
            if name in _METHODS or getattr(getattr(func, "__self__", None), "__name__", None) in _ATTRIBUTES:
                return func(*args, **kwargs)
            waiting = list(_waiting((*args, *kwargs.values())))
            if waiting and name in _ARITHMETIC and all(one.numel() <= FEW for one in waiting):
                blank = func(*args, **kwargs)
                if blank.numel() <= FEW:
                    return waiting[0]._outbox.later(blank, lambda: func(*args, **kwargs))
            for one in waiting:
                if isinstance(one, Awaited):
                    one._outbox.send()
            if any(isinstance(one, Awaited) for one in waiting):
                raise CommunicationError("a sum over all processes was looked at that an error had cut off.")
            return func(*args, **kwargs)


def _waiting(given: Any) -> Iterator[Awaited]:
    for one in given:
        if isinstance(one, Awaited):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from _waiting(one)


class Gathers(Protocol):
    """What an outbox needs of a group."""

    def gather(self, part: Tensor, kind: str) -> Tensor:
        """The arrays of all processes, in order: (size, *shape)."""


class Outbox:
    """The sums of a group that wait to be sent.

    Parameters
    ----------
    group : Gathers
        The processes: a `Group`.
    """

    def __init__(self, group: Gathers) -> None:
        self._group = group
        self.open = False
        self._parts: list[tuple[Tensor, Callable[[Tensor], Tensor], Awaited]] = []
        self._after: list[tuple[Awaited, Callable[[], Tensor]]] = []

    def add(self, part: Tensor, finish: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """Put an array into the next message.

        Parameters
        ----------
        part : Tensor
            What this process sends; of one shape in all processes.
        finish : callable
            Makes the result from the parts of all processes (size, *shape).
        like : Tensor
            A tensor of the shape and dtype of the result.
        """
        if len(self._parts) >= MOST:
            self.send()
        found = self._awaited(torch.zeros_like(like))
        self._parts.append((part.contiguous(), finish, found))
        return found

    def later(self, blank: Tensor, call: Callable[[], Tensor]) -> Tensor:
        """What a call will give when all that waits has come, of the shape and dtype of `blank`."""
        found = self._awaited(torch.zeros_like(blank))
        self._after.append((found, call))
        return found

    def _awaited(self, numbers: Tensor) -> Awaited:
        found = numbers.as_subclass(Awaited)
        found._outbox = self
        return found

    def send(self) -> None:
        """Send all that waits, as one message, and fill in the numbers."""
        if not self._parts:
            return
        parts, after = self._parts, self._after
        self.drop()
        sent = [part.reshape(-1).view(torch.uint8) for part, *_ in parts]
        came = self._group.gather(torch.cat(sent), "sums")
        for (part, finish, found), own in zip(parts, came.split([len(one) for one in sent], 1), strict=True):
            _fill(found, finish(own.contiguous().view(part.dtype).reshape(len(came), *part.shape)))
        for found, call in after:
            _fill(found, call())

    def drop(self) -> None:
        """Forget what waits, after an error: its numbers never come."""
        self._parts, self._after = [], []


def _fill(found: Awaited, numbers: Tensor) -> None:
    """Put the numbers into a tensor that waited for them."""
    del found._outbox
    found.__class__ = Tensor  # type: ignore[assignment]
    found.copy_(numbers)
