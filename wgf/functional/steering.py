"""What steers a free energy from outside by looking at the run: between steps, never within one, and all of it is work.

A `Control` is a coefficient, as in `F + multiplier * cost` or `F - controller * LogDet()`; a functional that is a
`Drive` as well changes itself, by exchanging its data, say. Both keep a memory in `State.drives`, so that a run goes on
exactly. Within a step F depends on t by its schedules alone; what a change between steps does to F is booked as work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from torch import Tensor

from ..errors import ConfigError
from ..measure import Ensemble
from .coefficient import Coefficient
from .functional import FreeEnergy, FreeEnergyEvaluation, Functional, Term, TermEvaluation

Memories = Mapping[str, Any]
"""What each drive remembers, by its name."""


@dataclass(frozen=True, eq=False)
class View:
    """What a drive looks at between two steps: the ensemble, the time, and F with every term evaluated there.

    `terms` are those that the drive belongs to, without their coefficients; the Shannon entropy, which noise realises,
    is in neither. With minibatches the evaluation is that of the minibatch.
    """

    mu: Ensemble
    t: float
    evaluation: FreeEnergyEvaluation
    terms: tuple[TermEvaluation, ...]


class Drive(ABC):
    """Something outside that follows the run. What it remembers is immutable, and it has no other state.

    `advance` returns the memory it was given (the same object) where nothing changed.
    """

    @property
    def name(self) -> str:
        """By what name the ledger and a continued run know the drive."""
        return type(self).__name__

    def require(self, start: float, t_end: float, resumed: bool) -> None:  # noqa: B027
        """Refuse a run from `start` to `t_end` that makes no sense; `resumed` where it goes on from a state."""

    @abstractmethod
    def begin(self, mu: Ensemble, t: float) -> Any:
        """The memory at the start of a run."""

    @abstractmethod
    def advance(self, memory: Any, view: View, h: float) -> Any:
        """The memory after a step of length h that ended in `view`."""


class Control(Drive):
    """A coefficient that follows the run; constant over a step. One control may multiply several terms."""

    @abstractmethod
    def value(self, memory: Any) -> float:
        """The coefficient, by what is remembered; the ledger keeps it in `drive:<name>`."""

    def __call__(self, t: float) -> NoReturn:
        """A coefficient is a number or a callable of t; this one has a value within a run alone."""
        raise ConfigError(f"{self.name} follows a run and has a value within `wgf.solve` only")


class DrivenFunctional(Functional, Drive):
    """A term that changes itself between steps, such as a risk whose data are exchanged; it has a value in a run."""

    @abstractmethod
    def resolve(self, memory: Any) -> Functional:
        """The term as it is with this memory."""

    def _outside(self) -> NoReturn:
        raise ConfigError(f"{self.name} follows a run and has a value within `wgf.solve` only.")

    def _value(self, mu: Ensemble) -> Tensor:
        self._outside()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._outside()

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._outside()


class Steering:
    """All that steers a free energy: memories in, a free energy of plain terms out."""

    def __init__(self, free_energy: FreeEnergy) -> None:
        self.free_energy = free_energy
        self.drives: dict[str, Drive] = {}
        self._terms: dict[int, set[str]] = {}  # of each drive, the names of the terms that it belongs to
        for term in free_energy.terms:
            for drive in _drives(term):
                if id(drive) not in self._terms:
                    self.drives[self._free_name(drive.name)] = drive
                self._terms.setdefault(id(drive), set()).add(term.name)

    def _free_name(self, name: str) -> str:
        numbered = (f"{name}_{k}" for k in range(2, len(self.drives) + 3))
        return next(free for free in (name, *numbered) if free not in self.drives)

    def require(self, start: float, t_end: float, resumed: bool) -> None:
        """Every drive looks at the times of the run."""
        for drive in self.drives.values():
            drive.require(start, t_end, resumed)

    def begin(self, mu: Ensemble, t: float, kept: Memories) -> Memories:
        """The memories at the start of a run: those kept by the state that it goes on from, the others anew."""
        return {name: kept[name] if name in kept else drive.begin(mu, t) for name, drive in self.drives.items()}

    def resolve(self, memories: Memories) -> FreeEnergy:
        """F with controls as numbers and driven terms as they are now."""
        held = {id(drive): memories[name] for name, drive in self.drives.items()}

        def settle(term: Term) -> Term:
            coefficient, functional = Coefficient(term.coefficient.number), term.functional
            for factor in term.coefficient.functions:
                value = factor.value(held[id(factor)]) if isinstance(factor, Control) else factor
                coefficient = coefficient.times(value)
            if isinstance(functional, DrivenFunctional):
                functional = functional.resolve(held[id(functional)])
            return replace(term, coefficient=coefficient, functional=functional)

        return FreeEnergy(tuple(map(settle, self.free_energy.terms)))

    def advance(
        self, memories: Memories, mu: Ensemble, t: float, evaluation: FreeEnergyEvaluation, h: float
    ) -> Memories:
        """The memories after a step; `memories` itself where no drive changed anything."""

        def view(drive: Drive) -> View:
            names = self._terms[id(drive)]
            return View(mu, t, evaluation, tuple(part for part in evaluation.terms if part.term.name in names))

        later = {name: drive.advance(memories[name], view(drive), h) for name, drive in self.drives.items()}
        return memories if all(later[name] is memories[name] for name in later) else later

    def replaced(self, old: Memories, new: Memories) -> bool:
        """Whether a term itself, not only a coefficient, differs between the two."""
        return any(
            isinstance(drive, DrivenFunctional) and old[name] is not new[name] for name, drive in self.drives.items()
        )

    def values(self, memories: Memories) -> dict[str, float]:
        """The value of every control, as columns of the ledger."""
        return {
            f"drive:{name}": float(drive.value(memories[name]))
            for name, drive in self.drives.items()
            if isinstance(drive, Control)
        }


def _drives(term: Term) -> list[Drive]:
    """The controls among the factors of a term, and the term itself where it is driven."""
    parts: list[Any] = [*term.coefficient.functions, term.functional]
    return [part for part in parts if isinstance(part, Drive)]
