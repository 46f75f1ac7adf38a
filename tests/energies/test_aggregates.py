"""The risk of a network under another law of its samples, at other inputs, and by another aggregate of its losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf.energies.aggregates import Aggregate, Mean
from wgf.errors import ConfigError, ShapeError


class MeanTwice(Aggregate):
    """The mean, said to be nonlinear: it takes the way through all losses."""

    def value(self, losses, law):
        return Mean().value(losses, law)

    def slope(self, losses, law):
        return law


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return rng.normal(size=(60, 3)), rng.normal(size=60)


def test_a_sample_of_twice_the_weight_is_there_twice(data: tuple[np.ndarray, np.ndarray]):
    z, y = data
    double = wgf.NetworkRisk(np.vstack([z, z[:20]]), np.concatenate([y, y[:20]]))
    law = np.where(np.arange(60) < 20, 2.0, 1.0) / 80
    weighted = wgf.NetworkRisk(z, y).with_law(law)
    mu = weighted.initial(30, seed=1)
    assert float(weighted.value(mu)) == pytest.approx(float(double.value(mu)), rel=1e-13)
    torch.testing.assert_close(weighted.gradient(mu), double.gradient(mu), rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(weighted.first_variation(mu), double.first_variation(mu), rtol=1e-11, atol=1e-14)


def test_the_way_through_all_losses_is_the_one_pass_sweep(data: tuple[np.ndarray, np.ndarray]):
    risk = wgf.NetworkRisk(*data)
    mu, other = risk.initial(40, seed=2), risk.with_aggregate(MeanTwice())
    assert float(other.value(mu)) == float(risk.value(mu))
    torch.testing.assert_close(other.evaluate(mu).gradient, risk.evaluate(mu).gradient, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(other.first_variation(mu), risk.first_variation(mu), rtol=1e-12, atol=1e-15)


def test_weighted_minibatches_are_unbiased(data: tuple[np.ndarray, np.ndarray]):
    """Five standard errors over 400 draws: a false alarm in 2·10⁶; one weight of 60 off by a third would be seen."""
    law = np.linspace(1.0, 3.0, 60) / np.linspace(1.0, 3.0, 60).sum()
    full, part = wgf.NetworkRisk(*data).with_law(law), wgf.NetworkRisk(*data, batch=12).with_law(law)
    mu, noise = full.initial(20, seed=0), wgf.Noise(4)
    values = torch.stack([part.draw(noise, step).value(mu) for step in range(400)])
    assert abs(float(values.mean() - full.value(mu))) < 5 * float(values.std()) / 20
    gradients = torch.stack([part.draw(noise, step).gradient(mu)[0, 0] for step in range(400)])
    assert abs(float(gradients.mean() - full.gradient(mu)[0, 0])) < 5 * float(gradients.std()) / 20


def test_other_inputs_leave_the_risk_as_it_was(data: tuple[np.ndarray, np.ndarray]):
    z, y = data
    risk = wgf.NetworkRisk(z, y)
    mu = risk.initial(20, seed=0)
    before = float(risk.value(mu))
    assert float(risk.with_inputs(z + 1.0).value(mu)) == float(wgf.NetworkRisk(z + 1.0, y).value(mu)) != before
    assert float(risk.value(mu)) == before


def test_what_does_not_fit_is_refused(data: tuple[np.ndarray, np.ndarray]):
    risk = wgf.NetworkRisk(*data)
    with pytest.raises(ShapeError, match=r"wanted \(60, 3\)"):
        risk.with_inputs(np.zeros((59, 3)))
    with pytest.raises(ShapeError, match=r"wanted \(60,\)"):
        risk.with_law(np.ones(4) / 4)
    with pytest.raises(ConfigError, match="batch=None"):
        wgf.NetworkRisk(*data, batch=5).with_aggregate(MeanTwice())
