"""The view of the free energy that a solver has: forces at a time and a step, checked for finite values."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..domains import Domain
from ..errors import DivergenceError, WgfError
from ..functional import FreeEnergy, FreeEnergyEvaluation, Term
from ..measure import Ensemble, NoiseSource, checks, first_bad_row
from ..measure.checks import finite


class Dynamics:
    """What a solver integrates: F at time t, on the minibatch of the step, and evaluated inside the domain.

        ẋ = −∇_W F_t[μ](x), plus the noise √(2T) dB where F has a Shannon term

    Parameters
    ----------
    free_energy : FreeEnergy
        F, with rules resolved and drives replaced by their present values. Coefficients may depend on t.
    noise : NoiseSource
        The noise from which minibatches are drawn.
    domain : Domain, optional
        Every ensemble is folded into it before F is evaluated. By default there is none.

    Attributes
    ----------
    drift : FreeEnergy
        The terms that act by force.
    shannon : FreeEnergy
        The Shannon terms, which the scheme realises by noise, a kernel or a grid.
    evaluations : int
        How often `evaluate` was called.

    See Also
    --------
    wgf.protocol.Solver, wgf.protocol.Step, wgf.protocol.State, wgf.protocol.Slope

    Examples
    --------
    >>> import wgf
    >>> dynamics = Dynamics(FreeEnergy(wgf.Quadratic()._terms()), wgf.Noise(0))
    >>> dynamics.evaluate(wgf.Ensemble([[2.0]]), 0.0, 0).gradient.item()
    2.0
    """

    def __init__(self, free_energy: FreeEnergy, noise: NoiseSource, domain: Domain | None = None) -> None:
        self.noise, self.domain = noise, domain
        self.evaluations = 0
        self._before: Tensor | None = None
        self.replace_free_energy(free_energy)

    def replace_free_energy(self, free_energy: FreeEnergy) -> None:
        """Replace the free energy. A run does this between two steps, where a drive changed F.

        Parameters
        ----------
        free_energy : FreeEnergy
            The new F.
        """
        self.free_energy = free_energy
        self.drift = free_energy.only(lambda term: not realised_by_noise(term))
        self.shannon = free_energy.only(realised_by_noise)
        self.driven = tuple(term for term in self.drift.terms if term.driven)
        self._frozen: FreeEnergy | None = None
        self._still: FreeEnergy | None = None
        self._temperature: float | None = None

    def fold(self, mu: Ensemble, start: Ensemble | None = None) -> Ensemble:
        """Fold an ensemble into the domain, and give it the period of a torus; without a domain it is returned as is.

        `start` is the ensemble that the step began with, if its particles are the same: paths are then reflected where
        they meet a curved wall.
        """
        if self.domain is None:
            return mu
        begun = None if start is None or start.ids is not mu.ids else start.x
        folded = mu.moved(self.domain.fold(mu.x, begun))
        return folded if mu.period is not None else folded.on(self.domain.period(mu.dim))

    def frozen(self, t: float, step: int) -> FreeEnergy:
        """Give the terms that act by force, frozen at time t and on the minibatch of `step`.

        Schemes use it that need the terms themselves. For values and forces use `evaluate`, which checks them.

        Parameters
        ----------
        t : float
            The time, in flow time.
        step : int
            The number of the step, counted from the very start, earlier runs included. It keys the minibatch.

        Returns
        -------
        FreeEnergy
            The sum of these terms. It does not depend on t.
        """
        if self._still is not None:
            return self._still
        frozen = self._frozen or self.drift.at(t)
        drawn = frozen.draw(self.noise, step)
        if self._frozen is None and not self.driven:
            self._frozen = frozen
        if not (self.driven or drawn.sampled) and _same_terms(self.drift, drawn):
            self._still = drawn  # nothing depends on t or on the step
        return drawn

    def evaluate(self, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
        """Compute F and ∇_W F of the terms that act by force.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d). They are folded into the domain first.
        t : float
            The time, in flow time.
        step : int
            The number of the step, counted from the very start, earlier runs included. It keys the minibatch.

        Returns
        -------
        FreeEnergyEvaluation
            The value (0-d, float64), the gradient (n, d), and the same for every term.

        Raises
        ------
        DivergenceError
            If a value, a force or a particle is NaN or infinite. See `checked`.
        """
        self.evaluations += 1
        folded = self._sound(self.fold(mu))
        return self.tangential(checked(self.frozen(t, step), folded, t, step), folded)

    def _sound(self, mu: Ensemble) -> Ensemble:
        """The ensemble, with the particles before them where one of this process is lost and checks are deferred.

        All processes go on to the end of the stretch, and take it again: terms need not bear NaN until then.
        """
        if mu.whole:
            return mu
        if not checks.deferring() or checks.finite_now(mu.x):
            self._before = mu.x
            return mu
        checks.holds(torch.zeros((), dtype=torch.bool, device=mu.device))
        return mu if self._before is None else mu.moved(self._before)

    def tangent(self, mu: Ensemble, v: Tensor) -> Tensor:
        """The part of vectors v (n, d) that is tangent to the domain at the particles; v itself in flat space."""
        return v if self.domain is None else self.domain.tangent(mu.x, v)

    def tangential(self, evaluation: FreeEnergyEvaluation, mu: Ensemble) -> FreeEnergyEvaluation:
        """Project the forces of all terms on the tangent space of a curved domain.

        Parameters
        ----------
        evaluation : FreeEnergyEvaluation
            F and ∇_W F at the particles.
        mu : Ensemble
            The particles (n, d), in the domain.

        Returns
        -------
        FreeEnergyEvaluation
            The same values with tangent gradients. In flat space it is `evaluation` itself.
        """
        if self.domain is None or not self.domain.curved:
            return evaluation
        terms = tuple(replace(part, gradient=self.tangent(mu, part.gradient)) for part in evaluation.terms)
        return replace(evaluation, gradient=self.tangent(mu, evaluation.gradient), terms=terms)

    def first_variation(self, mu: Ensemble, t: float, step: int, at: Tensor | None = None) -> Tensor:
        """Compute δF/δμ of the terms that act by force.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d). They are folded into the domain first.
        t : float
            The time, in flow time.
        step : int
            The number of the step, counted from the very start, earlier runs included. It keys the minibatch.
        at : Tensor (m, d), optional
            The points. By default they are the particles.

        Returns
        -------
        Tensor
            δF/δμ at the points (m,), in the dtype of the particles. It is defined up to a constant.

        Raises
        ------
        WgfError
            What a term raises, with step and time added to the message.
        """
        try:
            return self.frozen(t, step).first_variation(self.fold(mu), at)
        except WgfError as error:
            raise type(error)(f"step {step}, t = {t:g}: {error}") from error

    def noise_temperature(self, t: float) -> float:
        """Give the temperature T of the Shannon terms at time t. Stochastic schemes add the noise √(2T) dB for it."""
        if self._temperature is not None:
            return self._temperature
        temperature = self.shannon.at(t).temperature
        if not self.shannon.varies:
            self._temperature = temperature
        return temperature


def _same_terms(one: FreeEnergy, other: FreeEnergy) -> bool:
    """Whether two free energies have the very same functionals."""
    return all(a.functional is b.functional for a, b in zip(one.terms, other.terms, strict=True))


def realised_by_noise(term: Term) -> bool:
    """Tell whether a term has no force on particles, so that a scheme must realise it (Shannon)."""
    return term.functional.realised_by_noise


def checked(frozen: FreeEnergy, mu: Ensemble, t: float, step: int) -> FreeEnergyEvaluation:
    """Evaluate a frozen free energy and check that all results are finite.

    Parameters
    ----------
    frozen : FreeEnergy
        A free energy that does not depend on t.
    mu : Ensemble
        The particles (n, d).
    t, step : float, int
        The time (flow time) and the number of the step, for messages.

    Returns
    -------
    FreeEnergyEvaluation
        The value, the gradient and the same for every term.

    Raises
    ------
    DivergenceError
        If a particle, a value or a force is NaN or infinite. The message names step, time, term and particle.
    WgfError
        What a term raises, with step and time added to the message.

    Notes
    -----
    On a GPU, and in several processes, the check is deferred to the next record, so that no step waits for it.
    """
    # with deferred checks `Dynamics.evaluate` has looked at the particles of this process
    if not mu.finite and (mu.whole or not checks.deferring()):
        mu.together(lambda: _require_finite_particles(mu, t, step))
    try:
        evaluation = frozen.evaluate(mu)
    except WgfError as error:  # such as a ConfigError for a covariance that became singular
        hint = " If F or the particles were growing, try a smaller dt." if step > 0 else ""
        raise type(error)(f"{_where(t, step)}: {error}{hint}") from error
    if not (evaluation.finite and mu.whole):
        mu.together(lambda: _require_finite(evaluation, mu, _where(t, step)))
    return evaluation


def _where(t: float, step: int) -> str:
    return f"step {step}, t = {t:g}"


def _require_finite_particles(mu: Ensemble, t: float, step: int) -> None:
    lost = first_bad_row(mu.x)
    if lost is not None:
        raise DivergenceError(
            f"{_where(t, step)}: particle {lost} (id {int(mu.ids[lost])}) left the finite numbers; try a smaller dt."
        )


def _require_finite(evaluation: FreeEnergyEvaluation, mu: Ensemble, where: str) -> None:
    if finite(evaluation.gradient) and finite(evaluation.value):
        return
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
