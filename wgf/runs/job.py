"""A run before it is written: its objects, what is observed at every record, and its summary."""

from __future__ import annotations

import datetime
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.force_report import force_report
from ..diagnostics.transport import Transport, wasserstein
from ..drives import EvaluationCap
from ..errors import ConfigError, WgfError
from ..flow import Monitor, Solution
from ..flow.arguments import Arguments
from ..flow.describing import Description
from ..flow.divided import store_for
from ..flow.loop import Run
from ..flow.resume import continued
from ..flow.solve import MOST_STEPS, begun, build
from ..flow.store import RunStore
from ..flow.timing import Stopwatch
from ..functional import FreeEnergy, Functional
from ..measure import Ensemble
from ..protocol import Solver
from ..storage import digest
from ..wire import started
from . import store
from .config import Config

FRAMES = 10
"""About this many pictures of the particles, and distances from the start, are kept in addition to the first."""
SHOWN = 2000
"""A picture keeps at most this many particles; the final ensemble is kept whole."""


@dataclass(frozen=True)
class Job(ABC):
    """A configuration with its objects built. A subclass knows where the particles come from and what is scored."""

    config: Config
    free_energy: FreeEnergy
    start: Ensemble
    scheme: Solver
    until: Callable[[Mapping[str, float]], bool] | None

    @staticmethod
    def parts(config: Config, terms: list[Functional], drives: list[Any], start: Ensemble) -> dict[str, Any]:
        """The fields of a job from its terms and from the drives that are terms or stops of their own."""
        caps = [drive for drive in drives if isinstance(drive, EvaluationCap)]
        every = [*terms, *(drive for drive in drives if not isinstance(drive, EvaluationCap))]
        return {
            "config": config,
            "free_energy": FreeEnergy(sum(every[1:], start=every[0])._terms()),
            "start": start,
            "scheme": config.solver.scheme(),
            "until": (lambda row: any(cap(row) for cap in caps)) if caps else None,
        }

    def divided(self, timeout: float) -> Job:
        """The job with its particles divided among the processes of torch.distributed; as it is in a single one."""
        return replace(self, start=self.start.shard(timeout=timeout)) if started() else self

    def store(self, folder: Path) -> RunStore:
        """The store of its run, not yet entered."""
        return store_for(self.start, folder, 60.0, ours=store.OURS, going_on="")

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What summary.json says of the data and of the particles."""

    def observers(self) -> dict[str, Any]:
        """The observers of the run by the names of their columns, such as the scores of a network."""
        return {}

    def begin(self, keep: RunStore, watch: Watch, monitor: Monitor) -> Run:
        """Build the run that `wgf.solve` would make with the settings of the configuration, and begin its store."""
        solver, stopwatch = self.config.solver, Stopwatch()
        arguments = Arguments.checked(
            self.free_energy, self.start, self.scheme, dt=solver.dt, t_end=solver.t_end, t0=0.0, state=None,
            seed=self.config.seed, record_every=solver.record_every, trajectory_every=None, observers=watch.columns(),
            until=self.until, domain=self.config.place(), rtol=None, atol=None, max_steps=MOST_STEPS, progress=monitor,
            noise=None, store=keep.folder,
        )  # fmt: skip
        keep.head["configuration"] = self.identity()
        return begun(keep, build(arguments, stopwatch), arguments, None, alone=False)

    def go_on(self, keep: RunStore, watch: Watch, monitor: Monitor) -> Run:
        """Build the run that goes on in a store. Refuses other data, terms or schemes than those of the run."""
        stored = Description.read(keep.folder, self.config.device)
        parts = {
            "F": self.free_energy, "solver": self.scheme, "domain": self.config.place(), "until": self.until,
        }  # fmt: skip
        given = stored.given(parts, watch.columns())
        found = keep.resume(self.config.device)
        keep.head["configuration"] = self.identity()
        if found.head.get("configuration") != self.identity():
            raise ConfigError(f"{keep.folder}: the configuration is not that of the run; restore config.toml.")
        watch.recall(found.beside)
        return continued(keep, found, stored, given, Stopwatch(), t_end=self.config.solver.t_end, progress=monitor)

    def identity(self) -> str:
        """A checksum of the configuration, without its end and paths. The checksums of the data are in F."""
        table = self.config.model_dump(exclude={"costs": True, "output": True, "solver": {"t_end"}, "data": {"source"}})
        return digest(json.dumps(table, sort_keys=True, default=str).encode())

    def summary(self, solution: Solution, watch: Watch, warned: list[str]) -> dict[str, Any]:
        """The content of summary.json, except the name and the times."""
        ledger = solution.ledger
        ratios = ledger["force_ratio"][np.isfinite(ledger["force_ratio"])]
        return {
            "status": solution.status.name,
            "ok": solution.status.ok,
            "message": solution.status.message,
            "warnings": warned,
            "free_energy": repr(self.free_energy),
            **self.about(),
            "particles": {"n": self.start.n, "dim": self.start.dim},
            "steps": solution.state.step,
            "records": ledger.rows,
            "t": solution.state.t,
            "timing": solution.timing.parts(),
            "start": ledger.row(0),
            "final": ledger.row(-1),
            "force_ratio": [float(ratios.min()), float(ratios.max())] if len(ratios) else None,
            "force_report": force_report(ledger).to_dict(),
            "wasserstein": None if watch.distance is None else vars(watch.distance),
            "notes": ledger.notes | watch.notes,
        }


class Clock:
    """When a run was started, and for how many seconds it has gone, those before it went on included."""

    def __init__(self) -> None:
        self._started, self._before = datetime.datetime.now().astimezone().isoformat(timespec="seconds"), 0.0
        self._begun = time.perf_counter()

    def memory(self) -> dict[str, Any]:
        """Both, as the summary has them."""
        return {"started": self._started, "seconds": self._before + time.perf_counter() - self._begun}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self._started, self._before = str(memory["started"]), float(memory["seconds"])


@dataclass
class Watch:
    """The observers of a run: those of its job at every record, and at some records the distance from the start with a
    picture of the particles."""

    job: Job
    clock: Clock = field(default_factory=Clock)
    frames: list[store.Frame] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    distance: Transport | None = None

    def __post_init__(self) -> None:
        self._parts = -1

    def columns(self) -> dict[str, Any]:
        """The observers by the names of their columns in the ledger."""
        return {"distance_from_start": self._distance} | self.job.observers()

    def _distance(self, mu: Ensemble, t: float) -> float:
        return self._frame(mu, t) if self._due(t) else math.nan

    def _due(self, t: float) -> bool:
        """Whether this record has a picture: the first one in each of FRAMES equal parts of the time, and the last."""
        t_end, before = self.job.config.solver.t_end, self._parts
        self._parts = math.floor(FRAMES * t / t_end) if t_end else FRAMES
        return self._parts > before

    def _frame(self, mu: Ensemble, t: float) -> float:
        """Keep a picture of the particles, and return their distance from the start; NaN where it fails.

        Of particles that are divided among processes those of one are in the picture, and there is no distance.
        """
        parts = (mu.x[:SHOWN].float(), mu.weights[:SHOWN], mu.ids[:SHOWN])
        self.frames.append((t, *(part.detach().cpu().clone() for part in parts)))  # type: ignore[arg-type]
        if not mu.whole:
            self.notes["distance_from_start"] = "NaN: the particles are divided among processes"
            return math.nan
        try:
            self.distance = wasserstein(mu, self.job.start)
        except WgfError as error:  # a failed distance must not lose the run
            self.notes["distance_from_start"] = str(error)
            return math.nan
        note = self.distance.note
        if math.isfinite(self.distance.bures):
            note += (
                f"; the Gaussians with the same means and covariances are {self.distance.bures:.4g} apart at t = {t:g}"
            )
        self.notes["distance_from_start"] = f"{self.distance.method}: {note}"
        return self.distance.distance

    def memory(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        distance = None if self.distance is None else vars(self.distance)
        return {"frames": tuple(self.frames), "notes": dict(self.notes), "distance": distance,
                "parts": self._parts, "clock": self.clock.memory()}  # fmt: skip

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        distance = memory["distance"]
        self.frames, self.notes, self._parts = list(memory["frames"]), dict(memory["notes"]), memory["parts"]
        self.distance = None if distance is None else Transport(**distance)
        self.clock.recall(memory["clock"])

    def finish(self, solution: Solution) -> None:
        """Add a last picture where a run ended between two of them."""
        if solution.state.t > self.frames[-1][0]:
            self._frame(solution.ensemble, solution.state.t)
