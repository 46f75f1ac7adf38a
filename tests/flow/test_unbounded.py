"""A free energy without a lower bound is told from a step that is too large: the advice names the sign, not dt."""

from __future__ import annotations

import warnings

import pytest
import torch

import wgf
from wgf.errors import DivergenceError, StepSizeError, WgfError, WgfWarning

S = wgf.solvers


def logp(x):
    return -0.5 * x.pow(2).sum(1)


def run(F, solver=None, dt=0.1, t_end=2000.0, dtype="float64", **settings):
    mu = wgf.Ensemble.gaussian(50, 2, dtype=dtype)
    return wgf.solve(F, mu, solver or S.Heun(), dt=dt, t_end=t_end, record_every=100, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Euler", "Heun", "Accelerated", "Langevin", "Underdamped"])
def test_the_log_of_a_density_in_place_of_a_potential(name):
    """ẋ = +x: particles leave as eᵗ, for any dt. Underdamped at friction 1 as e^{.618 t}."""
    solver = S.REGISTRY[name]()
    F = wgf.Potential(logp) - wgf.Shannon() if solver.realises_shannon else wgf.Potential(logp)
    with pytest.raises((DivergenceError, StepSizeError), match=r"fell from .* a Potential takes V = -log p") as failed:
        run(F, solver, dtype="float32")
    assert "smaller dt" not in str(failed.value)
    assert len(str(failed.value)) < 300
    assert failed.value.solution.status.message == str(failed.value)


def test_a_blow_up_in_finite_time():
    """V = −|x|⁴: |x| is infinite at t = 1/(8|x₀|²). No tolerance helps, and the advice does not ask for one."""
    F = wgf.Potential(lambda x: -(x.pow(2).sum(1) ** 2))
    for solver in (S.Heun(), S.BogackiShampine()):
        with pytest.raises((DivergenceError, StepSizeError), match="takes V = -log p") as failed:
            run(F, solver, dt=0.01)
        assert "rtol" not in str(failed.value)
        assert len(str(failed.value)) < 300


@pytest.mark.parametrize(
    ("F", "name", "advice"),
    [
        (-1 * wgf.Quadratic(), "Quadratic", "check its sign"),
        (wgf.Quadratic() - 2.0 * wgf.Variance(), "Variance", "lower the temperature"),
        (-1 * wgf.Interaction(wgf.kernels.QuadraticKernel(1.0)), "Interaction", "check its sign"),
        (wgf.from_function(lambda x, w: -(w @ x.pow(2).sum(1))), "from_function", "check its sign"),
    ],
    ids=["Quadratic", "Variance", "Interaction", "from_function"],
)
def test_other_terms_that_run_to_minus_infinity(F, name, advice):
    with pytest.raises(DivergenceError, match=f"{name} fell from .* F has no lower bound: {advice}"):
        run(F, dtype="float32")


@pytest.mark.parametrize("F", [wgf.Potential(lambda x: 10 * x.pow(2).sum(1)), wgf.Quadratic(20.0)])
def test_a_step_that_is_too_large_still_asks_for_a_smaller_one(F):
    """V = 10|x|² under Euler with h = 1 multiplies x by −19: F grows, and is bounded below."""
    with pytest.raises(DivergenceError, match="try a smaller dt") as failed:
        run(F, S.Euler(), dt=1.0)
    assert "lower bound" not in str(failed.value)


def test_a_run_that_ends_on_the_way_down_warns():
    with pytest.warns(WgfWarning, match="Potential fell from .* takes V = -log p"):
        run(wgf.Potential(logp), t_end=12.0)
    quiet = [
        (wgf.Potential(lambda x: -logp(x)), 12.0),
        (wgf.Potential(logp), 1.0),
        (wgf.Potential(lambda x: -x[:, 0]), 12.0),  # a constant force: F falls as −t
        (wgf.Interaction(wgf.kernels.Log()), 3.0),
    ]
    for F, t_end in quiet:
        with warnings.catch_warnings():
            warnings.simplefilter("error", WgfWarning)
            run(F, t_end=t_end, dt=0.05)


def test_without_throw_the_status_says_it():
    solution = run(wgf.Potential(logp), dtype="float32", throw=False)
    assert solution.status.name == "DIVERGED"
    assert "takes V = -log p" in solution.status.message
    with pytest.raises(WgfError):
        run(wgf.Potential(lambda x: torch.full_like(x[:, 0], torch.nan)))
