"""The tables of a configuration file that say what is trained or moved: data, network, problem, output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ..data import SUFFIXES, TASKS
from ..energies.losses import LOSSES
from ..errors import ConfigError, ResourceError, closest
from ..functional import Functional
from ..measure import Ensemble, require_room
from ..ops.activations import NAMES as ACTIVATIONS
from .laws import Gaussian, Law
from .terms import AnyInitial
from .values import Column, Section

LARGEST_SEED = 2**64 - 1


def one_of(*names: str) -> Any:
    """A string that is one of the names, else an error with the nearest of them."""

    def check(value: str) -> str:
        if value not in names:
            raise PydanticCustomError("unknown_name", "{hint}", {"hint": closest(value, names)})
        return value

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class Data(Section):
    """Where the samples come from and how they are split."""

    source: str
    target: Column = None
    header: bool | None = None
    separator: str | None = None
    decimal: str | None = None
    task: Annotated[str, one_of(*TASKS)] | None = None
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    seed: Seed = 0
    standardise: bool = True

    @property
    def name(self) -> str:
        """The data set in a word, also where it is a file."""
        return Path(self.source).stem if Path(self.source).suffix.lower() in SUFFIXES else self.source


class Network(Section):
    """The two-layer network a σ(w·z + b), averaged over its neurons."""

    neurons: int = Field(default=4096, ge=1)
    activation: Annotated[str, one_of(*ACTIVATIONS)] = "tanh"
    loss: Annotated[str, one_of(*LOSSES)] | None = None
    batch: int | None = Field(default=None, ge=1)

    def require_room(self, dim: int, label: str) -> None:
        """Refuse more neurons of dimension `dim` than there is memory for: ConfigError, with the source of the size."""
        try:
            require_room(self.neurons, dim)
        except (ConfigError, ResourceError) as error:
            raise ConfigError(f"{label}: network.neurons: {error}") from error


class Output(Section):
    """Where the run is written."""

    directory: Annotated[str, Field(min_length=1)] | None = None


class Problem(Section):
    """A system of particles without a network: how many there are, and the law of the first ones."""

    name: Annotated[str, Field(min_length=1)] | None = None
    particles: int | None = Field(default=None, ge=1)
    dim: int | None = Field(default=None, ge=1)
    initial: AnyInitial | None = None

    @property
    def law(self) -> Law:
        """The law of the first particles: by default a standard Gaussian."""
        return Gaussian() if self.initial is None else self.initial.build()

    def resolved(self, terms: list[Functional]) -> Problem:
        """The problem with its number and dimension of particles known.

        ConfigError where nothing says the dimension, or the terms, the law and `dim` say different ones.
        """
        law = self.law
        said = {"problem.dim": self.dim, "problem.initial": law.dim}
        for term in terms:
            said |= {part.name: getattr(part.functional, "dim", None) for part in term._terms()}
        known = {what: dim for what, dim in said.items() if isinstance(dim, int)}
        if not known:
            raise ConfigError("problem.dim is missing; wanted the dimension of the particles, an integer ≥ 1.")
        if len(set(known.values())) > 1:
            told = ", ".join(f"{dim} by {what}" for what, dim in known.items())
            raise ConfigError(f"problem: the dimension of the particles is {told}; wanted one dimension.")
        n = self.particles if self.particles is not None else law.count or PARTICLES
        return self.model_copy(update={"particles": n, "dim": next(iter(known.values()))})

    def start(self, seed: int) -> Ensemble:
        """The first particles of a resolved problem."""
        assert self.particles is not None
        assert self.dim is not None
        require_room(self.particles, self.dim)
        return self.law.draw(self.particles, self.dim, seed)


PARTICLES = 1000
"""The number of particles of a problem that does not say it."""
