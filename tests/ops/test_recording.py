"""Functions of the user are differentiated whatever mode the caller is in, never to a gradient of zero in silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import wgf
from wgf import ops
from wgf.errors import ConfigError

A = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(3, 2)
Z = torch.linspace(-1.0, 1.0, 10, dtype=torch.float64)[:, None]


def own_kernel() -> Any:
    return wgf.kernels.RadialKernel(lambda q: torch.exp(-q))


TERMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "Potential": lambda a: wgf.Potential(lambda x: (x @ a.T).pow(4).sum(1)),
    "from_function": lambda a: wgf.from_function(lambda x, w: w @ (x @ a.T).pow(4).sum(1)),
    "KSD": lambda a: wgf.KSD(lambda x: -x @ a.T @ a, kernel=wgf.kernels.Gaussian(1.0)),
    "KSD of an own kernel": lambda a: wgf.KSD(lambda x: -x @ a.T @ a, kernel=own_kernel()),
    "LeastSquares": lambda a: wgf.LeastSquares(lambda x: x @ a.T, torch.ones(3, dtype=torch.float64)),
    "Interaction": lambda a: wgf.Interaction(wgf.kernels.RadialKernel(lambda q: torch.exp(-q * a[0, 0]))),
    "NetworkRisk": lambda a: wgf.NetworkRisk(
        Z, Z[:, 0], unit=wgf.Unit(lambda z, theta: a[0, 0] * theta[0] * torch.tanh(theta[1] * z[0]), dim=2)
    ),
}


@pytest.mark.parametrize("make", TERMS.values(), ids=TERMS.keys())
def test_terms_of_own_functions_in_inference_mode(make):
    """`torch.enable_grad` records nothing in inference mode: from_function and own kernels then had no force."""
    mu, term = wgf.Ensemble.gaussian(20, 2, seed=1), make(A)
    expected = term.value(mu), term.gradient(mu), term.first_variation(mu)
    assert float(expected[1].abs().max()) > 1e-3
    with torch.inference_mode():
        made_inside = wgf.Ensemble.gaussian(20, 2, seed=1)
        for given in (mu, made_inside):
            found = term.value(given), term.gradient(given), term.first_variation(given)
            assert all(map(torch.equal, found, expected))
    assert torch.equal(term.gradient(made_inside), expected[1])
    with torch.no_grad():
        assert torch.equal(term.gradient(mu), expected[1])


@pytest.mark.parametrize("name", sorted(set(TERMS) - {"NetworkRisk"}))
def test_constants_that_autograd_cannot_keep_are_refused(name):
    mu = wgf.Ensemble.gaussian(20, 2, seed=1)
    with torch.inference_mode():
        term = TERMS[name](A.clone())
        with pytest.raises(ConfigError, match=r"made under torch.inference_mode\(\)"):
            term.gradient(mu)


@pytest.mark.parametrize("name", sorted(wgf.solvers.REGISTRY))
def test_runs_in_inference_mode_and_going_on_outside(name):
    scheme = wgf.solvers.REGISTRY[name](*((64,) if name == "Grid" else ()))
    F = wgf.Quadratic() + 0.5 * TERMS["from_function"](A) + wgf.Interaction(own_kernel())
    if name == "Grid":
        F = wgf.Quadratic() + wgf.Potential(lambda x: x.pow(4).sum(1))
    domain = wgf.domains.Box(-6.0, 6.0) if name == "Grid" else None

    def run(state=None, t_end=0.05):
        mu = None if state is not None else wgf.Ensemble.gaussian(20, 1 if name == "Grid" else 2, seed=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wgf.errors.WgfWarning)
            return wgf.solve(F, mu, scheme, dt=0.01, t_end=t_end, state=state, domain=domain)

    half = run()
    expected = run(half.state, 0.1).ensemble.x
    with torch.inference_mode():
        inside = run()
        assert torch.equal(inside.ensemble.x, half.ensemble.x)
        assert torch.equal(run(inside.state, 0.1).ensemble.x, expected)
    assert torch.equal(run(inside.state, 0.1).ensemble.x, expected)


def test_other_errors_come_through():
    with pytest.raises(RuntimeError, match="own"), ops.recorded():
        raise RuntimeError("own")
    assert torch.is_grad_enabled()
    with torch.no_grad(), ops.recorded():
        assert torch.is_grad_enabled()
    with pytest.raises(ConfigError), ops.recorded():
        raise ConfigError("own")
