"""The sphere: order and closure of schemes on it, Brownian motion, two tokens, refusals, and geodesic distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import wgf
from wgf import solvers
from wgf.diagnostics import geodesic
from wgf.domains import Sphere
from wgf.errors import ConfigError, ResourceError, ShapeError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

POTENTIAL = wgf.Potential(lambda x: x[:, 0] + 0.5 * x[:, 1] ** 2)
ENTROPIES = [
    wgf.LogDet(), wgf.Variance(), wgf.entropies.Uniformity(1.0), wgf.entropies.SpectralEntropy(),
    wgf.entropies.CodingRate(0.5), wgf.entropies.Decorrelation(),
]  # fmt: skip
EXPLICIT = [solvers.Euler(), solvers.Heun(), solvers.RungeKutta4(), solvers.BogackiShampine(adaptive=False)]
KEPT = [*EXPLICIT, solvers.BogackiShampine(), solvers.Accelerated(), solvers.Langevin(), solvers.Underdamped()]
by_name = {"ids": lambda scheme: scheme.name}


def reach(F, mu, solver, h, sphere, t=1.0):
    return wgf.solve(F, mu, solver, dt=h, t_end=t, domain=sphere)


# ------------------------------------------------------------------------------------------------- deterministic flows


@pytest.mark.parametrize("solver", EXPLICIT, **by_name)
def test_schemes_keep_their_order(solver):
    sphere = Sphere(1.5)
    mu = sphere.uniform(60, 3, seed=1)
    exact = reach(POTENTIAL, mu, solvers.RungeKutta4(), 0.01, sphere).ensemble.x
    coarse, fine = (float((reach(POTENTIAL, mu, solver, h, sphere).ensemble.x - exact).norm()) for h in (0.2, 0.1))
    assert math.log2(coarse / fine) == pytest.approx(solver.order, abs=0.25)


@pytest.mark.parametrize("entropy", ENTROPIES, ids=lambda term: term.name)
def test_the_dissipation_is_that_of_the_tangential_force(entropy):
    """Closure at the order of the scheme, and D = −dF/dt by a difference."""
    sphere, F = Sphere(1.5), POTENTIAL - 0.3 * entropy
    mu = sphere.uniform(40, 3, seed=2)
    coarse, fine = (abs(reach(F, mu, solvers.Heun(), h, sphere).ledger["closure_total"][-1]) for h in (0.1, 0.05))
    assert fine < 2e-3
    assert fine < 0.4 * coarse
    row = reach(F, mu, solvers.RungeKutta4(), 1e-3, sphere, t=1e-3).ledger
    assert -np.diff(row["free_energy"])[0] / 1e-3 == pytest.approx(row["dissipation"].mean(), rel=1e-5)
    full = F.gradient(mu)
    assert row["dissipation"][0] < 0.95 * float(mu.inner(full, full))


@pytest.mark.parametrize("solver", KEPT, **by_name)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_particle_leaves_the_sphere_and_pieces_make_the_whole(solver, dtype):
    sphere, F = Sphere(1.5), POTENTIAL - (0.5 * wgf.Shannon() if solver.realises_shannon else 0.2 * wgf.Variance())
    mu = sphere.uniform(30, 3, seed=2)
    mu = mu.to(dtype=dtype)
    mu = mu.moved(sphere.fold(mu.x))
    seen = []

    def inside(now):
        seen.append(bool(sphere.contains(now.x).all()))
        return 0.0

    settings = {"dt": 0.1, "t_end": 1.0, "domain": sphere, "seed": 3}
    whole = wgf.solve(F, mu, solver, observers=[inside], record_every=1, **settings)
    assert all(seen)
    first = wgf.solve(F, mu, solver, max_steps=2, throw=False, **settings)
    assert torch.equal(wgf.solve(F, None, solver, state=first.state, **settings).ensemble.x, whole.ensemble.x)


@pytest.mark.parametrize("solver", [solvers.Accelerated(), solvers.Underdamped()], **by_name)
def test_momenta_are_tangent_and_keep_their_length_along_great_circles(solver):
    sphere = Sphere(2.0)
    x, v = sphere.uniform(50, 4).x, torch.from_numpy(np.random.default_rng(1).normal(size=(50, 4)))
    v = sphere.tangent(x, v)
    moved, carried = sphere.carry(x + 0.7 * v, v, start=x)
    torch.testing.assert_close(carried.norm(dim=1), v.norm(dim=1), rtol=1e-12, atol=0)
    torch.testing.assert_close((moved * carried).sum(1), torch.zeros(50, dtype=torch.float64), rtol=0, atol=1e-13)
    angle = torch.arccos((moved * x).sum(1) / 4)
    wanted = 0.7 * v.norm(dim=1) / 2
    torch.testing.assert_close(torch.cos(angle), torch.cos(wanted), rtol=1e-12, atol=1e-12)
    F = POTENTIAL - 0.2 * wgf.Shannon() if solver.realises_shannon else POTENTIAL
    state = reach(F, sphere.uniform(50, 4), solver, 0.1, sphere).state
    p = state.memory if isinstance(state.memory, torch.Tensor) else state.memory.p
    assert float((p * state.mu.x).sum(1).abs().max()) < 1e-12


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_two_tokens_follow_their_equation(beta):
    """φ̇ = −e^{β cos φ} sin φ, the flow of −(1/2β) ∬ e^{β x·y} dμ dμ; on the circle e^{β x·y} is a Gaussian kernel."""
    sphere, mu = Sphere(), wgf.Ensemble([[1.0, 0.0], [math.cos(1.0), math.sin(1.0)]])
    F = -(math.exp(beta) / beta) * wgf.Interaction(wgf.kernels.Gaussian(beta**-0.5))
    t = 0.5 / math.exp(0.8 * beta)

    def rate(_, angle):
        return -np.exp(beta * np.cos(angle)) * np.sin(angle)

    wanted = solve_ivp(rate, (0, t), [1.0], rtol=1e-12, atol=1e-14).y[0, -1]
    errors = []
    for steps in (10, 20):
        x = reach(F, mu, solvers.Heun(), t / steps, sphere, t).ensemble.x
        errors.append(abs(math.acos(float(x[0] @ x[1])) - wanted))
    assert errors[1] < 2e-4
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


# ------------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_brownian_motion_forgets_its_start_at_the_rate_of_the_sphere(dim):
    """E⟨x(t), x(0)⟩ = r² e^{−(d−1)Tt/r²}: 4 standard errors of the mean of ⟨x, x₀⟩, and less than 1 % for the step."""
    sphere, n, temperature, t = Sphere(2.0), 20_000, 1.0 / (dim - 1), 2.0
    mu = sphere.uniform(n, dim, seed=7)
    end = reach(-temperature * wgf.Shannon(), mu, solvers.Langevin(), 0.05, sphere, t).ensemble
    products = (end.x * mu.x).sum(1)
    wanted = 4 * math.exp(-(dim - 1) * temperature * t / 4)
    allowed = 4 * float(products.std()) / math.sqrt(n) + 0.01 * wanted
    assert float(products.mean()) == pytest.approx(wanted, abs=allowed)
    assert end.x.mean(0).abs().max() < 4 * 2 / math.sqrt(dim * n)  # and the uniform law stays


@pytest.mark.parametrize("solver", [solvers.Langevin(), solvers.Underdamped()], **by_name)
def test_the_equilibrium_in_a_field_is_that_of_fisher(solver):
    """ρ ∝ e^{−k x₃} on the unit sphere in ℝ³: ⟨x₃⟩ = 1/k − coth k."""
    sphere, k, n = Sphere(), 2.0, 10_000
    F = wgf.Potential(lambda x: k * x[:, 2]) - wgf.Shannon()
    h = 0.02 if solver.name == "Langevin" else 0.1
    end = reach(F, sphere.uniform(n, 3), solver, h, sphere, 4.0 if solver.name == "Langevin" else 12.0).ensemble
    found = end.x[:, 2]
    allowed = 4 * float(found.std()) / math.sqrt(n) + 0.005
    assert float(found.mean()) == pytest.approx(1 / k - 1 / math.tanh(k), abs=allowed)


def test_the_ledger_says_that_a_sphere_has_no_shannon_estimate():
    sphere = Sphere()
    sol = reach(POTENTIAL - 0.1 * wgf.Shannon(), sphere.uniform(100, 3), solvers.Langevin(), 0.1, sphere)
    assert np.isnan(sol.ledger["dissipation"]).all()
    assert "no Shannon estimate in a Sphere" in sol.ledger.notes["entropy"]


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "solver",
    [solvers.LeimkuhlerMatthews(), solvers.JKO(), solvers.Stein(), solvers.BirthDeath(), solvers.ExponentialEuler(),
     solvers.AffineInvariant(), solvers.Grid(), solvers.RandomBatch(solvers.LeimkuhlerMatthews())],
    **by_name,
)  # fmt: skip
def test_schemes_of_flat_space_refuse_by_name(solver):
    sphere = Sphere()
    with pytest.raises(ConfigError, match=r"domain = Sphere\(radius=1.0\); wanted a domain in flat space"):
        reach(wgf.Quadratic(), sphere.uniform(20, 2), solver, 0.1, sphere)


def test_random_batches_keep_to_the_sphere_with_their_inner_scheme():
    sphere, F = Sphere(), wgf.Interaction(wgf.kernels.Gaussian(1.0))
    end = reach(F, sphere.uniform(20, 3), solvers.RandomBatch(solvers.Heun(), size=5), 0.1, sphere).ensemble
    assert sphere.contains(end.x).all()


def test_bad_input_on_a_sphere():
    sphere, F = Sphere(2.0), wgf.Quadratic()
    for bad in (0.0, -1.0, math.nan, math.inf, 1e200, "1"):
        with pytest.raises(ConfigError, match="radius"):
            Sphere(bad)
    with pytest.raises(ConfigError, match=r"particle 1 \(id 1\) is at \[0.0, 1.9\], outside"):
        reach(F, wgf.Ensemble([[2.0, 0.0], [0.0, 1.9]]), solvers.Heun(), 0.1, sphere)
    with pytest.raises(ConfigError, match="particles of dimension 1"):
        reach(F, wgf.Ensemble([[2.0]]), solvers.Heun(), 0.1, sphere)
    with pytest.raises(ConfigError, match="dim"):
        sphere.uniform(3, 1)
    assert torch.isnan(sphere.fold([[0.0, 0.0]])).all()
    assert sphere.contains(sphere.fold([[1e200, -1e200], [1e-200, 0.0]])).all()


# ------------------------------------------------------------------------------------------------- distances


def arc(angles, radius=2.0):
    return wgf.Ensemble(radius * np.stack([np.cos(angles), np.sin(angles)], 1))


@pytest.mark.parametrize(("method", "off"), [("emd", 1e-12), ("sliced", 1e-6)])  # POT searches for a cut of the circle
def test_distances_go_along_the_circle(method, off):
    angles = np.linspace(0.0, 1.0, 30)
    assert geodesic(arc(angles), arc(angles + 0.3), method=method).distance == pytest.approx(0.6, abs=off)
    near = geodesic(arc(np.array([3.0])), arc(np.array([-3.0])), method=method).distance  # the short way round
    assert near == pytest.approx(2 * (2 * math.pi - 6), abs=off)


def test_slices_of_a_sphere_are_below_the_exact_distance():
    mu, nu = Sphere(3.0).uniform(80, 3, seed=1), Sphere(3.0).uniform(80, 3, seed=2)
    exact, sliced = geodesic(mu, nu), geodesic(mu, nu, method="sliced", seed=1)
    assert (exact.method, sliced.method) == ("emd", "sliced")
    assert 0 < sliced.distance < exact.distance
    assert geodesic(mu, nu, method="sliced", seed=1).distance == sliced.distance


def test_bad_input_of_distances_on_a_sphere():
    mu = Sphere().uniform(10, 3)
    with pytest.raises(ConfigError, match="wanted one sphere"):
        geodesic(mu, Sphere(2.0).uniform(10, 3))
    with pytest.raises(ConfigError, match="wanted one sphere"):
        geodesic(wgf.Ensemble([[0.0, 0.0]]), wgf.Ensemble([[0.0, 0.0]]))
    with pytest.raises(ShapeError, match="nu has 2"):
        geodesic(mu, Sphere().uniform(10, 2))
    with pytest.raises(ConfigError, match="method = 'emt'"):
        geodesic(mu, mu, method="emt")
    big = Sphere().uniform(2001, 2)
    with pytest.raises(ResourceError, match="takes up to 2000"):
        geodesic(big, big, method="emd")
