"""An information stock of a network in training, and its injection and dissipation, each measured by itself."""

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

TEST = 4096
"""Fresh inputs on which the residual risk is measured."""


def information_stock(risk: NetworkRisk, mu: Ensemble, sigma: float) -> float:
    """I = ½ log det(1 + K/σ²), K = ∫ φ(z; θ) φ(z'; θ) dμ(θ) at the training inputs: what targets with noise σ tell of
    output weights of unit variance, in nats. It is the information gain of the Gaussian process with the kernel K.

    For the two-layer unit φ = a tanh(w·z + b) with one output. ConfigError for σ ≤ 0.
    Reference: N. Srinivas, A. Krause, S. Kakade and M. Seeger, IEEE Trans. Inf. Theory 58, 3250 (2012).
    """
    sigma = require_number("sigma", sigma, positive=True)
    a, w, b = mu.x[:, 0], mu.x[:, 1:-1], mu.x[:, -1]
    with one_torch_thread():  # BLAS and sums round by their thread count
        phi = a * torch.tanh(risk.inputs @ w.T + b) * mu.weights.sqrt() / sigma
        gram = phi @ phi.T if phi.shape[0] < phi.shape[1] else phi.T @ phi
        values, _ = linalg.symmetric_eigen(gram)
        return 0.5 * float(torch.log1p(values.clamp(min=0.0)).sum())


@dataclass(frozen=True)
class Balance:
    """R, I, and what moves I at one moment: dI/dt = J − γI, with J, γ and dI/dt each from a run of its own.

    `closure` is the error of the time step on the way there.
    """

    residual: float
    stock: float
    injection: float
    dissipation: float
    rate: float
    closure: float


@dataclass(frozen=True)
class Task:
    """A teacher of `neurons` hidden units with noise σ on its targets, and how a student of it is trained: confinement
    k, step dt. Residual risk is ½ E (f − f*)² against the teacher without noise.
    """

    dim: int
    neurons: int
    noise: float
    confinement: float
    dt: float
    pool: int

    def data(self, samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Training inputs and noisy targets, drawn by the seed, and test inputs with clean ones."""
        if samples > self.pool:
            raise ConfigError(f"samples = {samples}: wanted at most the {self.pool} there are.")
        x, noisy = self._teacher(self.noise)
        _, clean = self._teacher(0.0)
        pick = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(self.pool)[:samples])
        return x[pick], noisy[pick], x[self.pool :], clean[self.pool :]

    def _teacher(self, noise: float) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the one teacher that all seeds share."""
        return teacher_student(self.pool + TEST, self.dim, neurons=self.neurons, noise=noise, seed=0)


def train(task: Task, neurons: int, samples: int, seed: int, checkpoints: tuple[int, ...]) -> list[Balance]:
    """Follow F = R + k/2 ∫|θ|² by Heun, and measure the balance after each number of steps in `checkpoints`."""
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
    """J, γ and dI/dt by three flows of their own from the same state over τ = dt/5, in two steps of Heun.

    J = ΔI/τ under the risk alone, γ = −Δ log I/τ under the confinement alone, where θ decays by e^{−kτ}, and dI/dt =
    ΔI/τ under both. That they add up to J − γI is then a measurement: it holds to O(τ).
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
