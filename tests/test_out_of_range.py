"""Lengths, results and conversions out of range: one typed error that says what works."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, WgfError

MADE = {
    "Gaussian": K.Gaussian,
    "Matern": lambda h: K.Matern(1.5, h),
    "Laplace": K.Laplace,
    "InverseMultiquadric": K.InverseMultiquadric,
    "Morse lr": lambda h: K.Morse(1.0, h, 1.0, 1.0),
    "Morse la": lambda h: K.Morse(1.0, 1.0, 1.0, h),
    "Log": K.Log,
    "Riesz": lambda h: K.Riesz(1.0, h),
    "Newtonian": lambda h: K.Newtonian(3, h),
    "Blob": wgf.Blob,
    "Power": lambda h: wgf.Power(2.0, h),
    "Softmax": wgf.Softmax,
    "Ball": wgf.domains.Ball,
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("length", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_lengths_out_of_range(name, length):
    with pytest.raises(ConfigError, match=r"wanted a length from 1e-\d+ to 1e\+\d+") as caught:
        MADE[name](length)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [name for name in MADE if name != "Ball"])
@pytest.mark.parametrize("length", [1e-50, 1e-40, 1e40, 1e50])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_lengths_give_finite_results_or_a_typed_error(name, length, dtype):
    mu = wgf.Ensemble(np.random.default_rng(0).normal(size=(6, 3))).to(dtype=dtype)
    made = MADE[name](length)
    terms = [made] if isinstance(made, wgf.functional.Functional) else [wgf.Interaction(made)]
    if isinstance(made, K.Kernel) and made.positive_definite and not made.kinked:
        terms.append(wgf.KSD(lambda x: -x, made))
    for term in terms:
        for method in ("value", "gradient", "first_variation"):
            try:
                assert torch.isfinite(getattr(term, method)(mu)).all()
            except WgfError:
                continue


def test_a_ball_in_float32():
    """A radius beyond the range of float32 holds every point; near the ends of it points are folded as anywhere."""
    x = torch.tensor([[1e38, 0.0], [-3e38, 1e38]])
    ball = wgf.domains.Ball(1e100)
    assert ball.contains(x).all()
    assert torch.equal(ball.fold(x), x)
    assert torch.equal(ball.nearest(x), x)
    for radius in (1e-30, 1e-19, 1e19, 1e37):
        ball = wgf.domains.Ball(radius)
        points = radius * torch.tensor([[1.25, 0.0], [0.0, 2.5], [0.1, 0.2]], dtype=torch.float64)
        want = torch.tensor([[0.75, 0.0], [0.0, -0.5], [0.1, 0.2]], dtype=torch.float64)
        got = ball.fold(points.float())
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double() / radius, want, rtol=1e-6, atol=1e-7)


def test_float32_overflow_is_named():
    mu = wgf.Ensemble([[0.0, 1.0], [2.0, -1e39]])
    with pytest.raises(ConfigError, match=r"-1e\+39 at row 1, column 1 is out of the range of float32"):
        mu.to(dtype="float32")
    assert mu.to(dtype="float64").x[1, 1] == -1e39
    with pytest.raises(ConfigError, match="inf at row 0"):
        wgf.NetworkRisk(np.ones((1, 1), "float32"), [1.0]).with_inputs([[1e39]])
    stiff = wgf.Quadratic(1e40, 0.0).gradient(wgf.Ensemble(np.array([[1e-10]], "float32")))
    assert stiff.item() == pytest.approx(1e30, rel=1e-6)


COMPLEX = {
    "Potential": lambda: wgf.Potential(lambda x: torch.complex(x[:, 0], x[:, 0])),
    "Potential of numpy": lambda: wgf.Potential(lambda x: x.numpy()[:, 0] * 1j, grad=lambda x: x),
    "gradient": lambda: wgf.Potential(lambda x: x[:, 0], grad=lambda x: x * 1j),
    "function": lambda: wgf.from_function(lambda x, w: (w @ x).sum() * 1j),
    "misfit": lambda: wgf.LeastSquares(lambda x: x[:, :1] * 1j, [1.0]),
    "score": lambda: wgf.KSD(lambda x: -x * 1j, K.Gaussian(1.0)),
    "kernel": lambda: wgf.Interaction(K.RadialKernel(lambda q: torch.exp(1j * q))),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_results(name):
    mu = wgf.Ensemble([[0.5, 1.0], [2.0, 3.0]])
    with pytest.raises(ConfigError, match="complex"):
        COMPLEX[name]().gradient(mu)
    if name != "gradient":
        with pytest.raises(ConfigError, match="complex"):
            COMPLEX[name]().value(mu)


@pytest.mark.parametrize("scale", [1e-30, 1e-16, 1e16, 1e30])
def test_misfits_and_softmax_in_float32(scale):
    """Γ of the square of the scale; the temperature of the softmax in the units of x."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(20, 3)) * scale).astype("float32")
    pairs = wgf.Ensemble(x), wgf.Ensemble(x.astype("float64"))
    misfit = wgf.LeastSquares(lambda x: 1.0 * x[:, :2], data=[scale, 0.0], noise_cov=scale**2)
    for term in (misfit, misfit.linearised(), wgf.Softmax(scale), wgf.Softmax(scale, "particles"), wgf.LogVariance()):
        got, want = (term.gradient(mu).double() for mu in pairs)
        assert float((got - want).abs().max() / want.abs().max()) < 5e-6
        assert float(term.value(pairs[0])) == pytest.approx(float(term.value(pairs[1])), rel=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wgf.kernels.Riesz(1e300, 0.1),
        lambda: wgf.kernels.InverseMultiquadric(1.0, 1e300),
        lambda: wgf.kernels.Newtonian(10**9, 0.1),
        lambda: wgf.Power(1e300, 0.1),
    ],
)
def test_exponents_that_no_length_survives_are_refused(make):
    with pytest.raises(ConfigError, match=r"of at most 100|from 1 to 100"):
        make()
