"""Grid: exact laws and orders in the cell, positivity, mass, a falling free energy, Gibbs states, Desai–Zwanzig."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from wgf.solvers import Grid, Langevin, finite_volume
from wgf.solvers.finite_volume import Diffusion
from wgf.solvers.lattice import Lattice

import wgf
from wgf import kernels as K
from wgf.diagnostics import wasserstein
from wgf.domains import Ball, Box, PeriodicBox
from wgf.errors import ConfigError, DivergenceError, ShapeError, StepSizeError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

BOX = Box(-3.0, 3.0)


def double_well():
    return wgf.Potential(lambda x: (x**4 / 4 - x**2 / 2).sum(1), grad=lambda x: x**3 - x)


def masses(cdf, low, high, n):
    """Exact masses of n cells."""
    m = np.diff(cdf(np.linspace(low, high, n + 1)))
    return m / m.sum()


def slope(ns, errors):
    return -float(np.polyfit(np.log(ns), np.log(errors), 1)[0])


def clouds(d=1, n=300):
    """Particles in two clumps: most cells are empty."""
    half = wgf.Ensemble.gaussian(n, d, cov=0.01, seed=1)
    return half.moved(half.x + 1.2 * (2 * (torch.arange(n) % 3 == 0).double()[:, None] - 1))


# ------------------------------------------------------------------------------------------------- deposition


@pytest.mark.parametrize("cells", [(40,), (30, 17)])
def test_cloud_in_cell_conserves_mass_and_mean(cells):
    """And moves each particle by less than a cell, with a variance of at most Δ²/4 added."""
    d = len(cells)
    mu = wgf.Ensemble(np.random.default_rng(3).uniform(-2.8, 2.8, (500, d)), np.full(500, 1 / 500))
    sol = wgf.solve(wgf.Quadratic(), mu, Grid(cells), dt=1.0, t_end=0.0, domain=BOX)
    deposited = sol.ensemble
    assert deposited.n == math.prod(cells)
    assert float(deposited.weights.sum()) == pytest.approx(1.0, abs=1e-15)
    torch.testing.assert_close(deposited.mean(), mu.mean(), rtol=0, atol=1e-14)
    added = deposited.covariance().diagonal() - mu.covariance().diagonal()
    for extra, n in zip(added.tolist(), cells, strict=True):
        assert 0 < extra < (6 / n) ** 2 / 4


def test_a_particle_near_a_wall_keeps_its_mass_and_one_at_a_centre_its_place():
    mu = wgf.Ensemble([[-3.0], [2.99], [0.75]], [0.25, 0.5, 0.25])
    start = wgf.solve(wgf.Quadratic(), mu, Grid(4), dt=1.0, t_end=0.0, domain=BOX).ensemble
    assert start.x.flatten().tolist() == [-2.25, -0.75, 0.75, 2.25]
    assert start.weights.tolist() == [0.25, 0.0, 0.25, 0.5]


# ------------------------------------------------------------------------------------------------- exact laws


def ornstein_uhlenbeck_error(n, dt, k=1.0, temperature=0.7, t=0.5):
    """Σ |m − exact| at t from N(1, 1/4)."""
    mu = wgf.Ensemble(Grid(n).centres(Box(-6.0, 6.0)), masses(lambda x: stats.norm.cdf(x, 1.0, 0.5), -6, 6, n))
    F = wgf.Quadratic(k) - temperature * wgf.Shannon()
    end = wgf.solve(F, mu, Grid(n), dt=dt, t_end=t, domain=Box(-6.0, 6.0)).ensemble
    variance = temperature / k + (0.25 - temperature / k) * math.exp(-2 * k * t)
    want = masses(lambda x: stats.norm.cdf(x, math.exp(-k * t), math.sqrt(variance)), -6, 6, n)
    return float(np.abs(end.weights.numpy() - want).sum())


def test_order_two_in_the_cell_on_ornstein_uhlenbeck():
    """Against the exact law, h in proportion to Δ²: 2 ± .1."""
    ns = [25, 50, 100]
    assert slope(ns, [ornstein_uhlenbeck_error(n, 18 / n**2) for n in ns]) == pytest.approx(2.0, abs=0.1)


def test_order_one_in_the_step_on_ornstein_uhlenbeck():
    """Against the exact law, on cells whose own error is 100 times less: 1 ± .1."""
    hs = [1 / 20, 1 / 40, 1 / 80]
    assert slope([20, 40, 80], [ornstein_uhlenbeck_error(400, h) for h in hs]) == pytest.approx(1.0, abs=0.1)


def test_order_two_in_the_cell_in_the_plane():
    """Ornstein–Uhlenbeck with two stiffnesses against the exact law, h in proportion to Δ²: 2 ± .1."""
    errors, ns, t, temperature, stiffness = [], [32, 48, 64], 0.25, 0.5, np.array([1.0, 2.0])
    box = Box(-3.5, 3.5)
    decay = np.exp(-stiffness * t)
    sd = np.sqrt(temperature / stiffness + (0.36 - temperature / stiffness) * decay**2)
    for n in ns:

        def law(means, sds, n=n):
            one, two = (
                masses(lambda x, m=m, s=s: stats.norm.cdf(x, m, s), -3.5, 3.5, n)
                for m, s in zip(means, sds, strict=True)
            )
            return np.outer(one, two).ravel()

        mu = wgf.Ensemble(Grid(n).centres(box, 2), law([0.8, -0.5], [0.6, 0.6]))
        F = wgf.Quadratic(stiffness) - temperature * wgf.Shannon()
        end = wgf.solve(F, mu, Grid(n), dt=32 / n**2, t_end=t, domain=box).ensemble
        errors.append(float(np.abs(end.weights.numpy() - law([0.8, -0.5] * decay, sd)).sum()))
    assert slope(ns, errors) == pytest.approx(2.0, abs=0.1)


def barenblatt_error(n, solver, dt, t0=0.5, t1=0.8):
    """Σ |m − exact| for F = ∫ρ² (docs/theory.md §7, case 6)."""

    def law(t):
        front = (9 * t) ** (1 / 3)

        def cdf(x):
            y = np.clip(x, -front, front)
            return t ** (-1 / 3) * (front**2 * (y + front) / 12 - (y**3 + front**3) / 36) / t ** (2 / 3)

        return masses(cdf, -3, 3, n)

    mu = wgf.Ensemble(solver.centres(BOX), law(t0))
    sol = wgf.solve(-1.0 * wgf.Power(2, "silverman"), mu, solver, dt=dt, t0=t0, t_end=t1, domain=BOX)
    assert (np.diff(sol.ledger["free_energy"]) < 0).all()
    return float(np.abs(sol.ensemble.weights.numpy() - law(t1)).sum())


def test_order_two_in_the_cell_on_barenblatt():
    """Upwind with minmod slopes, explicit: 2 ± .1, though the profile has a kink at its front."""
    ns = [45, 90, 180]
    errors = [barenblatt_error(n, Grid(n, implicit=False), 0.05) for n in ns]
    assert slope(ns, errors) == pytest.approx(2.0, abs=0.1)
    assert barenblatt_error(90, Grid(90), 2e-3) == pytest.approx(errors[1], rel=0.5)


# ------------------------------------------------------------------------------------------------- structure


def everything(temperature=0.3):
    return double_well() + wgf.Interaction(K.Gaussian(0.5)) - temperature * wgf.Shannon()


@pytest.mark.parametrize(
    ("F", "solver", "dt"),
    [
        (everything(), Grid(80), 1e-3),
        (everything(), Grid(80), 1.0),
        (everything(), Grid(80), 1e3),
        (everything(), Grid(80, implicit=False), 0.02),
        (double_well() - 0.5 * wgf.Power(2, 0.1), Grid(80), 1.0),
        (double_well() - 0.5 * wgf.Power(3, 0.1), Grid(80, implicit=False), 0.02),
        (everything() - 0.2 * wgf.Power(2, 0.1) - 0.1 * wgf.LogDet(), Grid(80), 0.1),
        (wgf.Interaction(K.Morse(1.0, 0.5, 0.5, 2.0)), Grid(80), 0.1),
        (wgf.Interaction(K.Morse(1.0, 0.5, 0.5, 2.0)), Grid(80, implicit=False), 0.1),
    ],
    ids=lambda part: repr(part) if isinstance(part, Grid | float) else repr(part)[:40],
)
def test_masses_stay_positive_and_sum_to_one_and_the_free_energy_falls(F, solver, dt):
    """From clumps with empty cells, at every step: mass to rounding, F to 1e-13 of it."""
    seen = []

    def keep(mu):
        seen.append(mu.weights)
        return 0.0

    sol = wgf.solve(F, clouds(), solver, dt=dt, t_end=8 * dt, domain=BOX, observers=[keep], record_every=1)
    assert all(bool((w >= 0).all()) for w in seen)
    assert max(abs(float(w.sum()) - 1) for w in seen) < 1e-14
    change = np.diff(sol.ledger["free_energy"])
    assert (change <= 1e-13 * np.abs(sol.ledger["free_energy"][:-1])).all()
    assert change[0] < -1e-6
    if solver.implicit and "Shannon" in repr(F):
        assert float(seen[1].min()) > 0


@pytest.mark.parametrize("F", [everything(), double_well() - 0.5 * wgf.Power(2, 0.1)], ids=["Shannon", "Power"])
@pytest.mark.parametrize("implicit", [True, False])
def test_structure_in_the_plane(F, implicit):
    dt = 0.1 if implicit else 0.02
    sol = wgf.solve(F, clouds(2), Grid((24, 20), implicit), dt=dt, t_end=5 * dt, domain=BOX, record_every=1)
    assert float(sol.ensemble.weights.min()) >= 0
    assert abs(float(sol.ensemble.weights.sum()) - 1) < 1e-14
    assert (np.diff(sol.ledger["free_energy"]) < 0).all()


def test_aggregation_in_a_quadratic_kernel_has_its_exact_variance():
    """W = x²/2 alone: v = v₀e^{−2t}; transport without diffusion, by slopes and upwind fluxes, to 1 %."""
    mu = wgf.Ensemble(Grid(200).centres(BOX), masses(lambda x: stats.norm.cdf(x, 0.2, 0.5), -3, 3, 200))
    for implicit in (True, False):
        F = wgf.Interaction(K.QuadraticKernel(1.0))
        end = wgf.solve(F, mu, Grid(200, implicit), dt=0.0025, t_end=0.5, domain=BOX).ensemble
        assert float(end.covariance() / mu.covariance()) == pytest.approx(math.exp(-1.0), rel=0.01)
        assert float(end.mean()) == pytest.approx(0.2, abs=1e-3)


# ------------------------------------------------------------------------------------------------- equilibria


def test_the_stationary_state_is_the_discrete_gibbs_density():
    """To rounding of the last step, e^{−V/T} at the centres, at any number of cells."""
    temperature, n = 0.4, 37
    F = double_well() - temperature * wgf.Shannon()
    end = wgf.solve(F, clouds(), Grid(n), dt=1e4, t_end=1e5, domain=BOX).ensemble
    gibbs = torch.exp(-F["Potential"].first_variation(end) / temperature)
    torch.testing.assert_close(end.weights, gibbs / gibbs.sum(), rtol=1e-9, atol=1e-18)


def test_the_double_well_with_interaction_ends_in_its_self_consistent_gibbs_density():
    """ρ ∝ exp(−(V + W * ρ)/T) on the cells to 1e-10, which the explicit scheme keeps; by quadrature to O(Δ²)."""
    temperature, n = 0.4, 40
    F = double_well() + wgf.Interaction(K.Gaussian(0.8)) - temperature * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(300, 1, mean=0.3, cov=0.2)
    end = wgf.solve(F, mu, Grid(n), dt=5.0, t_end=75.0, domain=BOX).ensemble
    potential = F["Potential"].first_variation(end) + F["Interaction"].first_variation(end)
    gibbs = torch.exp(-potential / temperature)
    torch.testing.assert_close(end.weights, gibbs / gibbs.sum(), rtol=1e-8, atol=1e-10)
    kept = wgf.solve(F, end, Grid(n, implicit=False), dt=0.5, t_end=1.0, domain=BOX).ensemble
    torch.testing.assert_close(kept.weights, end.weights, rtol=1e-8, atol=1e-10)
    x = np.linspace(-3, 3, 601)
    w, rho = np.gradient(x), np.ones(601) / 6
    kernel = np.exp(-((x[:, None] - x) ** 2) / (2 * 0.64))
    for _ in range(200):
        phi = x**4 / 4 - x**2 / 2 + kernel @ (w * rho)
        new = np.exp(-phi / temperature)
        rho = 0.5 * rho + 0.5 * new / (w * new).sum()
    assert float(end.moments()[1]) == pytest.approx(float((w * x**2 * rho).sum()), rel=5e-3)


# ------------------------------------------------------------------------------------------------- Desai–Zwanzig


def desai_zwanzig(theta, beta):
    return double_well() + wgf.Interaction(K.QuadraticKernel(theta)) - (1 / beta) * wgf.Shannon()


def tilted(mean):
    return wgf.Ensemble.gaussian(500, 1, mean=mean, cov=0.3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(("theta", "critical"), [(0.5, 3.78065), (1.0, 2.18844)])
def test_the_critical_temperature_of_desai_zwanzig(theta, critical):
    """β θ Var₀ = 1 at β_c to 1e-4 (secant through two symmetric states), and the symmetric state is left above it."""
    box, excess = Box(-3.2, 3.2), []
    pair = wgf.Ensemble([[-0.5], [0.5]])
    for beta in (critical - 0.02, critical + 0.02):
        end = wgf.solve(desai_zwanzig(theta, beta), pair, Grid(100), dt=50.0, t_end=500.0, domain=box).ensemble
        assert abs(float(end.mean())) < 1e-9
        excess.append(beta * theta * float(end.covariance()) - 1)
    found = critical - 0.02 - 0.04 * excess[0] / (excess[1] - excess[0])
    assert found == pytest.approx(critical, rel=1e-4)
    lean = wgf.Ensemble([[-0.49], [0.51]])
    for factor, grows in ((0.9, False), (1.1, True)):
        F = desai_zwanzig(theta, factor * critical)
        end = wgf.solve(F, lean, Grid(100), dt=10.0, t_end=400.0, domain=box).ensemble
        assert (float(end.mean()) > 0.1) == grows
        assert grows or abs(float(end.mean())) < 1e-3  # of .01 at the start


def test_the_ordered_state_of_desai_zwanzig():
    """θ = 1, β = 3: m = 0.63732 to its last digit."""
    end = wgf.solve(desai_zwanzig(1.0, 3.0), tilted(0.5), Grid(100), dt=2.0, t_end=80.0, domain=BOX).ensemble
    assert float(end.mean()) == pytest.approx(0.63732, abs=1e-5)


def test_particles_have_the_ordered_state_of_desai_zwanzig():
    """20 000 Langevin particles: |m| within 4.9 standard errors of 0.63732 and the O(h) of .005 (false alarms 1e-6).

    Var m = Var/(n (1 − βθ Var)), Var = .2 in the state: a deviation of .05 would be seen.
    """
    mu = wgf.Ensemble.gaussian(20_000, 1, mean=0.637, cov=0.2, seed=3)
    end = wgf.solve(desai_zwanzig(1.0, 3.0), mu, Unobserved(), dt=0.02, t_end=6.0, seed=4, record_every=10**6).ensemble
    grid = wgf.solve(desai_zwanzig(1.0, 3.0), tilted(0.5), Grid(100), dt=1.0, t_end=40.0, domain=BOX).ensemble
    variance = float(grid.covariance())
    error = math.sqrt(variance / (20_000 * (1 - 3 * variance)))
    assert 4.9 * error + 0.005 < 0.05
    assert abs(float(end.mean()) - 0.63732) < 4.9 * error + 0.005


# ------------------------------------------------------------------------------------------------- particles


@dataclass(frozen=True)
class Unobserved(Langevin):
    """Langevin without estimates of Shannon at records, which cost more than the steps here."""

    def entropy(self, dynamics, state):
        return 0.0


def fine(mu, spacing, parts=8):
    """The piecewise constant density of cells as atoms."""
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * spacing
    return wgf.Ensemble((mu.x.numpy() + offsets).reshape(-1, 1), np.repeat(mu.weights.numpy() / parts, parts))


@pytest.mark.slow
def test_langevin_particles_come_to_the_grid_as_one_over_the_root_of_n():
    """Double well with interaction, barrier/T = ½: the replica mean of W₂(particles, grid) at t = 1 has slope −.5 ± .1.

    W₂ scatters by .4 of its mean, so that the slope of these means has a standard error of .028; a true slope of −.35
    or −.65 would be seen.
    """
    F = double_well() + wgf.Interaction(K.QuadraticKernel(0.5)) - 0.5 * wgf.Shannon()
    box = Box(-4.0, 4.0)
    law = wgf.Ensemble(Grid(400).centres(box), masses(lambda x: stats.norm.cdf(x, 0.4, 0.5), -4, 4, 400))
    truth = fine(wgf.solve(F, law, Grid(400), dt=0.005, t_end=1.0, domain=box).ensemble, 8 / 400)
    ns, replicas, means = [100, 400, 1600, 6400], [30, 30, 30, 20], []
    for n, count in zip(ns, replicas, strict=True):
        apart = []
        for seed in range(count):
            mu = wgf.Ensemble.gaussian(n, 1, mean=0.4, cov=0.25, seed=100 + seed)
            end = wgf.solve(F, mu, Unobserved(), dt=0.02, t_end=1.0, seed=seed, record_every=10**6).ensemble
            apart.append(float(wasserstein(end, truth)))
        means.append(np.mean(apart))
    assert -slope(ns, means) == pytest.approx(-0.5, abs=0.1)


# ------------------------------------------------------------------------------------------------- ledger


def test_the_entropy_is_that_of_the_cells_and_the_ledger_closes_to_order_one():
    n, box, F = 200, Box(-6.0, 6.0), wgf.Quadratic() - 1.0 * wgf.Shannon()
    mu = wgf.Ensemble(Grid(n).centres(box), masses(lambda x: stats.norm.cdf(x, 1.0, 0.5), -6, 6, n))
    closures = []
    for dt in (0.04, 0.02, 0.01):
        book = wgf.solve(F, mu, Grid(n), dt=dt, t_end=0.6, domain=box).ledger
        closures.append(float(book["closure_total"][-1]))
        assert book["entropy"][0] == pytest.approx(0.5 * math.log(2 * math.pi * math.e / 4), abs=1e-3)
        assert book["dissipation"][0] == pytest.approx(1 + 0.25 * 9, rel=5e-3)  # ∫ |x − 4(x − 1)|² of N(1, 1/4)
    assert slope([1, 2, 4], closures) == pytest.approx(1.0, abs=0.1)
    assert "of the density of Grid" in book.notes["entropy"]
    explicit = wgf.solve(F, mu, Grid(n, implicit=False), dt=0.02, t_end=0.6, domain=box).ledger
    assert abs(explicit["closure_total"][-1]) < 5e-3


def test_a_drive_is_work():
    """A moving well in its steady state: work per time is |c|², and F stays."""
    c = 0.5
    F = wgf.Quadratic(1.0, center=lambda t: c * t) - 0.2 * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(2000, 1, mean=-c, cov=0.2, seed=1)
    book = wgf.solve(F, mu, Grid(300), dt=0.01, t_end=3.0, domain=BOX, record_every=3).ledger
    late = book["t"] > 1.5
    assert book["work"][late].sum() / (late.sum() * 0.03) == pytest.approx(c**2, rel=0.05)


# ------------------------------------------------------------------------------------------------- from and to


def test_a_run_goes_on_from_particles_and_to_finer_cells():
    F, mu = everything(), wgf.Ensemble.gaussian(400, 1, cov=0.3, seed=1)
    particles = wgf.solve(F, mu, Langevin(), dt=0.02, t_end=0.4, domain=BOX)
    coarse = wgf.solve(F, None, Grid(50), dt=0.02, t_end=1.0, state=particles.state, domain=BOX)
    finer = wgf.solve(F, None, Grid(100), dt=0.02, t_end=2.0, state=coarse.state, domain=BOX)
    assert (coarse.ensemble.n, finer.ensemble.n, finer.state.t) == (50, 100, 2.0)
    with pytest.raises(ConfigError, match=r"wanted the \(100,\) cells of this grid and domain"):
        wgf.solve(F, None, Grid(100), dt=0.02, t_end=3.0, state=finer.state, domain=Box(-4.0, 4.0))


def test_refusals():
    F, mu = everything(), clouds()
    for solver, settings, message in [
        (Grid(), {}, r"Grid\(128\): domain = None; wanted a reflecting or periodic box. Pass domain=wgf.domains.Box"),
        (Grid(), {"domain": Ball(3.0)}, "wanted a reflecting or periodic box"),
        (Grid((10, 10)), {"domain": BOX}, "cells for 2 axes; the particles have dimension 1"),
    ]:
        with pytest.raises(ConfigError, match=message):
            wgf.solve(F, mu, solver, dt=0.1, t_end=1.0, **settings)
    with pytest.raises(ConfigError, match="have dimension 3; wanted at most 2"):
        wgf.solve(F, clouds(3), Grid(10), dt=0.1, t_end=1.0, domain=BOX)
    with pytest.raises(ConfigError, match=r"Power has m = 0.5; wanted m > 1. Diffusivity is infinite"):
        wgf.solve(F - 0.1 * wgf.Power(0.5, 0.1), mu, Grid(10), dt=0.1, t_end=1.0, domain=BOX)
    with pytest.raises(ConfigError, match=r"log gas has the singular kernel .*Log.* Give it a softening"):
        wgf.solve(F + wgf.Interaction(-2.0 * K.Log()).named("log gas"), mu, Grid(10), dt=0.1, t_end=1.0, domain=BOX)
    plain = wgf.from_function(lambda x, w: (x**2).mean(), name="plain")
    with pytest.raises(ConfigError, match="plain gives no first variation"):
        wgf.solve(plain, mu, Grid(10), dt=0.1, t_end=1.0, domain=BOX)
    for bad, message in [(1, "cells = 1"), (2.5, "cells = 2.5"), ((8, 8, 8), "one for each of one or two axes")]:
        with pytest.raises(ConfigError, match=message):
            Grid(bad)
    with pytest.raises(ConfigError, match="implicit = 1"):
        Grid(8, 1)
    with pytest.raises(ShapeError):
        wgf.solve(F, mu, Grid(10), dt=0.1, t_end=1.0, domain=Box([0.0, 0.0], 1.0))


def test_an_explicit_step_that_would_take_too_many_names_its_bound():
    F = 1e9 * double_well() - 0.1 * wgf.Shannon()
    with pytest.raises(StepSizeError, match=r"step 0, t = 0: an explicit step may not exceed .*at most 1000000"):
        wgf.solve(F, clouds(), Grid(50, implicit=False), dt=1.0, t_end=1.0, domain=BOX)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("diffusion", [Diffusion(0.1), Diffusion(0.0), Diffusion(0.0, ((1.0, 2.0),))])
def test_differences_that_overflow_are_no_step(diffusion):
    """Neither a NaN nor an error of a library: the step is cut, and fails as a StepSizeError in the end."""
    lattice, energy = Lattice.of(BOX, (4,)), np.array([1e308, -1e308, 1e308, 0.0])
    assert finite_volume.implicit(lattice, diffusion, energy, np.full(4, 1 / 6), 0.1) is None
    assert not finite_volume.explicit_limit(lattice, diffusion, energy, np.full(4, 1 / 6))[0] > 0


def test_a_term_without_numbers_on_a_cell_is_named():
    F = wgf.Potential(lambda x: -torch.log(x[:, 0])).named("wall") - 0.1 * wgf.Shannon()
    with pytest.raises(DivergenceError, match=r"step 0, t = 0: .*particle 0"):
        wgf.solve(F, clouds(), Grid(50), dt=1.0, t_end=1.0, domain=BOX)


def test_the_power_of_cells_is_the_integral_of_the_density():
    """F = ∫ρ² of the cells, whatever the bandwidth; for m = 3, ½∫ρ³."""
    mu = clouds()
    for m, bandwidth in ((2, 0.3), (3, "scott")):
        sol = wgf.solve(-1.0 * wgf.Power(m, bandwidth), mu, Grid(60), dt=0.1, t_end=0.1, domain=BOX)
        density = sol.ensemble.weights.numpy() / 0.1
        assert sol.ledger["free_energy"][-1] == pytest.approx(0.1 * (density**m).sum() / (m - 1), rel=1e-12)
    assert integrate.trapezoid(density, dx=0.1) == pytest.approx(1.0, abs=0.01)


# ------------------------------------------------------------------------------------------------- a torus


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("place", [0.0, 3.0])
def test_heat_on_the_circle_decays_at_its_rate_wherever_the_seam_is(implicit, place):
    """ρ = (1 + a cos(x − c))/2π keeps its form, with a e^{−Tt}: .5 % is the order-1 error of the steps."""
    circle, grid = PeriodicBox(-math.pi, math.pi), Grid(100, implicit)
    x = grid.centres(circle)
    masses = 1 + 0.5 * torch.cos(x[:, 0] - place)
    sol = wgf.solve(
        -1.0 * wgf.Shannon(), wgf.Ensemble(x, masses / masses.sum()), grid, dt=0.01, t_end=1.0, domain=circle
    )
    end = sol.ensemble
    assert 2 * float(end.expect(torch.cos(x[:, 0] - place))) == pytest.approx(0.5 * math.exp(-1), rel=6e-3)
    assert float(end.expect(torch.sin(x[:, 0] - place))) == pytest.approx(0.0, abs=1e-12)
    assert float(end.weights.sum()) == pytest.approx(1.0, abs=1e-13)
    assert abs(sol.ledger["closure_total"][-1]) < 0.01


def test_a_grid_on_a_torus_is_moved_along_it_to_rounding():
    """By 17 cells of 64, in one and in two dimensions, with an interaction and a power."""
    for d in (1, 2):
        torus, grid = PeriodicBox(0.0, 1.0), Grid(64 if d == 1 else 16)
        x = grid.centres(torus, d)
        n = 64 if d == 1 else 16
        masses = (1.5 + torch.sin(2 * math.pi * x).prod(1)).reshape((n,) * d)
        F = wgf.Interaction(K.Gaussian(0.1)) - 0.05 * wgf.Shannon() - 0.02 * wgf.Power(2.0, 0.1)
        ends = []
        for turn in (0, 5):
            start = masses.roll((turn,) * d, tuple(range(d)))
            mu = wgf.Ensemble(x, start.flatten() / start.sum())
            end = wgf.solve(F, mu, grid, dt=0.01, t_end=0.05, domain=torus).ensemble.weights.reshape((n,) * d)
            ends.append(end.roll((-turn,) * d, tuple(range(d))))
        torch.testing.assert_close(ends[0], ends[1], rtol=1e-10, atol=1e-14)


def test_particles_near_the_seam_are_deposited_on_both_sides():
    torus = PeriodicBox(0.0, 1.0)
    mu = wgf.Ensemble([[0.0]], period=1.0)
    cells = Grid(4).lattice(torus, 1).deposit(mu)
    assert cells.weights.tolist() == [0.5, 0.0, 0.0, 0.5]
    assert cells.period.tolist() == [1.0]
