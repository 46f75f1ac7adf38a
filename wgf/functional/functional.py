"""Functionals of the measure and their algebra: terms are added, scaled and named, and become a free energy."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ConfigError, DivergenceError, require_number, shown
from ..measure import ArrayLike, Ensemble, NoiseSource, checks, require_ensemble
from ..summation import Check
from .capabilities import Capabilities
from .coefficient import Coefficient
from .evaluation import Evaluation

Resolved = Mapping[str, tuple["Functional", "Functional"]]
"""By name, terms whose rules were settled from the initial ensemble: as the user gave them, and as settled."""


class Functional(Capabilities, ABC):
    """A functional 𝓕[μ] of an ensemble, with first variation δ𝓕/δμ and Wasserstein gradient ∇ₓ δ𝓕/δμ.

    A new term implements `_value`, `_first_variation` and `_gradient`, and `_evaluate` where one pass is cheaper than
    two. Terms compose: `risk + 1e-3 * Quadratic() - T * LogDet()`, with numbers or callables of t as coefficients.
    """

    __array_ufunc__ = None  # numpy scalars on the left leave the product to us
    # -------------------------------------------------------------------------------- what a term computes

    @abstractmethod
    def _value(self, mu: Ensemble) -> Tensor: ...

    @abstractmethod
    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor: ...

    @abstractmethod
    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor: ...

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        return Evaluation(self._value(mu), self._gradient(mu, None))

    # -------------------------------------------------------------------------------- what everybody calls

    def value(self, mu: Ensemble) -> Tensor:
        """𝓕[μ], a 0-d float64 tensor."""
        value = self._value(require_ensemble("mu", mu))
        if not checks.finite(value):
            raise DivergenceError(f"{self.name}: the value is {float(value)}.")
        return value

    def first_variation(self, mu: Ensemble, at: ArrayLike | None = None) -> Tensor:
        """δ𝓕/δμ (m,) at the points `at` (m, d), by default at the particles; defined up to a constant."""
        return self._checked("first variation", self._first_variation(require_ensemble("mu", mu), _at(mu, at)), at)

    def gradient(self, mu: Ensemble, at: ArrayLike | None = None) -> Tensor:
        """∇_W 𝓕 = ∇ₓ δ𝓕/δμ (m, d) at the points `at`, by default at the particles: (1/wᵢ) ∂𝓕/∂xᵢ."""
        return self._checked("gradient", self._gradient(require_ensemble("mu", mu), _at(mu, at)), at)

    def evaluate(self, mu: Ensemble) -> Evaluation:
        """Value and gradient at the particles in one pass; not checked for finiteness (the flow does that)."""
        return self._evaluate(mu)

    def audit(self, mu: Ensemble) -> Check | None:
        """How a term with several ways to sum over μ does it, and how far that is from the truth."""
        return None

    def _checked(self, what: str, result: Tensor, at: ArrayLike | None) -> Tensor:
        bad = checks.first_bad_row(result)
        if bad is not None:
            where = f"particle {bad}" if at is None else f"point {bad} of `at`"
            raise DivergenceError(f"{self.name}: the {what} is not finite at {where}.")
        return result

    def __repr__(self) -> str:
        settings = (f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    # -------------------------------------------------------------------------------- time, noise, rules

    @property
    def name(self) -> str:
        """The name of the term in the ledger."""
        return type(self).__name__

    @property
    def varies(self) -> bool:
        """Whether the term itself (not its coefficient) depends on t."""
        return False

    def at(self, t: float) -> Functional:
        """The term frozen at time t."""
        return self

    @property
    def sampled(self) -> bool:
        """Whether the term is estimated on a random minibatch each step."""
        return False

    def draw(self, noise: NoiseSource, step: int) -> Functional:
        """The term on the minibatch of this step."""
        return self

    def prepare(self, mu: Ensemble) -> Functional:
        """The term with its rules (a bandwidth by Silverman, say) resolved from the initial ensemble."""
        return self

    def linearised(self) -> Functional | None:
        """The term with statistical linearisation in place of derivatives; None where there is no such form."""
        return None

    # -------------------------------------------------------------------------------- algebra

    def _terms(self) -> tuple[Term, ...]:
        return (Term(self.name, Coefficient(), self),)

    def __add__(self, other: Functional) -> FreeEnergy:
        return FreeEnergy((*self._terms(), *other._terms())) if isinstance(other, Functional) else NotImplemented

    def __radd__(self, other: object) -> Functional:
        return self if other == 0 else NotImplemented  # sum([...]) starts from 0

    def __sub__(self, other: Functional) -> FreeEnergy:
        return self + (-1.0) * other if isinstance(other, Functional) else NotImplemented

    def __neg__(self) -> FreeEnergy:
        return -1.0 * self

    def __mul__(self, factor: float | Callable[[float], float]) -> FreeEnergy:
        if isinstance(factor, Functional):
            return NotImplemented
        return FreeEnergy(tuple(replace(term, coefficient=term.coefficient.times(factor)) for term in self._terms()))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> FreeEnergy:
        return self * (1.0 / require_number("divisor", divisor) if divisor else math.nan)

    def named(self, name: str) -> FreeEnergy:
        """The same term under another name in the ledger; only for a single term."""
        terms = self._terms()
        if len(terms) != 1:
            raise ConfigError(
                f"named({shown(name)}): wanted one term, got the sum {shown(self)}; name its terms one by one."
            )
        if not isinstance(name, str) or not name:
            raise ConfigError(f"named({shown(name)}): wanted a non-empty string.")
        return FreeEnergy((replace(terms[0], name=name),))


def _at(mu: Ensemble, at: ArrayLike | None) -> Tensor | None:
    return None if at is None else mu.points(at)


@dataclass(frozen=True)
class Term:
    """A named functional with its coefficient (−T for an entropy at temperature T)."""

    name: str
    coefficient: Coefficient
    functional: Functional

    @property
    def driven(self) -> bool:
        """Whether the contribution depends on t."""
        return bool(self.coefficient.functions) or self.functional.varies


def distinct(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Number repeated names: Quadratic, Quadratic_2, ..."""
    seen: set[str] = set()
    named = []
    for term in terms:
        name, count = term.name, 1
        while name in seen:
            count += 1
            name = f"{term.name}_{count}"
        seen.add(name)
        named.append(replace(term, name=name))
    return tuple(named)


@dataclass(frozen=True, eq=False)
class TermEvaluation(Evaluation):
    """A term's own value and gradient (without the coefficient) inside a free energy."""

    term: Term


@dataclass(frozen=True, eq=False)
class FreeEnergyEvaluation(Evaluation):
    """F and ∇_W F with the evaluation of every term."""

    terms: tuple[TermEvaluation, ...]


class FreeEnergy(Functional):
    """F = Σ cₖ(t) 𝓕ₖ: a sum that remembers its terms by name; a repeated name gets a number.

    Entropies enter with the coefficient −T. `F.at(t)` freezes every coefficient and refuses a negative temperature.
    """

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = distinct(terms)

    def __repr__(self) -> str:
        parts = (f"{term.coefficient} * {term.name}".removeprefix("1 * ") for term in self.terms)
        return re.sub(r"\+ -", "- ", " + ".join(parts)).replace("- 1 * ", "- ")

    def __getitem__(self, name: str) -> Functional:
        """The functional of the term called `name`."""
        for term in self.terms:
            if term.name == name:
                return term.functional
        raise ConfigError(f"no term {shown(name)}; the terms are {', '.join(term.name for term in self.terms)}.")

    def _terms(self) -> tuple[Term, ...]:
        return self.terms

    # ------------------------------------------------------------------------------- structure

    @property
    def varies(self) -> bool:
        return any(term.driven for term in self.terms)

    @property
    def sampled(self) -> bool:
        return any(term.functional.sampled for term in self.terms)

    @property
    def infimum(self) -> float | None:
        plain = all(not term.coefficient.functions and term.coefficient.number >= 0 for term in self.terms)
        return 0.0 if plain and all(term.functional.infimum == 0.0 for term in self.terms) else None

    @property
    def temperature(self) -> float:
        """Σ T over the entropies of a frozen free energy."""
        return sum((-_number(term) for term in self.terms if term.functional.is_entropy), 0.0)

    def only(self, keep: Callable[[Term], bool]) -> FreeEnergy:
        """The terms for which `keep` holds."""
        return FreeEnergy(tuple(term for term in self.terms if keep(term)))

    def _map(self, change: Callable[[Term], Term]) -> FreeEnergy:
        return FreeEnergy(tuple(change(term) for term in self.terms))

    def at(self, t: float) -> FreeEnergy:
        """Coefficients and terms frozen at time t; ConfigError when a temperature is negative there."""

        def freeze(term: Term) -> Term:
            coefficient = term.coefficient.at(t)
            if term.functional.is_entropy:
                coefficient = coefficient.as_temperature(term.name, t)
            return Term(term.name, coefficient, term.functional.at(t))

        return self._map(freeze)

    def draw(self, noise: NoiseSource, step: int) -> FreeEnergy:
        return self._map(lambda term: replace(term, functional=term.functional.draw(noise, step)))

    def prepare(self, mu: Ensemble, kept: Resolved | None = None) -> FreeEnergy:
        """Rules resolved from μ, or taken from `kept` where a run goes on with the same term."""

        def resolve(term: Term) -> Term:
            before, resolved = (kept or {}).get(term.name, (None, None))
            if before is not None and resolved is not None and before.same_as(term.functional):
                return replace(term, functional=resolved)
            return replace(term, functional=term.functional.prepare(mu))

        return self._map(resolve)

    # ------------------------------------------------------------------------------- values

    def _value(self, mu: Ensemble) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=mu.device)
        for term in self.terms:
            total = total + _number(term) * term.functional._value(mu)
        return total

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        total = torch.zeros(len(mu.points(at)), dtype=mu.dtype, device=mu.device)
        for term in self.terms:
            total = total + _number(term) * term.functional._first_variation(mu, at)
        return total

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        total = torch.zeros_like(mu.points(at))
        for term in self.terms:
            total = total + _number(term) * term.functional._gradient(mu, at)
        return total

    def evaluate(self, mu: Ensemble) -> FreeEnergyEvaluation:
        """F, ∇_W F and every term in one pass."""
        return self.combined([term.functional._evaluate(mu) for term in self.terms], mu)

    def combined(self, parts: Sequence[Evaluation], mu: Ensemble) -> FreeEnergyEvaluation:
        """F and ∇_W F from the evaluations of its terms at μ, in their order."""
        value = torch.zeros((), dtype=torch.float64, device=mu.device)
        gradient = None
        for term, part in zip(self.terms, parts, strict=True):
            number = _number(term)
            value = value + number * part.value
            force = part.gradient if number == 1.0 else number * part.gradient
            gradient = force if gradient is None else gradient + force
        terms = (TermEvaluation(p.value, p.gradient, term) for term, p in zip(self.terms, parts, strict=True))
        return FreeEnergyEvaluation(value, torch.zeros_like(mu.x) if gradient is None else gradient, tuple(terms))

    _evaluate = evaluate


def _number(term: Term) -> float:
    if term.coefficient.functions:
        raise ConfigError(f"the coefficient of {term.name} depends on t; freeze the free energy with F.at(t) first.")
    return term.coefficient.number
