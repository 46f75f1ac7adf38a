"""Drives: what changes a free energy during a run, between two steps, by looking at the run.

A `Control` is a coefficient that follows the run, as in `F - controller * LogDet()`. A `DrivenFunctional` is a term
that follows the run, such as a risk whose data are exchanged. What a drive remembers is kept in `State.drives`, so that
a continued run has the same bits. Within a step F depends on t by its schedules alone. A change of F between two steps
is booked as work (docs/theory.md §4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from torch import Tensor

from ..errors import ConfigError
from ..measure import Ensemble
from .functional import FreeEnergyEvaluation, Functional, TermEvaluation

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
