"""Functions of the user read the particles: what they write is refused by name, and reaches neither run nor caller."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from wgf.solvers import Euler, Heun

import wgf
from wgf import drives
from wgf.errors import ConfigError
from wgf.extension import Reading
from wgf.functional import Functional
from wgf.protocol import Solver, Step

X = np.random.default_rng(0).normal(size=(20, 2)) + 1.0
SETTINGS = {"dt": 0.1, "t_end": 1.0, "record_every": 2}


def by_torch(x):
    x.mul_(0.5)


def by_item(x):
    x[0] = 7.0


def without_grad(x):
    with torch.no_grad():
        x.mul_(0.5)


def by_data(x):
    x.data.mul_(0.5)


def by_view(x):
    x.detach()[:, 0].zero_()


def by_numpy(x):
    x.detach().numpy()[:] = 0.0


WRITERS = [by_torch, by_item, without_grad, by_data, by_view, by_numpy]


def well(x):
    return 0.5 * (x**2).sum(1)


def writing(write, function, which=0):
    """The function, after something was written to one of its arguments."""

    def both(*arguments):
        write(arguments[which])
        return function(*arguments)

    return both


TERMS = {
    "Potential: fn": lambda write: wgf.Potential(writing(write, well)),
    "Potential: fn with grad": lambda write: wgf.Potential(writing(write, well), grad=lambda x: x),
    "Potential: grad": lambda write: wgf.Potential(well, grad=writing(write, lambda x: x + 0)),
    "spread: the function": lambda write: wgf.from_function(
        writing(write, lambda x, w: (w[:, None] * x**2).sum()), "spread"
    ),
    "KSD: score": lambda write: wgf.KSD(writing(write, lambda x: -x), wgf.kernels.Gaussian(1.0)),
    "LeastSquares: forward": lambda write: wgf.LeastSquares(writing(write, lambda x: x), data=[0.0, 0.0]),
}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", TERMS)
def test_a_term_that_writes_is_refused_by_name(name, write):
    for use in (lambda F, mu: wgf.solve(F, mu, Euler(), **SETTINGS), lambda F, mu: F.gradient(mu)):
        mu = wgf.Ensemble(X)
        term = TERMS[name](write)
        with pytest.raises(ConfigError, match=rf"{name.removesuffix(' with grad')} writes to what it was given"):
            use(term, mu)
        assert torch.equal(mu.x, torch.from_numpy(X))


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("part", ["x", "weights"])
@pytest.mark.parametrize("alone", [True, False])
def test_an_observer_that_writes_is_refused_and_reaches_nothing(part, write, alone):
    """F = ½E|x|² of the particles as given is recorded, and the caller's ensemble keeps its numbers."""
    if part == "weights" and write is by_view:
        pytest.skip("weights have one axis")
    mu, right = wgf.Ensemble(X), 0.5 * float((X**2).sum(1).mean())

    def spoil(m):
        write(getattr(m, part))
        return 0.0

    observers = {"spoil": spoil} | ({} if alone else {"mean": lambda m: m.mean()[0]})
    with pytest.raises(ConfigError, match=r"observer.* 'spoil'.* writes to what it was given") as told:
        wgf.solve(wgf.Quadratic(), mu, Heun(), **SETTINGS, observers=observers)
    assert torch.equal(mu.x, torch.from_numpy(X))
    assert torch.equal(mu.weights, torch.full((20,), 1 / 20, dtype=torch.float64))
    assert torch.equal(told.value.solution.ensemble.x, mu.x)
    assert float(wgf.Quadratic().value(told.value.solution.ensemble)) == pytest.approx(right)


def test_an_observer_that_keeps_and_reads_changes_nothing():
    seen = []

    def keep(m, t):
        seen.append(m)
        return t

    observers = {"kept": keep}
    one = wgf.solve(wgf.Quadratic(), wgf.Ensemble(X), Heun(), **SETTINGS, observers=observers)
    two = wgf.solve(wgf.Quadratic(), wgf.Ensemble(X), Heun(), **SETTINGS)
    assert torch.equal(one.ensemble.x, two.ensemble.x)
    assert torch.equal(seen[-1].x, one.ensemble.x)
    seen[-1].x.zero_()  # after the run it is the user's own
    assert not torch.equal(seen[-1].x, one.ensemble.x)


@pytest.mark.parametrize("write", [by_torch, by_item, without_grad])
def test_functions_that_reach_the_particles_from_outside_are_refused(write):
    """A schedule, `until`, a term, a drive and a scheme of one's own that know the ensemble."""

    class Term(Functional):
        def _value(self, mu):
            write(mu.x)
            return mu.mean()[0]

        def _first_variation(self, mu, at):
            return mu.points(at)[:, 0]

        def _gradient(self, mu, at):
            return torch.zeros_like(mu.points(at))

    class Scheme(Solver):
        def step(self, dynamics, state, h, noise):
            write(state.mu.x)
            return Step(state.mu.moved(state.mu.x * 0.9))

    def solve(F, solver=None, **options):
        return wgf.solve(F(mu) if callable(F) else F, mu, solver or Euler(), **SETTINGS, **options)

    mu = wgf.Ensemble(X)
    with pytest.raises(ConfigError, match="until writes to what it was given"):
        solve(wgf.Quadratic(), until=lambda row: write(mu.x) is not None)
    mu = wgf.Ensemble(X)
    with pytest.raises(ConfigError, match="Term writes to what it was given"):
        solve(wgf.Quadratic() + Term())
    mu = wgf.Ensemble(X)
    with pytest.raises(ConfigError, match="Scheme, a term or a schedule writes to what it was given"):
        solve(wgf.Quadratic(), Scheme())


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_unit_that_writes_is_refused(write, which):
    if write is by_view:
        pytest.skip("one neuron and one input have one axis")
    z, mu = np.ones((5, 2)), wgf.Ensemble(X)
    unit = writing(write, lambda z, theta: (z * theta).sum(), which)
    inputs = z.copy()
    with pytest.raises(ConfigError, match=r"Unit: φ\(z, θ\) writes to what it was given"):
        wgf.NetworkRisk(z, np.zeros(5), unit=unit).value(mu)
    assert torch.equal(mu.x, torch.from_numpy(X))
    assert np.array_equal(z, inputs)


@pytest.mark.parametrize(
    "answer", [math.nan, 1.0, 0, 1, None, "no", np.float64("nan"), np.array([True]), torch.tensor([True]), []]
)
def test_until_must_say_true_or_false(answer):
    for until in (lambda row: answer, drives.EvaluationCap(1000, also=lambda row: answer)):
        with pytest.raises(ConfigError, match=r"(until|EvaluationCap: also) returned .*: wanted True or False") as told:
            wgf.solve(wgf.Quadratic(), wgf.Ensemble(X), Heun(), **SETTINGS, until=until)
        assert not told.value.solution.status.ok
        assert len(str(told.value)) < 300


@pytest.mark.parametrize("yes", [True, np.True_, torch.tensor(True)])
def test_true_and_false_of_any_kind_end_a_run(yes):
    sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble(X), Heun(), **SETTINGS, until=lambda row: yes)
    assert sol.status == wgf.Status.CONVERGED
    assert sol.state.step == 0


def test_what_until_does_to_its_row_stays_there():
    def until(row):
        row["t"] = 99.0
        return False

    sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble(X), Heun(), **SETTINGS, until=until)
    assert sol.ledger["t"].max() == 1.0


def test_functions_that_read_are_the_same_term_as_before():
    one, two = wgf.Potential(well), wgf.Potential(well)
    one.value(wgf.Ensemble(X))
    assert one.same_as(two)
    assert not one.same_as(wgf.Potential(lambda x: well(x)))
    assert pickle.loads(pickle.dumps(Reading("fn", well)))(torch.ones(1, 2)).item() == 1.0
    with torch.inference_mode():
        assert float(two.value(wgf.Ensemble(X))) == pytest.approx(0.5 * (X**2).sum(1).mean())
