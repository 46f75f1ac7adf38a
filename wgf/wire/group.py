"""The processes of one run, and the collectives between them: each is counted, and each ends in a typed error."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .. import errors
from ..errors import CommunicationError, ConfigError, WgfError, require_number
from .awaited import Outbox

TIMEOUT = 300.0
"""Seconds after which a collective that hangs ends in a CommunicationError, by default."""

Result = TypeVar("Result")


def started() -> bool:
    """Whether a process group of torch.distributed is initialised in this process."""
    return dist.is_available() and dist.is_initialized()


class Group:
    """The processes of one run.

    Parameters
    ----------
    timeout : float, default 300
        Seconds after which a collective that hangs ends in a `CommunicationError`.
    processes : sequence of int, optional
        The numbers of the processes in torch.distributed, this one among them. By default all.

    Attributes
    ----------
    rank, size : int
        The number of this process, and of all processes. 0 and 1 without a process group.
    sent : Counter
        Bytes that this process has sent, by kind: "sums", "checks", "ring", "gather", "words".
    calls : Counter
        How many collectives were made, by kind.
    seconds : float
        The time spent in collectives.
    broken : bool
        Whether one has failed. None can be made then.
    outbox : Outbox
        Sums that wait for the next message, inside `postponing`.

    Raises
    ------
    ConfigError
        If the timeout is no positive number, or this process is not among the others.

    Notes
    -----
    All processes must make the same collectives in the same order. A message of b bytes to all others counts as
    (size − 1)·b bytes sent.
    """

    def __init__(self, timeout: float = TIMEOUT, processes: Sequence[int] | None = None) -> None:
        self.timeout = require_number("timeout", timeout, positive=True)
        self.sent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.seconds, self.broken = 0.0, False
        self._handle: Any = None
        self.outbox = Outbox(self)
        self.device = torch.device("cpu")
        own = dist.get_rank() if started() else 0
        self._numbers = list(range(dist.get_world_size()) if started() else [0]) if processes is None else processes
        if own not in self._numbers:
            raise ConfigError(f"processes = {list(self._numbers)}: wanted this one, {own}, among them.")
        self.rank, self.size = list(self._numbers).index(own), len(self._numbers)
        if self.size > 1:
            backend = str(dist.get_backend())
            if "nccl" in backend and "gloo" not in backend:
                self.device = torch.device("cuda", torch.cuda.current_device())
            with self._typed("start"):
                self._handle = _handle(dist.group.WORLD, tuple(self._numbers), self.timeout)

    def __repr__(self) -> str:
        return f"Group(rank={self.rank}, size={self.size}, timeout={self.timeout:g})"

    def __deepcopy__(self, memo: Any) -> Group:
        return self

    @property
    def speaks(self) -> bool:
        """Whether this process speaks for all: shows progress, writes records and warns."""
        return self.rank == 0

    def _count(self, kind: str, sent: int) -> None:
        self.sent[kind] += sent
        self.calls[kind] += 1

    @contextmanager
    def _typed(self, kind: str) -> Iterator[None]:
        """Turn an error of torch.distributed into a CommunicationError."""
        begun = time.perf_counter()
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, WgfError):
                raise
            self.broken = True
            said = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise CommunicationError(
                f"process {self.rank} of {self.size}: the others were silent for {time.perf_counter() - begun:.1f} s "
                f"(timeout = {self.timeout:g} s) in a collective of the kind {kind!r}: {said}. Another process has "
                "stopped, or the link is cut. A run with a store goes on from its last checkpoint."
            ) from error
        finally:
            self.seconds += time.perf_counter() - begun

    # ------------------------------------------------------------------------------------------ arrays

    def gather(self, part: Tensor, kind: str) -> Tensor:
        """The arrays of all processes, in order: (size, *shape). All must have one shape."""
        if self.size == 1:
            self._count(kind, 0)
            return part[None]
        mine = part.detach().to(self.device).contiguous()
        out = mine.new_empty((self.size, *mine.shape))
        with self._typed(kind):
            _all_gather(out.view(-1), mine.view(-1), self._handle)
        self._count(kind, (self.size - 1) * mine.numel() * mine.element_size())
        return out.to(part.device)

    def exchange(self, parts: Tensor, kind: str) -> Tensor:
        """Send `parts[r]` to process r, and give what all processes sent here: (size, *shape)."""
        if self.size == 1:
            self._count(kind, 0)
            return parts
        mine = parts.detach().to(self.device).contiguous()
        out = torch.empty_like(mine)
        with self._typed(kind):
            dist.all_to_all_single(out.view(-1), mine.view(-1), group=self._handle)
        self._count(kind, (self.size - 1) * mine[0].numel() * mine.element_size())
        return out.to(parts.device)

    def send(self, part: Tensor, to: int, kind: str, tag: int = 0) -> Callable[[], None]:
        """Begin to send an array to a process. Call the result to wait until it is sent.

        Two that are on their way at once need different tags, by which they are told apart.
        """
        with self._typed(kind):
            work = dist.isend(part, self._numbers[to], group=self._handle, tag=tag)
        self._count(kind, part.numel() * part.element_size())
        return self._waiting(work, kind, part)

    def receive(self, into: Tensor, source: int, kind: str, tag: int = 0) -> Callable[[], None]:
        """Begin to receive an array from a process. Call the result to wait until it is there."""
        with self._typed(kind):
            work = dist.irecv(into, self._numbers[source], group=self._handle, tag=tag)
        return self._waiting(work, kind, into)

    def _waiting(self, work: Any, kind: str, kept: Tensor) -> Callable[[], None]:
        def wait(_kept: Tensor = kept) -> None:
            with self._typed(kind):
                work.wait(timedelta(seconds=self.timeout))

        return wait

    @contextmanager
    def postponing(self) -> Iterator[None]:
        """Let sums wait for each other in a block, and send those that are left at its end; none after an error."""
        self.outbox.open = self.size > 1
        try:
            yield
            self.outbox.send()
        finally:
            self.outbox.open = False
            self.outbox.drop()

    # ------------------------------------------------------------------------------------------ agreement

    def counts(self, number: int, kind: str = "checks") -> list[int]:
        """A whole number of each process, in order."""
        found: list[int] = self.gather(torch.tensor([number], dtype=torch.int64), kind)[:, 0].tolist()
        return found

    def any(self, condition: bool) -> bool:
        """Whether a condition holds in some process."""
        return condition if self.size == 1 else any(self.counts(int(condition)))

    def say(self, content: Any = None, source: int = 0) -> Any:
        """What process `source` says, as JSON: numbers, text and lists of them."""
        if self.size == 1:
            return content
        text = json.dumps(content).encode() if self.rank == source else b""
        size = self.counts(len(text), "words")[source]
        message = torch.zeros(size, dtype=torch.uint8)
        if self.rank == source:
            message = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        held = message.to(self.device)
        with self._typed("words"):
            dist.broadcast(held, self._numbers[source], group=self._handle)
        self._count("words", (self.size - 1) * size if self.rank == source else 0)
        return json.loads(bytes(held.cpu().tolist()))

    def together(self, call: Callable[[], Result]) -> Result:
        """Make a call that needs no collective in every process. Where it fails in one, all raise its error.

        The error is that of the first process that has one, with its type and message.
        """
        if self.size == 1:
            return call()
        result, failed = None, None
        try:
            result = call()
        except WgfError as error:
            failed = error
        self.agree(failed)
        return result  # type: ignore[return-value]

    def agree(self, failed: WgfError | None) -> None:
        """Raise, in all processes, the error of the first process that has one."""
        lost = self.counts(0 if failed is None else 1)
        if not any(lost):
            return
        first = lost.index(1)
        name, message = self.say(None if failed is None else (type(failed).__name__, str(failed)), first)
        if failed is not None and self.rank == first:
            raise failed
        kind = getattr(errors, name, WgfError)
        raise kind(message) if issubclass(kind, WgfError) else WgfError(message)

    def require_same(self, what: str, number: int, do: str) -> None:
        """Refuse a number that is not the same in all processes, such as a checksum of what each was given."""
        found = self.counts(number)
        if any(other != found[0] for other in found):
            different = next(rank for rank, other in enumerate(found) if other != found[0])
            raise ConfigError(f"{what} of processes 0 and {different} differ; wanted the same in all. {do}")


@lru_cache
def _handle(world: Any, numbers: tuple[int, ...], timeout: float) -> Any:
    """The process group of these processes in a world of torch.distributed; made once for each timeout."""
    alone = len(numbers) < dist.get_world_size()  # the others do not come
    return dist.new_group(list(numbers), timeout=timedelta(seconds=timeout), use_local_synchronization=alone)


def forget() -> None:
    """Let go of the process groups that were made, before their world ends."""
    _handle.cache_clear()


def _all_gather(out: Tensor, part: Tensor, handle: Any) -> None:
    """`all_gather` into one array; newer versions of torch have another name for it."""
    call = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    call(out, part, group=handle)
