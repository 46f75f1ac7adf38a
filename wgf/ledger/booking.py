"""Sums over the steps between two records: work from outside, and dissipation from the stages of the scheme."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..functional import FreeEnergy, FreeEnergyEvaluation, Term
from ..protocol import Dynamics, State, Step, realised_by_noise, remembered


@dataclass(frozen=True, eq=False)
class Driven:
    """What depends on t along a stretch of k steps, at their k + 1 ends.

    Attributes
    ----------
    times : ndarray
        The times (k + 1,).
    coefficients, values : ndarray
        The coefficients of the m driven terms (k + 1, m), and the values of these terms without them.
    temperatures : ndarray or None
        The temperatures of the noise (k + 1,). None if it does not change.
    """

    times: np.ndarray
    coefficients: np.ndarray
    values: np.ndarray
    temperatures: np.ndarray | None


@remembered
@dataclass(frozen=True, eq=False)
class Booked:
    """What the steps since the last record add up to. Numbers stay on the device of the run.

        work = Σ W_k,        W_k = ½ [(F_{k+1} − F_k)(μ_k) + (F_{k+1} − F_k)(μ_{k+1})]

    Attributes
    ----------
    work : Tensor or float
        The work from outside, without that on the Shannon entropy.
    dissipated : Tensor, float or None
        Σ h D̄. None once a step gave no dissipation of its own.
    heating : float
        Σ ΔT, the change of the temperature of the noise.
    heating_moment : float
        Σ ΔT (t − t₀), with t the middle of the step and t₀ the time of the last record. With `heating` it gives the
        work −∫ S dT for an S that is linear between records.
    """

    work: Tensor | float = 0.0
    dissipated: Tensor | float | None = 0.0
    heating: float = 0.0
    heating_moment: float = 0.0

    def add(self, dynamics: Dynamics, before: State, after: State, h: float, step: Step, recorded: float) -> Booked:
        """Add one step.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy during the step.
        before, after : State
            The states at both ends of the step.
        h : float
            The length of the step, in flow time.
        step : Step
            What the solver gave back.
        recorded : float
            The time of the last record.

        Returns
        -------
        Booked
            The new sums.
        """
        work, heating, moment = self.work, self.heating, self.heating_moment
        for term in dynamics.driven:
            work = work + _work_of(term, before, after)
        dissipated = None
        if self.dissipated is not None and step.dissipation is not None:
            dissipated = self.dissipated + h * step.dissipation
        if dynamics.shannon.varies:
            change = dynamics.noise_temperature(after.t) - dynamics.noise_temperature(before.t)
            heating, moment = heating + change, moment + change * (0.5 * (before.t + after.t) - recorded)
        return Booked(work, dissipated, heating, moment)

    def along(
        self, h: float | np.ndarray, dissipation: np.ndarray | None, driven: Driven | None, recorded: float
    ) -> Booked:
        """Add a stretch of k steps, as `add` adds each.

        Parameters
        ----------
        h : float or ndarray
            The length of the steps, in flow time: one for all, or (k,).
        dissipation : ndarray or None
            The mean dissipation of every step (k,). None if the scheme gives none.
        driven : Driven or None
            What depends on t. None if nothing does.
        recorded : float
            The time of the last record.

        Returns
        -------
        Booked
            The new sums.
        """
        booked = replace(self, dissipated=None)
        if self.dissipated is not None and dissipation is not None:
            booked = replace(self, dissipated=_summed(self.dissipated, h * dissipation))
        if driven is None:
            return booked
        if driven.coefficients.shape[1]:
            work = 0.5 * np.diff(driven.coefficients, axis=0) * (driven.values[:-1] + driven.values[1:])
            booked = replace(booked, work=_summed(self.work, work))
        if driven.temperatures is not None:
            changes, times = np.diff(driven.temperatures), driven.times
            moments = changes * (0.5 * (times[:-1] + times[1:]) - recorded)
            heating, moment = _summed(self.heating, changes), _summed(self.heating_moment, moments)
            booked = replace(booked, heating=heating, heating_moment=moment)
        return booked

    def jump(self, before: FreeEnergy, dynamics: Dynamics, old: State, new: State, recorded: float) -> Booked:
        """Add a change of F between two steps, at fixed particles. All of it is work: (F_new − F_old)(μ).

        Parameters
        ----------
        before : FreeEnergy
            F until now.
        dynamics : Dynamics
            It holds the new F.
        old, new : State
            The same particles, evaluated under the old and under the new F.
        recorded : float
            The time of the last record.

        Returns
        -------
        Booked
            The new sums.
        """
        work = self.work
        for was, now in zip(before.terms, dynamics.free_energy.terms, strict=True):
            same = was.coefficient == now.coefficient and was.functional is now.functional
            if not (same or realised_by_noise(was)):
                work = work + _contribution(now, new) - _contribution(was, old)
        change = dynamics.noise_temperature(new.t) - before.only(realised_by_noise).at(new.t).temperature
        return replace(
            self,
            work=work,
            heating=self.heating + change,
            heating_moment=self.heating_moment + change * (new.t - recorded),
        )


def _summed(start: Tensor | float, parts: np.ndarray) -> float:
    """start + Σ parts, added one after the other."""
    return float(np.cumsum(np.concatenate([[float(start)], parts.ravel()]))[-1])


def _work_of(term: Term, before: State, after: State) -> Tensor:
    """The work of one term in a step: ½[(F_{k+1} − F_k)(μ_k) + (F_{k+1} − F_k)(μ_{k+1})]."""
    old, new = term.coefficient.at(before.t).number, term.coefficient.at(after.t).number
    if term.functional.varies or term.functional.sampled:
        f0, f1 = term.functional.at(before.t), term.functional.at(after.t)
        first, last = (new * f1.value(mu) - old * f0.value(mu) for mu in (before.mu, after.mu))
        return 0.5 * (first + last)
    return 0.5 * (new - old) * (_value(before.evaluation, term.name) + _value(after.evaluation, term.name))


def _value(evaluation: FreeEnergyEvaluation, name: str) -> Tensor:
    """The value of the term `name` in an evaluation, without its coefficient."""
    return next(part.value for part in evaluation.terms if part.term.name == name)


def _contribution(term: Term, state: State) -> Tensor:
    """c·𝓕[μ] of one term. A term on minibatches is evaluated on all its data."""
    frozen = term.functional.at(state.t)
    value = frozen.value(state.mu) if frozen.sampled else _value(state.evaluation, term.name)
    return term.coefficient.at(state.t).number * value
