"""float32 at any scale: where inputs and results are in its range, sums are right to 2·10⁻⁶ of the largest one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.kernels.stein import direction, squared_norm

SCALES = [1e-30, 1e-20, 1e-15, 1e-9, 1.0, 1e9, 3e16, 1e19, 1e30]


def cloud(scale, d, n=60, seed=0):
    """The same points in float32 and in float64."""
    x = torch.from_numpy((np.random.default_rng(seed).normal(size=(n, d)) * scale).astype("float32"))
    return x, x.double()


def made(scale, d):
    """Kernels with lengths of this scale, and those without a length."""
    return [
        K.Gaussian(scale), K.Matern(0.5, scale), K.Matern(1.5, scale), K.Matern(2.5, scale),
        K.InverseMultiquadric(scale), K.InverseMultiquadric(scale, 1.3), K.Morse(2.0, 0.5 * scale, 1.0, 2.0 * scale),
        K.Log(), K.Log(0.1 * scale), K.Riesz(0.5), K.Riesz(1.0, 0.1 * scale), K.Newtonian(d),
        K.Newtonian(d, 0.1 * scale), K.QuadraticKernel(), K.Gaussian(scale) - 0.5 * K.Laplace(2.0 * scale),
    ]  # fmt: skip


def numpy_sums(kernel, x):
    """Value and gradient by autograd of the kernel in float64, pair by pair; each pair in units of its own scale."""
    y = x.clone().requires_grad_()
    n = len(x)
    off = ~torch.eye(n, dtype=torch.bool) if kernel.singular else torch.ones(n, n, dtype=torch.bool)
    i, j = torch.nonzero(off, as_tuple=True)
    value = kernel(y[i], x[j]).sum() / n
    return float(value.detach()) / n, torch.autograd.grad(value, y)[0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("d", [1, 3, 20])
def test_energies_and_forces(scale, d):
    x, wide = cloud(scale, d)
    for kernel in made(scale, d) if d < 20 else made(scale, 3)[:7]:
        term, (value, slope) = wgf.Interaction(kernel), numpy_sums(kernel, wide)
        assert float(term.value(wgf.Ensemble(x))) == pytest.approx(0.5 * value, rel=2e-6), kernel
        top = float(slope.abs().max())
        if 1e-36 < top < 1e38:
            error = (term._gradient(wgf.Ensemble(x), None).double() - slope).abs().max() / top
            assert float(error) < 2e-6, (kernel, float(error))


@pytest.mark.parametrize("scale", SCALES)
def test_kernels_at_points(scale):
    x, wide = cloud(scale, 3, 5)
    for kernel in made(scale, 3):
        got, want = kernel(x).double(), kernel(wide)
        if 1e-36 < float(want.abs().max()) < 1e38:
            torch.testing.assert_close(got, want, rtol=2e-7, atol=0.0)


def test_gravity_between_stars():
    """A softened attraction at the distance of stars in metres, and the force of a galaxy, brought into range by G."""
    x, wide = cloud(3.09e16, 3, 300)
    force = wgf.Interaction(K.Newtonian(3, 1.5e15)).gradient(wgf.Ensemble(x))
    u = (wide[:, None] - wide).numpy()
    want = (u / ((u**2).sum(-1, keepdims=True) + 1.5e15**2) ** 1.5).sum(1) / (4 * np.pi * 300)
    np.testing.assert_allclose(force, -want, rtol=0, atol=2e-6 * np.abs(want).max())
    assert np.median(np.linalg.norm(want, axis=1)) == pytest.approx(1.6787e-35, rel=1e-4)
    x, wide = cloud(1e21, 3, 100)
    kernel = (-4 * np.pi * 6.67e-11 * 2e41) * K.Newtonian(3, 3e19)
    want = numpy_sums(kernel, wide)[1]
    assert 1e-12 < float(want.abs().max()) < 1e-8
    got = wgf.Interaction(kernel).gradient(wgf.Ensemble(x)).double()
    assert float((got - want).abs().max() / want.abs().max()) < 2e-6


def test_one_close_pair():
    """Its force is in range, a power of its distance is not: 1/(2·10⁻²⁶) for two particles among others."""
    x = torch.tensor([[0.0, 0.0, 0.0], [1e-13, 0.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 0.5, 2.0]])
    force = wgf.Interaction(K.Riesz(1.0)).gradient(wgf.Ensemble(x))
    assert float(force[0, 0]) == pytest.approx(0.25e26, rel=2e-6)
    weak = wgf.Interaction(1e-20 * K.Riesz(1.0)).gradient(wgf.Ensemble(torch.tensor([[0.0], [1e-25]])))
    assert float(weak[0, 0]) == pytest.approx(0.5e30, rel=2e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_stein(scale):
    """Direction and discrepancy against float64; the discrepancy of a Gaussian against its sum over pairs too."""
    x, wide = cloud(scale, 2, 200)
    weights = torch.full((200,), 1 / 200, dtype=torch.float64)
    scores = -x / x.double().var(0).float() if 1e-15 < scale < 1e15 else (-wide / wide.var(0)).float()
    for kernel in (K.Gaussian(scale), K.InverseMultiquadric(scale), K.Gaussian(scale) + K.Matern(2.5, scale)):
        got, want = direction(kernel, x, weights, scores, 1.0), direction(kernel, wide, weights, scores.double(), 1.0)
        assert float((got.double() - want).abs().max() / want.abs().max()) < 1e-5
        narrow = float(squared_norm(kernel, x, weights, scores, 1.0))
        norm = float(squared_norm(kernel, wide, weights, scores.double(), 1.0))
        value = float(wgf.KSD(lambda z: -z / wide.var(0), kernel).value(wgf.Ensemble(wide)))
        assert (narrow, norm) == (pytest.approx(norm, rel=1e-4), pytest.approx(value, rel=1e-5))


@pytest.mark.parametrize("scale", SCALES)
def test_mmd(scale):
    x, wide = cloud(scale, 3, 300)
    term = wgf.MMD(wide[:100], K.Gaussian(scale))
    assert float(term.value(wgf.Ensemble(x))) == pytest.approx(float(term.value(wgf.Ensemble(wide))), rel=1e-4)
    got, want = term.gradient(wgf.Ensemble(x)).double(), term.gradient(wgf.Ensemble(wide))
    assert float((got - want).abs().max() / want.abs().max()) < 2e-5
