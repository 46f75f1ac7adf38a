"""What a scheme may say beside its step: metric, momenta, entropy, start, rewriting; by schemes made for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from wgf.solvers import BirthDeath, Euler, Grid, Langevin, RandomBatch

import wgf
from wgf import kernels as K
from wgf.domains import Box
from wgf.errors import ConfigError, DivergenceError, WgfWarning
from wgf.ops import linalg
from wgf.protocol import Solver, Step, requirements

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
        (lambda: requirements.require_dim(euler, start(5, 3), 2, "Try."), "have dimension 3; wanted at most 2. Try."),
        (lambda: requirements.require_first_variation(euler, dynamics, mu, 0.0), "plain gives no first variation"),
    ]:
        with pytest.raises(ConfigError, match=message):
            ask()


def test_first_variations_are_asked_at_two_particles():
    """At different places, one of them with mass; at all particles where two are not enough."""
    places, counts = [], []

    def bowl(x):
        places.append(x.flatten().tolist())
        return (x**2).sum(1)

    def at_least_five(x, w):
        counts.append(len(x))
        assert len(x) >= 5
        return w @ (x**2).sum(1)

    mu = wgf.Ensemble([[2.0], [1.0], [1.0], [3.0]], [0.0, 0.25, 0.5, 0.25])
    terms = wgf.Potential(bowl) + wgf.from_function(at_least_five, name="five")
    places.clear()
    requirements.require_first_variation(Euler(), wgf.protocol.Dynamics(terms, wgf.Noise(0)), mu, 0.0)
    assert places == [[1.0, 2.0]]
    assert counts == [4, 8]  # particles and points


def test_first_variations_of_singular_interactions_leave_out_the_self_pair():
    F, scheme = wgf.Quadratic() + wgf.Interaction(K.Log()), BirthDeath(ess_threshold=0.0)
    assert wgf.solve(F, start(), scheme, dt=0.01, t_end=0.1).status.ok
    with pytest.raises(DivergenceError, match="particle 0 and particle 1 coincide"):
        wgf.solve(F, wgf.Ensemble([[1.0], [1.0]]), scheme, dt=0.01, t_end=0.1)


@pytest.mark.parametrize("scheme", [BirthDeath(), RandomBatch(BirthDeath()), Grid(20)], ids=lambda scheme: scheme.name)
def test_first_variations_are_asked_at_the_start_time(scheme):
    """A stiffness of 1/t has no value at t = 0, where the run is not."""
    F, mu = wgf.Quadratic(lambda t: 1 / t) - 0.1 * wgf.Shannon(), wgf.Ensemble.uniform(50, 1, -1.0, 1.0, seed=1)
    sol = wgf.solve(F, mu, scheme, dt=0.1, t0=1.0, t_end=1.5, domain=Box(-2.0, 2.0))
    on = wgf.solve(F, None, scheme, dt=0.1, t_end=2.0, state=sol.state, domain=Box(-2.0, 2.0))
    assert on.status.ok
    assert on.state.t == 2.0


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
