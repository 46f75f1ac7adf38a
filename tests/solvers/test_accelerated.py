"""The damped Hamiltonian flow: order 2, a ledger that closes, restarts, and how much faster than Euler it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import j1
from wgf.solvers import Accelerated, Euler

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def start(n=12, cov=0.2):
    return wgf.Ensemble.gaussian(n, 2, mean=[1.0, -0.5], cov=cov, seed=1)


def smooth():
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()
    return F + wgf.Quadratic(1.0, center=lambda t: math.sin(t))


def slope(hs, errors):
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


def oscillator(t, k, damping):
    """x(t)/x(0) of ẍ = −γẋ − kx from rest."""
    half, square = damping / 2, k - damping**2 / 4
    if square == 0:
        return math.exp(-half * t) * (1 + half * t)
    w = math.sqrt(abs(square))
    c, s = (math.cos(w * t), math.sin(w * t)) if square > 0 else (math.cosh(w * t), math.sinh(w * t))
    return math.exp(-half * t) * (c + half / w * s)


@pytest.mark.parametrize("damping", [0.0, 0.5, 2 * math.sqrt(2.0), 5.0, "nesterov"])
def test_order_two_against_the_exact_oscillator(damping):
    """Undamped, under-, critically and overdamped; with γ = 3/t it is 2J₁(√k t)/(√k t). The slope within .1."""
    k, t, mu, hs, errors = 2.0, 1.5, start(), [1 / 32, 1 / 64, 1 / 128], []
    s = math.sqrt(k) * t
    truth = (2 * j1(s) / s if damping == "nesterov" else oscillator(t, k, damping)) * mu.x
    for h in hs:
        sol = wgf.solve(wgf.Quadratic(k), mu, Accelerated(damping, restart=None), dt=h, t_end=t)
        errors.append(float((sol.ensemble.x - truth).norm()))
    assert slope(hs, errors) == pytest.approx(2.0, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("damping", [1.5, "nesterov"])
def test_order_two_with_an_interaction_an_entropy_and_a_drive(damping):
    """Against steps eight times shorter than the shortest, positions and momenta; the slope within .1."""

    def ends(h):
        sol = wgf.solve(smooth(), start(), Accelerated(damping, restart=None), dt=h, t_end=1.0, record_every=10**6)
        return torch.cat([sol.ensemble.x, sol.state.memory.p])

    truth, hs = ends(1 / 512), [1 / 16, 1 / 32, 1 / 64]
    assert slope(hs, [float((ends(h) - truth).norm()) for h in hs]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("damping", [1.5, "nesterov"])
def test_the_ledger_with_kinetic_energy_closes_to_order_two(damping):
    hs, closures = [1 / 16, 1 / 32, 1 / 64], []
    for h in hs:
        book = wgf.solve(smooth(), start(), Accelerated(damping, restart=None), dt=h, t_end=1.5, record_every=8).ledger
        total = book["free_energy"] + book["kinetic"]
        np.testing.assert_allclose(np.diff(total), book["work"][1:] - book["released"][1:], rtol=1e-9, atol=1e-13)
        closures.append(abs(book["closure_total"][-1]))
    assert book["kinetic"][0] == 0.0 < book["kinetic"][-1]
    assert "friction" in book.notes["dissipation"]
    assert slope(hs, closures) == pytest.approx(2.0, abs=0.2)


def test_a_restart_is_booked_as_dissipation():
    """The kinetic energy that each restart takes is in the balance: it closes as well as between restarts."""
    mu, F = start(), wgf.Quadratic([1.0, 30.0])
    sol = wgf.solve(F, mu, Accelerated(), dt=0.01, t_end=8.0, record_every=1)
    assert int(sol.state.memory.restarts) >= 2
    assert abs(sol.ledger["closure_total"][-1]) < 1e-3
    stopped = np.flatnonzero(sol.ledger["kinetic"][1:] == 0) + 1
    assert len(stopped) == int(sol.state.memory.restarts)
    assert (sol.ledger["dissipation"][stopped] == 0).all()
    assert (sol.ledger["dissipated"][stopped] > 0).all()


@pytest.mark.parametrize("restart", ["gradient", "function"])
def test_with_restarts_the_free_energy_never_rises_for_long(restart):
    """Not in two steps in a row, near the limit of stability and below it; without restarts, for tens of steps."""
    mu, F = wgf.Ensemble.gaussian(20, 3, seed=2), wgf.Quadratic([1.0, 10.0, 100.0])

    def longest(how, h):
        sol = wgf.solve(F, mu, Accelerated(restart=how), dt=h, t_end=150 * h, record_every=1)
        rises, runs = np.diff(sol.ledger["free_energy"]) > 0, [0]
        for up in rises:
            runs.append(runs[-1] + 1 if up else 0)
        return max(runs), sol.ledger["free_energy"]

    for h in (0.19, 0.1, 0.03):
        assert longest(restart, h)[0] <= 1
    assert longest(None, 0.03)[0] >= 10
    assert longest(restart, 0.1)[1][-1] < 1e-2 * longest(None, 0.1)[1][-1]


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "least"), [(100, 5.0), (1000, 12.0)])
def test_faster_than_euler_on_a_badly_conditioned_quadratic(condition, least):
    """Evaluations of ∇F until F is a millionth of its start, each scheme at its best step below its limit.

    235 by Euler and 34 here at condition 100 (6.9 times fewer), 1759 and 109 at 1000 (16 times): the condition number
    itself against its root. F is looked at every third step.
    """
    mu, F = wgf.Ensemble.gaussian(30, 5, seed=2), wgf.Quadratic(np.geomspace(1, condition, 5))
    goal = 1e-6 * float(F.value(mu))

    def work(solver, h):
        def reached(row):
            return row["free_energy"] <= goal

        sol = wgf.solve(F, mu, solver, dt=h, t_end=3000 * h, record_every=3, until=reached)
        return sol.ledger["evaluations"][-1] if sol.status == wgf.Status.CONVERGED else math.inf

    euler = min(work(Euler(), f * 2 / condition) for f in (0.9, 0.95, 0.98))
    ours = min(work(Accelerated(), f * 2 / math.sqrt(condition)) for f in (0.9, 0.95, 1.0))
    assert euler > least * ours


@pytest.mark.slow
def test_faster_than_euler_to_the_equilibrium_of_a_log_det_flow():
    """Condition 100 with an entropy: to within 1e-6 of F*, F = Σ ½ T (1 − log(T/kⱼ)) there for the moments."""
    k, temperature = np.array([1.0, 100.0]), 0.5
    mu, F = wgf.Ensemble.gaussian(40, 2, mean=[2.0, 1.0], seed=2), wgf.Quadratic(k) - temperature * wgf.LogDet()
    lowest = 0.5 * temperature * float(np.sum(1 - np.log(temperature / k)))

    def work(solver, h):
        def reached(row):
            return row["free_energy"] - lowest <= 1e-6

        sol = wgf.solve(F, mu, solver, dt=h, t_end=1200 * h, record_every=5, until=reached, throw=False)
        return sol.ledger["evaluations"][-1] if sol.status == wgf.Status.CONVERGED else math.inf

    euler = min(work(Euler(), h) for h in (0.008, 0.0095))
    ours = min(work(Accelerated(), h) for h in (0.08, 0.12))
    assert euler > 3 * ours


def test_momenta_are_reflected_by_walls():
    """A ball that bounces on the floor without friction: the energy stays, to the order of the wall."""
    F, mu = wgf.Potential(lambda x: x[:, 0]), wgf.Ensemble([[1.0], [0.4]])
    sol = wgf.solve(
        F, mu, Accelerated(0.0, restart=None), dt=4e-3, t_end=6.0, domain=wgf.domains.Box(0.0, 5.0), record_every=25
    )
    total = sol.ledger["free_energy"] + sol.ledger["kinetic"]
    np.testing.assert_allclose(total, total[0], atol=2e-2)
    assert sol.ledger["kinetic"].max() > 0.3


def test_settings_are_checked_and_minibatches_refused_where_values_are_compared():
    for settings, message in [
        ({"damping": "heavy"}, "damping = 'heavy': wanted a number ≥ 0 or 'nesterov'"),
        ({"damping": -1.0}, "damping = -1"),
        ({"restart": "often"}, "restart = 'often': wanted 'gradient', 'function' or None"),
    ]:
        with pytest.raises(ConfigError, match=message):
            Accelerated(**settings)
    rng = np.random.default_rng(0)
    risk = wgf.NetworkRisk(rng.normal(size=(20, 2)), rng.normal(size=20), batch=5)
    with pytest.raises(ConfigError, match=r"Accelerated: NetworkRisk is drawn on minibatches.*batch=None"):
        wgf.solve(risk, risk.initial(10), Accelerated(restart="function"), dt=0.1, t_end=1.0)
    assert wgf.solve(risk, risk.initial(10), Accelerated(), dt=0.1, t_end=1.0).status.ok
