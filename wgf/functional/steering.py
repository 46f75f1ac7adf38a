"""Drives: what changes a free energy during a run, between two steps, by looking at the run.

A `Control` is a coefficient that follows the run, as in `F - controller * LogDet()`. A `DrivenFunctional` is a term
that follows the run, such as a risk whose data are exchanged. `Steering` holds all drives of a free energy. What each
drive remembers is kept in `State.drives`, so that a continued run has the same bits. Within a step F depends on t by
its schedules alone. A change of F between two steps is booked as work (docs/theory.md §4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

from torch import Tensor

from ..errors import ConfigError
from ..measure import Ensemble
from .coefficient import Coefficient
from .functional import FreeEnergy, FreeEnergyEvaluation, Functional, Term, TermEvaluation

Memories = Mapping[str, Any]
"""What each drive remembers, by the name of the drive."""


@dataclass(frozen=True, eq=False)
class View:
    """What a drive sees between two steps.

    Attributes
    ----------
    mu : Ensemble
        The particles after the step.
    t : float
        The time after the step, in flow time.
    evaluation : FreeEnergyEvaluation
        F and every term at (mu, t), on the minibatch of the next step where there is one. The Shannon entropy is left
        out, because noise realises it.
    terms : tuple of TermEvaluation
        The terms to which the drive belongs, without their coefficients. Shannon is left out here too.
    """

    mu: Ensemble
    t: float
    evaluation: FreeEnergyEvaluation
    terms: tuple[TermEvaluation, ...]


class Drive(ABC):
    """The base class of whatever follows a run and changes its free energy.

    A drive has settings but no state of its own. What it remembers is an immutable object, its memory. `begin` makes
    the memory, `advance` makes the next one after each step. Derive from `Control` or `DrivenFunctional`.
    """

    integrates: ClassVar[bool] = False
    """Whether the drive sums over particles by methods of the ensemble only. They may then be divided among
    processes."""

    @property
    def name(self) -> str:
        """The name of the drive in the ledger and in a continued run; by default the name of its class."""
        return type(self).__name__

    def require(self, start: float, t_end: float, resumed: bool) -> None:  # noqa: B027
        """Refuse, by a ConfigError, a run for which the drive makes no sense.

        Parameters
        ----------
        start, t_end : float
            The first and the last time of the run, in flow time.
        resumed : bool
            Whether the run continues from a state.
        """

    @abstractmethod
    def begin(self, mu: Ensemble, t: float) -> Any:
        """Make the memory with which a run starts.

        Parameters
        ----------
        mu : Ensemble
            The initial particles.
        t : float
            The start time, in flow time.

        Returns
        -------
        object
            The memory: anything immutable.
        """

    @abstractmethod
    def advance(self, memory: Any, view: View, h: float) -> Any:
        """Make the memory after a step.

        Parameters
        ----------
        memory : object
            The memory before the step.
        view : View
            The particles, the time and F at the end of the step.
        h : float
            The length of the step, in flow time.

        Returns
        -------
        object
            The new memory. Where nothing changed, return the same object: F is then not evaluated again.
        """


class Control(Drive):
    """A coefficient that follows the run. It is constant within a step, and may multiply several terms."""

    @abstractmethod
    def value(self, memory: Any) -> float:
        """Give the coefficient for this memory. The ledger records it in the column `drive:<name>`."""

    def __call__(self, t: float) -> NoReturn:
        """Refuse to be evaluated as a function of t alone: the value is known only within a run."""
        raise ConfigError(f"{self.name} follows a run and has a value within `wgf.solve` only")


class DrivenFunctional(Functional, Drive):
    """A term that changes itself between steps, such as a risk whose data are exchanged.

    It can be computed only within a run. `resolve` gives the plain term of the moment.
    """

    @abstractmethod
    def resolve(self, memory: Any) -> Functional:
        """Give the plain term for this memory."""

    def _outside(self) -> NoReturn:
        """Refuse to be computed outside a run."""
        raise ConfigError(f"{self.name} follows a run and has a value within `wgf.solve` only.")

    def _value(self, mu: Ensemble) -> Tensor:
        self._outside()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._outside()

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._outside()


class WarmStarted(Functional, Drive):
    """A term that is computed by iterations. Within a run they begin where those of the step before ended.

    Its memory decides how fast it is computed, not what it is: no work is booked where the memory changes. At the
    particles of its memory the term has the value and the gradient that it had there, to the bit. Outside a run, and in
    other terms, it begins from nothing.
    """

    @abstractmethod
    def resolve(self, memory: Any) -> Functional:
        """Give the term that begins from this memory."""


class Steering:
    """All drives of a free energy. It turns their memories into a free energy of plain terms.

    A run calls `begin` once and `advance` after every step. Where a memory changed it calls `resolve` for the new F.

    Parameters
    ----------
    free_energy : FreeEnergy
        The free energy, with `Control`s among its coefficients and `DrivenFunctional`s among its terms.

    Attributes
    ----------
    drives : dict of str to Drive
        The drives by name. A repeated name gets a number.
    """

    def __init__(self, free_energy: FreeEnergy) -> None:
        self.free_energy = free_energy
        self.drives: dict[str, Drive] = {}
        self._terms: dict[int, set[str]] = {}  # by id(drive): the names of the terms that it belongs to
        for term in free_energy.terms:
            for drive in _drives(term):
                if id(drive) not in self._terms:
                    self.drives[self._free_name(drive.name)] = drive
                self._terms.setdefault(id(drive), set()).add(term.name)

    def _free_name(self, name: str) -> str:
        """The name, with a number where it is taken already."""
        numbered = (f"{name}_{k}" for k in range(2, len(self.drives) + 3))
        return next(free for free in (name, *numbered) if free not in self.drives)

    def require(self, start: float, t_end: float, resumed: bool) -> None:
        """Let every drive refuse a run from `start` to `t_end` (flow time), by a ConfigError."""
        for drive in self.drives.values():
            drive.require(start, t_end, resumed)

    def begin(self, mu: Ensemble, t: float, kept: Memories) -> Memories:
        """Make the memories at the start of a run.

        Parameters
        ----------
        mu : Ensemble
            The initial particles.
        t : float
            The start time, in flow time.
        kept : mapping of str to object
            Memories of the state that the run continues from. A drive whose name is there keeps its memory.

        Returns
        -------
        mapping of str to object
            The memory of every drive, by name.
        """
        return {name: kept[name] if name in kept else drive.begin(mu, t) for name, drive in self.drives.items()}

    def resolve(self, memories: Memories) -> FreeEnergy:
        """Give F as it is now: controls become numbers, driven terms become plain terms."""
        held = {id(drive): memories[name] for name, drive in self.drives.items()}

        def settle(term: Term) -> Term:
            coefficient, functional = Coefficient(term.coefficient.number), term.functional
            for factor in term.coefficient.functions:
                value = factor.value(held[id(factor)]) if isinstance(factor, Control) else factor
                coefficient = coefficient.times(value)
            if isinstance(functional, DrivenFunctional | WarmStarted):
                functional = functional.resolve(held[id(functional)])
            return replace(term, coefficient=coefficient, functional=functional)

        return FreeEnergy(tuple(map(settle, self.free_energy.terms)))

    def advance(
        self, memories: Memories, mu: Ensemble, t: float, evaluation: FreeEnergyEvaluation, h: float
    ) -> Memories:
        """Make the memories after a step.

        Parameters
        ----------
        memories : mapping of str to object
            The memories before the step.
        mu, t : Ensemble, float
            The particles and the time (flow time) after the step.
        evaluation : FreeEnergyEvaluation
            F and its terms there.
        h : float
            The length of the step, in flow time.

        Returns
        -------
        mapping of str to object
            The new memories. It is the object `memories` itself where no drive changed anything.
        """

        def view(drive: Drive) -> View:
            names = self._terms[id(drive)]
            return View(mu, t, evaluation, tuple(part for part in evaluation.terms if part.term.name in names))

        later = {name: drive.advance(memories[name], view(drive), h) for name, drive in self.drives.items()}
        return memories if all(later[name] is memories[name] for name in later) else later

    def replaced(self, old: Memories, new: Memories) -> bool:
        """Tell whether a term itself changed between two sets of memories, not only a coefficient."""
        return any(
            isinstance(drive, DrivenFunctional) and old[name] is not new[name] for name, drive in self.drives.items()
        )

    def acted(self, old: Memories, new: Memories) -> bool:
        """Tell whether F changed between two sets of memories, and not only where its iterations begin."""
        return any(old[name] is not new[name] for name, d in self.drives.items() if not isinstance(d, WarmStarted))

    def values(self, memories: Memories) -> dict[str, float]:
        """Give the value of every control as a column of the ledger, `drive:<name>`."""
        return {
            f"drive:{name}": float(drive.value(memories[name]))
            for name, drive in self.drives.items()
            if isinstance(drive, Control)
        }


def _drives(term: Term) -> list[Drive]:
    """The drives of a term: the controls among its factors, and the term itself if it is driven."""
    parts: list[Any] = [*term.coefficient.functions, term.functional]
    return [part for part in parts if isinstance(part, Drive)]
