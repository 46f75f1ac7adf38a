"""Affine-invariant Langevin dynamics (ALDI) on the posterior of a logistic regression."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import solvers
from ...entropies import Shannon
from ...functional import Functional
from ...measure import Ensemble
from ...protocol import Solver
from ..frame.case import Arrays, Body, Case, Floor, Target, power
from ..frame.machine import GEMM64
from ..solvers import answers, logistic
from . import ours
from .ours import ENDS, PIECES
from .peers import JAX, TORCH, jax64, scanned

H = 0.0125


def start(n: int) -> Arrays:
    """n points of the Gaussian around the maximum, and the signed rows of the data."""
    z, s = logistic.design()
    best, cov = logistic.maximum()
    noise = np.random.default_rng(0).standard_normal((n, len(best)))
    return {"x": best + noise @ np.linalg.cholesky(cov).T, "rows": s[:, None] * z}


def moments(x: Any) -> np.ndarray:
    """Mean and covariance of the particles, as d + 1 rows."""
    x = np.asarray(x)
    return np.concatenate([x.mean(0)[None], np.cov(x.T, bias=True)])


def oracle(arrays: Arrays) -> np.ndarray:
    """Mean and covariance of the posterior by importance sampling, as d + 1 rows."""
    mean, cov = logistic.moments()
    return np.concatenate([mean[None], cov])


def error(result: np.ndarray, known: np.ndarray) -> float:
    """The error of mean and covariance in units of the posterior."""
    return answers.gaussian_error(result[0], result[1:], known[0], known[1:])


def setup(arrays: Arrays) -> tuple[Functional, Ensemble, Solver]:
    return logistic.potential() - 1.0 * Shannon(), Ensemble(arrays["x"]), solvers.AffineInvariant()


def _pieces(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The gradient of the potential alone, at the start."""
    F, mu = logistic.potential(), Ensemble(arrays["x"])

    def call() -> None:
        for _ in range(steps):
            F.evaluate(mu)

    return call


def _torch(steps: int, arrays: Arrays) -> Callable[[], Any]:
    x0, rows = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["rows"])
    n, d = x0.shape

    def call() -> np.ndarray:
        x, noise = x0, torch.empty_like(x0)
        torch.manual_seed(1)
        for _ in range(steps):
            g = torch.addmm(x, torch.sigmoid(-(x @ rows.T)), rows, alpha=-1)
            away = x - x.mean(0)
            cov = away.T @ away / n
            x = torch.addmm(x, g, cov, alpha=-H).add_(away, alpha=H * (d + 1) / n)
            x = x.addmm_(noise.normal_(), torch.linalg.cholesky(cov).T, alpha=math.sqrt(2 * H))
        return moments(x)

    return call


def _jax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    jax = jax64()
    jnp = jax.numpy
    x0, rows = jnp.asarray(arrays["x"]), jnp.asarray(arrays["rows"])
    n, d = x0.shape

    def step(x: Any, key: Any) -> Any:
        g = x - jax.nn.sigmoid(-(x @ rows.T)) @ rows
        away = x - x.mean(0)
        cov = away.T @ away / n
        noise = jax.random.normal(key, x.shape, x.dtype) @ jnp.linalg.cholesky(cov).T
        return x - H * (g @ cov) + (H * (d + 1) / n) * away + math.sqrt(2 * H) * noise

    walk = scanned(step, lambda key: jax.random.split(key, steps), x0)
    return lambda: moments(walk())


def _case(n: int, steps: int) -> Case:
    bodies: dict[str, Body] = ours.bodies(setup, H, steps, moments)
    bodies |= {PIECES: partial(_pieces, steps), TORCH: partial(_torch, steps), JAX: partial(_jax, steps)}
    samples, d = 455, 31
    return Case(
        name=f"ALDI, logistic posterior, d = {d}, n = {power(n)}, {steps} steps",
        family="posterior",
        arrays=partial(start, n),
        bodies=bodies,
        oracle=oracle,
        bound=2 * answers.gaussian_floor(n, d),
        floors={"GEMM": Floor(GEMM64, steps * (4.0 * n * samples * d + 6.0 * n * d * d))},
        targets=[Target("faster", (TORCH, JAX), None, 1.0, ENDS)],
        gap=GAP,
        error=error,
        unit=f"error of mean and covariance in units of the posterior; {n} independent points have "
        f"{answers.gaussian_floor(n, d):.2g}",
        steps=steps,
        checked=ENDS,
    )


def cases(quick: bool) -> list[Case]:
    """The row of the posterior."""
    return [_case(200, 50) if quick else _case(500, 400)]


GAP = (
    "Two products with the data and 2·10⁵ sigmoids a step in torch, the same in every body. Ours also takes the value "
    "of the potential at each step, for the ledger: as many logarithms."
)
