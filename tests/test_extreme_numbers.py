"""Numbers that no float and no counter holds: each place that takes a number refuses them by a typed error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import ConfigError, ShapeError, WgfError

HUGE = 10**400
mu = wgf.Ensemble.gaussian(10, 2)
X = mu.x


def run(F: Any = None, **settings: Any) -> wgf.Solution:
    return wgf.solve(F or wgf.Quadratic(), mu, wgf.solvers.Heun(), **({"dt": 0.1, "t_end": 0.3} | settings))


PLACES = {
    "an observer": lambda h: run(observers={"a": lambda m: h}),
    "a coefficient": lambda h: h * wgf.Quadratic(),
    "a divisor": lambda h: wgf.Quadratic() / h,
    "a coefficient of t": lambda h: run((lambda t: h) * wgf.Quadratic()),
    "dt": lambda h: run(dt=h),
    "t_end": lambda h: run(t_end=h),
    "t0": lambda h: run(t0=h),
    "seed": lambda h: run(seed=h),
    "particles": lambda h: wgf.Ensemble([[h]]),
    "weights": lambda h: wgf.Ensemble([[1.0]], [h]),
    "ids": lambda h: wgf.Ensemble([[1.0]], ids=[h]),
    "rows": lambda h: mu.select([h]),
    "points": lambda h: wgf.Quadratic().gradient(mu, at=[[h, h]]),
    "values": lambda h: mu.expect([h] * 10),
    "a mean": lambda h: wgf.Ensemble.gaussian(3, 1, mean=h),
    "a covariance": lambda h: wgf.Ensemble.gaussian(3, 1, cov=h),
    "a bound": lambda h: wgf.Ensemble.uniform(3, 1, high=h),
    "a bandwidth": lambda h: wgf.kernels.Gaussian(h),
    "a ridge": lambda h: wgf.LogDet(h),
    "a radius": lambda h: wgf.domains.Ball(h),
    "a box": lambda h: wgf.domains.Box([0.0], [h]),
    "a centre": lambda h: wgf.Quadratic(center=[h]),
    "data": lambda h: wgf.LeastSquares(lambda x: x, [h]),
    "targets": lambda h: wgf.NetworkRisk(X, [h] * 10),
    "priors": lambda h: run(
        wgf.drives.LabelShift(wgf.NetworkRisk(X, torch.tensor([0, 1] * 5), loss="cross_entropy"), [h, 1])
    ),
    "a schedule": lambda h: wgf.drives.Piecewise([(0.0, 1.0), (1.0, h)]),
    "regularisation": lambda h: wgf.diagnostics.wasserstein(mu, mu, regularisation=h),
    "sigma": lambda h: wgf.diagnostics.information_bound(X, h),
    "a temperature": lambda h: wgf.regularizers.ForceMonitor(wgf.Variance(), h),
    "noise of a teacher": lambda h: wgf.data.teacher_student(3, 2, noise=h),
    "a test fraction": lambda h: wgf.data.load("digits", test_fraction=h),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [HUGE, -HUGE], ids=["huge", "-huge"])
def test_integers_beyond_every_float(place, number):
    with pytest.raises((ConfigError, ShapeError)):
        PLACES[place](number)


@pytest.mark.parametrize("returned", [HUGE, np.array(HUGE, dtype=object), "many", None, [1.0, 2.0], 1j])
def test_an_observer_that_returns_no_number_is_named(returned):
    with pytest.raises(ConfigError, match="observer 'a' returned") as refused:
        run(observers={"a": lambda m: returned})
    assert isinstance(refused.value, WgfError)
    assert refused.value.solution.ledger.rows == 0


@pytest.mark.parametrize("name", [["tanh"], {"tanh": 1}, 3, None, HUGE])
def test_names_that_are_no_strings(name):
    """A list cannot be looked up in a dictionary of names; it is refused like any unknown name."""
    for ask in (
        lambda: wgf.NetworkRisk(X, X[:, 0], activation=name),
        lambda: wgf.NetworkRisk(X, X[:, 0], loss=name),
        lambda: wgf.data.teacher_student(3, 2, activation=name),
        lambda: mu.to(dtype=name) if name is not None else wgf.Ensemble.gaussian(2, 2, dtype=name),
        lambda: wgf.Softmax(axis=name),
        lambda: wgf.diagnostics.wasserstein(mu, mu, method=name),
        lambda: wgf.Interaction(wgf.kernels.Gaussian(1.0), method=name),
    ):
        with pytest.raises(ConfigError):
            ask()
    if name is not None:
        with pytest.raises(ConfigError):
            wgf.Interaction(wgf.kernels.Gaussian(1.0), costs=name)
