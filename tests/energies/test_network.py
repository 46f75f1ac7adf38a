"""The risk of a network: against numpy, units of the user, its start, minibatches, and what it refuses."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import torch
from samples import data, ensemble

import wgf
from wgf.errors import ConfigError, ShapeError


def smooth_unit(z, theta):
    return theta[0] * torch.sin(theta[-1] * z.sum()) + theta.sum() * z[0]


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "cross_entropy"])
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_network_risk_against_numpy(loss, activation):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(40, 3))
    y = {"cross_entropy": rng.integers(0, 4, 40), "logistic": rng.integers(0, 2, (40, 2))}.get(
        loss, rng.normal(size=(40, 2))
    )
    risk = wgf.NetworkRisk(z, y, activation=activation, loss=loss)
    mu = risk.initial(25, seed=3)
    f = naive.network(mu.x.numpy(), mu.weights.numpy(), z, 4 if loss == "cross_entropy" else 2, activation)
    np.testing.assert_allclose(risk.predict(mu, z), f, rtol=1e-11, atol=1e-13)
    assert float(risk.value(mu)) == pytest.approx(naive.loss(loss, f, y), rel=1e-12)
    assert risk.loss_on(mu, z, y) == pytest.approx(naive.loss(loss, f, y), rel=1e-12)
    if loss == "cross_entropy":
        assert risk.accuracy(mu, z, y) == pytest.approx((f.argmax(1) == y).mean())
    if loss == "logistic":
        assert risk.accuracy(mu, z, y) == pytest.approx(((f > 0) == (y == 1)).all(1).mean())


def test_user_unit_equals_the_built_in_one():
    """The same φ through torch.func and in closed form."""
    z, y, _ = data(4)
    built_in = wgf.NetworkRisk(z, y, activation="tanh")
    own = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] * torch.tanh(t[1:-1] @ z + t[-1]), dim=4))
    mu = built_in.initial(600, seed=1)
    assert float(own.value(mu)) == pytest.approx(float(built_in.value(mu)), rel=1e-12)
    torch.testing.assert_close(own.gradient(mu), built_in.gradient(mu), rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(own.first_variation(mu), built_in.first_variation(mu), rtol=1e-10, atol=1e-13)


def test_initial_ensemble_has_the_stated_scales():
    """a, b ~ N(0, 1), w ~ N(0, 1/D); 5 standard errors at n = 4000 (false alarm 6e-7)."""
    risk = wgf.NetworkRisk(np.zeros((5, 16)) + np.arange(16), np.arange(5) % 3, loss="cross_entropy")
    mu = risk.initial(4000, seed=1)
    assert risk.dim == mu.dim == 3 + 16 + 1
    variance = mu.covariance().diagonal().numpy()
    expected = np.array([1.0] * 3 + [1 / 16] * 16 + [1.0])
    assert np.abs(variance / expected - 1).max() < 5 * math.sqrt(2 / 4000)
    assert not torch.equal(mu.x, risk.initial(4000, seed=2).x)


def test_minibatches_are_seeded_and_unbiased():
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    risk, full = wgf.NetworkRisk(z, y, batch=10), wgf.NetworkRisk(z, y)
    mu, noise = full.initial(20, seed=0), wgf.Noise(4)
    torch.testing.assert_close(risk.gradient(mu), full.gradient(mu))  # undrawn, it is the full risk
    values = torch.stack([risk.draw(noise, step).value(mu) for step in range(400)])
    assert torch.equal(risk.draw(noise, 3).gradient(mu), risk.draw(noise, 3).gradient(mu))
    assert not torch.equal(risk.draw(noise, 3).gradient(mu), risk.draw(noise, 4).gradient(mu))
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean() - full.value(mu))) < 5 * error


def test_network_risk_refuses_what_it_cannot_take():
    z, y, _ = data(4)
    with pytest.raises(ConfigError, match="did you mean 'tanh'"):
        wgf.NetworkRisk(z, y, activation="tahn")
    with pytest.raises(ConfigError, match="did you mean 'squared'"):
        wgf.NetworkRisk(z, y, loss="square")
    with pytest.raises(ShapeError, match="one row for each of the 9 inputs"):
        wgf.NetworkRisk(z, y[:-1])
    bad = z.copy()
    bad[4, 1] = math.nan
    with pytest.raises(ConfigError, match="inputs: nan at row 4, column 1"):
        wgf.NetworkRisk(bad, y)
    bad = y.copy()
    bad[3] = math.inf
    with pytest.raises(ConfigError, match="targets: inf at row 3"):
        wgf.NetworkRisk(z, bad)
    with pytest.raises(ConfigError, match="class indices"):
        wgf.NetworkRisk(z, y, loss="cross_entropy")
    with pytest.raises(ConfigError, match="wanted 0/1"):
        wgf.NetworkRisk(z, y, loss="logistic")
    with pytest.raises(ConfigError, match="batch = 10: wanted an integer from 1 to 9"):
        wgf.NetworkRisk(z, y, batch=10)
    with pytest.raises(ConfigError, match="unit = 3: wanted a function"):
        wgf.NetworkRisk(z, y, unit=3)
    bare = wgf.NetworkRisk(z, y, unit=lambda z, t: t.sum() * z.sum())
    assert bare.gradient(ensemble(3, False)).shape == (7, 3)
    with pytest.raises(ConfigError, match=r"wgf\.Unit\(fn, dim="):
        bare.initial(5)
    risk = wgf.NetworkRisk(z, y)
    with pytest.raises(ShapeError, match=r"dimension 3; wanted 4 = 1 output weights \+ 2 input weights \+ 1 bias"):
        risk.value(ensemble(3, False))
    with pytest.raises(ConfigError, match="accuracy is not defined"):
        risk.accuracy(risk.initial(3), z, y)
    with pytest.raises(ShapeError, match="inputs of 1 features"):
        risk.predict(risk.initial(3), z[:, :1])
    with pytest.raises(ShapeError, match="the unit has 1 outputs, the targets ask for 3"):
        wgf.NetworkRisk(z, np.arange(9) % 3, loss="cross_entropy", unit=wgf.Unit(smooth_unit, 4)).value(
            ensemble(4, False)
        )


def test_unit_with_products_takes_float32():
    z, y, _ = data(4)
    risk = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] * torch.tanh(t[1:-1] @ z + t[-1]), dim=4))
    single, double = risk.initial(30, seed=1, dtype="float32"), risk.initial(30, seed=1)
    assert risk.gradient(single).dtype == torch.float32
    assert float(risk.value(single)) == pytest.approx(float(risk.value(double)), rel=1e-5)
    branching = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] if z[0] > 0 else t[1], dim=2))
    with pytest.raises(ConfigError, match=r"torch\.where"):
        branching.value(wgf.Ensemble([[0.0, 1.0]]))


@pytest.mark.parametrize("labels", [[1, 2, 3], [20230101, 20230102, 20230103], [0, 2], [0, 1, 10**12], [5, 5, 5]])
def test_labels_with_gaps_are_refused_and_the_message_says_how_to_encode_them(labels):
    y = np.array(labels * 10)
    z = np.random.default_rng(0).normal(size=(len(y), 4))
    with pytest.raises(ConfigError, match="has no sample") as caught:
        wgf.NetworkRisk(z, y, loss="cross_entropy")
    assert "numpy.unique(y, return_inverse=True)[1]" in str(caught.value)
    encoded = np.unique(y, return_inverse=True)[1]
    risk = wgf.NetworkRisk(z, encoded, loss="cross_entropy")
    assert risk.dim == 4 + 1 + max(2, len(set(labels)))


def test_a_class_without_samples_is_there_where_it_is_named():
    z = np.random.default_rng(0).normal(size=(6, 2))
    risk = wgf.NetworkRisk(z, [0, 2, 0, 2, 2, 0], loss=wgf.energies.CrossEntropy(classes=4))
    mu = risk.initial(5)
    assert risk.predict(mu, z).shape == (6, 4)
    f = risk.predict(mu, z).double()
    value = (torch.logsumexp(f, 1) - f[range(6), [0, 2, 0, 2, 2, 0]]).mean()
    assert float(risk.value(mu)) == pytest.approx(float(value), rel=1e-12)
    assert risk.accuracy(mu, z[:1], [3]) in (0.0, 1.0)
    with pytest.raises(ConfigError, match="class 4; wanted classes from 0 to 3"):
        risk.accuracy(mu, z[:1], [4])
    with pytest.raises(ConfigError, match="CrossEntropy classes = 1"):
        wgf.energies.CrossEntropy(classes=1)
    some = wgf.NetworkRisk(z, [0, 1, 2, 0, 1, 2], loss="cross_entropy")
    assert some.loss_on(some.initial(5), z[:2], [2, 0]) > 0  # other data need not have all classes
