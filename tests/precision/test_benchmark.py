"""`wgf.benchmark`: errors at the orders of the schemes, every kind of answer, and what is not usable and why."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from commands import wgf_command

import wgf
from wgf.errors import ConfigError, ShapeError
from wgf.precision.benchmark import WorkPrecision
from wgf.protocol import Solver, State, Step

MU = wgf.Ensemble.gaussian(40, 2, seed=1)
F = wgf.Quadratic([1.0, 4.0])
STEPS = [0.1, 0.05, 0.025]


def errors(result, name) -> dict[float, float]:
    return {row["effort"]: row["error"] for row in result.rows() if row["solver"] == name and "error" in row}


@dataclass(frozen=True)
class Midpoint(Solver):
    """A user's own scheme, of order 2, which is in no registry."""

    order = 2

    def step(self, dynamics: Any, state: State, h: float, noise: Any) -> Step:
        half = state.mu.moved(state.mu.x - 0.5 * h * state.evaluation.gradient)
        slope = dynamics.evaluate(half, state.t + 0.5 * h, state.step).gradient
        return Step(state.mu.moved(state.mu.x - h * slope), state.mu.inner(slope, slope))


def test_errors_fall_at_the_order_of_each_scheme():
    """Against the same particles with fine steps: the error of a step of order p falls by 2^p when h is halved."""
    result = wgf.benchmark(F, MU, {"Euler": wgf.solvers.Euler(), "Heun": wgf.solvers.Heun(), "mine": Midpoint()},
                           dt=STEPS, t_end=1.0)  # fmt: skip
    for name, order in (("Euler", 1), ("Heun", 2), ("mine", 2)):
        found = errors(result, name)
        assert list(found) == STEPS
        assert math.log2(found[0.05] / found[0.025]) == pytest.approx(order, abs=0.25)
    assert "RungeKutta4 at h = 0.00313" in result.answer
    row = next(row for row in result.rows() if row["solver"] == "mine" and row["effort"] == 0.1)
    assert (row["steps"], row["evaluations"], row["kind"]) == (10, 20, "h")
    assert row["seconds"] > 0
    assert result.cheapest(1e-9) is None
    assert result.cheapest(0.5) in ("Euler", "Heun", "mine")


def test_a_page_says_why_no_run_is_accurate_and_what_helps():
    def page(error, floors):
        point = {"effort": 0.1, "error": error, "seconds": 1.0, "evaluations": 10}
        curve = {"solver": "Euler", "order": 1, "particles": 500, "effort": "h", "points": [point]}
        return WorkPrecision("Title", "F", "exact", "W₂", floors, (curve,)).page()

    assert "the smallest is 0.25, by Euler. Chance alone makes about 0.2" in page(0.25, {"sampling": 0.2})
    assert "the smallest is 0.25, by Euler. Take smaller steps." in page(0.25, {"sampling": 0.05})
    assert "No run has" not in page(0.1, {})


def test_the_error_by_places_is_that_of_the_particles():
    result = wgf.benchmark(F, MU, "Euler", dt=[0.1], t_end=0.1)
    exact = MU.x * torch.exp(-torch.tensor([0.1, 0.4], dtype=torch.float64))
    euler = MU.x * (1 - torch.tensor([0.1, 0.4], dtype=torch.float64))
    spread = math.sqrt(float(wgf.Ensemble(exact).covariance().trace()))
    wanted = math.sqrt(float((euler - exact).square().sum(1).mean())) / spread
    assert errors(result, "Euler")[0.1] == pytest.approx(wanted, rel=1e-5)


def test_every_kind_of_answer():
    """Exact moments, samples, a function of the result, and a metric of one's own give errors that fall with h."""
    mean, cov = MU.moments()
    decay = torch.exp(-torch.tensor([1.0, 4.0], dtype=torch.float64))
    exact = (decay * mean, decay[:, None] * cov * decay)
    samples = MU.x * decay
    for reference, metric, unit in [
        (exact, None, "mean and covariance"),
        (samples, None, "W₂"),
        (wgf.Ensemble(samples), "moments", "mean and covariance"),
        (lambda mu: float((mu.mean() - exact[0]).norm()), None, "the function given"),
        (samples.numpy(), lambda mu, answer: float((mu.mean() - answer.mean()).norm()), "the metric given"),
    ]:
        result = wgf.benchmark(F, MU, ["Heun"], dt=STEPS, t_end=1.0, reference=reference, metric=metric)
        found = errors(result, "Heun")
        assert found[0.1] > 3 * found[0.05] > 9 * found[0.025], unit
        assert unit in result.unit


def test_noise_is_compared_as_a_law_with_its_floor():
    target = F - 0.5 * wgf.Shannon()
    result = wgf.benchmark(target, MU, ["Langevin", "Euler"], dt=[0.2, 0.1], t_end=0.4, rounds=2)
    assert set(result.floors) == {"sampling"}
    assert "4 runs by LeimkuhlerMatthews" in result.answer
    (euler,) = (curve for curve in result.curves if curve["solver"] == "Euler")
    assert "cannot realise the Shannon entropy" in euler["left_out"]
    (langevin,) = (curve for curve in result.curves if curve["solver"] == "Langevin")
    assert len(langevin["points"][0]["errors"]) == 2
    one, two = langevin["points"][0]["errors"]
    assert one != two
    assert langevin["points"][0]["error"] == pytest.approx(math.sqrt((one**2 + two**2) / 2))


def test_every_registered_scheme_is_there_or_left_out_with_a_reason():
    result = wgf.benchmark(F, MU, dt=[0.1], t_end=0.2, budget=0.2)
    curves = {curve["solver"]: curve for curve in result.curves}
    assert set(curves) == set(wgf.solvers.REGISTRY)
    assert "no Shannon entropy" in curves["Langevin"]["left_out"]
    assert "equilibrium=True" in curves["Accelerated"]["left_out"]
    assert "domain" in curves["Grid"]["left_out"]
    rest = wgf.benchmark(F, MU, ["Accelerated"], dt=[0.1], t_end=0.2, equilibrium=True)
    assert "left_out" not in rest.curves[0]


def test_what_is_not_usable_is_told_with_its_reason():
    samples = np.random.default_rng(0).normal(size=(50, 2))
    result = wgf.benchmark(F, MU, ["Euler"], dt=[40.0, 1.0], t_end=40.0, budget=1e-6, reference=samples)
    (reasons,) = result.unusable().values()
    assert any("unstable, with errors above 2" in reason or "DivergenceError" in reason for reason in reasons)
    assert any("h = 1: beyond the 1e-06 s that a curve has" in reason for reason in reasons)
    page = str(result)
    assert "Settings that are not usable:\n\n- Euler: h = " in page


def test_the_result_is_written_as_a_page_figures_and_numbers(tmp_path):
    result = wgf.benchmark(F, MU, {"mine": Midpoint(), "other": wgf.solvers.Heun()}, dt=STEPS, t_end=1.0)
    path = result.save(tmp_path / "new", "test")
    text = path.read_text(encoding="utf-8")
    assert "![work and precision](test-seconds.png)" in text
    assert "| mine | 2 | 40 |" in text
    stored = json.loads((tmp_path / "new" / "test.json").read_text(encoding="utf-8"))
    assert stored["curves"][0]["points"][0]["error"] == result.rows()[0]["error"]
    assert (tmp_path / "new" / "test-evaluations.svg").exists()
    (axis,) = result.plot("evaluations").axes
    assert len(axis.get_lines()) == 2


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"F": 3}, ConfigError, "wanted a functional"),
    ({"mu": MU.x}, ConfigError, "wanted a wgf.Ensemble"),
    ({"solvers": "Huen"}, ConfigError, "did you mean 'Heun'"),
    ({"solvers": [wgf.solvers.Heun]}, ConfigError, "with brackets"),
    ({"solvers": []}, ConfigError, "solvers is empty"),
    ({"solvers": 3}, ConfigError, "wanted schemes"),
    ({"solvers": ["Langevin"]}, ConfigError, "no scheme is left"),
    ({"dt": 0.0}, ConfigError, "dt = 0.0"),
    ({"dt": []}, ConfigError, "dt is empty"),
    ({"dt": [0.1, -1.0]}, ConfigError, "dt = -1.0"),
    ({"t_end": 0.0}, ConfigError, "t_end = 0.0"),
    ({"reference": "fin"}, ConfigError, "did you mean 'fine'"),
    ({"reference": None}, ConfigError, "reference is missing"),
    ({"reference": np.zeros((5, 3))}, ShapeError, "dimension 3; the particles have 2"),
    ({"reference": np.zeros((5, 2))}, ConfigError, "at one place"),
    ({"reference": (np.zeros(3), np.eye(2))}, ShapeError, "in dimension 2"),
    ({"reference": (0.0, np.zeros((2, 2)))}, ConfigError, "not positive definite"),
    ({"reference": (0.0, 1.0), "metric": "places"}, ConfigError, "wanted 'moments'"),
    ({"reference": lambda mu: 1.0, "metric": "moments"}, ConfigError, "gives the error itself"),
    ({"metric": "moment"}, ConfigError, "did you mean 'moments'"),
    ({"rounds": 0}, ConfigError, "rounds = 0"),
    ({"budget": -1.0}, ConfigError, "budget = -1.0"),
    ({"F": F - 1.0 * wgf.Shannon(), "metric": "places", "solvers": ["Langevin"]}, ConfigError, "noise moves"),
])  # fmt: skip
def test_bad_input_is_refused(change, error, message):
    given: dict[str, Any] = {"F": F, "mu": MU, "solvers": ["Heun"], "dt": [0.1], "t_end": 0.2} | change
    with pytest.raises(error, match=message):
        wgf.benchmark(given.pop("F"), given.pop("mu"), given.pop("solvers"), **given)


def test_an_error_that_is_no_number_is_told_at_its_setting():
    result = wgf.benchmark(F, MU, ["Heun"], dt=[0.1], t_end=0.2, reference=lambda mu: math.nan)
    assert "returned nan; wanted a finite number" in result.unusable()["Heun"][0]


CONFIG = """
[problem]
particles = 30
dim = 2
[[energy]]
term = "Quadratic"
stiffness = [1.0, 4.0]
[solver]
dt = 0.02
t_end = 0.4
"""


def test_the_command_measures_a_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(CONFIG, encoding="utf-8")
    done = wgf_command("bench", "mine", "my.toml", "--solvers", "Euler, Heun", "--out", "out")
    assert done.exit_code == 0, done.output
    assert "| Heun | 2 | 30 |" in done.output
    result = json.loads((tmp_path / "out" / "quadratic.json").read_text(encoding="utf-8"))
    efforts = [point["effort"] for point in result["curves"][1]["points"]]
    assert efforts == pytest.approx([0.08 / 2**k for k in range(6)])
    np.save("samples.npy", np.random.default_rng(0).normal(size=(50, 2)))
    given = wgf_command("bench", "mine", "my.toml", "--solvers", "Heun", "--reference", "samples.npy", "--out", "two")
    assert given.exit_code == 0, given.output
    assert "50 samples" in given.output
    for wrong, message in [
        (("--solvers", "Huen"), "did you mean 'Heun'"),
        (("--reference", "nowhere.npy"), "no such file"),
        (("--reference", "my.toml"), "wanted a file .npy or .safetensors"),
        (("--set", "solver.dt=0"), "solver.dt"),
    ]:
        bad = wgf_command("bench", "mine", "my.toml", *wrong)
        assert bad.exit_code == 2
        assert message in bad.output
