"""The store of a run whose particles are divided among processes: each writes its rows, and one of them the rest.

    checkpoints/part-000120-0-of-2.safetensors      particles and memory of process 0, at step 120
    checkpoints/checkpoint-000003.safetensors       the state without them, and the parts that belong to it

The checkpoint is written when all parts are on the disk. A run may go on with another number of processes: each reads
the rows that it then owns. All processes must see the same folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from ..errors import ConfigError
from ..ledger import BookMemory, Ledger, read_records
from ..measure import Ensemble, ShardedEnsemble
from ..process import signals
from ..protocol import State
from ..storage import Checkpoints, digest, pack, tensor_bytes, to_tree, write_whole
from ..wire import Group
from .division import PART, Division, divided, taken
from .keeping import Stored
from .parts import Found
from .solution import Status
from .store import CHECKPOINTS, METRICS, RunStore

_WHOLE = (None, *(status.name for status in Status if status.ok), Status.INTERRUPTED.name, Status.STEP_LIMIT.name)
"""Statuses with which all processes stand at the same step, so that there is a checkpoint."""
_ASKING, _MOST = 0.1, 64
"""Seconds, and steps at most, after which processes ask each other whether one of them must stop."""


def store_for(
    mu: Ensemble,
    folder: str | os.PathLike[str],
    checkpoint_every: float | None,
    head: Mapping[str, Any] | None = None,
    **more: Any,
) -> RunStore:
    """The store of a run with these particles: that of `RunStore`, or one for divided particles."""
    if isinstance(mu, ShardedEnsemble):
        return DividedStore(folder, checkpoint_every, head, group=mu.group, **more)
    return RunStore(folder, checkpoint_every, head, **more)


class DividedStore(RunStore):
    """A `RunStore` of several processes. One of them writes records and checkpoints, and each writes its part."""

    def __init__(self, *given: Any, group: Group, **more: Any) -> None:
        super().__init__(*given, **more)
        self.group = group
        if not group.speaks:
            self.going_on = ""
        self._division: Division | None = None
        self._kept: list[set[str]] = []

    def _alone(self, call: Callable[[], Any]) -> Any:
        """Let the process that speaks make a call. Where it fails, all raise its error."""
        return self.group.together(lambda: call() if self.group.speaks else None)

    def __enter__(self) -> DividedStore:
        self._alone(super().__enter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.group.speaks:
            super().__exit__(kind, error, trace)

    def begin(self, described: Any = None) -> None:
        self._alone(lambda: super(DividedStore, self).begin(described))

    def record(self, row: Mapping[str, float]) -> None:
        if self.group.speaks:
            super().record(row)
        else:
            self._rows += 1

    def complete(self, ledger: Ledger) -> None:
        if self.group.speaks:
            super().complete(ledger)

    def commit(self) -> None:
        if self.group.speaks:
            super().commit()

    def due(self) -> bool:
        """Whether the next checkpoint is due, by the clock of the process that speaks."""
        return self.group.speaks and super().due()

    def resume(self, device: str | None = None) -> Found:
        found = self._alone(lambda: super(DividedStore, self).resume(device))
        said = self.group.say(
            None if found is None else (found.head["rows"], found.head["metrics"], self.read.path.name)
        )
        if found is None:
            self.read = Checkpoints(self.folder / CHECKPOINTS).at(said[2], device)
            ledger = read_records(self.folder / METRICS, int(said[0]), str(said[1]))
            self._rows, content = int(said[0]), self.read.content
            found = Found(content["state"], content["books"], ledger, self.read.head, None, content.get("beside"))
        division: Division = self.read.content["division"]
        folder = self.folder / CHECKPOINTS
        state = self.group.together(lambda: divided(found.state, division, folder, self.group, device))
        return replace(found, state=state)

    def _more(self) -> dict[str, Any]:
        return {"division": self._division}

    def checkpoint(self, state: State, books: BookMemory, beside: Any = None, **said: Any) -> Path:
        """Write a checkpoint: all parts first. None is written where an error left processes at different steps."""
        assert isinstance(state.mu, ShardedEnsemble)
        if self.group.broken or said.get("status") not in _WHOLE:
            return self.folder
        mu, group = state.mu, self.group
        arrays: dict[str, Tensor] = {"x": mu.x, "weights": mu.weights, "ids": mu.ids}
        text, small = pack(taken(to_tree(state.memory, "the memory of the scheme"), len(mu.x), "memory", arrays))
        name = f"part-{state.step:06d}-{group.rank}-of-{group.size}.safetensors"
        checksum = group.together(lambda: self._part(name, arrays))
        first, last = mu.layout.span(group.rank)
        told = (group.say((name, checksum, first, last), rank) for rank in range(group.size))
        parts = tuple((str(name), str(checksum), int(a), int(b)) for name, checksum, a, b in told)
        self._division = Division(mu.n, mu.layout.blocks, parts, text, small, mu.period, mu.history)
        stub = state.with_(mu=Ensemble(mu.x[:1], ids=mu.ids[:1]), memory=None)

        def written() -> str:
            return str(super(DividedStore, self).checkpoint(stub, books, beside, **said))

        path = Path(group.say(self._alone(written)))
        if group.speaks:
            self._tidy()
        return path

    def _part(self, name: str, arrays: Mapping[str, Tensor]) -> str:
        """Write the part of this process, and give its checksum."""
        folder = self.folder / CHECKPOINTS
        content = tensor_bytes(dict(arrays), PART)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        write_whole(folder / name, content, "a part of the checkpoint")
        return digest(content)

    def _tidy(self) -> None:
        """Remove parts of checkpoints that are no longer kept: the last two are."""
        assert self._division is not None
        self._kept = [*self._kept, {name for name, *_ in self._division.parts}][-2:]
        used = set().union(*self._kept)
        for path in (self.folder / CHECKPOINTS).glob("part-*"):
            if len(self._kept) == 2 and path.name not in used:
                with suppress(OSError):
                    path.unlink()


class DividedStored(Stored):
    """Keeps a divided run in a directory: all processes stop for a checkpoint, or for a signal, after the same step."""

    store: DividedStore

    _skipped, _left, _asked = 0, 0, 0.0

    @property
    def pausing(self) -> bool:
        """Whether one of the processes must stop. They ask each other every `_ASKING` seconds, and not at each step.

        The process that speaks tells all how many steps that is, by the time of those before.
        """
        if self._left:
            self._left -= 1
            return False
        now, group = time.monotonic(), self.store.group
        steps = int(min(_MOST, (self._skipped + 1) * _ASKING / max(now - self._asked, 1e-9))) if group.speaks else 0
        found = group.counts(2 * steps + int(self.store.due() or signals.arrived()))
        stop = any(number % 2 for number in found)
        self._asked, self._skipped = now, found[0] // 2
        self._left = 0 if stop else self._skipped  # after a yes the next question has the same answer
        return stop

    def pause(self) -> bool:
        asked = self.store.group.counts(2 if signals.arrived() else int(self.store.due()))
        if 2 in asked:
            signals.check()
            raise KeyboardInterrupt
        return 1 in asked

    def frame(self, mu: Ensemble, t: float) -> None:
        raise ConfigError("trajectory_every: frames of particles that are divided among processes are not stored.")

    def trajectory(self) -> dict[str, Any]:
        return {}


def keeping_in(store: RunStore, *more: Any) -> Stored:
    """What keeps a run in this store."""
    return DividedStored(store, *more) if isinstance(store, DividedStore) else Stored(store, *more)


def was_divided(folder: Path) -> bool:
    """Whether the run in a folder has checkpoints of divided particles."""
    return any((folder / CHECKPOINTS).glob("part-*"))


def store_at(folder: Path, checkpoint_every: float | None, timeout: float) -> RunStore:
    """The store of a run that goes on: one for divided particles, if they were."""
    if was_divided(folder):
        return DividedStore(folder, checkpoint_every, group=Group(timeout))
    return RunStore(folder, checkpoint_every)
