"""One run with particles: the neurons of a mean-field network that learns digits, with one surrogate entropy."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from ...energies import NetworkRisk, Quadratic
from ...entropies.estimators import effective_rank
from ...errors import WgfWarning
from ...flow import solve
from ...functional import Functional
from ...measure import Ensemble
from ...ops import one_torch_thread
from ...solvers import Heun
from .surrogates import CONFINEMENT, NONE, Run, accuracies, forces, images, surrogate, unit_temperature

PARTICLES = "particles"


def train_neurons(name: str, matched: float, seed: int, sizes: tuple[int, int, int, float, float],
                  plain: Run | None) -> Run:  # fmt: skip
    """Train n neurons by the flow of F = R + k/2 ∫|θ|² − T S[μ] with `Heun`, and measure the run.

    T is chosen such that T‖∇S‖ = r₀‖∇R + kθ‖ at the start, so that all surrogates begin with the same force ratio.

    Parameters
    ----------
    name : str
        A surrogate of `SURROGATES`, or `NONE`.
    matched : float
        r₀, the force ratio I/G at the start.
    seed : int
        Seed of the images and of the initial neurons.
    sizes : (int, int, int, float, float)
        n, the numbers of training and of test images, and dt and t_end in flow time.
    plain : Run, optional
        The run of the same seed without entropy, for the collapse index.

    Returns
    -------
    Run
        The rank is that of tanh(w·x + b) over the test images. A run that diverges ends at its last good state.
    """
    n, train, test, dt, t_end = sizes
    data = images(seed, train, test)
    risk = NetworkRisk(*data.train, activation="tanh", loss="cross_entropy")
    mu = risk.initial(n, seed=seed)
    energy = risk + CONFINEMENT * Quadratic()
    F: Functional = energy
    temperature = 0.0
    if name != NONE:
        entropy = surrogate(name, mu)
        temperature = matched * unit_temperature(energy.gradient(mu), entropy.gradient(mu), mu)
        F = energy - temperature * entropy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WgfWarning)  # the table shows the closure of every run
        solution = solve(F, mu, Heun(), dt=dt, t_end=t_end, throw=False)
    end, ledger = solution.ensemble, solution.ledger
    return Run(
        PARTICLES, name, seed, matched, temperature, **forces(ledger, end, plain),
        rank=_rank(risk, end, data.clean),
        accuracy=accuracies(data, lambda x: risk.predict(end, x).argmax(1)),
        closure=float(ledger["closure_total"][-1]),
        length=float(np.trapezoid(np.sqrt(ledger["dissipation"]), ledger["t"])),
        finished=solution.status.ok,
    )  # fmt: skip


def _rank(risk: NetworkRisk, mu: Ensemble, x: torch.Tensor) -> float:
    """Effective rank of the hidden layer: of the covariance of tanh(w·x + b) over the images x."""
    outputs = mu.dim - x.shape[1] - 1
    w, b = mu.x[:, outputs:-1], mu.x[:, -1]
    with one_torch_thread():
        return effective_rank(Ensemble(torch.tanh(x @ w.T + b)))
