"""What a configuration file may name: energies, kernels, entropies, domains, schedules, drives and initial laws.

All are read off the registries. Every registered class whose required settings a file can write has a model, made from
its signature. Models are made when a file is checked, so that a class which a user has registered is known.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SerializeAsAny,
    TypeAdapter,
    model_validator,
)
from pydantic import create_model as make_model

from .. import domains, drives, energies, entropies, kernels
from ..drives.altered import AlteredRisk
from ..extension import Numbers, Pairs, Registry, Rows, settings_of
from ..functional import Control, DrivenFunctional, Functional
from ..summation import Costs
from . import laws
from .values import Section, number_or_rule, numbers, pairs, points, rows, wanted

# ------------------------------------------------------------------------------------------------- types of settings


def _amount(**limits: Any) -> Any:
    """The type of a number, or of a table that says how it changes."""
    number = TypeAdapter(Annotated[float, Field(strict=True, allow_inf_nan=False, **limits)])

    def check(value: Any) -> Any:
        if isinstance(value, (dict, Section)):
            return _choice("schedule", tuple(models("schedule").values())).validate_python(value)
        return number.validate_python(value)

    return Annotated[Any, PlainValidator(check)]


Amount: TypeAlias = _amount()  # type: ignore[valid-type]
Temperature: TypeAlias = _amount(ge=0)  # type: ignore[valid-type]


def _amounts(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return tuple(TypeAdapter(Amount).validate_python(entry) for entry in value)
    return TypeAdapter(Amount).validate_python(value) if isinstance(value, dict) else numbers(value)


Amounts: TypeAlias = Annotated[Any, AfterValidator(_amounts)]


def _type_of(kind: Any) -> Any:
    """How a file writes a setting of this type; None where it cannot."""
    plain = {Numbers: numbers, Numbers | None: numbers, Rows: rows, Pairs: pairs}
    if kind in plain:
        return Annotated[Any, AfterValidator(plain[kind])]
    if kind == Iterable[tuple[float, Functional]]:
        return SerializeAsAny[Annotated[tuple[Section, ...], PlainValidator(_moments)]]
    if kind == float | str:
        return Annotated[Any, AfterValidator(number_or_rule)]
    if kind == Iterable[tuple[float, float]]:
        return Annotated[Any, AfterValidator(points)]
    if kind in (drives.Schedule | float, float | Callable[[float], float]):
        return Amount
    if kind in (_OF_TIME, _OF_TIME | None):
        return Amounts
    if kind is kernels.Kernel:
        return AnyKernel
    if kind is Functional:
        return AnyCost
    return kind if kind in (float, int, str, bool, float | None, int | None) else None


def _moments(value: Any) -> tuple[Section, ...]:
    """Energies, each with the time from which it holds: `{ at = 5.0, term = "Quadratic", center = 1.0 }`."""
    if not isinstance(value, list) or not value:
        raise wanted('a list of tables such as { at = 0.0, term = "Quadratic" }')
    return tuple(TypeAdapter(list[_one_of("moment")]).validate_python(value))  # type: ignore[misc]


_OF_TIME: Any = Any | Callable[[float], Any]
"""An array, or a function of t that gives one."""


# ------------------------------------------------------------------------------------------------- tables and models


class Kernel(Section):
    """A kernel with its parameters: `kernel = { name = "Gaussian", h = 1.0 }`."""

    def build(self) -> kernels.Kernel:
        """The kernel of `wgf.kernels`."""
        settings: dict[str, Any] = dict(self)
        return kernels.REGISTRY.make(settings.pop("name"), **settings)


class Varying(Section):
    """A number that changes: a schedule with its settings, or a control that follows the run.

    `{ schedule = "Exponential", start = 0.1, end = 1e-3, time = 100 }`. The key `time` is the length of a ramp: its end
    t1 is t0 + time.
    """

    also: ClassVar[tuple[str, ...]] = ("time",)

    @model_validator(mode="before")
    @classmethod
    def _with_end(cls, table: Any) -> Any:
        if isinstance(table, dict) and "time" in table and "t1" in cls.model_fields and "t1" not in table:
            start, length = table.get("t0", 0.0), table["time"]
            if all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in (start, length)):
                return {key: value for key, value in table.items() if key != "time"} | {"t1": float(start + length)}
        return table

    def build(self) -> Callable[[float], float]:
        """The schedule or control of `wgf.drives`."""
        settings = _built(self)
        made: Any = drives.REGISTRY.make(settings.pop("schedule"), **settings)
        return made


class Energy(Section):
    """A term of the energy, times its coefficient."""

    coefficient: Amount = 1.0

    def build(self, costs: Costs | None = None, data: tuple[Any, Any] | None = None) -> Functional:
        """coefficient · term; `costs` is the table by which terms that sum over pairs choose their method, `data` the
        inputs and targets for terms that take theirs from the data set."""
        settings = _built(self)
        coefficient, name = settings.pop("coefficient"), settings.pop("term")
        if "costs" in settings_of(energies.REGISTRY[name]):
            settings["costs"] = costs
        settings |= dict(zip(from_data(name), data or (), strict=False))
        return coefficient * energies.REGISTRY.make(name, **settings)


class Moment(Energy):
    """A term of the energy that holds from a time on, for a drive that exchanges terms."""

    at: float

    def pair(self) -> tuple[float, Functional]:
        """The time and the term."""
        plain = models("energy")[self.model_dump()["term"]]
        return self.at, plain.model_construct(**{key: value for key, value in self if key != "at"}).build()


def from_data(term: str) -> tuple[str, ...]:
    """The settings of an energy that come from the data set; empty for most."""
    return tuple(getattr(energies.REGISTRY[term], "from_data", ()))


class Entropy(Section):
    """An entropy at temperature T: the term −T·S."""

    temperature: Temperature

    def build(self, costs: Costs | None = None) -> Functional:
        """−T · S."""
        settings = _built(self)
        temperature, name = settings.pop("temperature"), settings.pop("term")
        entropy = entropies.REGISTRY.make(name, **settings)
        return -1.0 * entropy * temperature if callable(temperature) else -temperature * entropy


class Drive(Section):
    """What acts on F from outside: it alters the risk, or is a term of its own."""

    def build(self, risk: Any = None) -> Any:
        """The drive of `wgf.drives`, on this risk where it alters one."""
        settings = _built(self)
        name = settings.pop("drive")
        key = acts_on_risk(name)
        return drives.REGISTRY.make(name, **({key: risk} if key else {}), **settings)


def alters_risk(name: str) -> bool:
    """Whether a drive acts on a network risk."""
    return issubclass(drives.REGISTRY[name], AlteredRisk)


def acts_on_risk(name: str) -> str | None:
    """The setting by which a drive is given the risk of a network; None for a drive that acts on any particles."""
    key: str | None = getattr(drives.REGISTRY[name], "given_risk", None)
    return key


def is_term(name: str) -> bool:
    """Whether a drive is a term of F by itself, not only a condition on another one."""
    return issubclass(drives.REGISTRY[name], Functional)


class Initial(Section):
    """The law of the first particles."""

    def build(self) -> laws.Law:
        """The law."""
        settings: dict[str, Any] = dict(self)
        return laws.REGISTRY.make(settings.pop("law"), **settings)


def _built(section: Section) -> dict[str, Any]:
    """The settings of a section, with the tables inside it turned into objects."""
    return {key: _made(value) for key, value in section}


def _made(value: Any) -> Any:
    if isinstance(value, (Kernel, Varying, Energy)):
        return value.build()
    if isinstance(value, tuple) and value and all(isinstance(entry, Moment) for entry in value):
        return [entry.pair() for entry in value]
    if isinstance(value, tuple) and any(isinstance(entry, Varying) for entry in value):
        entries = [_made(entry) for entry in value]
        return lambda t: [entry(t) if callable(entry) else entry for entry in entries]
    return value


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
        if key in getattr(cls, "from_data", ()) or key == getattr(cls, "given_risk", None):
            continue  # the run gives it
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
    "cost": (energies.REGISTRY, "term", Energy),
    "moment": (energies.REGISTRY, "term", Moment),
    "domain": (domains.REGISTRY, "kind", Place),
    "schedule": (drives.REGISTRY, "schedule", Varying),
    "drive": (drives.REGISTRY, "drive", Drive),
    "initial": (laws.REGISTRY, "law", Initial),
}
_AMONG: dict[str, tuple[type, ...]] = {
    "schedule": (drives.Schedule, Control),
    "drive": (AlteredRisk, DrivenFunctional, drives.Budget, drives.Displacement, drives.EvaluationCap),
}
"""Which classes of a registry are of this kind; all of them where there is no entry."""
_HELD = ("cost", "moment")
"""Kinds of terms that a drive holds: those that take their data from the data set are none of them."""


def models(kind: str) -> dict[str, type[Section]]:
    """The tables of one kind, such as "kernel" or "energy", by the name that a file gives."""
    registry, tag, base = _KINDS[kind]
    among = _AMONG.get(kind, (object,))
    found = {name: _model(cls, name, tag, base) for name, cls in registry.items() if issubclass(cls, among)}  # type: ignore[arg-type]
    return {
        name: model for name, model in found.items() if model is not None and not (kind in _HELD and from_data(name))
    }


def chosen() -> set[str]:
    """Every name by which a file picks a table."""
    return {name for kind in _KINDS for name in models(kind)}


def model_at(place: Sequence[Any], name: Any) -> type[Section] | None:
    """The table that a name picks at a place of the file, the path of keys before it; None where it picks none."""
    keys = [part for part in place if isinstance(part, str)]
    kind = "moment" if keys[-1:] == ["terms"] else keys[-1] if keys and keys[-1] in _KINDS else "schedule"
    return models(kind).get(name)


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
AnyCost: Any = _one_of("cost")
AnyEntropy: Any = _one_of("entropy")
AnyDomain: Any = _one_of("domain")
AnyDrive: Any = _one_of("drive")
AnyInitial: Any = _one_of("initial")
