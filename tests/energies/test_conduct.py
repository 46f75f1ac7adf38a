"""What energies owe their user: inputs left alone, and bad ones named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from samples import ensemble

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, ShapeError


def test_terms_refuse_what_they_cannot_take():
    mu = ensemble(2, False)
    with pytest.raises(ShapeError, match=r"fn returned shape \(7, 2\) for 7 particles; wanted \(7,\)"):
        wgf.Potential(lambda x: x).value(mu)
    with pytest.raises(DivergenceError, match="fn returned nan at particle 0"):
        wgf.Potential(lambda x: x[:, 0] * math.nan).value(mu)
    with pytest.raises(ConfigError, match="pass grad="):
        wgf.Potential(lambda x: torch.zeros(len(x), dtype=x.dtype)).gradient(mu)
    with pytest.raises(ShapeError, match=r"grad returned shape \(7,\)"):
        wgf.Potential(lambda x: x[:, 0], grad=lambda x: x[:, 0]).gradient(mu)
    with pytest.raises(ShapeError, match=r"center has shape \(3,\), the particles have dimension 2"):
        wgf.Quadratic(1.0, [0, 0, 0]).value(mu)
    with pytest.raises(ConfigError, match="wanted a symmetric"):
        wgf.Quadratic([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(ConfigError, match="stiffness = '1'"):
        wgf.Quadratic("1")
    with pytest.raises(ConfigError, match="wanted a kernel"):
        wgf.Interaction("Gaussian")
    with pytest.raises(ConfigError, match="did you mean 'dense'"):
        wgf.Interaction(K.Gaussian(1.0), method="dens")
    with pytest.raises(ShapeError, match=r"use Newtonian\(2\)"):
        wgf.Interaction(K.Newtonian(3)).value(mu)
    with pytest.raises(ConfigError, match="finite at 0"):
        wgf.MMD(mu, K.Log())
    with pytest.raises(ShapeError, match=r"returned \(2,\); wanted a torch scalar"):
        wgf.from_function(lambda x, w: w @ x).value(mu)
    with pytest.raises(ConfigError, match="zero variance"):
        wgf.LogVariance().value(wgf.Ensemble([[0.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(ConfigError, match="did you mean 'silverman'"):
        wgf.Blob("silvermann")
    with pytest.raises(ConfigError, match="did you mean 'particles'"):
        wgf.Softmax(axis="particle")
    with pytest.raises(ConfigError, match="use Blob"):
        wgf.Power(1.0, 0.1)
    with pytest.raises(ConfigError, match="h = 0"):
        K.Gaussian(0)
    with pytest.raises(ConfigError, match=r"wanted 0\.5, 1\.5 or 2\.5"):
        K.Matern(1.0, 1.0)
    with pytest.raises(ConfigError, match="ridge = -1"):
        wgf.LogDet(-1)
    with pytest.raises(ConfigError, match=r"LogDet, Variance"):
        wgf.Shannon().gradient(mu)
    with pytest.raises(ShapeError, match="fn returned shape"):
        wgf.Interaction(K.RadialKernel(lambda q: q.sum())).value(mu)


def test_user_arrays_and_ensembles_are_not_shared():
    z, y = np.ones((4, 2)), np.ones(4)
    risk = wgf.NetworkRisk(z, y)
    mu = risk.initial(5)
    before = float(risk.value(mu))
    z[:], y[:] = 0.0, 100.0
    assert float(risk.value(mu)) == before
    center = np.zeros(4)
    well = wgf.Quadratic(1.0, center)
    center[:] = 9.0
    assert torch.equal(well.gradient(mu), mu.x)
    x = mu.x.clone()
    gradient = wgf.Potential(lambda x: 0.5 * (x**2).sum(1), grad=lambda x: x).gradient(mu)
    gradient *= 0
    for term in (
        wgf.Potential(lambda x: x.sub_(1).sum(1)),
        wgf.from_function(lambda x, w: x.mul_(w[:, None]).sum(), "own"),
    ):
        with pytest.raises(ConfigError, match="writes to what it was given"):
            term.value(mu)
    assert torch.equal(mu.x, x)


def test_a_function_must_know_the_weights_to_have_a_first_variation():
    mu = ensemble(2, False)
    f = wgf.from_function(lambda x, w: (x**2).mean())
    assert f.gradient(mu).shape == (7, 2)
    for call in (f.first_variation, lambda mu: f.gradient(mu, mu.x)):
        with pytest.raises(ConfigError, match="does not depend on the weights"):
            call(mu)


def test_samples_of_an_mmd_do_not_round_the_particles():
    mu, samples = ensemble(2, True), np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    one = wgf.MMD(samples, K.Gaussian(1.0)).gradient(mu)
    two = wgf.MMD(samples.astype(float), K.Gaussian(1.0)).gradient(mu)
    assert torch.equal(one, two)


def test_more_bad_input_is_named():
    mu, z = ensemble(2, False), np.ones((4, 2))
    with pytest.raises(ConfigError, match=r"mu is ndarray: wanted a wgf\.Ensemble"):
        wgf.Quadratic().value(np.zeros((3, 2)))
    with pytest.raises(ConfigError, match="a coefficient failed at t = 0"):
        ((lambda: 1.0) * wgf.Quadratic()).at(0.0)
    with pytest.raises(ConfigError, match="wanted a finite number or a callable"):
        wgf.Quadratic() / 0
    with pytest.raises(ShapeError, match="fn returned NoneType"):
        wgf.Potential(lambda x: None).value(mu)
    with pytest.raises(ConfigError, match=r"not written in torch.*pass grad="):
        wgf.Potential(lambda x: x.numpy()[:, 0]).gradient(mu)
    with pytest.raises(ConfigError, match="h = 1000"):
        K.Gaussian(10**400)
    with pytest.raises(DivergenceError, match="out of floating-point range"):
        wgf.Power(2.0, 0.01).value(wgf.Ensemble(np.eye(3, 700)))
    risk = wgf.NetworkRisk(z, np.arange(4) % 2, loss="cross_entropy")
    with pytest.raises(ShapeError, match="inputs of 1 features; the risk has 2"):
        risk.accuracy(risk.initial(3), z[:, :1], np.arange(4) % 2)
    with pytest.raises(DivergenceError, match="not finite at point 1 of `at`"):
        wgf.Interaction(K.RadialKernel(lambda q: 1 / (4.0 - q))).first_variation(wgf.Ensemble([[0.0]]), [[1.0], [2.0]])
    total: Any = sum([wgf.Quadratic(), wgf.Quadratic()])
    assert float(total.value(mu)) == pytest.approx(2 * float(wgf.Quadratic().value(mu)))
