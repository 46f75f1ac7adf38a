"""Functionals and their sums: terms are added, scaled and named, and the result is a free energy."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, require_number, shown
from ..extension import guarded
from ..measure import Ensemble, NoiseSource
from .coefficient import Coefficient
from .differentiable import Differentiable
from .evaluation import Evaluation, zero_plus
from .listed import Listed, distinct

Resolved = Mapping[str, tuple["Functional", "Functional"]]
"""Terms whose rules were resolved from the initial ensemble, by name: the term as given, and the term as resolved."""


class Functional(Differentiable):
    """A functional 𝓕[μ]: a number that depends on the ensemble μ. It is the base class of all terms of a free energy.

    It has three parts: the value 𝓕[μ], the first variation δ𝓕/δμ, and the Wasserstein gradient ∇_W 𝓕 = ∇ₓ δ𝓕/δμ.
    Terms are added, subtracted and multiplied by coefficients, and the result is a `FreeEnergy`:

        F = risk + 1e-3 * Quadratic() - T * LogDet()

    A coefficient is a number or a function of t. An entropy S enters as −T·S, with a temperature T ≥ 0.

    Notes
    -----
    To write a new term, derive a class and override `_value(mu)` (0-d, float64), `_first_variation(mu, at)` (m,) and
    `_gradient(mu, at)` (m, d). Here `at` is a tensor of points (m, d), or None for the particles. Override `_evaluate`
    where one pass is cheaper, and the facts of `Capabilities` that differ. Integrate by methods such as `mu.expect`.

    See Also
    --------
    FreeEnergy : the sum of terms.
    wgf.from_function : a term from a torch function of positions and weights.
    wgf.solve : follow the gradient flow of a term or a sum.

    Examples
    --------
    >>> class Tilt(Functional):  # ∫ x₁ dμ
    ...     def _value(self, mu):
    ...         return mu.mean()[0]
    ...     def _first_variation(self, mu, at):
    ...         return mu.points(at)[:, 0]
    ...     def _gradient(self, mu, at):
    ...         return torch.eye(mu.dim, dtype=mu.dtype)[0].expand_as(mu.points(at))
    >>> mu = Ensemble([[1.0, 0.0], [3.0, 0.0]])
    >>> F = 0.5 * Tilt() + (lambda t: t) * Tilt()
    >>> float(F.at(2.0).value(mu)), F.at(2.0).gradient(mu)[0].tolist()
    (5.0, [2.5, 0.0])
    """

    __array_ufunc__ = None  # so that np.float64(2) * term is computed by __rmul__ here

    # -------------------------------------------------------------------------------- time, noise, rules

    def at(self, t: float) -> Functional:
        """Freeze the term at time t, in flow time: the result no longer depends on t."""
        return self

    def draw(self, noise: NoiseSource, step: int) -> Functional:
        """Give the term on the minibatch of this step, which depends only on the noise and the number of the step."""
        return self

    def prepare(self, mu: Ensemble) -> Functional:
        """Resolve the rules of the term, such as a bandwidth by Silverman, from the initial ensemble μ."""
        return self

    def linearised(self) -> Functional | None:
        """Give the term with statistical linearisation in place of derivatives, or None where it has no such form."""
        return None

    # -------------------------------------------------------------------------------- algebra

    def _terms(self) -> tuple[Term, ...]:
        """The terms of which this functional is the sum."""
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
        """Give the term another name in the ledger.

        Parameters
        ----------
        name : str
            The new name, not empty.

        Raises
        ------
        ConfigError
            If this is a sum of several terms, or `name` is no such string.
        """
        terms = self._terms()
        if len(terms) != 1:
            raise ConfigError(f"named({shown(name)}): wanted one term, got {shown(self)}; name its terms one by one.")
        if not isinstance(name, str) or not name:
            raise ConfigError(f"named({shown(name)}): wanted a non-empty string.")
        return FreeEnergy((replace(terms[0], name=name),))


@dataclass(frozen=True)
class Term:
    """One term c(t) 𝓕[μ] of a free energy: a functional with a name and a coefficient (−T for an entropy)."""

    name: str
    coefficient: Coefficient
    functional: Functional

    @property
    def number(self) -> float:
        """The coefficient of a frozen term, or a ConfigError where it still depends on t."""
        if self.coefficient.functions:
            raise ConfigError(f"the coefficient of {self.name} depends on t; freeze the energy with F.at(t) first.")
        return self.coefficient.number

    @property
    def driven(self) -> bool:
        """Whether c(t) 𝓕[μ] depends on t at fixed particles."""
        return bool(self.coefficient.functions) or self.functional.varies

    def factor(self, t: float) -> Coefficient:
        """The coefficient at time t; that of an entropy must not be positive."""
        return self.allowed(self.coefficient.at(t), t)

    def allowed(self, coefficient: Coefficient, t: float) -> Coefficient:
        """Check a coefficient that was evaluated at time t."""
        return coefficient.as_temperature(self.name, t) if self.functional.is_entropy else coefficient


@dataclass(frozen=True, eq=False, repr=False)
class TermEvaluation(Evaluation):
    """Value (0-d, float64) and gradient (n, d) of one term of a free energy, without its coefficient."""

    term: Term


@dataclass(frozen=True, eq=False, repr=False)
class FreeEnergyEvaluation(Evaluation):
    """Value F (0-d, float64) and gradient ∇_W F (n, d) of a free energy, with the evaluation of each of its terms."""

    terms: tuple[TermEvaluation, ...]


class FreeEnergy(Listed, Functional):
    """A sum of terms that knows each term by name: the free energy F of a gradient flow.

        F_t[μ] = Σₖ cₖ(t) 𝓕ₖ[μ] = E_t[μ] − T(t) S[μ]

    Users get one by adding terms, as in `Quadratic() - 0.1 * LogDet()`. An entropy has the coefficient −T.

    Parameters
    ----------
    terms : tuple of Term
        The terms in order. A repeated name gets a number: Quadratic, Quadratic_2.

    Raises
    ------
    ConfigError
        From `at(t)` for a negative temperature; from `F["name"]` for an unknown name; from `value`, `gradient` and the
        other computations where a coefficient still depends on t (freeze F with `at` first).

    See Also
    --------
    Functional : what a single term is.
    wgf.solve : follow the gradient flow of F.

    Examples
    --------
    >>> import wgf
    >>> F = wgf.Quadratic() - (lambda t: 1 / (1 + t)) * wgf.LogDet()
    >>> [term.name for term in F.terms], F["LogDet"]
    (['Quadratic', 'LogDet'], LogDet(ridge=0.0))
    >>> F.at(1.0), F.at(1.0).temperature
    (Quadratic - 0.5 * LogDet, 0.5)
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

    @property
    def varies(self) -> bool:
        return any(term.driven for term in self.terms)

    @property
    def sampled(self) -> bool:
        return any(term.functional.sampled for term in self.terms)

    def undivided(self, mu: Ensemble) -> str | None:
        return next((reason for term in self.terms if (reason := term.functional.undivided(mu))), None)

    @property
    def infimum(self) -> float | None:
        """0 if every term has the lower bound 0 and a constant coefficient ≥ 0, else None."""
        plain = all(not term.coefficient.functions and term.coefficient.number >= 0 for term in self.terms)
        return 0.0 if plain and all(term.functional.infimum == 0.0 for term in self.terms) else None

    @property
    def temperature(self) -> float:
        """The sum of the temperatures of all entropies, for a free energy frozen by `at`."""
        return sum((-term.number for term in self.terms if term.functional.is_entropy), 0.0)

    def only(self, keep: Callable[[Term], bool]) -> FreeEnergy:
        """Keep the terms for which `keep(term)` is true."""
        return FreeEnergy(tuple(term for term in self.terms if keep(term)))

    def _map(self, change: Callable[[Term], Term]) -> FreeEnergy:
        """The free energy with `change`, which keeps the names, applied to every term."""
        mapped = object.__new__(FreeEnergy)
        mapped.terms = tuple(map(change, self.terms))
        return mapped

    def at(self, t: float) -> FreeEnergy:
        """Freeze all coefficients and terms at time t. A negative temperature is a ConfigError."""

        def freeze(term: Term) -> Term:
            return Term(term.name, term.factor(t), term.functional.at(t))

        return self._map(freeze)

    def draw(self, noise: NoiseSource, step: int) -> FreeEnergy:
        return self._map(lambda term: Term(term.name, term.coefficient, term.functional.draw(noise, step)))

    def prepare(self, mu: Ensemble, kept: Resolved | None = None) -> FreeEnergy:
        """Resolve the rules of every term from μ. A term that is the same as in `kept` is taken from there."""

        def resolve(term: Term) -> Term:
            before, resolved = (kept or {}).get(term.name, (None, None))
            if before is not None and resolved is not None and before.same_as(term.functional):
                return replace(term, functional=resolved)
            return replace(term, functional=term.functional.prepare(mu))

        return self._map(resolve)

    # ------------------------------------------------------------------------------- values

    def _value(self, mu: Ensemble) -> Tensor:
        return sum((t.number * t.functional._value(mu) for t in self.terms), zero_plus(0.0, mu.device))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        total = torch.zeros(len(mu.points(at)), dtype=mu.dtype, device=mu.device)
        for term in self.terms:
            total = total + term.number * term.functional._first_variation(mu, at)
        return total

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        total = torch.zeros_like(mu.points(at))
        for term in self.terms:
            total = total + term.number * term.functional._gradient(mu, at)
        return total

    def evaluate(self, mu: Ensemble) -> FreeEnergyEvaluation:
        """Compute F, ∇_W F and the value and gradient of every term, in one pass and without a check for NaN."""
        mu.foresee(t.functional.foresees for t in self.terms)
        return self.combined([guarded(t.name, (mu.x, mu.weights), t.functional._evaluated, mu) for t in self.terms], mu)

    def combined(self, parts: Sequence[Evaluation], mu: Ensemble) -> FreeEnergyEvaluation:
        """Compute F and ∇_W F from given evaluations of its terms at μ, in the order of the terms."""
        total, terms, numbers = None, [], [term.number for term in self.terms]
        for term, c, part in zip(self.terms, numbers, parts, strict=True):
            value = part.value if c == 1.0 else c * part.value
            total = zero_plus(value, mu.device) if total is None else total + value
            terms.append(TermEvaluation(part.value, part.gradient, term, outputs=part.outputs))
        if total is None:
            return FreeEnergyEvaluation(zero_plus(0.0, mu.device), torch.zeros_like(mu.x), ())
        gradient, finite = ops.combination(numbers, [part.gradient for part in parts])
        finite = math.isfinite(total) if finite else numbers == [1.0] and parts[0].finite
        return FreeEnergyEvaluation(total, gradient, tuple(terms), finite=finite)

    _evaluate = evaluate
