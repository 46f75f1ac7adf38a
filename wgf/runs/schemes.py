"""The `[solver]` table of a configuration file: a registered scheme, its settings, the step and the time to reach."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import AfterValidator, Field, PlainValidator, SerializeAsAny, TypeAdapter, create_model
from pydantic_core import PydanticCustomError

from .. import solvers
from ..errors import ConfigError, closest, shown
from ..extension import settings_of
from ..protocol import Solver
from .terms import AnyKernel, Kernel
from .values import Section


def _scheme_name(value: str) -> str:
    if value not in solvers.REGISTRY:
        raise PydanticCustomError("unknown_name", "{hint}", {"hint": closest(value, solvers.REGISTRY)})
    return value


class SolverSection(Section):
    """The scheme, its step h = `dt` and the time to reach, both in units of t. `solver_model` adds the settings.

    `checkpoint_every` is in seconds of the clock, 60 by default.
    """

    name: Annotated[str, AfterValidator(_scheme_name)] = "Heun"
    dt: float = Field(gt=0)
    t_end: float = Field(ge=0)
    record_every: int | None = Field(default=None, ge=1)
    checkpoint_every: float | None = Field(default=None, ge=0)

    def scheme(self) -> Solver:
        """The solver of `wgf.solvers`; ConfigError for a setting that this scheme does not have."""
        given = {key: value for key, value in self if key not in SolverSection.model_fields and value is not None}
        return _made("solver", self.name, given)


def _made(place: str, name: Any, given: dict[str, Any]) -> Solver:
    """A scheme with its settings. A scheme inside it is a name, or a table { name = ..., and its settings }."""
    if not isinstance(name, str) or name not in solvers.REGISTRY:
        raise ConfigError(f"{place}.name = {shown(name)}{closest(name, solvers.REGISTRY)}")
    known = settings_of(solvers.REGISTRY[name])
    settings: dict[str, Any] = {}
    for key in sorted(set(given) - set(known)):
        raise ConfigError(f"{place}.{key} = {shown(given[key])} is no setting of {name}.")
    for key, value in given.items():
        if isinstance(value, Kernel):
            settings[key] = value.build()
        elif isinstance(known[key].default, Solver) and isinstance(value, (str, dict)):
            table = {"name": value} if isinstance(value, str) else dict(value)
            settings[key] = _made(f"{place}.{key}", table.pop("name", None), table)
        elif value == "none" and type(None) in get_args(known[key].kind):
            settings[key] = None  # TOML has no word for it
        else:
            settings[key] = tuple(value) if isinstance(value, list) else value
    return solvers.REGISTRY.make(name, **settings)


def _kernel_or_rule(value: Any) -> Any:
    """A table is a kernel. Numbers and names of rules are checked by the scheme."""
    return TypeAdapter(AnyKernel).validate_python(value) if isinstance(value, (dict, Section)) else value


_KERNEL = SerializeAsAny[Annotated[Any, PlainValidator(_kernel_or_rule)]]


@cache
def _model(settings: tuple[str, ...]) -> type[SolverSection]:
    fields = {key: (_KERNEL if key == "kernel" else Any, None) for key in settings}
    return create_model("Solver", __base__=SolverSection, **fields)  # type: ignore[call-overload]


def solver_model() -> type[SolverSection]:
    """The table with the settings of all registered schemes together; the chosen scheme checks its own."""
    return _model(tuple(sorted({key for scheme in solvers.REGISTRY.values() for key in settings_of(scheme)})))


AnySolver: TypeAlias = SerializeAsAny[
    Annotated[SolverSection, PlainValidator(lambda value: solver_model().model_validate(value))]
]
