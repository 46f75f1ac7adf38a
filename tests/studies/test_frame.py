"""The frame of studies: what a study writes, its statistics against closed forms, and how it refuses bad input."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from samples import roll
from typer.testing import CliRunner

from wgf import studies
from wgf.cli import app
from wgf.errors import ConfigError
from wgf.figures.canvas import canvas, finish
from wgf.runs import store
from wgf.studies import Estimate, Figure, Finding, Outcome, Study, Table, Verdict, Work
from wgf.studies.frame.statistics import bootstrap_interval, power_law, t_interval
from wgf.studies.scaling.laws import compare_laws, fit_law, law_intervals


@dataclass(frozen=True, kw_only=True)
class Dice(Study):
    name: ClassVar[str] = "dice"
    title: ClassVar[str] = "Dice & <means>"
    question: ClassVar[str] = "Is the mean of a die with s sides (s + 1)/2?"

    sides: int = 6

    def quick(self) -> Study:
        return self.replace(seeds=4)

    def run(self, work: Work | None = None) -> Outcome:
        means = (work or Work()).each("throws", roll, [(seed, self.sides) for seed in self.seed_numbers])
        figure, (axis,) = canvas(1, 1)
        axis.plot(self.seed_numbers, means)
        finish(axis, "mean", "seed")
        return Outcome(
            (Finding.covers("the mean", t_interval(means), (self.sides + 1) / 2, 0.5),),
            (
                Table(
                    "means", "Means", ("seed", "mean"), [*zip(self.seed_numbers, means, strict=True), (-1, math.nan)]
                ),
                Table("least", "Least", ("least",), [(min(means),)], first=True),
            ),
            (Figure("means", "Means by seed", "They scatter about 3.5.", figure),),
            ("It says nothing about loaded dice.",),
        )


@pytest.fixture
def dice():
    with studies.REGISTRY.including(Dice):
        yield


def test_a_study_leaves_a_directory_that_says_all(dice, tmp_path):
    result = studies.run("dice", quick=True, out=tmp_path / "out")
    folder = tmp_path / "out"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "figures/means.png", "figures/means.svg", "report.html", "study.json", "tables/least.csv", "tables/means.csv",
    ]  # fmt: skip
    summary = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert summary["settings"] == {"seeds": 4, "first_seed": 0, "sides": 6}
    assert summary["seeds"] == [0, 1, 2, 3]
    assert summary["versions"]["torch"]
    assert summary["findings"][0]["verdict"] == result.outcome.findings[0].verdict.value
    rows = list(csv.reader((folder / "tables" / "means.csv").open(encoding="utf-8")))
    assert [float(mean) for _, mean in rows[1:-1]] == result.outcome.table("means").column("mean")[:-1]  # to the bit
    assert rows[-1] == ["-1", ""]  # what is missing is empty, not a number
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in (Dice.question, "Dice &amp; &lt;means&gt;", "loaded dice", "Small version", "wgf study dice --quick"):
        assert text in page
    places = [page.index(f'<section id="{name}">') for name in ("least", "findings", "means")]
    assert places == sorted(places)  # a table that is `first` stands before what was measured
    assert "http://" not in page.replace("http://www.w3.org", "")  # self-contained
    assert "https://" not in page


def test_processes_change_nothing():
    tasks = [(seed, 6) for seed in range(5)]
    assert Work(jobs=2).each("throws", roll, tasks) == Work().each("throws", roll, tasks)


def test_a_study_that_fails_leaves_nothing(dice, tmp_path, monkeypatch):
    def fail(self, work=None):
        raise ConfigError("no dice")

    monkeypatch.setattr(Dice, "run", fail)
    with pytest.raises(ConfigError, match="no dice"):
        studies.run("dice", out=tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_seconds_of_a_call_that_failed_are_counted(dice, tmp_path, monkeypatch):
    whole = Dice.run

    def fail(self, work=None):
        whole(self, work)
        raise ConfigError("no dice")

    monkeypatch.setattr(Dice, "run", fail)
    with pytest.raises(ConfigError, match="no dice"):
        studies.run("dice", out=tmp_path / "out")
    monkeypatch.setattr(Dice, "run", whole)
    (kept,) = tmp_path.glob("out.partial/runs/seconds.json")
    seconds = store.read_json(kept)["seconds"]
    assert seconds > 0
    store.write_json(kept, {"seconds": 1000 + seconds})
    assert studies.run("dice", out=tmp_path / "out").seconds > 1000 + seconds


def test_the_command(dice, tmp_path):
    runner = CliRunner()
    listed = runner.invoke(app, ["study"])
    assert listed.exit_code == 0
    assert "dice" in listed.output
    wrong = runner.invoke(app, ["study", "dise"])
    assert wrong.exit_code == 2
    assert "did you mean 'dice'" in wrong.output
    out = tmp_path / "out"
    ran = runner.invoke(app, ["study", "dice", "--quick", "--seeds", "5", "--first-seed", "7", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "supported" in ran.output
    summary = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert summary["seeds"] == [7, 8, 9, 10, 11]
    assert summary["command"] == "wgf study dice --quick --seeds 5 --first-seed 7"
    taken = runner.invoke(app, ["study", "dice", "--quick", "--out", str(out)])
    assert taken.exit_code == 2
    assert "not empty" in taken.output


def test_bad_settings_are_refused(dice):
    with pytest.raises(ConfigError, match="did you mean 'sides'"):
        studies.load("dice", side=6)
    with pytest.raises(ConfigError, match="seeds = 2"):
        studies.load("dice", seeds=2)
    with pytest.raises(ConfigError, match="jobs = 0"):
        Work(jobs=0)
    with pytest.raises(ConfigError, match="row 1 has 1 entries"):
        Table("t", "T", ("a", "b"), [(1, 2), (3,)])


# ---------------------------------------------------------------------------------------------- verdicts


def test_verdicts_follow_from_the_interval_alone():
    def verdict(low, high):
        return Finding.within("", Estimate(0.5 * (low + high), low, high), -1.1, -0.9).verdict

    assert verdict(-1.05, -0.95) is Verdict.SUPPORTED
    assert verdict(-1.15, -0.95) is Verdict.UNDECIDED
    assert verdict(-0.85, -0.80) is Verdict.CONTRADICTED
    cover = Finding.covers("", Estimate(1.0, 0.9, 1.1), 1.05, 0.2)
    assert cover.verdict is Verdict.SUPPORTED
    assert Finding.covers("", Estimate(1.0, 0.9, 1.1), 1.05, 0.05).verdict is Verdict.UNDECIDED  # holds it, says little
    assert Finding.covers("", Estimate(1.0, 0.9, 1.1), 1.2, 0.2).verdict is Verdict.CONTRADICTED


# ---------------------------------------------------------------------------------------------- statistics


def test_students_interval_is_the_table():
    """t quantile 12.7062 for one degree of freedom: the mean of 0 and 2 is 1 ± 12.7062."""
    found = t_interval([0.0, 2.0])
    assert found.value == 1.0
    assert found.high == pytest.approx(1 + 12.7062, abs=1e-4)


def test_intervals_cover_as_often_as_they_say():
    """95 % intervals of 400 samples cover the truth in 380 ± 4.4; outside 358..400 at a rate below 10⁻⁶ (binomial)."""
    rng = np.random.default_rng(3)
    assert 358 <= sum(t_interval(rng.normal(1.0, 2.0, 6)).covers(1.0) for _ in range(400)) < 400


def test_bootstrap_of_a_mean_is_students_interval_for_many_values():
    values = np.random.default_rng(0).normal(size=400)
    found, wanted = bootstrap_interval(values), t_interval(values)
    assert found.low == pytest.approx(wanted.low, abs=0.1 * wanted.half_width)
    assert found.high == pytest.approx(wanted.high, abs=0.1 * wanted.half_width)
    assert bootstrap_interval([2.0, 2.0, 2.0]).half_width == 0.0


def test_a_power_law_is_found_and_its_interval_covers():
    """y = 3 n^{−1} with 5 % noise, 200 times: 95 % intervals cover in at least 170 (10⁻⁵ at a true 92 %)."""
    rng = np.random.default_rng(1)
    sizes = np.array([16, 32, 64, 128, 256])
    covered = 0
    for _ in range(200):
        rows = [3 / n * (1 + 0.05 * rng.normal(size=24)) for n in sizes]
        fit = power_law(sizes, rows, resamples=200)
        covered += fit.exponent.covers(-1.0)
    assert 170 <= covered < 200
    assert fit.prefactor.value == pytest.approx(3.0, rel=0.1)


def test_fits_refuse_what_they_cannot_use():
    with pytest.raises(ConfigError, match="2 sizes: wanted at least 3"):
        power_law([1, 2], [[1.0, 1.1], [0.5, 0.6]])
    with pytest.raises(ConfigError, match="not told from 0"):
        power_law([1, 2, 4], [[1.0, 1.1], [0.5, 0.6], [0.2, -0.3]])
    with pytest.raises(ConfigError, match="of 1 values"):
        power_law([1, 2, 4], [[1.0], [0.5], [0.2]])
    with pytest.raises(ConfigError, match="wanted at least 4"):
        fit_law("power", [1, 2, 4], [1.0, 0.5, 0.2])
    with pytest.raises(ConfigError, match="did you mean 'power'"):
        fit_law("powers", [1, 2, 4, 8], [1.0, 0.5, 0.2, 0.1])
    with pytest.raises(ConfigError, match="finite"):
        t_interval([1.0, math.nan])


@pytest.mark.parametrize(
    ("law", "parameters"),
    [
        ("power", {"offset": 0.3, "amplitude": 2.0, "exponent": 0.7}),
        ("exponential", {"offset": 0.3, "amplitude": 2.0, "rate": 0.01}),
        ("logarithmic", {"offset": 3.0, "amplitude": 0.4}),
    ],
)
def test_each_law_is_found_again_and_wins(law, parameters):
    sizes = np.array([16, 32, 64, 128, 256, 512, 1024])
    truth = studies.scaling.laws.evaluate(law, parameters, sizes)
    exact, chi_square = fit_law(law, sizes, truth)
    assert chi_square < 1e-15
    assert exact == pytest.approx(parameters, rel=1e-5)
    rng = np.random.default_rng(5)
    rows = [value + 0.01 * rng.normal(size=16) for value in truth]
    fits = compare_laws(sizes, rows)
    assert max(fits.values(), key=lambda fit: fit.weight).law == law
    assert fits[law].weight > 0.8
    assert abs(fits[law].prediction_error) < 6  # standard errors of the last size; the fit's own error beside it
    intervals = law_intervals(law, sizes, rows, level=0.999, resamples=400)
    for name, value in parameters.items():
        assert intervals[name].low - 0.05 * abs(value) < value < intervals[name].high + 0.05 * abs(value)


def test_every_study_is_public():
    """`studies.__all__` names every class of the registry, and all that it names is there."""
    from wgf import studies

    public = vars(studies)["__all__"]
    assert {study.__name__ for study in studies.REGISTRY.values()} <= set(public)
    assert len(studies.REGISTRY) == 6
    assert all(hasattr(studies, name) for name in public)
    assert len(set(public)) == len(public)
