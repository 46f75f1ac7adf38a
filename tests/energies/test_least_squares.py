"""The misfit of an inverse problem, its statistical linearisation, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf.energies.least_squares import LinearisedLeastSquares
from wgf.errors import ConfigError, DivergenceError, ShapeError

G = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.5]])
DATA = np.array([1.0, -0.5, 2.0])
COV = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.0], [0.0, 0.0, 0.3]])


def affine(x):
    return x @ torch.from_numpy(G).T.to(x.dtype) + 0.5


@pytest.mark.parametrize("cov", [0.3, [0.5, 0.4, 0.3], COV], ids=["number", "diagonal", "matrix"])
def test_against_numpy(cov):
    mu = wgf.Ensemble.gaussian(8, 2, seed=1)
    misfit = wgf.LeastSquares(affine, DATA, cov)
    cov = np.asarray(cov)
    precision = np.linalg.inv(cov if cov.ndim == 2 else np.diag(np.broadcast_to(cov, 3)))
    r = mu.x.numpy() @ G.T + 0.5 - DATA
    np.testing.assert_allclose(misfit.first_variation(mu), 0.5 * np.einsum("ik,kl,il->i", r, precision, r), rtol=1e-13)
    np.testing.assert_allclose(misfit.gradient(mu), r @ precision @ G, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(misfit.forward(mu.x) - DATA, r, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_linearisation_is_the_gradient_of_an_affine_map(weighted):
    """Elsewhere too; and where particles span less than the space, its part in their span."""
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(7, 2)) + 10.0, rng.dirichlet(np.ones(7))
    mu = wgf.Ensemble(x, weights if weighted else None)
    misfit = wgf.LeastSquares(affine, DATA, COV)
    linearised = LinearisedLeastSquares(misfit)
    at = rng.normal(size=(3, 2))
    torch.testing.assert_close(linearised.gradient(mu), misfit.gradient(mu), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(linearised.gradient(mu, at), misfit.gradient(mu, at), rtol=1e-9, atol=1e-10)
    assert linearised.value(mu) == misfit.value(mu)
    assert torch.equal(linearised.first_variation(mu, at), misfit.first_variation(mu, at))
    line = wgf.Ensemble(np.outer([0.0, 1.0, 3.0], [0.6, 0.8]))
    along = misfit.gradient(line) @ torch.tensor([0.6, 0.8], dtype=torch.float64)
    want = along[:, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    torch.testing.assert_close(linearised.gradient(line), want, rtol=1e-9, atol=1e-10)


def test_what_does_not_fit_is_refused():
    mu = wgf.Ensemble.gaussian(4, 2, seed=1)
    with pytest.raises(ConfigError, match="wanted a callable"):
        wgf.LeastSquares(3.0, DATA)
    for data, cov, message in [
        (1.0, 1.0, r"data of shape \(\); wanted \(K,\)"), ([1.0, np.nan], 1.0, "data of shape .* is not finite"),
        (DATA, [1.0, 2.0], r"noise_cov of shape \(2,\); wanted a number, \(3,\) or \(3, 3\)"),
    ]:  # fmt: skip
        with pytest.raises((ConfigError, ShapeError), match=message):
            wgf.LeastSquares(affine, data, cov)
    for cov in (-1.0, [1.0, 0.0, 1.0], np.ones((3, 3)), COV + np.triu(COV)):
        with pytest.raises(ConfigError, match="noise_cov"):
            wgf.LeastSquares(affine, DATA, cov)
    with pytest.raises(ShapeError, match=r"forward returned shape \(4, 2\) for 4 particles and 3 data; wanted"):
        wgf.LeastSquares(lambda x: x, DATA).value(mu)
    with pytest.raises(DivergenceError, match="forward is not finite at particle 0"):
        wgf.LeastSquares(lambda x: affine(x) / 0.0, DATA).value(mu)
    with pytest.raises(ConfigError, match="forward is not a differentiable torch function"):
        wgf.LeastSquares(lambda x: x.detach().numpy() @ G.T, DATA).gradient(mu)
    with pytest.raises(ConfigError, match="forward is not a differentiable torch function"):
        wgf.LeastSquares(lambda x: x.numpy() @ G.T, DATA).gradient(mu)
