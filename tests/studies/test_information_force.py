"""The study of the information force: its surrogates, its runs, and a small version of the whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import wgf
from wgf import studies
from wgf.diagnostics import Ledger
from wgf.studies import Estimate, Verdict, Work
from wgf.studies.frame import above_zero
from wgf.studies.information_force import criteria, data, features, matching, neurons, representations, surrogates
from wgf.studies.information_force.power import seeds_for_interval, seeds_for_power
from wgf.studies.information_force.runs import SETTINGS, Runs
from wgf.studies.scaling import stock

# ---------------------------------------------------------------------------------------------- information force


def test_an_image_moves_by_a_pixel():
    image = torch.zeros(1, 64)
    image[0, 8 * 3 + 7] = 1.0  # row 3, at the right edge
    assert data.moved_by_a_pixel(image, 1, 0).nonzero().tolist() == [[0, 8 * 4 + 7]]
    assert data.moved_by_a_pixel(image, 0, -1).nonzero().tolist() == [[0, 8 * 3 + 6]]
    assert data.moved_by_a_pixel(image, 0, 1).abs().sum() == 0.0  # it has left


def test_images_of_a_seed():
    images = data.samples("digits", 3, 120, 200)
    x, _ = images.train
    assert x.shape == (120, 64)
    assert len(images.clean) == len(images.labels) == 200
    assert torch.allclose(x.mean(0), torch.zeros(64, dtype=x.dtype), atol=1e-12)
    assert float(x.square().mean()) == pytest.approx(1.0)
    noise = images.noisy - images.clean  # 12 800 normal numbers: their variance within 5 · √(2/12800) (6·10⁻⁷)
    assert float(noise.var()) == pytest.approx(data.INPUT_NOISE**2, abs=5 * math.sqrt(2 / 12800))
    assert not torch.equal(data.samples("digits", 4, 120, 200).clean, images.clean)
    rows = {tuple(row) for part in (x, images.validation[0], images.clean) for row in part.tolist()}
    assert len(rows) >= 120 + data.MOST["digits"][1] + 200 - 5  # apart, but for a few equal images


def test_rows_of_the_table_of_a_seed():
    """Columns have their own units; a quarter of them are missing in the third test; no row is in two parts."""
    rows = data.samples("breast cancer", 0, 500, 900)
    assert (len(rows.train[0]), len(rows.validation[0]), len(rows.clean), rows.classes) == (200, 150, 219, 2)
    assert torch.allclose(rows.train[0].square().mean(0), torch.ones(30, dtype=torch.float64))
    assert [int((part == 0).all(0).sum()) for part in rows.shifted] == [8, 8, 8, 8]
    every = {tuple(row) for part in (rows.train[0], rows.validation[0], rows.clean) for row in part.tolist()}
    assert len(every) == 569


def test_a_probe_undoes_no_scale():
    """It reads three classes that a line tells apart, and not those whose features have shrunk below its ridge."""
    rng = np.random.default_rng(0)
    y = torch.from_numpy(rng.integers(3, size=300))
    x = torch.nn.functional.one_hot(y, 3).double() + 0.05 * torch.from_numpy(rng.standard_normal((300, 3)))
    parts = data.Samples((x[:200], y[:200]), (x, y), x[200:], x[200:], (x[200:],), y[200:])
    unit = features.variance(x)
    found = features.look(parts, lambda z: z, unit)
    assert found["probe"] == 1.0
    assert found["spread"] == pytest.approx(1.0, abs=0.05)
    assert found["rank"] == pytest.approx(2.0, abs=0.1)  # three corners span a plane
    mixed = features.look(parts, lambda z: torch.stack([1e-4 * z[:, 0], z[:, 1] + z[:, 2]], 1), unit)
    assert mixed["probe"] < 0.8  # one and two cannot be told apart


@pytest.mark.parametrize("name", surrogates.SURROGATES)
def test_surrogates_begin_at_the_ratio_asked_for(name):
    plain = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    run = neurons.train_neurons(name, 0.3, 0, (80, 100, 50, 0.5, 1.0), plain)
    assert run.ratio[0] == pytest.approx(0.3, rel=1e-10)
    assert run.temperature > 0
    assert (plain.c0, plain.degenerate, plain.collapse) == (0.0, True, 0.0)
    plain = representations.train_encoder(surrogates.NONE, 0.0, 0, (100, 50, 8), None)
    run = representations.train_encoder(name, 0.3, 0, (100, 50, 8), plain)
    assert run.ratio[0] == pytest.approx(0.3, rel=1e-10)
    assert run.collapse > 0
    judges = set(run.misaligned) - {name}
    if name in run.misaligned and name != "KoLeo":  # its own force, by another neighbour search, is its own to rounding
        assert run.misaligned[name] == 0.0
    assert run.regimes["misaligned"] <= max(run.misaligned[key] for key in judges)


def test_no_entropy_is_plain_training():
    """The monitor and the missing entropy leave nothing behind: a loop of torch gives the same accuracies."""
    run = representations.train_encoder(surrogates.NONE, 0.0, 2, (150, 100, 30), None)
    images = data.samples("digits", 2, 150, 100)
    model = representations.Classifier(2)
    optimiser = torch.optim.Adam(model.parameters(), lr=representations.LEARNING_RATE)
    for _ in range(30):
        z = model.encoder(images.train[0])
        loss = torch.nn.functional.cross_entropy(model.head(z), images.train[1])
        loss = loss + 0.5 * surrogates.CONFINEMENT * z.square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert run.accuracy == data.accuracies(images, lambda x: model(x).argmax(1))
        assert torch.allclose(run.end.x, model.encoder(images.train[0]), rtol=1e-12, atol=1e-12)


def ledger(information, loss=1.0):
    found = Ledger()
    for t, force in enumerate(information):
        row = {"t": t, "loss_force": loss, "information_force": force, "force_ratio": force / loss}
        found.append(row | {"alignment": -0.5, "entropy_production": 0.0, "reference_alignment": 1.0})
    return found


def test_what_is_kept_of_the_forces():
    mu = wgf.Ensemble.gaussian(20, 2, seed=0)
    grown = surrogates.forces(ledger(np.geomspace(0.1, 0.4, 21)), mu, None)
    assert (grown["c0"], grown["c1"]) == pytest.approx((0.1, 0.4))
    assert grown["typical"] == pytest.approx(0.2)  # the geometric mean of a geometric ramp
    assert grown["degenerate"] is True  # c = 0 for want of a plain run: collapsed throughout
    line = surrogates.forces(ledger(np.linspace(0.0, 2.0, 2001)), mu, None)
    assert line["varies"] == pytest.approx(1 / math.sqrt(3), abs=1e-3)  # of a uniform variable on [0, 2]
    plain = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    plain = replace(plain, end=wgf.Ensemble(mu.x + 3.0), length=6.0)
    apart = surrogates.forces(ledger([0.2] * 9), mu, plain)
    assert apart["collapse"] == pytest.approx(math.sqrt(18) / 6.0)  # W₂ of a translation by (3, 3)
    assert apart["degenerate"] is False
    weak = surrogates.forces(ledger([1e-5] * 9), mu, plain)
    assert weak["degenerate"] is True
    assert weak["regimes"]["weak"] == 1.0


def test_the_temperature_is_chosen_by_validation_alone():
    study: Any = studies.load("information-force", seeds=3, ratios=(0.1, 1.0, 10.0))
    one = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    validation = {0: (0.5, 0.9, 0.9), 1: (0.7, 0.6, 0.5), 2: (0.1, 0.2, 0.3)}
    sweep = [
        replace(one, setting=SETTINGS[0], surrogate="LogDet", seed=seed, matched=ratio,
                accuracy={"validation": value, "clean": 1 - value, "noise": 0.0, "shift": 0.0})
        for seed, values in validation.items()
        for ratio, value in zip(study.ratios, values, strict=True)
    ]  # fmt: skip
    runs = Runs(sweep, SETTINGS[:1], ("LogDet",), study.ratios, None, study.seed_numbers)
    chosen = runs.chosen(SETTINGS[0], "LogDet")
    assert [run.matched for run in chosen] == [1.0, 0.1, 10.0]  # the least among equals


def test_threads_change_nothing():
    """A study gives the same numbers in one process and in several, where torch has one thread."""
    before = torch.get_num_threads()
    task = stock.Task(dim=6, neurons=4, noise=0.1, confinement=0.01, dt=1.0, pool=300)
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run = representations.train_encoder("LogDet", 1.0, 0, (300, 200, 12), None)
            found.append((run.rank, run.c0, run.accuracy, run.length, stock.train(task, 64, 256, 0, (4,))))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_sign_is_decided_by_the_whole_interval():
    for low, high, verdict in ((0.1, 0.2, "supported"), (-0.2, -0.1, "contradicted"), (-0.1, 0.1, "undecided")):
        assert above_zero("", Estimate(0.0, low, high)).verdict.value == verdict
    assert above_zero("", Estimate(0.0, 0.0, 0.0)).verdict is Verdict.UNDECIDED
    assert above_zero("", Estimate(math.nan, math.nan, math.nan)).verdict is Verdict.UNDECIDED


def made(setting, name, matched, seed, run, **changes):
    return replace(run, setting=setting, surrogate=name, matched=matched, seed=seed, **changes)


def test_claims_are_judged_by_every_setting():
    """One setting against a general claim contradicts it, whatever the mean over settings says."""
    one = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    claim = criteria.Claim("", lambda runs, setting, seed: runs.plain(setting, seed).rank, "")

    def finding(ranks):
        every = [
            made(setting, surrogates.NONE, 0.0, seed, one, rank=rank + 0.01 * seed)
            for setting, rank in zip(SETTINGS, ranks, strict=True)
            for seed in range(3)
        ]
        return criteria.judged(claim, Runs(every, SETTINGS, (), (1.0,), None, range(3)))

    assert finding([1, 2, 3, 4, 5, 6]).verdict is Verdict.SUPPORTED
    assert finding([1, 2, 3, 4, 5, -6]).verdict is Verdict.CONTRADICTED
    assert "1 contradicted (two views, breast cancer)" in finding([1, 2, 3, 4, 5, -6]).remark
    assert finding([1, 2, 3, 4, 5, -0.01]).verdict is Verdict.SUPPORTED  # this one alone decides nothing
    assert finding([-0.01] * 6).verdict is Verdict.UNDECIDED


def test_useful_and_only_when():
    """Two of four runs gain more than 1 %, and one of them is degenerate."""
    one = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    flat = dict.fromkeys(("validation", "clean", "noise", "shift"), 0.8)
    every = [made(SETTINGS[0], surrogates.NONE, 0.0, 0, one, accuracy=flat)]
    for name, ratio, gained, degenerate in (("LogDet", 0.1, 0.02, False), ("LogDet", 1.0, 0.005, False),
                                            ("Blob", 0.1, 0.03, True), ("Blob", 1.0, 0.0, True)):  # fmt: skip
        accuracy = {key: value + gained for key, value in flat.items()}
        every.append(made(SETTINGS[0], name, ratio, 0, one, accuracy=accuracy, degenerate=degenerate))
    runs = Runs(every, SETTINGS[:1], ("LogDet", "Blob"), (0.1, 1.0), None, [0])
    assert criteria.only(runs, SETTINGS[0], 0) == 0.5
    assert criteria.more_often(runs, SETTINGS[0], 0) == 0.0
    assert criteria.accuracy_contrast(runs, SETTINGS[0], 0) == pytest.approx(-0.0025)


def test_matched_dissipation_finds_its_level():
    """On ∫I² = T^1.5 a secant after one step of slope 2 is exact; a force that has gone ends the search."""
    one = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    calls = []

    def train(temperature):
        calls.append(temperature)
        return replace(one, temperature=temperature, spent=temperature**1.5)

    found = matching.at_dissipation(train, 8.0, 0.3, 3)
    assert (len(calls), found.spent) == (3, pytest.approx(8.0))
    assert matching.first_guess([train(t) for t in (0.1, 1.0, 10.0)], 8.0) == pytest.approx(4.0)
    assert matching.first_guess([train(0.1)], 1e-1**1.5) == pytest.approx(0.1)
    assert matching.first_guess([one], 1.0) == 0.0
    assert matching.at_dissipation(lambda t: replace(one, spent=0.0), 1.0, 0.5, 9).spent == 0.0


def test_seeds_that_decide():
    """Normal values of deviation 1: ± 0.5 takes 18 seeds, and 34 find an effect of half a deviation at 80 %."""
    values = [1.0, -1.0, 0.0]
    assert np.std(values, ddof=1) == 1.0
    assert (seeds_for_interval(values, 0.5), seeds_for_power(values, 0.5, 0.8)) == (18, 34)
    assert (seeds_for_interval([1.0, 1.0], 0.5), seeds_for_power([1.0, 1.0], 0.5, 0.8)) == (2, 2)


@pytest.mark.slow
def test_the_study_of_the_information_force_on_a_small_scale():
    small = {"seeds": 3, "ratios": (0.1, 1.0), "neurons": 80, "train": 100, "test": 60, "t_end": 1.5, "steps": 8}
    names = ("LogDet", "SoftmaxFeatures", "SoftmaxParticles")
    places = (SETTINGS[0], SETTINGS[4], SETTINGS[5])
    study = studies.load("information-force", **small, places=places, surrogates=names, tries=1)
    outcome = study.run(Work())
    assert len(outcome.findings) == len(criteria.CLAIMS)
    assert all("no setting alone" in finding.criterion for finding in outcome.findings)
    opening = outcome.tables[0]
    assert opening.first
    assert opening.column("surrogate") == ["no entropy", *(surrogates.SURROGATES[name] for name in names)]
    assert opening.columns[-2:] == ("rank, breast cancer", "probe, %, breast cancer")
    for setting in places:
        table = outcome.table("sweep_" + "_".join(setting.replace(",", "").split()))
        assert len(table.rows) == 1 + 3 * len(names)
        starts = [c0 for name, c0 in zip(table.column("surrogate"), table.column("c₀"), strict=True) if name != "none"]
        assert 0 < min(starts) < max(starts) <= 1.0 + 1e-10
    assert len(outcome.table("claims").rows) == 9 * 3 + 3 * 1 + 2  # about all settings, two views, and labels
    assert [figure.name for figure in outcome.figures] == ["forces", "collapse", "degenerate", "bounds"]
