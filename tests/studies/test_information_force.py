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
from wgf.studies.information_force import neurons, representations, surrogates
from wgf.studies.information_force.runs import SETTINGS, Runs
from wgf.studies.scaling import stock

# ---------------------------------------------------------------------------------------------- information force


def test_an_image_moves_by_a_pixel():
    image = torch.zeros(1, 64)
    image[0, 8 * 3 + 7] = 1.0  # row 3, at the right edge
    assert surrogates.moved_by_a_pixel(image, 1, 0).nonzero().tolist() == [[0, 8 * 4 + 7]]
    assert surrogates.moved_by_a_pixel(image, 0, -1).nonzero().tolist() == [[0, 8 * 3 + 6]]
    assert surrogates.moved_by_a_pixel(image, 0, 1).abs().sum() == 0.0  # it has left


def test_images_of_a_seed():
    data = surrogates.images(3, 120, 200)
    x, _ = data.train
    assert x.shape == (120, 64)
    assert len(data.clean) == len(data.labels) == 200
    assert torch.allclose(x.mean(0), torch.zeros(64, dtype=x.dtype), atol=1e-12)
    assert float(x.square().mean()) == pytest.approx(1.0)
    noise = data.noisy - data.clean  # 12 800 normal numbers: their variance within 5 · √(2/12800) (6·10⁻⁷)
    assert float(noise.var()) == pytest.approx(surrogates.INPUT_NOISE**2, abs=5 * math.sqrt(2 / 12800))
    assert not torch.equal(surrogates.images(4, 120, 200).clean, data.clean)
    rows = {tuple(row) for part in (x, data.validation[0], data.clean) for row in part.tolist()}
    assert len(rows) >= 120 + surrogates.VALIDATION + 200 - 5  # apart, but for a few equal images


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


def test_no_entropy_is_plain_training():
    """The monitor and the missing entropy leave nothing behind: a loop of torch gives the same accuracies."""
    run = representations.train_encoder(surrogates.NONE, 0.0, 2, (150, 100, 30), None)
    data = surrogates.images(2, 150, 100)
    model = representations.Classifier(2)
    optimiser = torch.optim.Adam(model.parameters(), lr=representations.LEARNING_RATE)
    for _ in range(30):
        z = model.encoder(data.train[0])
        loss = torch.nn.functional.cross_entropy(model.head(z), data.train[1])
        loss = loss + 0.5 * surrogates.CONFINEMENT * z.square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert run.accuracy == surrogates.accuracies(data, lambda x: model(x).argmax(1))
        assert torch.allclose(run.end.x, model.encoder(data.train[0]), rtol=1e-12, atol=1e-12)


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
    chosen = Runs(sweep, study.ratios, study.seed_numbers).chosen(SETTINGS[0], "LogDet")
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


@pytest.mark.slow
def test_the_study_of_the_information_force_on_a_small_scale():
    small = {"seeds": 3, "ratios": (0.1, 1.0), "neurons": 80, "train": 100, "test": 60, "t_end": 1.5, "steps": 8}
    outcome = studies.load("information-force", **small).run(Work())
    assert len(outcome.findings) == 2 * (2 * 4 + 3)
    assert all(finding.criterion == "the whole interval lies above 0" for finding in outcome.findings)
    for setting in SETTINGS:
        table = outcome.table(f"sweep_{setting}")
        assert len(table.rows) == 1 + 2 * len(surrogates.SURROGATES)
        starts = [c0 for name, c0 in zip(table.column("surrogate"), table.column("c₀"), strict=True) if name != "none"]
        assert 0 < min(starts) < max(starts) <= 1.0 + 1e-10
    count = 1 + len(surrogates.SURROGATES)
    assert [row[0] for row in outcome.table("chosen").rows] == count * ["particles"] + count * ["representations"]
    assert [figure.name for figure in outcome.figures] == ["forces", "bounds", "learned"]
