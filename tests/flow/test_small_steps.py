"""Steps of small ensembles: torch's threads, what is decided once, and memory."""

from __future__ import annotations

import tracemalloc

import pytest
import torch

import wgf
from wgf.measure import checks


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Seen(wgf.Functional):
    """A user's term, which notes how many threads torch has."""

    def __init__(self):
        self.threads = []

    def _value(self, mu):
        self.threads.append(torch.get_num_threads())
        return mu.mean()[0]

    def _first_variation(self, mu, at):
        return mu.points(at)[:, 0]

    def _gradient(self, mu, at):
        return torch.eye(mu.dim, dtype=mu.dtype)[0].expand_as(mu.points(at))


def test_a_term_of_the_user_has_all_threads_of_torch():
    term, mu = Seen(), wgf.Ensemble.gaussian(16, 2)
    wgf.solve(wgf.Quadratic() + term, mu, wgf.solvers.Euler(), dt=0.001, t_end=0.005)
    assert set(term.threads) == {2}
    assert torch.get_num_threads() == 2


def test_torch_has_its_threads_again_after_an_error():
    mu = wgf.Ensemble.gaussian(16, 2)
    with pytest.raises(wgf.errors.DivergenceError):
        wgf.solve(wgf.Quadratic(-1e200), mu, wgf.solvers.Euler(), dt=0.5, t_end=20.0)
    assert torch.get_num_threads() == 2


def test_memory_does_not_grow_with_the_steps():
    mu, F = wgf.Ensemble.gaussian(32, 2), wgf.Quadratic() - 0.5 * wgf.LogDet()

    def run(steps):
        wgf.solve(F, mu, wgf.solvers.Euler(), dt=1e-4, t_end=1e-4 * steps, record_every=steps)

    run(1000)
    run(3000)  # now everything that such runs use is loaded
    tracemalloc.start()
    try:
        run(1000)
        before = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        run(3000)
        assert tracemalloc.get_traced_memory()[1] < before + 100_000
    finally:
        tracemalloc.stop()


def test_finite_numbers_whose_sum_overflows_are_finite():
    assert checks.finite(torch.full((4,), 1e308, dtype=torch.float64))
    assert checks.finite(torch.full((4,), 3e38))
    assert not checks.finite(torch.tensor([1.0, float("inf"), float("-inf")]))
