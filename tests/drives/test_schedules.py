"""Schedules: values at and between their ends, and what is refused."""

from __future__ import annotations

import math

import pytest

import wgf
from wgf.drives import Constant, Cosine, Exponential, Linear, Piecewise, Steps, Warmup
from wgf.errors import ConfigError

RAMPS = {Linear: 0.7, Cosine: 1.0 - 0.6 * 0.5 * (1 - math.cos(math.pi / 2)), Exponential: math.sqrt(0.4)}


@pytest.mark.parametrize("kind", RAMPS)
def test_a_ramp_goes_from_start_to_end_and_stays(kind):
    ramp = kind(1.0, 0.4, t1=6.0, t0=2.0)
    assert [ramp(t) for t in (-1.0, 2.0, 6.0, 1e9)] == [1.0, 1.0, 0.4, 0.4]
    assert ramp(4.0) == pytest.approx(RAMPS[kind], rel=1e-14)
    values = [ramp(2.0 + 4.0 * k / 50) for k in range(51)]
    assert values == sorted(values, reverse=True)
    assert eval_repr(ramp) == ramp


def eval_repr(schedule):
    """A schedule reads as it is written."""
    name, _, rest = repr(schedule).rstrip(")").partition("(")
    fields = dict(part.split("=") for part in rest.split(", "))
    return getattr(wgf.drives, name)(**{key: float(value) for key, value in fields.items()})


def test_steps_jump_where_their_time_is_reached_even_by_rounding():
    steps = Steps([(0.0, 1.0), (0.7, 2.0), (3.0, 0.0)])
    assert [steps(t) for t in (-5.0, 0.0, 0.69, 0.7, 2.9, 3.0)] == [1.0, 1.0, 1.0, 2.0, 2.0, 0.0]
    early = 0.1 + 0.6 - 1e-15
    assert early < 0.7
    assert steps(early) == 2.0


def test_lines_between_points():
    lines = Piecewise([(1.0, 0.0), (2.0, 4.0), (4.0, -2.0)])
    assert [lines(t) for t in (0.0, 1.0, 1.25, 2.0, 3.0, 4.0, 9.0)] == [0.0, 0.0, 1.0, 4.0, 1.0, -2.0, -2.0]


def test_warmup_puts_another_schedule_on_gradually():
    warm = Warmup(Linear(2.0, 0.0, t1=10.0), duration=4.0, t0=1.0)
    assert [warm(t) for t in (0.0, 1.0, 3.0, 5.0, 10.0)] == pytest.approx([0.0, 0.0, 0.5 * 1.4, 1.0, 0.0])
    assert Constant(3.0)(1e6) == 3.0


def test_a_schedule_is_a_coefficient_and_reads_in_the_free_energy():
    F = wgf.Quadratic() - Linear(0.5, 0.0, t1=2.0) * wgf.LogDet()
    assert F.at(1.0).temperature == 0.25
    assert "Linear(start=0.5, end=0.0, t1=2.0, t0=0.0)(t) * LogDet" in repr(F)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(1.0, 0.0, t1=0.0), "wanted t0 < t1"),
        (lambda: Linear(1.0, math.inf, t1=1.0), "Linear end = inf"),
        (lambda: Exponential(1.0, 0.0, t1=1.0), "positive ends"),
        (lambda: Steps([]), "at least one pair"),
        (lambda: Steps([(1.0, 0.0), (1.0, 2.0)]), "increasing times"),
        (lambda: Steps([1.0, 2.0]), "wanted pairs"),
        (lambda: Piecewise([(0.0, "a")]), "Piecewise value = 'a'"),
        (lambda: Warmup(1.0, duration=0.0), "Warmup duration"),
        (lambda: Warmup("x", duration=1.0), "Warmup then"),
        (lambda: Constant(math.nan), "Constant value"),
    ],
)
def test_what_is_no_schedule_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
