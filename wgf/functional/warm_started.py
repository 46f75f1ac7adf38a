"""Terms that are computed by iterations, and begin them in a run where those of the step before ended."""

from __future__ import annotations

import copy
import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor

from ..measure import Ensemble
from .drive import Drive, View
from .functional import Functional


@dataclass(frozen=True, eq=False)
class Solved:
    """What was found at one ensemble: the memory of a `WarmStarted` term. Derive, and add what the iterations give.

    Attributes
    ----------
    of : str
        A digest of the settings.
    x, weights : Tensor
        The particles (n, d), float64, and their weights (n,).
    """

    of: str
    x: Tensor
    weights: Tensor

    def at(self, mu: Ensemble) -> bool:
        """Whether it was found at these very particles."""
        return (
            self.x.shape == mu.x.shape
            and self.x.device == mu.x.device
            and bool(torch.equal(self.x, mu.x.detach().double()))
            and bool(torch.equal(self.weights, mu.weights.detach().double()))
        )


S = TypeVar("S", bound=Solved)


class _Last:
    """The last solution of a term, so that value, gradient and first variation at one ensemble are found once."""

    solution: Any = None


class WarmStarted(Functional, Drive, Generic[S]):
    """A term that is computed by iterations. Within a run they begin where those of the step before ended.

    Its memory decides how it is computed, not what it is: no work is booked where the memory changes. At the particles
    of its memory the term has the value and the gradient that it had there, to the bit. Outside a run, and in other
    terms, it begins from nothing.

    Notes
    -----
    To write such a term, derive from `WarmStarted`, and from `Solved` for what it remembers, under `@remembered`.
    Override `_solve` and `_settings`, and read what was found by `_solved(mu)` in the hooks of `Functional`. Override
    `_require_defined` where some ensembles are refused, and `_learning` where a step of the run changes where the next
    iterations begin.
    """

    _before: S | None = None
    """What the run remembers; None outside a run."""

    # -------------------------------------------------------------------------------- what a term says of itself

    @abstractmethod
    def _solve(self, mu: Ensemble, before: S | None) -> S:
        """The solution at μ, from one at an earlier ensemble, or from nothing."""

    @abstractmethod
    def _settings(self) -> tuple[tuple[object, ...], tuple[Tensor, ...]]:
        """What decides the solution: settings, and tensors. A memory with other ones is not used."""

    def _require_defined(self, mu: Ensemble) -> None:
        """Refuse, by an error of `wgf.errors`, an ensemble at which the term is not defined."""

    def _learning(self, solution: S) -> S:
        """The solution after a step of the run. By default it is the one found there."""
        return solution

    # -------------------------------------------------------------------------------- memory

    def begin(self, mu: Ensemble, t: float) -> S:
        return self._solved(mu)

    def advance(self, memory: S, view: View, h: float) -> S:
        terms = (part.term.functional for part in view.terms)
        resolved = next((term for term in terms if isinstance(term, type(self))), None)
        return self._learning((resolved or self.resolve(memory))._solved(view.mu))

    def resolve(self, memory: S) -> Self:
        """Give the term that begins from this memory."""
        term = copy.copy(self)
        vars(term).pop("_last", None)
        if memory.of == self._digest:
            term._before = term._last.solution = memory
        return term

    @cached_property
    def _last(self) -> _Last:
        return _Last()

    @cached_property
    def _digest(self) -> str:
        """A digest of what decides the solution."""
        settings, tensors = self._settings()
        found = hashlib.sha256(repr(settings).encode())
        for part in tensors:
            found.update(part.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:32]

    def _solved(self, mu: Ensemble) -> S:
        """The solution at μ: the last one if it was found there, else from the memory of the run or from nothing."""
        self._require_defined(mu)
        last: S | None = self._last.solution
        if last is None or not last.at(mu):
            last = self._last.solution = self._solve(mu, self._before)
        return last
