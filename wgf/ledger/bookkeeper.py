"""The bookkeeper of a run: it adds up work and dissipation, and makes the rows of the ledger (docs/theory.md §4)."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping

import numpy as np
import torch

from .. import ops
from ..errors import WgfWarning
from ..functional import FreeEnergy, FreeEnergyEvaluation, Steering
from ..measure import Ensemble
from ..protocol import Dynamics, Slope, Solver, State, Step, checked
from .balance import Balance, interval, ratio, total_energy
from .booking import Booked, Driven
from .drawn import shannon_at
from .forces import Forces
from .memory import BookMemory
from .observing import Observer, observations
from .reference import NO_FORCE, log_det_force
from .shannon import ShannonEstimate
from .spread import dissipation_error, variance_of_mean
from .table import Ledger


class Bookkeeper:
    """Keeps the ledger of one run.

        F_{k+1}[μ_{k+1}] − F_k[μ_k] = W_k − Q_k,        closure = ΣQ / Σ h D̄ − 1

    There are two ways to get these numbers.

    - Exact: W, Q and D̄ are sums over every step, with D̄ from the stages of the scheme.
    - Estimated: the Shannon entropy is estimated from particles, or terms are on minibatches. F and D are then
      evaluated at records only, on all data. D is integrated by the trapezoidal rule where the solver gives no D̄. In
      the work −∫ S dT of a changing temperature, S is linear between records. `closure` is cumulative, and
      `closure_error` is its uncertainty: the scatter of F, the smoothing error of D, and how much both integrals change
      if every other record is left out.

    D is that of the solver's metric. The kinetic energy of solvers with momenta is added to F in the balance.

    Parameters
    ----------
    dynamics, steering, solver : Dynamics, Steering, Solver
        The parts of the run.
    observers : mapping of str to Observer
        Further columns by name.

    Attributes
    ----------
    ledger : Ledger
        The rows so far.
    booked : Booked
        The sums over the steps since the last record.
    """

    def __init__(
        self, dynamics: Dynamics, steering: Steering, solver: Solver, observers: Mapping[str, Observer]
    ) -> None:
        self.ledger = Ledger()
        self._dynamics, self._steering, self._solver, self._observers = dynamics, steering, solver, observers
        self._estimated = bool(dynamics.shannon.terms) or dynamics.free_energy.sampled
        self.booked = Booked()
        self._last: dict[str, float] = {}
        self._balance, self._by_steps, self._every = Balance(), True, 0
        self._start_error = math.nan
        self._last_shannon = math.nan
        self._told: set[str] = set()

    # ------------------------------------------------------------------------------------- between records

    def add(self, before: State, after: State, h: float, step: Step) -> None:
        """Book one step of length h (flow time): the work of everything that depends on t, and the dissipation."""
        self.booked = self.booked.add(self._dynamics, before, after, h, step, self._last["t"])

    def along(self, h: float | np.ndarray, dissipation: np.ndarray | None, driven: Driven | None) -> None:
        """Book a compiled stretch of steps of length h (flow time): their dissipations and what depends on t."""
        self.booked = self.booked.along(h, dissipation, driven, self._last["t"])

    def jump(self, before: FreeEnergy, old: State, new: State) -> None:
        """Book a change of F between two steps as work: `before` is the old F, `old` and `new` are the states."""
        self.booked = self.booked.jump(before, self._dynamics, old, new, self._last["t"])

    def memory(self) -> BookMemory:
        """What the books remember now: with it the books of a run that goes on are those of the unbroken run."""
        rows, notes, balance = self.ledger.rows, dict(self.ledger.notes), copy.deepcopy(self._balance)
        return BookMemory(
            rows, notes, self._dynamics.evaluations, self.booked, dict(self._last), balance, self._by_steps,
            self._estimated, self._every, tuple(sorted(self._told)), self._start_error, self._last_shannon,
        )  # fmt: skip

    def recall(self, memory: BookMemory, ledger: Ledger) -> None:
        """Go on from what books remembered: with the first `memory.rows` records of `ledger`, and with its sums."""
        self.ledger = ledger.first(memory.rows)
        self.ledger.notes.update(memory.notes)
        self._dynamics.evaluations, self.booked, self._last = memory.evaluations, memory.booked, dict(memory.last)
        self._balance, self._by_steps, self._every = copy.deepcopy(memory.balance), memory.by_steps, memory.every
        self._estimated, self._start_error = memory.estimated, memory.start_error
        self._last_shannon, self._told = memory.last_shannon, set(memory.told)

    # ------------------------------------------------------------------------------------- records

    def record(self, state: State) -> dict[str, float]:
        """Append the row of this state to the ledger, and return it. An observer must return one number."""
        row: dict[str, float] = {"t": state.t, "step": state.step}
        with ops.small_steps(state.mu.x.numel() if self._solver.elementwise else ops.small_steps.SMALL):
            evaluation = self._full(state)
            shannon, near, there, exact = shannon_at(self._dynamics, self._solver, state, evaluation)
            self._estimated = self._dynamics.free_energy.sampled if exact else self._estimated
            row |= self._energies(evaluation, state, shannon)
            row |= self._forces(there, state, shannon, near)
            kinetic = self._solver.kinetic(state)
            row |= {} if kinetic is None else {"kinetic": float(kinetic)}
            row |= self._closure(row, state, shannon) | self._sums(evaluation, state)
        row |= self._steering.values(state.drives)
        row["evaluations"] = self._dynamics.evaluations
        self._last, self._last_shannon = dict(row), shannon.entropy if shannon else math.nan
        self.booked = Booked()
        row |= observations(self._observers, state, evaluation)
        self.ledger.append(row)
        return row

    def _note(self, column: str, text: str) -> None:
        """Note how a column was estimated, or why it is NaN. All different notes are kept."""
        said = self.ledger.notes.get(column)
        if said is None or text not in said:
            self.ledger.notes[column] = text if said is None else f"{said}; {text}"

    def _full(self, state: State) -> FreeEnergyEvaluation:
        """F and ∇_W F on all data: those of the state, or a new evaluation where the state has a minibatch."""
        if not self._dynamics.free_energy.sampled:
            return state.evaluation
        found = checked(self._dynamics.drift.at(state.t), state.mu, state.t, state.step)
        return self._dynamics.tangential(found, state.mu)

    def _sums(self, evaluation: FreeEnergyEvaluation, state: State) -> dict[str, float]:
        """`sums_error:<name>` of every term whose sums over pairs are approximate, with a note on the method."""
        errors = {}
        for part in evaluation.terms:
            name, checked_sums = part.term.name, part.term.functional.audit(state.mu)
            if checked_sums is None:
                continue
            self._note(f"term:{name}", f"summed by the method {checked_sums.method!r}")
            if checked_sums.error is None:
                continue
            column, allowed = f"sums_error:{name}", checked_sums.allowed
            errors[column] = checked_sums.error
            self._note(column, f"{checked_sums.measure}; {allowed:g} is allowed")
            if not checked_sums.error <= allowed and name not in self._told:
                self._told.add(name)  # once: a long run would collect a warning for each record
                said = checked_sums.advice or (
                    f"the sums of {name} are off by {checked_sums.error:.1e}, beyond rtol = {allowed:g}; use "
                    "method='dense' and report the ensemble."
                )
                warnings.warn(
                    f"step {state.step}: {said}",
                    WgfWarning,
                    stacklevel=4,
                )
        return errors

    def _energies(
        self, evaluation: FreeEnergyEvaluation, state: State, shannon: ShannonEstimate | None
    ) -> dict[str, float]:
        """F, E, S, T and the contribution c·𝓕 of each term. The contributions sum to F."""
        parts = {p.term.name: (p.term, p.term.coefficient.number, float(p.value)) for p in evaluation.terms}
        if shannon is not None:
            for term in self._dynamics.shannon.at(state.t).terms:
                parts[term.name] = (term, term.coefficient.number, shannon.entropy)
            self._note("entropy", shannon.note)
        entropies = [(number, value) for term, number, value in parts.values() if term.functional.is_entropy]
        temperature = sum((-number for number, _ in entropies), 0.0)
        energy = sum(number * value for term, number, value in parts.values() if not term.functional.is_entropy)
        if not entropies:
            minus = [name for name, (_, number, _) in parts.items() if number < 0]
            told = f"; {', '.join(minus[:3])} with a minus sign counts as an energy" if minus else ""
            self._note("entropy", f"the free energy has no entropy term{told}")
            entropy = math.nan
        elif temperature > 0:  # several entropies: their average weighted by temperature, so that F = E − T·S
            entropy = -sum(number * value for number, value in entropies) / temperature
        else:
            entropy = sum(value for _, value in entropies) / len(entropies)
        for name, (term, number, _) in parts.items():
            for regime, words in term.functional.regimes.items() if term.functional.is_entropy and number else ():
                self._note(f"regime:{regime}", f"{name} {words}")
        free_energy = energy - temperature * entropy if temperature > 0 else energy
        if shannon is None:
            free_energy = float(evaluation.value)
        contributions = {f"term:{name}": number * value for name, (_, number, value) in parts.items()}
        named = {"free_energy": free_energy, "energy": energy, "entropy": entropy, "temperature": temperature}
        return named | ({} if shannon is None else {"entropy_error": shannon.error}) | contributions

    def _forces(
        self, evaluation: FreeEnergyEvaluation, state: State, shannon: ShannonEstimate | None, mu: Ensemble
    ) -> dict[str, float]:
        """The columns of forces and dissipation. Where noise realises Shannon they are estimates."""
        self._balance.usual_error = math.nan
        if self._solver.metric != "Wasserstein":
            self._note("dissipation", f"in the metric of {self._solver.name}: {self._solver.metric}")
        if shannon is None:
            exact = Forces.of(evaluation)
            beside = self._beside_reference(exact, mu, evaluation)
            return exact.columns(mu) | beside | self._own(state, exact.slope(mu))
        temperature = self._dynamics.noise_temperature(state.t)
        self._note("dissipation", shannon.note)
        if shannon.scores is None or shannon.smoother is None:
            self._note("reference_alignment", shannon.note)
            unknown = {"dissipation_error": math.nan, "reference_alignment": math.nan}
            return Forces.of(evaluation, None, temperature).columns(mu) | unknown | self._own(state, None)
        both = [Forces.of(evaluation, scores, temperature) for scores in (shannon.scores, shannon.smoother)]
        plain = both[0].columns(mu)
        columns = plain | self._beside_reference(both[0], mu, evaluation)
        force = both[0].slope(mu)
        assert force is not None
        g = force.force - temperature * shannon.scores[0]
        change = both[1].dissipation(mu) - plain["dissipation"]
        error, self._balance.usual_error = dissipation_error(shannon, mu.x, g, temperature, change)
        own = self._own(state, None).get("dissipation", math.nan)  # a number where the scheme needs no slope
        slopes = [part.slope(mu) for part in both] if math.isnan(own) else []
        rates = [self._own(state, slope).get("dissipation") for slope in slopes] or [own, own]
        if rates[0] is not None and rates[1] is not None:  # in another metric: as large a part of D
            part = error / abs(plain["dissipation"]) if plain["dissipation"] != 0 else math.inf
            usual = self._balance.usual_error / error if error > 0 else 1.0
            columns["dissipation"], error = rates[0], max(part * abs(rates[0]), abs(rates[1] - rates[0]))
            self._balance.usual_error = usual * error
        return columns | {"dissipation_error": error}

    def _beside_reference(self, forces: Forces, mu: Ensemble, evaluation: FreeEnergyEvaluation) -> dict[str, float]:
        """The cosine of ∇_W S and the gradient of the reference entropy; below 0 the entropy pushes against spread."""
        if not forces.temperature > 0:
            self._note("reference_alignment", "NaN without an entropy and at temperature 0")
            return {"reference_alignment": math.nan}
        reference = log_det_force(mu, evaluation)
        self._note("reference_alignment", reference.note)
        force = None if reference.force is None else self._dynamics.tangent(mu, reference.force)
        value = forces.beside(mu, force)
        if reference.force is not None and math.isnan(value):
            self._note("reference_alignment", NO_FORCE)
        return {"reference_alignment": value}

    def _own(self, state: State, slope: Slope | None) -> dict[str, float]:
        """The dissipation that the solver computes itself; nothing where it leaves this to the ledger."""
        rate = self._solver.dissipation(self._dynamics, state, slope)
        return {} if rate is None else {"dissipation": float(rate)} | ({} if slope else {"dissipation_error": 0.0})

    def _closure(self, row: Mapping[str, float], state: State, shannon: ShannonEstimate | None) -> dict[str, float]:
        """W, Q and Σ h D̄ since the last row, and the closure."""
        blank = {"work": 0.0, "released": 0.0, "dissipated": 0.0, "closure": math.nan, "closure_total": math.nan}
        error = self._standard_error(state, shannon) if self._estimated else 0.0
        if math.isnan(self._start_error):
            self._start_error = error
        usual = (
            row.get("dissipation_error", 0.0) if math.isnan(self._balance.usual_error) else self._balance.usual_error
        )
        if not self._last:
            self._balance.last_usual = usual
            return blank | ({"closure_error": math.nan} if self._estimated else {})
        last, balance = self._last, self._balance
        self._every = max(self._every, int(row["step"] - last["step"]))
        entropies = (self._last_shannon, shannon.entropy if shannon else math.nan)
        between, unsure = interval(last, row, self.booked, entropies)
        work = float(self.booked.work) + between.work
        released = work - (total_energy(row) - total_energy(last))
        self._by_steps = self.booked.dissipated is not None and not self._dynamics.free_energy.sampled
        dissipated = float(self.booked.dissipated or 0.0) if self._by_steps else between.dissipated
        if not balance.add(released, dissipated):
            self._note("closure", "intervals without an estimate of F or D are left out")
        elif not self._by_steps:
            balance.quadrature.add(between)
        if not self._by_steps:
            balance.smoothing += unsure
            balance.usual += 0.5 * between.length * _known(balance.last_usual + usual)
            self._note("closure", "cumulative; D between records by the trapezoidal rule")
        balance.last_usual = usual
        only_batches = self._estimated and not self._dynamics.shannon.terms
        balance.scatter = balance.irregular if only_batches else math.hypot(error, self._start_error)
        floor = 1e3 * torch.finfo(state.mu.dtype).eps * abs(row["free_energy"])
        total = ratio(balance.released, balance.dissipated, floor)
        booked = {"work": work, "released": released, "dissipated": dissipated}
        if self._by_steps and not self._estimated:
            return booked | {"closure": ratio(released, dissipated, floor), "closure_total": total}
        if self._dynamics.shannon.terms and not balance.dissipated > balance.estimated:
            self._note("closure", "NaN where the run dissipates less than the estimates of F and D resolve")
            total = math.nan
        bar = math.nan if math.isnan(total) else balance.error
        return booked | {"closure": total, "closure_total": total, "closure_error": bar}

    def _standard_error(self, state: State, shannon: ShannonEstimate | None) -> float:
        """The standard error of F, √(Var δE/δμ / n + T² s²): rather too large, as errors of E and S partly cancel."""
        if shannon is None:  # minibatches: F is exact at a record, where all data are used
            return 0.0
        if math.isnan(shannon.standard_error):
            return math.nan
        variance = variance_of_mean(self._dynamics.drift.at(state.t), state.mu)
        return math.sqrt(variance + (self._dynamics.noise_temperature(state.t) * shannon.standard_error) ** 2)

    def close(self, wanted: bool = True) -> None:
        """End the run: warn if the closure says that the time step is too large, or records too far apart.

        The records can be too far apart only where the user has chosen them (`wanted`).
        """
        total = self._last.get("closure_total", math.nan)
        complaint = self._balance.complaint(total, self._by_steps, self._every, wanted)
        if complaint:
            warnings.warn(complaint, WgfWarning, stacklevel=4)


def _known(value: float) -> float:
    """The value, or 0 where it is not known."""
    return 0.0 if math.isnan(value) else value
