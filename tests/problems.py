"""Runs of every kind, healthy and failing, for the CPU and for a GPU."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from wgf.solvers import Euler, Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError
from wgf.measure import checks


def start(n=40, d=2, seed=1, cov=0.8):
    return wgf.Ensemble.gaussian(n, d, cov=cov, seed=seed)


def risk(device="cpu", **settings):
    rng = np.random.default_rng(0)
    z, y = (torch.from_numpy(rng.normal(size=shape)) for shape in ((60, 2), (60,)))
    made = wgf.NetworkRisk(z, y, **settings)
    made.inputs, made.targets = made.inputs.to(device), made.targets.to(device)
    return made


def quartic(x):
    return (x**4).sum(1) / 4


PROBLEMS = {
    "network": lambda device: (risk(device) + 1e-3 * wgf.Quadratic() - 0.01 * wgf.LogDet(), 4, Heun()),
    "minibatch": lambda device: (risk(device, batch=7) + 1e-3 * wgf.Quadratic() - 0.01 * wgf.LogDet(), 4, Heun()),
    "huber": lambda device: (risk(device, loss="huber", activation="softplus") - 0.1 * wgf.LogVariance(), 4, Euler()),
    "few neurons": lambda device: (0.1 * wgf.Quadratic() - 0.1 * wgf.LogDet(ridge=1e-3), 60, RungeKutta4()),
    "annealed": lambda device: (
        wgf.Interaction(K.Gaussian(1.0)) + wgf.Quadratic() - (lambda t: 1.0 / (1 + t)) * wgf.Shannon(), 2, Langevin(),
    ),
    "blob": lambda device: (wgf.Quadratic() - 0.2 * wgf.Blob(0.4) - 0.1 * wgf.Power(2.0, 0.5), 2, Heun()),
    "singular": lambda device: (wgf.Quadratic() + wgf.Interaction(0.5 * K.Log() + K.Newtonian(2)), 2, Heun()),
    "kernels": lambda device: (
        wgf.Interaction(K.QuadraticKernel() + K.Cosine() + K.RadialKernel(lambda q: 1 / (1 + q))) - wgf.Variance(),
        2, Euler(),
    ),
    "user": lambda device: (
        wgf.Potential(quartic) + wgf.Potential(quartic, grad=lambda x: x**3)
        + wgf.from_function(lambda x, w: (w[:, None] * x**2).sum(), name="spread"), 2, Heun(),
    ),
    "driven": lambda device: (
        (lambda t: 1 + t) * wgf.Quadratic([[2.0, 0.1], [0.1, 1.0]], center=lambda t: [math.sin(t), 0.0])
        + (lambda t: math.cos(t)) * wgf.Potential(quartic) - (lambda t: 0.1 * t) * wgf.Softmax(axis="particles"),
        2, Heun(),
    ),
}  # fmt: skip
"""By name, device -> (F, dimension, solver)."""


every_problem = pytest.mark.parametrize("name", PROBLEMS)


def run(name, deferred, **arguments):
    F, dim, solver = PROBLEMS[name]("cpu")
    with checks.forced(deferred):
        return wgf.solve(
            F, start(d=dim), solver, **({"dt": 0.05, "t_end": 0.6, "record_every": 4, "seed": 3} | arguments)
        )


def infinite_for_a_moment(x, w):
    """Its value is infinite while the mean is in (.5, .6), and its force never: the state stays finite."""
    mean = (w @ x).sum()
    return mean**2 + torch.where((mean > 0.5) & (mean < 0.6), math.inf, 0.0).detach()


class Moody:
    """Raises at its k-th call, whatever it is given."""

    def __init__(self, k, error):
        self.left, self.error = k, error

    def __call__(self, x):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return (x**2).sum(1)


def square(values):
    return wgf.Ensemble(torch.tensor(values, dtype=torch.float64))


FAILURES = {
    "too large a step": lambda: (
        wgf.Potential(lambda x: (x**4).sum(1)).named("quartic") + wgf.Quadratic(), square([[0.1], [40.0], [0.2]]),
        Euler(), 0.1, DivergenceError,
    ),
    "a stage of Heun": lambda: (
        wgf.Interaction(K.RadialKernel(lambda q: q**2)), square([[0.1], [4.0], [0.2]]), Heun(), 0.1, DivergenceError,
    ),
    "NaN from a user's value": lambda: (
        wgf.Potential(lambda x: torch.sqrt(x[:, 0] - 0.5)), square([[1.0], [0.8]]), Euler(), 0.05, DivergenceError,
    ),
    "NaN from a user's force": lambda: (
        wgf.Quadratic() + wgf.Potential(quartic, grad=lambda x: torch.where(x < 0.7, math.nan, 0.0 * x)),
        square([[1.0], [0.9]]), Euler(), 0.05, DivergenceError,
    ),
    "an infinite value that passes": lambda: (
        wgf.Quadratic() + wgf.from_function(infinite_for_a_moment), square([[1.0], [1.1]]), Euler(), 0.02,
        DivergenceError,
    ),
    "in the work of a driven term": lambda: (
        wgf.Quadratic() + (lambda t: 1e-9 * t) * wgf.from_function(infinite_for_a_moment), square([[1.0], [1.1]]),
        Euler(), 0.02, DivergenceError,
    ),
    "a singular covariance": lambda: (
        1e3 * wgf.Quadratic() - 0.0 * wgf.LogDet(), square([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), Euler(), 1e-3,
        ConfigError,
    ),
    "a vanishing variance": lambda: (
        wgf.Quadratic([1.0, 20.0]) - 0.0 * wgf.LogVariance(), square([[1.0, 0.0], [0.0, 1.0]]), Euler(), 0.05,
        ConfigError,
    ),
    "coincident particles": lambda: (
        wgf.Quadratic(10.0) + 0.0 * wgf.Interaction(K.Log()), square([[1.0], [2.0]]), Euler(), 0.1, DivergenceError,
    ),
    "a stochastic run": lambda: (
        wgf.Potential(lambda x: -(x**4).sum(1)) - 0.1 * wgf.Shannon(), start(60, 1), Langevin(), 0.05, DivergenceError,
    ),
}  # fmt: skip
"""By name, () -> (F, ensemble, solver, dt, the kind of error)."""


every_failure = pytest.mark.parametrize("name", FAILURES)
