"""Where the time of a run went: exact seconds by a clock that the parts of the run move themselves."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from wgf.solvers import BogackiShampine, Euler, Heun

import wgf
from wgf.flow import Monitor, timing


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now, self.read = 100.0, 0

    def monotonic(self) -> float:
        self.read += 1
        return self.now

    def moved(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def slow(clock: Clock, seconds: float) -> wgf.Functional:
    """The quadratic energy, each evaluation of which takes so many seconds."""

    class Slow(wgf.Quadratic):
        def _evaluate(self, mu):
            clock.moved(seconds)
            return super()._evaluate(mu)

    return Slow()


class Drawn(Monitor):
    """A monitor each of whose methods takes its own time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @contextmanager
    def running(self, steps, t_end):
        self.clock.moved(1e3)
        try:
            yield
        finally:
            self.clock.moved(2e3)

    def recording(self, t):
        self.clock.moved(1e4)

    def advance(self, done, t, row):
        self.clock.moved(1e6)


MU = wgf.Ensemble.gaussian(8, 2, seed=1)


def test_each_part_has_its_seconds(clock):
    observers = {"seen": lambda mu: clock.moved(0.125) or 0.0}
    sol = wgf.solve(
        slow(clock, 1.0), MU, Heun(), dt=0.1, t_end=1.0, record_every=5, observers=observers, progress=Drawn(clock)
    )
    # one evaluation at the start, two in each of 10 steps, three records; the monitor hears of the start and each step
    drawing = 1e3 + 2e3 + 3 * 1e4 + 11 * 1e6
    assert sol.timing == timing.Timing(start=1.0, steps=20.0, records=0.0, observers=0.375, drawing=drawing)
    assert sol.timing.total == 21.375 + drawing


def test_a_record_that_evaluates_anew_counts_as_record(clock):
    slow_term: Any = type(slow(clock, 1.0))

    class Batch(slow_term):
        sampled = property(lambda self: self.part is None)
        part = None

        def draw(self, noise, step):
            other = Batch()
            other.part = step
            return other

    sol = wgf.solve(Batch(), MU, Euler(), dt=0.1, t_end=1.0, record_every=5)
    assert sol.timing.records == 3.0
    assert sol.timing.steps == 10.0


def test_a_failed_run_has_its_timing(clock):
    def failing(mu, t):
        clock.moved(0.5)
        if t > 0.45:
            raise KeyError("no")
        return 0.0

    sol = wgf.solve(
        slow(clock, 1.0), MU, Euler(), dt=0.1, t_end=1.0, record_every=1, observers={"seen": failing}, throw=False
    )
    assert not sol.status.ok
    assert sol.timing == timing.Timing(start=1.0, steps=5.0, observers=3.0)


def test_the_clock_is_read_per_stretch_not_per_step(clock):
    def reads(dt: float) -> int:
        clock.read = 0
        wgf.solve(wgf.Quadratic(), MU, Euler(), dt=dt, t_end=1.0, record_every=10**6)
        return clock.read

    assert reads(0.01) == reads(0.001) < 20


def test_the_clock_changes_no_number(clock):
    def observers(seconds: float):
        return {"seen": lambda mu: clock.moved(seconds) or 0.0}

    runs = [
        wgf.solve(
            slow(clock, s), MU, BogackiShampine(), dt=0.1, t_end=1.0, observers=observers(s), progress=Drawn(clock)
        )
        for s in (0.0, 1e3)
    ]
    assert torch.equal(runs[0].ensemble.x, runs[1].ensemble.x)
    assert runs[0].ledger["t"].tolist() == runs[1].ledger["t"].tolist()


def test_timing_in_words_and_after_pickling():
    assert str(timing.Timing(start=1.0, steps=20.0, records=0.001)) == "start 1 s, steps 20 s"
    assert str(timing.Timing()) == "no time"
    sol = wgf.solve(wgf.Quadratic(), MU, Euler(), dt=0.1, t_end=1.0)
    assert pickle.loads(pickle.dumps(sol)).timing == sol.timing
    assert sol.timing.total > 0
