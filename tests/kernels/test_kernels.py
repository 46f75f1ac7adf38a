"""Kernels against numpy, and singular ones where particles coincide."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import torch
from samples import ensemble

import wgf
from wgf import kernels as K
from wgf.errors import DivergenceError

KERNEL_PARAMETERS = {
    "Gaussian": {"h": 0.7}, "Matern": {"nu": 2.5, "h": 0.7}, "InverseMultiquadric": {"h": 0.7, "p": 0.5},
    "QuadraticKernel": {"strength": 2.0}, "Morse": {"Cr": 1.0, "lr": 0.5, "Ca": 0.5, "la": 2.0}, "Log": {},
    "Riesz": {"s": 1.5}, "Cosine": {"strength": 2.0}, "Newtonian": {},
}  # fmt: skip


@pytest.mark.parametrize("name", KERNEL_PARAMETERS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_kernels_against_numpy(name, d):
    p = KERNEL_PARAMETERS[name]
    kernel = K.Newtonian(d) if name == "Newtonian" else getattr(K, name)(**p)
    mu = ensemble(d, True, n=30)
    x, w = mu.x.numpy(), mu.weights.numpy()
    u = x[:, None] - x[None]
    matrix = naive.kernel(name, u, **p)
    want = naive.interaction(matrix, x, w, with_self=not kernel.singular)
    assert float(wgf.Interaction(kernel).value(mu)) == pytest.approx(want, rel=1e-12)
    off = ~np.eye(30, dtype=bool)
    np.testing.assert_allclose(kernel(torch.from_numpy(u))[off], matrix[off], rtol=1e-12)
    at = np.random.default_rng(0).normal(size=(4, d))
    np.testing.assert_allclose(mu.convolve(kernel, at), naive.kernel(name, at[:, None] - x[None], **p) @ w, rtol=1e-12)


def test_newtonian_is_the_fundamental_solution():
    """−Δ of the kernel vanishes away from 0, and the flux of −∇W through a sphere is 1."""
    for d in (1, 2, 3, 5):
        origin, e = wgf.Ensemble(np.zeros((1, d))), np.eye(1, d)
        _, gradient = origin.kernel_sums(K.Newtonian(d), 1.7 * e)
        area = 2 * math.pi ** (d / 2) / math.gamma(d / 2) * 1.7 ** (d - 1)
        assert -float(gradient[0, 0]) * area == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("kernel", [K.Log(), K.Riesz(1.0), K.Newtonian(2)], ids=repr)
def test_coincident_particles_under_a_singular_kernel(kernel):
    mu = wgf.Ensemble([[0.0, 0.0], [1.0, 2.0], [3.0, 3.0], [1.0, 2.0]])
    with pytest.raises(DivergenceError, match=r"particle 1 and particle 3 coincide at \[1.0, 2.0\].*softening"):
        wgf.Interaction(kernel).gradient(mu)
    with pytest.raises(DivergenceError, match="particle 0 and point 1 of `at` coincide"):
        wgf.Interaction(kernel).gradient(wgf.Ensemble([[0.0, 0.0]]), [[1.0, 1.0], [0.0, 0.0]])
    softened = type(kernel)(
        *([kernel.s] if hasattr(kernel, "s") else [kernel.d] if hasattr(kernel, "d") else []), softening=0.1
    )
    assert torch.isfinite(wgf.Interaction(softened).gradient(mu)).all()
