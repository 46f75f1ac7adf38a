"""What a scheme may say beside its step: metric, momenta, entropy, start, rewriting; by schemes made for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from wgf.solvers import Euler, Langevin

import wgf
from wgf import requirements
from wgf.errors import ConfigError, WgfWarning
from wgf.ops import linalg
from wgf.protocol import Solver, Step

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def start(n=200, d=2):
    return wgf.Ensemble.gaussian(n, d, cov=0.8, seed=1)


@dataclass(frozen=True)
class Preconditioned(Solver):
    """ẋ = −P ∇F with P = diag(1, 4), by Euler."""

    metric = "∫ ∇F·P∇F dμ"
    stochastic = realises_shannon = True

    def step(self, dynamics, state, h, noise):
        gradient = state.evaluation.gradient
        moved = gradient * torch.tensor([1.0, 4.0])
        return Step(state.mu.moved(state.mu.x - h * moved), state.mu.expect(linalg.row_dot(gradient, moved)))

    def dissipation(self, dynamics, state, slope):
        if slope is None:
            return math.nan
        return slope.mu.expect(linalg.row_dot(slope.force, slope.twin * torch.tensor([1.0, 4.0])))


@dataclass(frozen=True)
class Damped(Solver):
    """ẋ = p, ṗ = −p − ∇F, explicitly: F + ½|p|² falls by ∫|p|² dμ."""

    metric = "friction, ∫ |p|² dμ"

    def init(self, dynamics, mu, t):
        return torch.zeros_like(mu.x)

    def step(self, dynamics, state, h, noise):
        p = state.memory
        new = p - h * (p + state.evaluation.gradient)
        return Step(state.mu.moved(state.mu.x + h * p), state.mu.expect(linalg.row_dot(p, p)), new)

    def dissipation(self, dynamics, state, slope):
        return state.mu.expect(linalg.row_dot(state.memory, state.memory))

    def kinetic(self, state):
        return 0.5 * state.mu.expect(linalg.row_dot(state.memory, state.memory))


@dataclass(frozen=True)
class Sure(Euler):
    """Euler that knows its entropy and begins at the origin, without the term called Extra."""

    realises_shannon = True

    def rewrite(self, free_energy):
        return free_energy.only(lambda term: term.name != "Extra")

    def start(self, dynamics, mu, t):
        return mu.moved(torch.zeros_like(mu.x)).reweighted(torch.arange(1.0, mu.n + 1))

    def entropy(self, dynamics, state):
        return 0.25 * state.t


def test_the_dissipation_is_that_of_the_metric():
    F = wgf.Quadratic(1.0) - 0.1 * wgf.LogDet()
    sol = wgf.solve(F, start(), Preconditioned(), dt=0.01, t_end=0.5)
    gradient = F.gradient(sol.ensemble).numpy()
    want = (gradient**2 * [1.0, 4.0]).sum(1).mean()
    assert sol.ledger["dissipation"][-1] == pytest.approx(want, rel=1e-12)
    assert "Preconditioned: ∫ ∇F·P∇F dμ" in sol.ledger.notes["dissipation"]
    assert abs(sol.ledger["closure_total"][-1]) < 0.05
    assert "kinetic" not in sol.ledger


def test_a_metric_of_ones_own_takes_the_estimated_score():
    """At equilibrium of OU both estimates of ∇F are noise, and their product is near 0, in any metric."""
    mu, F = start(2000), wgf.Quadratic(1.25) - 1.0 * wgf.Shannon()
    book = wgf.solve(F, mu, Preconditioned(), dt=0.01, t_end=0.0).ledger
    assert abs(book["dissipation"][0]) < 0.2
    assert math.isfinite(book["dissipation_error"][0])
    few = wgf.solve(F, start(20), Preconditioned(), dt=0.01, t_end=0.0).ledger
    assert math.isnan(few["dissipation"][0])


def test_kinetic_energy_joins_the_balance():
    sol = wgf.solve(wgf.Quadratic(2.0), start(), Damped(), dt=1e-3, t_end=1.0, record_every=100)
    book = sol.ledger
    assert book["kinetic"][0] == 0.0
    total = book["free_energy"] + book["kinetic"]
    np.testing.assert_allclose(np.diff(total), -book["released"][1:], rtol=1e-10)
    np.testing.assert_allclose(book["closure"][2:], 0.0, atol=0.02)
    assert (np.diff(book["free_energy"])[:2] < 0).all()


def test_an_entropy_that_is_known_makes_the_ledger_exact():
    F = wgf.Quadratic() - 2.0 * wgf.Shannon() + wgf.Quadratic(5.0).named("Extra")
    sol = wgf.solve(F, start(), Sure(), dt=0.1, t_end=1.0)
    assert "term:Extra" not in sol.ledger
    assert sol.ledger["entropy"][-1] == 0.25
    assert sol.ledger["free_energy"][-1] == -0.5
    assert "closure_error" not in sol.ledger
    assert "of the density of Sure" in sol.ledger.notes["entropy"]
    assert float(sol.ensemble.weights[-1] / sol.ensemble.weights[0]) == pytest.approx(200.0)


def test_a_scheme_with_its_own_sum_needs_no_trapezoid():
    """Shannon with D̄ from every step: the closure has no error of D, and no note on how D is integrated."""
    F = wgf.Quadratic() - 0.1 * wgf.Shannon()
    own, estimated = (wgf.solve(F, start(400), s, dt=0.05, t_end=1.0) for s in (Preconditioned(), Langevin()))
    assert "trapezoidal" not in own.ledger.notes.get("closure", "")
    assert "trapezoidal" in estimated.ledger.notes["closure"]


def test_refusals_say_what_was_given_what_is_wanted_and_what_to_do():
    euler, mu = Euler(), wgf.Ensemble([[0.0], [1.0]], [0.25, 0.75])
    plain = wgf.from_function(lambda x, w: (x**2).mean(), name="plain")
    dynamics = wgf.protocol.Dynamics(wgf.FreeEnergy(plain._terms()), wgf.Noise(0))
    for ask, message in [
        (lambda: requirements.require_equal_weights(euler, mu), "Euler: the weights differ; wanted equal weights. Res"),
        (lambda: requirements.require_dim(euler, start(5, 3), 2, "Try."), "have dimension 3; wanted at most 2. Try."),
        (lambda: requirements.require_first_variation(euler, dynamics, mu), "plain gives no first variation"),
        (
            lambda: requirements.require_terms(euler, dynamics.free_energy, (wgf.Potential, wgf.Quadratic), "Add."),
            "plain is a FunctionOf; wanted Potential or Quadratic. Add.",
        ),
    ]:
        with pytest.raises(ConfigError, match=message):
            ask()
    requirements.require_equal_weights(euler, start())


def test_resampled_rows_have_fresh_ids_and_reweighted_ones_keep_theirs():
    mu = wgf.Ensemble([[0.0], [1.0], [2.0]], ids=[5, 3, 9])
    heavy = mu.reweighted(torch.tensor([1.0, 2.0, 5.0]))
    assert heavy.weights.tolist() == [0.125, 0.25, 0.625]
    assert heavy.ids.tolist() == [5, 3, 9]
    assert mu.equal_weights
    twice = heavy.select([2, 2, 0])
    assert len(set(twice.ids.tolist())) == 3


def test_a_coarse_step_of_any_metric_is_reported():
    with pytest.warns(WgfWarning, match="smaller dt"):
        wgf.solve(wgf.Quadratic(1.0), start(), Preconditioned(), dt=0.3, t_end=3.0)
