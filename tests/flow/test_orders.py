"""Orders of the schemes that have no file of their own: by the final error, on shared paths, and by the closure."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from flows import driven, free_energy, slope, start
from paths import SharedPath
from wgf.solvers import Euler, Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def waving():
    return free_energy() + (lambda t: math.sin(3 * t)) * wgf.Quadratic(0.5)


@cache
def truth():
    """Its flow at t = 1 by small steps of Runge–Kutta."""
    return wgf.solve(waving(), start(cov=0.2), RungeKutta4(), dt=1 / 512, t_end=1.0, record_every=2000).ensemble.x


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [Euler, Heun, RungeKutta4])
def test_order_of_deterministic_schemes(scheme):
    """The log–log slope of the final error is the order, within .15; time-dependent coefficients included."""
    F, mu = waving(), start(cov=0.2)
    hs = [1 / 16, 1 / 32, 1 / 64]
    errors = [float((wgf.solve(F, mu, scheme(), dt=h, t_end=1.0).ensemble.x - truth()).norm()) for h in hs]
    assert slope(hs, errors) == pytest.approx(scheme.order, abs=0.15)


def test_langevin_has_strong_order_one_for_additive_noise():
    """On shared paths the error at t = 1 against h = 1/1024 falls with slope 1 (order ½ would give .5)."""
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.2 * wgf.Shannon()
    mu = start(40, 1, cov=0.2)

    def end(fine_steps):
        h = fine_steps / 1024
        return wgf.solve(
            F, mu, Langevin(), dt=h, t_end=1.0, noise=SharedPath(3, fine_steps), record_every=1000
        ).ensemble.x

    truth, hs, errors = end(1), [], []
    for steps in (8, 16, 32):
        hs.append(steps / 1024)
        errors.append(float((end(steps) - truth).norm()))
    assert slope(hs, errors) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("scheme", "F", "order"),
    [
        (Euler, free_energy, 1), (Heun, free_energy, 2), (RungeKutta4, free_energy, 4),
        (Euler, driven, 1), (Heun, driven, 2), (RungeKutta4, driven, 2),
    ],
)  # fmt: skip
def test_closure_falls_at_the_stated_order(scheme, F, order):
    """O(h^p), and O(h^min(p,2)) when driven: the median over the steps to t = ½."""
    hs = [1 / 16, 1 / 32, 1 / 64]
    closures = []
    for h in hs:
        book = wgf.solve(F(), start(cov=0.2), scheme(), dt=h, t_end=0.5, record_every=1).ledger
        closures.append(np.median(np.abs(book["closure"][1:])))
    assert slope(hs, closures) == pytest.approx(order, abs=0.35)
