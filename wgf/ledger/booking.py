"""What the steps between two records add up to: work from outside and the dissipation of the scheme's own stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..functional import FreeEnergy, FreeEnergyEvaluation, Term
from ..protocol import Dynamics, State, Step, realised_by_noise


@dataclass(frozen=True, eq=False)
class Booked:
    """Sums over the steps since the last record, on the device of the run.

    `work` leaves out the Shannon entropy, `dissipated` is Σ h D̄, None where a step did not say its D̄; `heating` is
    Σ ΔT of the noise and `heating_moment` Σ ΔT (t − t at the last record), t the middle of the step.
    """

    work: Tensor | float = 0.0
    dissipated: Tensor | float | None = 0.0
    heating: float = 0.0
    heating_moment: float = 0.0

    def add(self, dynamics: Dynamics, before: State, after: State, h: float, step: Step, recorded: float) -> Booked:
        """With one step of length h more; `recorded` is the time of the last record."""
        work, heating, moment = self.work, self.heating, self.heating_moment
        for term in dynamics.drift.terms:
            if term.driven:
                work = work + _work_of(term, before, after)
        dissipated = None
        if self.dissipated is not None and step.dissipation is not None:
            dissipated = self.dissipated + h * step.dissipation
        if dynamics.shannon.varies:
            change = dynamics.noise_temperature(after.t) - dynamics.noise_temperature(before.t)
            heating, moment = heating + change, moment + change * (0.5 * (before.t + after.t) - recorded)
        return Booked(work, dissipated, heating, moment)

    def jump(self, before: FreeEnergy, dynamics: Dynamics, old: State, new: State, recorded: float) -> Booked:
        """With the work of a change of F between steps: (F_new − F_old)(μ), all of it from outside."""
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


def _work_of(term: Term, before: State, after: State) -> Tensor:
    """½[(F_{k+1} − F_k)(μ_k) + (F_{k+1} − F_k)(μ_{k+1})] of one term."""
    old, new = term.coefficient.at(before.t).number, term.coefficient.at(after.t).number
    if term.functional.varies or term.functional.sampled:
        f0, f1 = term.functional.at(before.t), term.functional.at(after.t)
        first, last = (new * f1.value(mu) - old * f0.value(mu) for mu in (before.mu, after.mu))
        return 0.5 * (first + last)
    return 0.5 * (new - old) * (_value(before.evaluation, term.name) + _value(after.evaluation, term.name))


def _value(evaluation: FreeEnergyEvaluation, name: str) -> Tensor:
    return next(part.value for part in evaluation.terms if part.term.name == name)


def _contribution(term: Term, state: State) -> Tensor:
    """c·𝓕[μ] of one term, on all data."""
    frozen = term.functional.at(state.t)
    value = frozen.value(state.mu) if frozen.sampled else _value(state.evaluation, term.name)
    return term.coefficient.at(state.t).number * value
