"""Peers of Langevin dynamics on an Ornstein–Uhlenbeck ensemble, and the exact law of its Euler–Maruyama steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..frame.case import Arrays
from .peers import jax64, scanned

H, TEMPERATURE, STIFFNESS = 0.01, 1.0, 2.0
SCALE, DECAY = math.sqrt(2 * H * TEMPERATURE), 1 - STIFFNESS * H
"""A step is x ← DECAY x + SCALE ξ, that of Euler and Maruyama for V = STIFFNESS |x|²/2."""


# ------------------------------------------------------------------------------------------- the law


def moments(x: Any) -> np.ndarray:
    """The mean and the upper triangle of the covariance of all particles, in float64."""
    x = np.asarray(x, np.float64)
    cov = np.atleast_2d(np.cov(x.T, bias=True))
    return np.concatenate([x.mean(0), cov[np.triu_indices(len(cov))]])


def law(steps: int, arrays: Arrays) -> np.ndarray:
    """Expectation and standard error of `moments` after so many steps from these very particles, as two rows.

    A step is x ← ax + sξ. After k steps x = aᵏx₀ + σξ with σ² = s²(1 − a²ᵏ)/(1 − a²): the mean has the variance σ²/n,
    and C_ij has (σ⁴(1 + δ_ij) + σ²a²ᵏ(C⁰_ii + C⁰_jj + 2δ_ij C⁰_ij))/n.
    """
    x = arrays["x"].astype(np.float64)
    n, d = x.shape
    start, kept = np.atleast_2d(np.cov(x.T, bias=True)), DECAY**steps
    var = SCALE**2 * (1 - kept**2) / (1 - DECAY**2)
    one = np.eye(d)
    wide = np.diag(start)[:, None] + np.diag(start) + 2 * one * start
    errors = np.sqrt((var**2 * (1 + one) + var * kept**2 * wide) / n)
    upper = np.triu_indices(d)
    expected = np.concatenate([x.mean(0) * kept, (kept**2 * start + (1 - 1 / n) * var * one)[upper]])
    return np.stack([expected, np.concatenate([np.full(d, math.sqrt(var / n)), errors[upper]])])


def deviation(result: np.ndarray, known: np.ndarray) -> float:
    """The largest deviation from the expectation, in standard errors."""
    if result.shape != known[0].shape:
        raise ValueError(f"{len(result)} moments; wanted {len(known[0])}")
    return float((np.abs(result - known[0]) / known[1]).max())


# ------------------------------------------------------------------------------------------- peers


def by_torch(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Two passes a step, into memory that is used again."""
    start = torch.from_numpy(arrays["x"])

    def call() -> np.ndarray:
        x, noise = start.clone(), torch.empty_like(start)
        torch.manual_seed(1)
        for _ in range(steps):
            x.mul_(DECAY).add_(noise.normal_(), alpha=SCALE)
        return moments(x)

    return call


def by_jax(first: bool, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """A scan under jit, with the noise made inside the loop or, for small ensembles, all of it before."""
    jax = jax64()
    x = jax.numpy.asarray(arrays["x"])
    decay, scale = x.dtype.type(DECAY), x.dtype.type(SCALE)
    if first:
        walk = scanned(
            lambda x, z: decay * x + scale * z, lambda key: jax.random.normal(key, (steps, *x.shape), x.dtype), x
        )
    else:
        walk = scanned(
            lambda x, key: decay * x + scale * jax.random.normal(key, x.shape, x.dtype),
            lambda key: jax.random.split(key, steps),
            x,
        )
    return lambda: moments(walk())


def by_diffrax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Euler under jit, with its fastest Brownian path, which stores nothing."""
    jax = jax64()
    import diffrax
    import lineax

    start = jax.numpy.asarray(arrays["x"]).reshape(-1)
    shape = jax.ShapeDtypeStruct(start.shape, start.dtype)

    @jax.jit
    def walk(y: Any, key: Any) -> Any:
        path = diffrax.UnsafeBrownianPath(shape=shape, key=key)
        diffusion = jax.numpy.full_like(y, math.sqrt(2 * TEMPERATURE))
        terms: Any = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, y, args: -y.dtype.type(STIFFNESS) * y),
            diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(diffusion), path),
        )
        return diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, steps * H, H, y, adjoint=diffrax.DirectAdjoint(), max_steps=steps + 1
        ).ys[-1]

    return lambda: moments(np.asarray(walk(start, jax.random.key(1))).reshape(arrays["x"].shape))


class _Process(torch.nn.Module):
    """dx = −kx dt + √(2T) dB in the form that torchsde needs."""

    noise_type, sde_type = "diagonal", "ito"

    def f(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return -STIFFNESS * x

    def g(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, math.sqrt(2 * TEMPERATURE))


def by_torchsde(steps: int, arrays: Arrays) -> Callable[[], Any]:
    import torchsde

    x = torch.from_numpy(arrays["x"])
    times = torch.tensor([0.0, steps * H], dtype=x.dtype)

    def call() -> np.ndarray:
        torch.manual_seed(1)
        with torch.no_grad():
            return moments(torchsde.sdeint(_Process(), x, times, method="euler", dt=H)[-1])

    return call


def by_blackjax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Its unadjusted Langevin step (`sgld`) on all particles at once."""
    jax = jax64()
    import blackjax

    x = jax.numpy.asarray(arrays["x"])
    algorithm = blackjax.sgld(lambda x, batch: -x.dtype.type(STIFFNESS) * x)
    h, temperature = x.dtype.type(H), x.dtype.type(TEMPERATURE)
    walk = scanned(
        lambda x, key: algorithm.step(key, x, 0.0, h, temperature).astype(x.dtype),
        lambda key: jax.random.split(key, steps),
        x,
    )
    return lambda: moments(walk())
