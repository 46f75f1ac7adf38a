"""The job of a configuration without a network: particles in potentials, drawn from a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .config import ProblemConfig
from .job import Job
from .training import load


@dataclass(frozen=True)
class Particles(Job):
    """A system of particles."""

    source: str | None

    @staticmethod
    def of(config: ProblemConfig) -> Particles:
        """Load the data where a term takes them, and build the free energy, the first particles and the scheme."""
        source = None if config.data is None else load(config.data)[0]
        terms = config.terms() if source is None else config.terms((source.x, source.y))
        others = config.drives()[1]
        config = config.resolved([*terms, *(member for drive in others for member in getattr(drive, "members", ()))])
        start = config.problem.start(config.seed).to(config.device, config.dtype)
        parts = Job.parts(config, terms, others, start)
        return Particles(**parts, source=None if source is None else source.name)

    def about(self) -> dict[str, Any]:
        return {"problem": {"name": self.config.name, "data": self.source}}
