"""What a configuration file may name: energies, kernels and entropies, each with its own parameters and their types."""

from __future__ import annotations

import inspect
import math
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

from .. import domains, energies, entropies, kernels
from ..functional import Functional
from ..summation import Costs


class Section(BaseModel):
    """A table of a configuration file: only known keys, no conversion between types, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _wanted(what: str) -> PydanticCustomError:
    return PydanticCustomError("wanted", "{what}", {"what": what})


def _numbers(value: Any, depth: int = 0) -> Any:
    """A number, a list of numbers or a list of lists of them; a TOML array may mix types, so all are looked at."""
    if isinstance(value, list) and depth < 2:
        return tuple(_numbers(entry, depth + 1) for entry in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wanted("a finite number, a list of numbers or a matrix as a list of rows")
    return value


def _number_or_rule(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wanted("a positive number or the name of a rule")
    return value


def _column(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
        raise _wanted("the name of a column or its index")
    return value


Numbers: TypeAlias = Annotated[Any, AfterValidator(_numbers)]
NumberOrRule: TypeAlias = Annotated[Any, AfterValidator(_number_or_rule)]
Column: TypeAlias = Annotated[Any, AfterValidator(_column)]
Parameters: TypeAlias = dict[str, tuple[Any, Any]]  # type and default (... where there is none) by name


def _models(tag: str, base: type[Section], table: dict[str, Parameters]) -> dict[str, type[Section]]:
    """One model per name; `tag` is the key by which a file names it."""
    return {
        name: create_model(name, __base__=base, **{tag: (Literal[name], ...)}, **parameters)  # type: ignore[call-overload]
        for name, parameters in table.items()
    }


def _one_of(models: dict[str, type[Section]], tag: str) -> Any:
    union: Any = None
    for model in models.values():
        union = model if union is None else union | model
    return Annotated[union, Field(discriminator=tag)]


def _parameters_of(kernel: Any) -> Parameters:
    """The parameters of a kernel as it declares them itself, so that a form is written once."""
    hints = get_type_hints(kernel)
    return {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(kernel).parameters.items()
    }


_KERNELS: dict[str, Any] = {
    kernel.__name__: kernel
    for kernel in (
        kernels.Gaussian, kernels.Matern, kernels.Laplace, kernels.InverseMultiquadric, kernels.QuadraticKernel,
        kernels.Morse, kernels.Log, kernels.Riesz, kernels.Newtonian, kernels.Cosine,
    )
}  # fmt: skip


class Kernel(Section):
    """A kernel with its parameters: `kernel = { name = "Gaussian", h = 1.0 }`."""

    def build(self) -> kernels.Kernel:
        """The kernel of `wgf.kernels`."""
        settings: dict[str, Any] = dict(self)
        kernel: kernels.Kernel = _KERNELS[settings.pop("name")](**settings)
        return kernel


KERNELS = _models("name", Kernel, {name: _parameters_of(kernel) for name, kernel in _KERNELS.items()})


class Energy(Section):
    """A term of the energy, times its coefficient."""

    coefficient: float = 1.0

    def build(self, costs: Costs | None = None) -> Functional:
        """coefficient · term; `costs` is the table by which an interaction chooses its method."""
        settings: dict[str, Any] = {k: v.build() if isinstance(v, Kernel) else v for k, v in self}
        coefficient, name = settings.pop("coefficient"), settings.pop("term")
        if name == "Interaction":
            settings["costs"] = costs
        term: Functional = getattr(energies, name)(**settings)
        return coefficient * term


ENERGIES = _models("term", Energy, {
    "Quadratic": {"stiffness": (Numbers, 1.0), "center": (Numbers, 0.0)},
    "Interaction": {"kernel": (_one_of(KERNELS, "name"), ...), "method": (str, "auto"), "rtol": (float, 1e-6)},
})  # fmt: skip


class Entropy(Section):
    """An entropy at temperature T: the term −T·S."""

    temperature: float = Field(ge=0)

    def build(self, costs: Costs | None = None) -> Functional:
        """−T · S. The softmax has a temperature of its own, which a file calls tau."""
        settings: dict[str, Any] = dict(self)
        temperature, name = settings.pop("temperature"), settings.pop("term")
        if name == "Softmax":
            settings["temperature"] = settings.pop("tau")
        term: Functional = getattr(entropies, name)(**settings)
        return -temperature * term


ENTROPIES = _models("term", Entropy, {
    "Shannon": {},
    "LogDet": {"ridge": (float, 0.0)},
    "Variance": {},
    "LogVariance": {"ridge": (float, 0.0)},
    "Softmax": {"tau": (float, 1.0), "axis": (str, "features")},
    "Blob": {"bandwidth": (NumberOrRule, ...)},
    "Power": {"m": (float, ...), "bandwidth": (NumberOrRule, ...)},
})  # fmt: skip


class Place(Section):
    """Where the particles may be."""

    def build(self) -> domains.Domain:
        """The domain of `wgf.domains`."""
        settings: dict[str, Any] = dict(self)
        domain: domains.Domain = getattr(domains, settings.pop("kind"))(**settings)
        return domain


DOMAINS = _models("kind", Place, {
    "Box": {"low": (Numbers, ...), "high": (Numbers, ...)},
    "PeriodicBox": {"low": (Numbers, ...), "high": (Numbers, ...)},
    "Ball": {"radius": (float, ...), "center": (Numbers, 0.0)},
})  # fmt: skip

AnyDomain: Any = _one_of(DOMAINS, "kind")
AnyEnergy: Any = _one_of(ENERGIES, "term")
AnyEntropy: Any = _one_of(ENTROPIES, "term")
TAGGED: dict[str, type[Section]] = KERNELS | ENERGIES | ENTROPIES | DOMAINS
"""Every model that a file picks by name; the names are distinct."""
