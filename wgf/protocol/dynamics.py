"""What a solver may ask of the free energy: its drift and its noise temperature, checked for finiteness."""

from __future__ import annotations

from torch import Tensor

from ..domains import Domain
from ..errors import DivergenceError, WgfError
from ..functional import FreeEnergy, FreeEnergyEvaluation, Term
from ..measure import Ensemble, NoiseSource, first_bad_row


class Dynamics:
    """The drift −∇_W F that a solver integrates: F at time t, on the minibatch of the step, checked for finiteness.

    `drift` has the terms that act by force, `shannon` those that the scheme realises in its own way. With a `domain`
    every ensemble is folded into it before F is asked.
    """

    def __init__(self, free_energy: FreeEnergy, noise: NoiseSource, domain: Domain | None = None) -> None:
        self.noise, self.domain = noise, domain
        self.evaluations = 0
        self.replace_free_energy(free_energy)

    def replace_free_energy(self, free_energy: FreeEnergy) -> None:
        """Replace the free energy, between two steps of a run that something steers."""
        self.free_energy = free_energy
        self.drift = free_energy.only(lambda term: not realised_by_noise(term))
        self.shannon = free_energy.only(realised_by_noise)

    def fold(self, mu: Ensemble) -> Ensemble:
        """The ensemble folded into the domain; itself where there is none."""
        return mu if self.domain is None else mu.moved(self.domain.fold(mu.x))

    def frozen(self, t: float, step: int) -> FreeEnergy:
        """The terms that act by force at time t, on the minibatch of `step`: for schemes that look at terms."""
        return self.drift.at(t).draw(self.noise, step)

    def evaluate(self, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
        """F and ∇_W F of the terms that act by force, at (μ, t), with the minibatch of `step`."""
        self.evaluations += 1
        return checked(self.frozen(t, step), self.fold(mu), t, step)

    def first_variation(self, mu: Ensemble, t: float, step: int, at: Tensor | None = None) -> Tensor:
        """δF/δμ (m,) of the terms that act by force, at the points `at`, by default the particles."""
        try:
            return self.frozen(t, step).first_variation(self.fold(mu), at)
        except WgfError as error:
            raise type(error)(f"step {step}, t = {t:g}: {error}") from error

    def noise_temperature(self, t: float) -> float:
        """T of the Shannon terms, which a stochastic solver realises by the noise √(2T) dB."""
        return self.shannon.at(t).temperature


def realised_by_noise(term: Term) -> bool:
    """Whether a term is the Shannon entropy."""
    return term.functional.realised_by_noise


def checked(frozen: FreeEnergy, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
    """Evaluate a frozen free energy; a NaN or infinity is a DivergenceError naming step, time, term, particle."""
    where = f"step {step}, t = {t:g}"
    hint = " If F or the particles were growing, try a smaller dt." if step > 0 else ""
    lost = first_bad_row(mu.x)
    if lost is not None:
        raise DivergenceError(
            f"{where}: particle {lost} (id {int(mu.ids[lost])}) left the finite numbers; try a smaller dt."
        )
    try:
        evaluation = frozen.evaluate(mu)
    except WgfError as error:  # a covariance that became singular, say, is a ConfigError
        raise type(error)(f"{where}: {error}{hint}") from error
    if first_bad_row(evaluation.gradient) is None and first_bad_row(evaluation.value.reshape(1)) is None:
        return evaluation
    for part in evaluation.terms:
        bad = first_bad_row(part.gradient)
        if bad is not None:
            raise DivergenceError(
                f"{where}: the force of {part.term.name} is not finite at particle {bad} (id {int(mu.ids[bad])}); "
                "try a smaller dt."
            )
        if first_bad_row(part.value.reshape(1)) is not None:
            raise DivergenceError(f"{where}: the value of {part.term.name} is {float(part.value)}; try a smaller dt.")
    raise DivergenceError(f"{where}: the terms are finite but their sum overflows; try a smaller dt.")
