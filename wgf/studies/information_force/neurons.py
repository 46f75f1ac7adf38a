"""One run with particles: the neurons of a mean-field network that learns a data set, with one surrogate entropy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...energies import NetworkRisk, Quadratic
from ...errors import WgfWarning
from ...flow import solve
from ...functional import FreeEnergyEvaluation, Functional
from ...measure import Ensemble
from ...solvers import Heun
from .data import DIGITS, accuracies, samples
from .features import Features, look, variance
from .surrogates import CONFINEMENT, DISSIPATION, FORCE, JUDGES, NONE, Run, beside, forces, surrogate, unit_temperature

NEURONS = "neurons"
EVERY = 4
"""A record every so many steps."""


def train_neurons(name: str, matched: float, seed: int, sizes: tuple[int, int, int, float, float],
                  plain: Run | None, data: str = DIGITS, temperature: float | None = None) -> Run:  # fmt: skip
    """Train n neurons by the flow of F = R + k/2 ∫|θ|² − T S[μ] with `Heun`, and measure the run.

    Parameters
    ----------
    name : str
        A surrogate of `SURROGATES`, or `NONE`.
    matched : float
        r₀, the force ratio I/G at the start: T is chosen such that T‖∇S‖ = r₀‖∇R + kθ‖ there.
    seed : int
        Seed of the samples and of the initial neurons.
    sizes : (int, int, int, float, float)
        n, the numbers of training and of test samples, and dt and t_end in flow time.
    plain : Run, optional
        The run of the same seed without entropy, for the collapse index.
    data : str
        One of `DATA`.
    temperature : float, optional
        T itself, in a search for a level of dissipation; `matched` is that level.

    Returns
    -------
    Run
        Its features are tanh(w·x + b). A run that diverges ends at its last good state.
    """
    n, train, test, dt, t_end = sizes
    parts = samples(data, seed, train, test)
    risk = NetworkRisk(*parts.train, activation="tanh", loss="cross_entropy")
    mu = risk.initial(n, seed=seed)
    energy = risk + CONFINEMENT * Quadratic()
    F: Functional = energy
    T = 0.0
    if name != NONE:
        entropy = surrogate(name, mu)
        unit = unit_temperature(energy.gradient(mu), entropy.gradient(mu), mu)
        T = matched * unit if temperature is None else temperature
        F = energy - T * entropy if T > 0 else energy
    observers = {key: _judge(key) for key in JUDGES} if T > 0 else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WgfWarning)  # the table shows the closure of every run
        solution = solve(F, mu, Heun(), dt=dt, t_end=t_end, throw=False, observers=observers, record_every=EVERY)
    end, ledger = solution.ensemble, solution.ledger
    unit = variance(_hidden(risk, mu)(parts.train[0]))
    return Run(
        f"{NEURONS}, {data}", name, seed, matched, T, **forces(ledger, end, plain, name, finished=solution.status.ok),
        **look(parts, _hidden(risk, end), unit),
        before=look(parts, _hidden(risk, mu), unit) if plain is None else plain.before,
        accuracy=accuracies(parts, lambda x: risk.predict(end, x).argmax(1)),
        closure=float(ledger["closure_total"][-1]),
        length=float(np.trapezoid(np.sqrt(ledger["dissipation"]), ledger["t"])),
        finished=solution.status.ok,
        matching=FORCE if temperature is None else DISSIPATION,
    )  # fmt: skip


def _judge(reference: str) -> Callable[[Ensemble, float, FreeEnergyEvaluation], float]:
    """An observer of the cosine of the force of the entropy and that of a reference."""

    def observe(mu: Ensemble, t: float, evaluation: FreeEnergyEvaluation) -> float:
        force = next((part.gradient for part in evaluation.terms if part.term.functional.is_entropy), None)
        return math.nan if force is None else beside(mu, force, reference)

    return observe


def _hidden(risk: NetworkRisk, mu: Ensemble) -> Features:
    """The hidden layer tanh(w·x + b) of inputs x, one feature a neuron."""

    def features(x: Tensor) -> Tensor:
        outputs = mu.dim - x.shape[1] - 1
        w, b = mu.x[:, outputs:-1], mu.x[:, -1]
        return torch.tanh(x @ w.T + b)

    return features
