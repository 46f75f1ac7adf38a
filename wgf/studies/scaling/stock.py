"""The information stock I of a network in training, and its injection J and dissipation rate γ, measured separately."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data import teacher_student
from ...energies import NetworkRisk, Quadratic
from ...errors import ConfigError, WgfWarning, require_number
from ...flow import solve
from ...functional import Functional
from ...measure import Ensemble
from ...ops import linalg, one_torch_thread
from ...solvers import Heun
from ...storage import remembered

TEST = 4096
"""Number of fresh inputs on which the residual risk is measured."""


def information_stock(risk: NetworkRisk, mu: Ensemble, sigma: float) -> float:
    """Compute the information stock of a network: the information gain of the Gaussian process with its kernel K.

        I = ½ log det(1 + K/σ²),   K = ∫ φ(z; θ) φ(z'; θ) dμ(θ) at the training inputs z, z'

    It is the information that noisy targets give about output weights of unit variance. φ = a tanh(w·z + b).

    Parameters
    ----------
    risk : NetworkRisk
        A two-layer tanh network with one output; it has the training inputs.
    mu : Ensemble (n, d)
        The neurons θ = (a, w, b).
    sigma : float > 0
        σ, the standard deviation of the noise of the targets.

    Returns
    -------
    float
        I in nats.

    Raises
    ------
    ConfigError
        For σ ≤ 0.

    References
    ----------
    N. Srinivas, A. Krause, S. Kakade and M. Seeger, IEEE Trans. Inf. Theory 58, 3250 (2012).
    """
    sigma = require_number("sigma", sigma, positive=True)
    a, w, b = mu.x[:, 0], mu.x[:, 1:-1], mu.x[:, -1]
    with one_torch_thread():  # BLAS and sums round differently for each number of threads
        phi = a * torch.tanh(risk.inputs @ w.T + b) * mu.weights.sqrt() / sigma
        gram = phi @ phi.T if phi.shape[0] < phi.shape[1] else phi.T @ phi
        values, _ = linalg.symmetric_eigen(gram)
        return 0.5 * float(torch.log1p(values.clamp(min=0.0)).sum())


@remembered(name="balance")
@dataclass(frozen=True)
class Balance:
    """The residual risk R, the stock I, and the terms of its balance dI/dt = J − γI at one time.

    Attributes
    ----------
    residual : float
        R, the mean of ½ (f − f*)² on fresh inputs.
    stock : float
        I in nats.
    injection, dissipation, rate : float
        J and dI/dt in nats per flow time, γ per flow time. Each is measured by a flow of its own.
    closure : float
        The closure of the run up to this time, which measures the error of the time step.
    """

    residual: float
    stock: float
    injection: float
    dissipation: float
    rate: float
    closure: float


@dataclass(frozen=True)
class Task:
    """A regression task: learn a two-layer teacher network from noisy targets.

    Parameters
    ----------
    dim : int
        Dimension of the inputs.
    neurons : int
        Hidden neurons of the teacher.
    noise : float > 0
        σ, the standard deviation of the noise of the targets.
    confinement : float > 0
        k, the weight decay of the student, in units of 1/t.
    dt : float > 0
        Time step of the training, in flow time.
    pool : int
        Number of training inputs there are.
    """

    dim: int
    neurons: int
    noise: float
    confinement: float
    dt: float
    pool: int

    def data(self, samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Training inputs and noisy targets, drawn by the seed; test inputs and targets without noise."""
        if samples > self.pool:
            raise ConfigError(f"samples = {samples}: wanted at most the {self.pool} there are.")
        x, noisy = self._teacher(self.noise)
        _, clean = self._teacher(0.0)
        pick = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(self.pool)[:samples])
        return x[pick], noisy[pick], x[self.pool :], clean[self.pool :]

    def _teacher(self, noise: float) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the teacher, which is the same for all seeds."""
        return teacher_student(self.pool + TEST, self.dim, neurons=self.neurons, noise=noise, seed=0)


def train(task: Task, neurons: int, samples: int, seed: int, checkpoints: tuple[int, ...]) -> list[Balance]:
    """Train a student by the flow of F = R + k/2 ∫|θ|² with Heun; measure the balance after each number of steps in
    `checkpoints`."""
    x, y, test, clean = task.data(samples, seed)
    risk = NetworkRisk(x, y)
    decay = task.confinement * Quadratic()
    F: Functional = risk + decay
    mu, state, found = risk.initial(neurons, seed=seed), None, []
    for steps in checkpoints:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WgfWarning)  # the closure is in the table
            solution = solve(F, mu, Heun(), dt=task.dt, t_end=steps * task.dt, state=state, record_every=steps)
        state, now = solution.state, solution.ensemble
        closure = float(solution.ledger["closure_total"][-1])
        found.append(balance(task, risk, now, float(risk.loss_on(now, test, clean)), closure))
    return found


def balance(task: Task, risk: NetworkRisk, mu: Ensemble, residual: float, closure: float) -> Balance:
    """Measure J, γ and dI/dt by three separate flows from the same state over τ = dt/5, in two steps of Heun.

    J = ΔI/τ under the risk alone. γ = −Δ log I/τ under the confinement alone, where θ decays by e^{−kτ}.
    dI/dt = ΔI/τ under both. So dI/dt = J − γI is tested by measurement; it should hold up to O(τ).
    """
    tau = 0.2 * task.dt

    def after(F: Functional) -> float:
        end = solve(F, mu, Heun(), dt=0.5 * tau, t_end=tau, record_every=2).ensemble
        return information_stock(risk, end, task.noise)

    stock = information_stock(risk, mu, task.noise)
    decay = task.confinement * Quadratic()
    faded = information_stock(risk, mu.moved(mu.x * math.exp(-task.confinement * tau)), task.noise)
    return Balance(
        residual,
        stock,
        (after(risk) - stock) / tau,
        -math.log(faded / stock) / tau,
        (after(risk + decay) - stock) / tau,
        closure,
    )
