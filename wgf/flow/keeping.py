"""Where a run keeps its frames and itself: in memory, or in a directory from which it can go on after a kill."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, WgfWarning
from ..ledger import BookMemory
from ..measure import Ensemble
from ..process import signals
from ..protocol import State
from ..storage import Trajectory
from .store import TRAJECTORY, RunStore


class Keeping:
    """Keeps frames in memory, for a run that ends with its process.

    Attributes
    ----------
    stored : bool
        Whether there are checkpoints.
    observed : bool
        Whether the state with which the run begins has been observed already, by a run that goes on.
    last : float or None
        The time of the last frame, in flow time; None without one.
    """

    stored, observed = False, False
    last: float | None = None

    def __init__(self) -> None:
        self._frames: list[Ensemble] = []
        self._times: list[float] = []

    @contextmanager
    def going(self) -> Iterator[None]:
        """Around the steps of the run."""
        yield

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Around the run and all that is written at its end."""
        yield

    @property
    def pausing(self) -> bool:
        """Whether the loop must come to `pause` before its next step."""
        return False

    def pause(self) -> bool:
        """Between two steps: raise KeyboardInterrupt if a signal came. Gives whether a checkpoint is due."""
        return False

    def record(self, row: Mapping[str, float]) -> None:
        """Keep a record, which the ledger has too."""

    def frame(self, mu: Ensemble, t: float) -> None:
        """Keep a frame."""
        self._frames.append(mu.to("cpu"))
        self._times.append(t)
        self.last = t

    def beside(self) -> Any:
        """What else is to be remembered now, as the pictures of a report."""
        return None

    def checkpoint(self, state: State, books: BookMemory, beside: Any, observed: bool, **said: Any) -> None:
        """Write a checkpoint. Nothing is written for a run in memory."""

    def close(self) -> None:
        """At the end: count the frames that came after the last checkpoint."""

    def trajectory(self) -> dict[str, Any]:
        """The fields of a solution that hold the trajectory."""
        frames = self._frames
        if not frames:
            return {}
        weights, ids = (_stacked(parts) for parts in ([mu.weights for mu in frames], [mu.ids for mu in frames]))
        return {
            "trajectory": torch.stack([mu.x for mu in frames]),
            "trajectory_times": torch.tensor(self._times, dtype=torch.float64),
            "trajectory_weights": weights,
            "trajectory_ids": ids,
        }


def _stacked(parts: list[Tensor]) -> Tensor:
    """The tensors as one (k, n). Where they are all the same, as for most schemes, it takes the memory of one."""
    if all(part is parts[0] for part in parts):
        return parts[0].clone().expand(len(parts), -1)
    return torch.stack(parts)


class Stored(Keeping):
    """Keeps a run in a directory.

    Parameters
    ----------
    store : RunStore
        The directory, entered and begun or resumed.
    last : float, optional
        The time of the last frame of a run that goes on.
    observed : bool, default False
        Whether its state has been observed already.
    """

    stored = True

    def __init__(self, store: RunStore, last: float | None = None, observed: bool = False) -> None:
        super().__init__()
        self.store, self.last, self.observed = store, last, observed

    @contextmanager
    def going(self) -> Iterator[None]:
        with signals.during(signals.Mode.WAIT):
            yield

    @contextmanager
    def ending(self) -> Iterator[None]:
        with signals.caught():
            yield

    @property
    def pausing(self) -> bool:
        return self.store.due() or signals.arrived()

    def pause(self) -> bool:
        signals.check()
        return self.store.due()

    def record(self, row: Mapping[str, float]) -> None:
        self.store.record(row)

    def frame(self, mu: Ensemble, t: float) -> None:
        self.store.frame(mu, t)
        self.last = t

    def beside(self) -> Any:
        return None if self.store.beside is None else self.store.beside()

    def checkpoint(self, state: State, books: BookMemory, beside: Any, observed: bool, **said: Any) -> None:
        with signals.during(signals.Mode.HOLD):
            self.store.checkpoint(state, books, beside, observed=observed, **said)
        if said.get("status") == "INTERRUPTED" and self.store.going_on:
            told = f"stopped at step {state.step}, t = {state.t:g}, with a checkpoint; {self.store.going_on} goes on."
            warnings.warn(told, WgfWarning, stacklevel=2)

    def close(self) -> None:
        self.store.commit()

    def trajectory(self) -> dict[str, Any]:
        return trajectory_in(self.store.folder)


def trajectory_in(folder: Any) -> dict[str, Any]:
    """The fields of a solution that hold the trajectory in a run directory; empty where there is none."""
    with suppress(CheckpointError):
        found = Trajectory(folder / TRAJECTORY)
        fields = ("trajectory", "trajectory_times", "trajectory_weights", "trajectory_ids")
        return dict(zip(fields, (found, found.times, found.weights, found.ids), strict=True))
    return {}
