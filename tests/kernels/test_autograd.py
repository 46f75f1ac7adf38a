"""Kernels as functions that autograd differentiates: at distance 0 by symmetry 0, elsewhere the finite difference."""

from __future__ import annotations

import math

import pytest
import torch

import wgf
from wgf import kernels as K

FINITE = [
    K.Gaussian(0.7),
    K.Matern(0.5, 0.7),
    K.Matern(1.5, 0.7),
    K.Matern(2.5, 0.7),
    K.Laplace(0.7),
    K.InverseMultiquadric(0.7),
    K.Morse(2.0, 0.5, 1.0, 2.0),
    K.Log(0.1),
    K.Riesz(1.0, 0.1),
    K.Newtonian(2, 0.1),
    K.QuadraticKernel(),
    K.Cosine(),
    2.0 * K.Matern(1.5, 1.0) - K.Laplace(0.5),
    K.RadialKernel(lambda q: torch.exp(-q.sqrt())),
    -1.0 * K.RadialKernel(lambda q: q**0.25) + K.Morse(1.0, 1.0, 1.0, 2.0),
]


@pytest.mark.parametrize("kernel", FINITE, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_at_distance_zero(kernel, dtype):
    """Alone and among other points, and at y = x."""
    x = torch.tensor([[0.0, 0.0], [0.5, -1.0]], dtype=dtype, requires_grad=True)
    assert torch.autograd.grad(kernel(x)[0], x)[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert torch.autograd.grad(kernel(x, x.detach()).sum(), x)[0].abs().max() == 0
    step = torch.zeros_like(x)
    step[1, 0] = 1e-3 if dtype == torch.float64 else 1e-2
    slope = torch.autograd.grad(kernel(x).sum(), x)[0]
    difference = (kernel(x + step) - kernel(x - step))[1] / (2 * step[1, 0])
    assert slope[1, 0].item() == pytest.approx(float(difference.detach()), rel=1e-3)
    assert slope[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("d", [1, 3])
def test_newtonian_on_a_line_and_in_space(d):
    x = torch.zeros(1, d, dtype=torch.float64, requires_grad=True)
    kernel = K.Newtonian(1) if d == 1 else K.Newtonian(3, 0.1)
    assert torch.autograd.grad(kernel(x).sum(), x)[0].abs().max() == 0


@pytest.mark.parametrize(("nu", "curvature"), [(1.5, -3.0), (2.5, -5.0 / 3.0)])
def test_curvature_at_distance_zero(nu, curvature):
    """(1 + s)e⁻ˢ = 1 − s²/2 + … and (1 + s + s²/3)e⁻ˢ = 1 − s²/6 + … with s² = 2ν|u|²."""
    kernel = K.Matern(nu, 1.0)
    hessian = torch.func.hessian(lambda x: kernel(x[None])[0])(torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(hessian, curvature * torch.eye(2, dtype=torch.float64), rtol=1e-14, atol=0)


def test_torch_func_and_vmap():
    kernel = K.RadialKernel(lambda q: torch.exp(-q.sqrt()))
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(lambda row: kernel(row[None])[0]))(x)
    want = torch.tensor([[0.0, 0.0], [-0.6 * math.exp(-5.0), -0.8 * math.exp(-5.0)]], dtype=torch.float64)
    torch.testing.assert_close(slopes, want, rtol=1e-14, atol=0)


def test_a_well_centred_on_a_particle():
    well = wgf.Potential(lambda x: -K.Matern(1.5, 1.0)(x, torch.tensor([1.0, 2.0])))
    force = well.gradient(wgf.Ensemble([[1.0, 2.0], [1.0, 3.0]]))
    s = math.sqrt(3.0)
    want = torch.tensor([[0.0, 0.0], [0.0, 3.0 * math.exp(-s)]], dtype=torch.float64)
    torch.testing.assert_close(force, want, rtol=1e-13, atol=0)
