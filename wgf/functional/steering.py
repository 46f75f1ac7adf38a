"""Steering: all drives of a free energy, and the free energy of plain terms that their memories make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..measure import Ensemble
from .coefficient import Coefficient
from .drive import Control, Drive, DrivenFunctional, Memories, View
from .functional import FreeEnergy, FreeEnergyEvaluation, Term
from .warm_started import WarmStarted


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
