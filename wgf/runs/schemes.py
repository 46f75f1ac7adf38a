"""The `[solver]` table of a configuration file: a registered scheme, its settings, the step and the time to reach."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, SerializeAsAny, create_model
from pydantic_core import PydanticCustomError

from .. import solvers
from ..errors import ConfigError, closest, shown
from ..extension import settings_of
from ..protocol import Solver
from .terms import Section


def _scheme_name(value: str) -> str:
    if value not in solvers.REGISTRY:
        raise PydanticCustomError("unknown_name", "{hint}", {"hint": closest(value, solvers.REGISTRY)})
    return value


class SolverSection(Section):
    """The scheme, its step h = `dt` and the time to reach, both in units of t. `solver_model` adds the settings."""

    name: Annotated[str, AfterValidator(_scheme_name)] = "Heun"
    dt: float = Field(gt=0)
    t_end: float = Field(ge=0)
    record_every: int | None = Field(default=None, ge=1)

    def scheme(self) -> Solver:
        """The solver of `wgf.solvers`; ConfigError for a setting that this scheme does not have."""
        known = settings_of(solvers.REGISTRY[self.name])
        settings = {key: value for key, value in self if key not in SolverSection.model_fields and value is not None}
        for key in sorted(set(settings) - set(known)):
            raise ConfigError(f"solver.{key} = {shown(settings[key])} is no setting of {self.name}.")
        for key, value in settings.items():
            if isinstance(known[key].default, Solver) and isinstance(value, str):  # a scheme inside a scheme, by name
                settings[key] = solvers.by_name(value)
        return solvers.REGISTRY.make(self.name, **settings)


@cache
def _model(settings: tuple[str, ...]) -> type[SolverSection]:
    return create_model("Solver", __base__=SolverSection, **dict.fromkeys(settings, (Any, None)))  # type: ignore[call-overload]


def solver_model() -> type[SolverSection]:
    """The table with the settings of all registered schemes together; the chosen scheme checks its own."""
    return _model(tuple(sorted({key for scheme in solvers.REGISTRY.values() for key in settings_of(scheme)})))


AnySolver: TypeAlias = SerializeAsAny[
    Annotated[SolverSection, PlainValidator(lambda value: solver_model().model_validate(value))]
]
