"""The Shannon entropy at a record. Of particles that are divided among processes, some are drawn for the estimate."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..functional import FreeEnergyEvaluation
from ..measure import Ensemble
from ..protocol import Dynamics, Solver, State
from .shannon import ShannonEstimate, estimate_shannon, known

MOST = 4096
"""So many particles are drawn for such estimates, however many there are."""


def of_drawn(mu: Ensemble, evaluation: FreeEnergyEvaluation) -> tuple[Ensemble, FreeEnergyEvaluation, str]:
    """The particles and the evaluation at drawn ones, where a run is divided among processes; else as they are.

    Parameters
    ----------
    mu : Ensemble
        The particles.
    evaluation : FreeEnergyEvaluation
        F and its terms there.

    Returns
    -------
    Ensemble
        A whole ensemble of at most 4096 particles.
    FreeEnergyEvaluation
        The same values, and the gradients at the drawn particles.
    str
        What the ledger says of them; empty where all particles are there.

    Notes
    -----
    The rows are gathered in every process, which makes the same estimates. Bytes sent do not grow with n.
    """
    if mu.whole:
        return mu, evaluation, ""
    take = mu.drawn(MOST)
    weights = take(mu.weights)
    drawn = Ensemble(take(mu.x), weights / weights.sum(), ids=take(mu.ids), copy=False).on(mu.period)
    if mu.equal_weights:
        drawn = drawn.reweighted(torch.ones_like(weights))
    terms = tuple(replace(part, gradient=take(part.gradient)) for part in evaluation.terms)
    there = replace(evaluation, gradient=take(evaluation.gradient), terms=terms)
    return drawn, there, f", at {drawn.n} of {mu.n} particles drawn by their ids, as they are divided among processes"


def shannon_at(
    dynamics: Dynamics, solver: Solver, state: State, evaluation: FreeEnergyEvaluation
) -> tuple[ShannonEstimate | None, Ensemble, FreeEnergyEvaluation, bool]:
    """The Shannon entropy: from the solver if it knows the density, else an estimate from the particles.

    Parameters
    ----------
    dynamics : Dynamics
        F. Without a Shannon term there is no estimate.
    solver : Solver
        The scheme.
    state, evaluation : State, FreeEnergyEvaluation
        Where the run stands.

    Returns
    -------
    ShannonEstimate or None
        The entropy, and scores where it is estimated.
    Ensemble, FreeEnergyEvaluation
        The particles at which there are scores, and the evaluation there.
    bool
        Whether the scheme knew it.
    """
    if not dynamics.shannon.terms:
        return None, state.mu, evaluation, False
    entropy = solver.entropy(dynamics, state)
    if entropy is not None:
        return known(float(entropy), f"of the density of {solver.name}"), state.mu, evaluation, True
    mu, there, drawn = of_drawn(state.mu, evaluation)
    found = estimate_shannon(mu, domain=dynamics.domain)
    return replace(found, note=f"{found.note}{drawn}"), mu, there, False
