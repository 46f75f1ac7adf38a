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


ACTS = {
    "Gaussian": "repels", "Matern": "repels", "Laplace": "repels", "InverseMultiquadric": "repels", "Log": "repels",
    "Riesz": "repels", "Newtonian": "repels", "Cosine": "attracts", "QuadraticKernel": "attracts", "Linear": "",
    "RadialKernel": "", "Morse": "repels near, attracts far",
}  # fmt: skip
SETTINGS = {
    "Gaussian": (1.0,), "Matern": (1.5, 1.0), "Laplace": (1.0,), "InverseMultiquadric": (1.0,), "Riesz": (0.5,),
    "Newtonian": (3,), "Morse": (2.0, 0.5, 1.0, 2.0), "RadialKernel": (torch.exp,),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(K.REGISTRY))
def test_repr_says_whether_particles_repel_or_attract(name):
    """The sign of the force between two particles, near and far, by finite differences of the kernel."""
    kernel = K.REGISTRY[name](*SETTINGS.get(name, ()))
    text = repr(kernel)
    assert text == kernel.formula + (f"  # {ACTS[name]}" if ACTS[name] else "")
    assert eval(text, {"exp": torch.exp} | vars(K)) == kernel if name != "RadialKernel" else True
    first_line = K.REGISTRY[name].__doc__.splitlines()[0]
    assert "repel" in first_line or "attract" in first_line
    if not ACTS[name]:
        return

    def force(r, kernel=kernel):
        ahead, back = (float(kernel(torch.tensor([[r + e, 0.0, 0.0]], dtype=torch.float64))) for e in (1e-6, -1e-6))
        return (back - ahead) / 2e-6

    near, far = force(0.1), force(2.5)
    assert ("repels near" in text) == (near > 0 > far)
    if " near" not in text:
        assert (near > 0) == (far > 0) == ("repels" in text)
    assert repr(wgf.Interaction(kernel)).endswith(f"  # {ACTS[name]}")


def test_repr_of_sums_and_signs():
    log, cosine = K.Log(), K.Cosine()
    assert repr(-1 * log) == "-1 * Log(softening=0.0)  # attracts"
    assert repr(2 * cosine) == "2 * Cosine(strength=1.0)  # attracts"
    assert repr(K.Cosine(-1.0)).endswith("# repels")
    assert repr(K.QuadraticKernel(0.0)) == "QuadraticKernel(strength=0.0)"
    assert repr(log + cosine) == "1 * Log(softening=0.0) + 1 * Cosine(strength=1.0)"
    assert repr(log - cosine) == "1 * Log(softening=0.0) - 1 * Cosine(strength=1.0)  # repels"
    assert repr(K.Morse(1.0, 2.0, 1.0, 0.5)).endswith("# attracts near, repels far")
    assert repr(K.Morse(1.0, 1.0, 0.0, 2.0)).endswith("# repels")
    assert repr(wgf.Interaction(K.Gaussian(1.0))) == (
        "Interaction(kernel=Gaussian(h=1.0), method='auto', rtol=1e-06)  # repels"
    )
    assert repr(wgf.solvers.Stein(K.Gaussian(1.0))) == "Stein(kernel=Gaussian(h=1.0))"
    assert "#" not in repr(wgf.MMD([[0.0]], K.Gaussian(1.0)))
