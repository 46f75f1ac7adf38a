"""The bench of solvers: its answers against independent ones, its trials on known schemes, its page and figures."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import exact
import numpy as np
import pytest
import torch
from typer.testing import CliRunner
from wgf.benchmarks.solvers import answers, logistic, problems, trials
from wgf.benchmarks.solvers import run as solvers
from wgf.benchmarks.solvers.page import page
from wgf.solvers import REGISTRY

import wgf
from wgf.cli import app
from wgf.precision import figure

LEVELS = (np.arange(2000) + 0.5) / 2000
MADE = {make.__name__: make(True) for make in problems.PROBLEMS}
every_problem = pytest.mark.parametrize("problem", [pytest.param(p, id=p.name) for p in MADE.values()])


# ------------------------------------------------------------------------------------------------- answers


def test_linear_flows_are_those_of_the_exact_cases():
    k, v0 = np.array([1.5, 1.5]), np.array([2.0, 2.0])
    mean, variance = answers.linear_flow(k, k, 0.4, 0.7, np.array([1.0, -2.0]), v0)
    want = exact.ornstein_uhlenbeck(0.7, 1.5, 0.4, np.array([1.0, -2.0]), np.diag(v0))
    np.testing.assert_allclose(mean, want[0], rtol=1e-14)
    np.testing.assert_allclose(np.diag(variance), want[1], rtol=1e-14)
    a, b, rest = np.array([1.0]), np.array([3.0]), 1e3
    _, variance = answers.linear_flow(a, b, 0.5, rest, np.zeros(1), np.ones(1))
    assert variance[0] == pytest.approx(exact.mckean_vlasov_second_moment(1.0, 2.0, 0.5, 10**9, 0.0), rel=1e-8)


def test_barenblatt_quantiles_are_those_of_the_profile():
    want = exact.barenblatt_quantiles_1d(2000, 2.0)
    np.testing.assert_allclose(answers.barenblatt_quantiles(2.0)(LEVELS), want, atol=1e-5)


def test_hermite_zeros_and_the_flow_that_keeps_their_shape():
    """Against the tests' own zeros, and the second moment of the virial, which obeys ṁ₂ = −2m₂ + (1 − 1/n)."""
    np.testing.assert_allclose(answers.hermite_zeros(12), exact.aggregation_equilibrium(12), atol=1e-14)
    rest, t = 11 / 24, 0.4
    m2 = rest + (4 * rest - rest) * math.exp(-2 * t)
    assert ((answers.hermite_scale(2.0, t) * answers.hermite_zeros(12)) ** 2).mean() == pytest.approx(m2, rel=1e-12)


def test_the_gibbs_density_is_consistent_with_its_mean():
    """docs/theory.md §7, case 11: at θ = 1, β = 3 the ordered state has m = 0.63732; below β_c there is none."""
    ordered = answers.gibbs_quantiles(lambda x: x**4 / 4 - x**2 / 2, 1.0, 1 / 3)((np.arange(10**6) + 0.5) / 10**6)
    assert ordered.mean() == pytest.approx(0.63732, abs=1e-5)
    symmetric = answers.gibbs_quantiles(lambda x: x**4 / 4 - x**2 / 2, 1.0, 0.5)(LEVELS)
    np.testing.assert_allclose(symmetric, -symmetric[::-1], atol=1e-6)


def test_errors_are_zero_at_the_answer_and_have_their_units_beside_it():
    mean, cov = np.array([1.0, 2.0]), np.array([[2.0, 0.3], [0.3, 0.5]])
    assert answers.gaussian_error(mean, cov, mean, cov) < 1e-15
    wide = answers.gaussian_error(mean, 1.02 * cov, mean, cov)
    assert wide == pytest.approx(0.01, rel=1e-12)  # 1 % of every standard deviation
    assert answers.gaussian_error(mean + np.linalg.cholesky(cov)[:, 0], cov, mean, cov) == pytest.approx(
        1 / math.sqrt(2)
    )
    quantiles = answers.barenblatt_quantiles(1.0)
    x = quantiles(LEVELS)
    shifted = answers.quantile_error(x + 0.1 * x.std(), np.full(2000, 1 / 2000), quantiles)
    assert shifted == pytest.approx(0.1, rel=1e-3)
    thirds = answers.quantile_error(
        np.array([2.0, -1.0]), np.array([1.0, 2.0]), lambda u: np.where(u < 2 / 3, -1.0, 2.0)
    )
    assert thirds == 0.0


def test_floors_are_what_samples_of_the_answer_show():
    """300 samples of 100 points: the mean square within 5 standard errors of about 6 % each; half would be seen."""
    rng, cov = np.random.default_rng(0), np.array([[2.0, 0.3], [0.3, 0.5]])
    squares = []
    for _ in range(300):
        x = rng.multivariate_normal([1.0, 2.0], cov, 100)
        squares.append(answers.gaussian_error(x.mean(0), np.cov(x.T, bias=True), np.array([1.0, 2.0]), cov) ** 2)
    assert np.mean(squares) == pytest.approx(answers.gaussian_floor(100, 2) ** 2, rel=0.3)


@pytest.mark.slow
def test_the_posterior_is_that_of_the_data():
    """Its mean against the maximum and a short importance run of its own; tolerances are 5 standard errors of that."""
    mean, cov = logistic.moments()
    found = logistic.importance(100_000, 100_000)
    deviation = np.sqrt(np.diag(cov))
    assert found["effective draws"] > 20_000
    assert (np.abs(np.array(found["mean"]) - mean) / deviation).max() < 5 / math.sqrt(20_000)
    assert np.abs(np.diag(np.array(found["covariance"])) / deviation**2 - 1).max() < 5 * math.sqrt(2 / 20_000) * 1.5
    best, laplace = logistic.maximum()
    assert 0.1 < (np.abs(best - mean) / deviation).max() < 0.5
    assert np.abs(np.diag(laplace) / deviation**2 - 1).max() < 0.2


def test_the_potential_of_the_posterior_is_written_as_its_gradient_is():
    V = logistic.potential()
    mu = wgf.Ensemble.gaussian(5, 31, seed=1)
    x = mu.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(V._values(x).sum(), x)
    torch.testing.assert_close(V.gradient(mu), slope, rtol=1e-12, atol=1e-12)
    z, s = logistic.design()
    want = 0.5 * (mu.x.numpy() ** 2).sum(1) + np.logaddexp(0, -(mu.x.numpy() @ z.T) * s).sum(1)
    np.testing.assert_allclose(V.first_variation(mu), want, rtol=1e-12)


# ------------------------------------------------------------------------------------------------- problems

SCHEME = {
    "ornstein-uhlenbeck": ("RungeKutta4", 0.05, 1e-5),
    "mckean-vlasov": ("RungeKutta4", 1 / 16, 1e-4),
    "barenblatt": ("Euler", 1 / 16, 0.01),
    "aggregation": ("RungeKutta4", 0.175 / 4, 1e-6),
    "network": ("RungeKutta4", 0.5, 1e-3),
    "double-well": ("Langevin", 0.025, 0.06),
    "gaussian-target": ("ExponentialEuler", 0.4, 0.06),
    "logistic-regression": ("Langevin", 0.0125, 0.35),
}
"""A scheme, a step, and a bound: deterministic by its order, statistical at three floors (3.5 with the interaction)."""


@every_problem
def test_a_scheme_arrives_at_every_answer(problem):
    """The answer and the problem were written apart: particles that reach one from the other prove both."""
    name, h, bound = SCHEME[problem.name]
    entry: Any = trials.trial(name, problem).entry
    found = entry.run(h, 0, 60.0)
    assert found["error"] < bound
    assert found["evaluations"] >= found["steps"] > 1
    assert found["seconds"] > 0
    if problem.noisy_floor is not None and name in ("Langevin", "ExponentialEuler"):
        assert bound < 4 * problem.noisy_floor(problem.n_noisy)


@every_problem
def test_the_start_is_not_the_answer(problem):
    n = problem.n_smooth or problem.n_noisy
    assert problem.error(problem.start(n)) > 0.1


@every_problem
def test_every_scheme_enters_or_says_why_not(problem):
    for name in REGISTRY:
        entered = trials.trial(name, problem)
        assert (entered.solver is None) == bool(entered.reason)
        if not entered.reason:
            assert entered.F is (problem.noisy if entered.noisy else problem.smooth)
            assert entered.particles >= 2


def test_a_refusal_and_a_slow_run_are_told():
    problem = MADE["aggregation"]
    refused: Any = replace(trials.trial("Euler", problem), F=problem.smooth - 1.0 * wgf.Shannon()).entry
    assert "realise" in refused.run(0.1, 0, 10.0)["failed"] or "Shannon" in refused.run(0.1, 0, 10.0)["failed"]
    with pytest.raises(wgf.errors.ConfigError, match="Shannon"):
        refused.warm_up(10.0)
    slow: Any = trials.trial("Euler", problem).entry
    assert slow.run(1e-5, 0, 0.05)["failed"] == "beyond 0.05 s"


# ------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_a_page_its_figures_and_json(tmp_path, monkeypatch):
    monkeypatch.setattr(solvers, "QUICK_BUDGET", 0.03)
    done = CliRunner().invoke(
        app, ["bench", "solvers", "--quick", "--only", "aggregation", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0
    (stored,) = tmp_path.glob("*.json")
    result = json.loads(stored.read_text(encoding="utf-8"))
    assert result["threads"] >= 1
    assert result["torch"] == torch.__version__
    (problem,) = result["problems"]
    curves = {curve["solver"]: curve for curve in problem["curves"]}
    assert set(curves) == set(REGISTRY)
    assert curves["Euler"]["points"][0]["evaluations"] == 4
    assert curves["Euler"]["warm_up"] > 0
    assert "no Shannon entropy" in curves["Langevin"]["left_out"]
    text = (tmp_path / f"{stored.stem}.md").read_text(encoding="utf-8")
    assert "## Aggregation, 32 particles" in text
    assert re.search(r"^- .*Langevin.*: there is no Shannon entropy here", text, re.MULTILINE)
    for work in figure.WORKS:
        assert f"![work and precision]({stored.stem}-{work}.png)" in text
        assert (tmp_path / f"{stored.stem}-{work}.png").stat().st_size > 10_000
        assert (tmp_path / f"{stored.stem}-{work}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_command_refuses_a_problem_it_does_not_know(tmp_path):
    unknown = CliRunner().invoke(app, ["bench", "solvers", "--only", "agregation", "--out", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "did you mean 'aggregation'" in unknown.output
    assert list(tmp_path.iterdir()) == []


def test_the_page_tells_what_an_error_costs_and_what_was_unstable():
    points = [
        {"effort": 0.4, "failed": "DivergenceError: step 3"},
        {"effort": 0.2, "error": 5.0, "seconds": 0.1, "evaluations": 5},
        {"effort": 0.1, "error": 0.05, "seconds": 0.5, "evaluations": 10},
        {"effort": 0.05, "error": 0.02, "seconds": 1.0, "evaluations": 20},
        {"effort": 0.025, "skipped": "beyond the 4 s that a curve has"},
    ]
    curve = {"solver": "Euler", "order": 1, "particles": 9, "effort": "h", "warm_up": 0.2, "points": points}
    out = {"solver": "Langevin", "left_out": "why"}
    problem = {
        "name": "toy", "title": "Toy", "equation": "V", "answer": "A", "unit": "error", "floors": {"sampling": 0.01},
        "curves": [curve, out],
    }  # fmt: skip
    facts = {**solvers.machine_facts(), "date": "2026-01-01", "quick": False, "rounds": 3}
    text = page({**facts, "problems": [problem]}, ["a.png"])
    row = next(line for line in text.splitlines() if line.startswith("| Euler"))
    assert "2.0e-02 | h = 0.05 | 20 | 1 s | 200 ms | 500 ms | – | – | – |" in row
    assert "unstable or failed at h = 0.4, 0.2; no time for h = 0.025" in row
    assert "- Langevin: why" in text
    assert "by sampling 1.0e-02" in text


@pytest.mark.parametrize("count", [1, 3])
def test_the_legend_of_a_figure_with_few_problems_fits_into_it(count):
    """All fifteen schemes in one panel: the legend has as many columns as the figure has room for."""
    points = [{"seconds": 0.1 * k, "error": 0.1 / k, "evaluations": k} for k in (1, 2, 3)]
    curves = [{"solver": name, "points": points} for name in figure.STYLES]
    drawn = figure.draw([{"title": "one", "curves": curves}] * count, "seconds")
    drawn.draw_without_rendering()
    (legend,) = drawn.legends
    box, whole = legend.get_window_extent(), drawn.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert whole.y0 <= box.y0 < box.y1 <= whole.y1
    assert [text.get_text() for text in legend.get_texts()] == list(figure.STYLES)


def test_every_scheme_has_a_mark_of_its_own():
    assert len(set(figure.STYLES.values())) == len(figure.STYLES)
