"""What a configuration file may name: energies, kernels, entropies and domains, read off the registries.

Every registered class whose required settings a file can write has a model, made from its signature. Models are made
when a file is checked, so that a class which a user has registered is known.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, SerializeAsAny, TypeAdapter
from pydantic import create_model as make_model
from pydantic_core import PydanticCustomError

from .. import domains, energies, entropies, kernels
from ..extension import Numbers, Registry, settings_of
from ..functional import Functional
from ..summation import Costs


class Section(BaseModel):
    """A table of a configuration file: only known keys, no conversion between types, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# ------------------------------------------------------------------------------------------------- types of settings


def _wanted(what: str) -> PydanticCustomError:
    return PydanticCustomError("wanted", "{what}", {"what": what})


def _numbers(value: Any, depth: int = 0) -> Any:
    """A number, a list of numbers or a list of lists of them; a TOML array may mix types, so every entry is checked."""
    if isinstance(value, list) and depth < 2:
        return tuple(_numbers(entry, depth + 1) for entry in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
        raise _wanted("a finite number, a list of numbers or a matrix as a list of rows")
    return value


def _finite(value: float) -> bool:
    """Whether a number is finite as a float; integers beyond every float are not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _number_or_rule(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wanted("a positive number or the name of a rule")
    return value


def _column(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
        raise _wanted("the name of a column or its index")
    return value


Column: TypeAlias = Annotated[Any, AfterValidator(_column)]


def _type_of(kind: Any) -> Any:
    """How a file writes a setting of this type; None where it cannot."""
    if kind == Numbers:
        return Annotated[Any, AfterValidator(_numbers)]
    if kind == float | str:
        return Annotated[Any, AfterValidator(_number_or_rule)]
    if kind is kernels.Kernel:
        return AnyKernel
    return kind if kind in (float, int, str, bool) else None


# ------------------------------------------------------------------------------------------------- tables and models


class Kernel(Section):
    """A kernel with its parameters: `kernel = { name = "Gaussian", h = 1.0 }`."""

    def build(self) -> kernels.Kernel:
        """The kernel of `wgf.kernels`."""
        settings: dict[str, Any] = dict(self)
        return kernels.REGISTRY.make(settings.pop("name"), **settings)


class Energy(Section):
    """A term of the energy, times its coefficient."""

    coefficient: float = 1.0

    def build(self, costs: Costs | None = None) -> Functional:
        """coefficient · term; `costs` is the table by which terms that sum over pairs choose their method."""
        settings: dict[str, Any] = {k: v.build() if isinstance(v, Kernel) else v for k, v in self}
        coefficient, name = settings.pop("coefficient"), settings.pop("term")
        if "costs" in settings_of(energies.REGISTRY[name]):
            settings["costs"] = costs
        return coefficient * energies.REGISTRY.make(name, **settings)


class Entropy(Section):
    """An entropy at temperature T: the term −T·S."""

    temperature: float = Field(ge=0)

    def build(self, costs: Costs | None = None) -> Functional:
        """−T · S."""
        settings: dict[str, Any] = dict(self)
        temperature, name = settings.pop("temperature"), settings.pop("term")
        return -temperature * entropies.REGISTRY.make(name, **settings)


class Place(Section):
    """Where the particles may be."""

    def build(self) -> domains.Domain:
        """The domain of `wgf.domains`."""
        settings: dict[str, Any] = dict(self)
        return domains.REGISTRY.make(settings.pop("kind"), **settings)


@cache
def _model(cls: Hashable, name: str, tag: str, base: type[Section]) -> type[Section] | None:
    """The table of one class, which `tag` names in a file; None where a file cannot write a required setting."""
    fields: dict[str, Any] = {tag: (Literal[name], ...)}
    for key, setting in settings_of(cls).items():
        kind = _type_of(setting.kind)
        if kind is None and setting.required:
            return None
        if kind is not None:
            must = setting.required or key in getattr(cls, "stated", ())
            fields[key] = (kind, ... if must else setting.default)
    return make_model(name, __base__=base, **fields)


_KINDS: dict[str, tuple[Registry[Any], str, type[Section]]] = {
    "kernel": (kernels.REGISTRY, "name", Kernel),
    "energy": (energies.REGISTRY, "term", Energy),
    "entropy": (entropies.REGISTRY, "term", Entropy),
    "domain": (domains.REGISTRY, "kind", Place),
}


def models(kind: str) -> dict[str, type[Section]]:
    """The tables of one kind ("kernel", "energy", "entropy" or "domain"), by the name that a file gives."""
    registry, tag, base = _KINDS[kind]
    found = {name: _model(cls, name, tag, base) for name, cls in registry.items()}  # type: ignore[arg-type]
    return {name: model for name, model in found.items() if model is not None}


def tagged() -> Mapping[str, type[Section]]:
    """Every model that a file picks by name; the names are distinct."""
    return {name: model for kind in _KINDS for name, model in models(kind).items()}


@cache
def _choice(tag: str, among: tuple[type[Section], ...]) -> TypeAdapter[Any]:
    union: Any = among[0]
    for model in among[1:]:
        union = union | model
    return TypeAdapter(Annotated[union, Field(discriminator=tag)])


def _one_of(kind: str) -> Any:
    """The type of a value that is one of the tables of a kind, as the registry stands when the value is checked."""

    def check(value: Any) -> Any:
        return _choice(_KINDS[kind][1], tuple(models(kind).values())).validate_python(value)

    return SerializeAsAny[Annotated[Section, PlainValidator(check)]]


AnyKernel: Any = _one_of("kernel")
AnyEnergy: Any = _one_of("energy")
AnyEntropy: Any = _one_of("entropy")
AnyDomain: Any = _one_of("domain")
