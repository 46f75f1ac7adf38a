"""Training of a mean-field network on digits: all data at each step, or minibatches that are the same for all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import data, solvers
from ...energies import NetworkRisk, Quadratic
from ...entropies import LogDet
from ...functional import Functional
from ...measure import MINIBATCH, Ensemble, Noise
from ...protocol import Solver
from ..frame.case import Arrays, Body, Case, Floor, Target, power, relative_error
from ..frame.machine import GEMM64
from ..kernels.network import gradient
from . import ours
from .ours import ENDS, PIECES
from .peers import JAX, TORCH, jax64

H, DECAY, TEMPERATURE, CLASSES = 0.1, 1e-3, 1e-2, 10
"""The step, and the coefficients of ½|θ|² and of the log-det entropy. The coefficients are those of the default run. A
longer step resolves the start badly."""


def start(n: int, batch: int | None, steps: int) -> Arrays:
    """The neurons, the training digits, and the samples of each step in the order that a run with seed 1 draws."""
    train, _ = data.load("digits")
    z, y = train.x, train.y
    risk = NetworkRisk(z, y, loss="cross_entropy")
    arrays = {"theta": risk.initial(n).x.numpy(), "z": z.numpy(), "y": y.numpy()}
    if batch is not None:
        ids, noise = torch.arange(len(z)), Noise(1)
        order = [torch.argsort(noise.uniform(ids, k, 1, MINIBATCH)[:, 0], stable=True)[:batch] for k in range(steps)]
        arrays["batches"] = torch.stack(order).numpy()
    return arrays


def _samples(arrays: Arrays, step: int) -> Any:
    return arrays["batches"][step] if "batches" in arrays else slice(None)


def end(rows: slice, steps: int, arrays: Arrays) -> np.ndarray:
    """The exact neurons on some rows after so many Euler steps, by products in float64."""
    theta = arrays["theta"].copy()
    for step in range(steps):
        chosen = _samples(arrays, step)
        g = gradient(theta, arrays["z"][chosen], arrays["y"][chosen]) + DECAY * theta
        away = theta - theta.mean(0)
        g -= TEMPERATURE * np.linalg.solve(away.T @ away / len(theta), away.T).T
        theta = theta - H * g
    return theta[rows]


def setup(batch: int | None, arrays: Arrays) -> tuple[Functional, Ensemble, Solver]:
    risk = NetworkRisk(arrays["z"], arrays["y"], loss="cross_entropy", batch=batch)
    return risk + DECAY * Quadratic() - TEMPERATURE * LogDet(), Ensemble(arrays["theta"]), solvers.Euler()


def _pieces(batch: int | None, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Value and gradient of the risk on as many samples, without the other terms."""
    risk = NetworkRisk(arrays["z"][:batch], arrays["y"][:batch] % CLASSES, loss="cross_entropy")
    mu = Ensemble(arrays["theta"])

    def call() -> None:
        for _ in range(steps):
            risk.evaluate(mu)

    return call


def _torch(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """As a user writes it: the free energy of all neurons, then autograd. n·∇ is the Wasserstein gradient."""
    start, z, y = (torch.from_numpy(arrays[name]) for name in ("theta", "z", "y"))
    batches = torch.from_numpy(arrays["batches"]) if "batches" in arrays else None
    n = len(start)

    def free_energy(theta: torch.Tensor, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(torch.addmm(theta[:, -1], z, theta[:, CLASSES:-1].T))
        risk = torch.nn.functional.cross_entropy(hidden @ theta[:, :CLASSES] / n, y)
        away = theta - theta.mean(0)
        entropy = torch.linalg.cholesky(away.T @ away / n).diagonal().log().sum()
        return risk + 0.5 * DECAY * theta.square().sum() / n - TEMPERATURE * entropy

    def call() -> torch.Tensor:
        theta = start
        for step in range(steps):
            theta = theta.detach().requires_grad_()
            chosen = (z, y) if batches is None else (z[batches[step]], y[batches[step]])
            (g,) = torch.autograd.grad(free_energy(theta, *chosen), theta)
            theta = theta.detach().sub(g, alpha=H * n)
        return theta

    return call


def _jax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The same by `jax.grad` in a scan under jit."""
    jax = jax64()
    jnp = jax.numpy
    start, z, y = (jnp.asarray(arrays[name]) for name in ("theta", "z", "y"))
    batches = jnp.asarray(arrays["batches"]) if "batches" in arrays else None
    n = len(start)

    def free_energy(theta: Any, z: Any, y: Any) -> Any:
        f = jnp.tanh(z @ theta[:, CLASSES:-1].T + theta[:, -1]) @ theta[:, :CLASSES] / n
        risk = (jax.nn.logsumexp(f, axis=1) - jnp.take_along_axis(f, y[:, None], 1)[:, 0]).mean()
        away = theta - theta.mean(0)
        entropy = jnp.log(jnp.diagonal(jnp.linalg.cholesky(away.T @ away / n))).sum()
        return risk + 0.5 * DECAY * (theta * theta).sum() / n - TEMPERATURE * entropy

    slope = jax.grad(free_energy)

    @jax.jit
    def walk(theta: Any, batches: Any) -> Any:
        def step(theta: Any, batch: Any) -> Any:
            chosen = (z, y) if batch is None else (z[batch], y[batch])
            return theta - H * n * slope(theta, *chosen), None

        return jax.lax.scan(step, theta, batches, length=steps)[0]

    return lambda: np.asarray(walk(start, batches))


def _sklearn(batch: int | None, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Its network of the same shape by plain gradient steps. Weights start elsewhere, so there is no error."""
    from sklearn.neural_network import MLPClassifier

    z, y = arrays["z"], arrays["y"]
    size = batch or len(z)
    epochs = max(1, round(steps / -(-len(z) // size)))
    network = MLPClassifier(
        (len(arrays["theta"]),), activation="tanh", solver="sgd", momentum=0.0, alpha=0.0, batch_size=size,
        learning_rate_init=1e-3, max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1, random_state=0,
    )  # fmt: skip

    def call() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it has not converged
            network.fit(z, y)

    return call


def _case(n: int, batch: int | None, steps: int) -> Case:
    m, inputs = 1438 if batch is None else batch, 64
    bodies: dict[str, Body] = ours.bodies(partial(setup, batch), H, steps)
    bodies |= {
        PIECES: partial(_pieces, batch, steps),
        TORCH: partial(_torch, steps),
        JAX: partial(_jax, steps),
        "scikit-learn": partial(_sklearn, batch, steps),
    }
    rows = slice(None, None, max(1, n // 200))
    return Case(
        name=f"network on digits, {power(n)} neurons, {f'batches of {batch}' if batch else 'all data'}, {steps} steps",
        family="network",
        arrays=partial(start, n, batch, steps),
        bodies=bodies,
        oracle=partial(end, rows, steps),
        rows=rows,
        bound=1e-9,
        floors={"GEMM": Floor(GEMM64, steps * n * m * (6.0 * inputs + 6.0 * CLASSES))},
        targets=[Target("faster", (TORCH,), 2.0, 4.0, ENDS), Target("faster", (JAX, "scikit-learn"), None, 1.0, ENDS)],
        gap=GAP,
        error=relative_error,
        unit="distance of the neurons from the same steps in numpy, relative",
        steps=steps,
        checked=ENDS,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the network. Steps with batches are a whole number of epochs, 12 batches each, for scikit-learn."""
    if quick:
        return [_case(128, 128, 12)]
    return [_case(4096, None, 10), _case(512, 128, 480)]


GAP = (
    "The floor counts the products alone, 6NM(D + K) operations with the forward pass made twice. In addition there "
    "are NM activations a pass, which cost about as much as 10 to 20 inputs, and for small batches what Python does "
    "for a step. Minibatches are drawn by the seed of the run: a random number for every sample, and a sort. LogDet in "
    "75 dimensions takes a covariance, its inverse and a product, about a quarter of the time of such a step."
)
