"""Birth–death: case 8 of docs/theory.md §7, mass, resampling, crossing between wells, and the balance of the ledger."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from chains import slope
from wgf.solvers import (
    BirthDeath,
    BogackiShampine,
    Euler,
    Grid,
    Langevin,
    LeimkuhlerMatthews,
    RandomBatch,
    Underdamped,
)

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def gaussian_grid(precision, mean, reach=7.0, spacing=0.2):
    """N(mean, precision⁻¹) as weights on a square grid: its moments are those of the Gaussian to 1e-12."""
    axis = np.arange(-reach, reach + spacing / 2, spacing)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    weights = np.exp(-0.5 * np.einsum("ni,ij,nj->n", x - mean, precision, x - mean))
    return wgf.Ensemble(x, weights / weights.sum())


def fisher_rao(t, a, temperature, precision, mean, rate=1.0):
    """Precision A/T + (P₀ − A/T) e^{−rate T t}, and the mean, P m = P₀ m₀ e^{−rate T t}."""
    decay = math.exp(-rate * temperature * t)
    later = a / temperature + (precision - a / temperature) * decay
    return later, np.linalg.solve(later, precision @ mean * decay)


A = np.array([[1.5, 0.5], [0.5, 1.0]])
P0, M0 = np.array([[2.0, -0.4], [-0.4, 1.2]]), np.array([0.7, -0.5])


@pytest.mark.parametrize(("h", "rate"), [(0.1, 1.0), (0.5, 2.0), (2.0, 1.0)])
def test_birth_death_alone_takes_gaussians_to_gaussians(h, rate):
    """Case 8 with log-det, at every step: precision and mean to 1e-9 (the grid's quadrature), weights only."""
    temperature, t = 0.8, 2.0
    F = wgf.Quadratic(A) - temperature * wgf.LogDet()
    mu = gaussian_grid(P0, M0)
    sol = wgf.solve(F, mu, BirthDeath(transport=False, rate=rate), dt=h, t_end=t)
    precision, mean = fisher_rao(t, A, temperature, P0, M0, rate)
    np.testing.assert_allclose(np.linalg.inv(sol.ensemble.covariance()), precision, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sol.ensemble.mean(), mean, rtol=0, atol=1e-9)
    assert torch.equal(sol.ensemble.x, mu.x)
    assert torch.equal(sol.ensemble.ids, mu.ids)


def test_the_kernel_density_biases_case_8_by_the_fourth_power_of_its_bandwidth():
    """Shannon by `Blob` on a line: the error of the precision has slope 4 in the bandwidth, within .1.

    The h² of log(φ_h * μ) and of φ_h * (μ/ρ) in the blob's first variation cancel.
    """
    temperature, t, hs, errors = 0.8, 1.0, [0.14, 0.1, 0.07], []
    axis = np.linspace(-7, 7, 351)
    weights = np.exp(-0.5 * 2.0 * axis**2)
    mu, F = wgf.Ensemble(axis[:, None], weights / weights.sum()), wgf.Quadratic(1.5) - temperature * wgf.Shannon()
    want = 1.5 / temperature + (2.0 - 1.5 / temperature) * math.exp(-temperature * t)
    for bandwidth in hs:
        sol = wgf.solve(F, mu, BirthDeath(transport=False, bandwidth=bandwidth), dt=0.1, t_end=t)
        errors.append(1 / float(sol.ensemble.covariance()) - want)
    assert slope(hs, errors) == pytest.approx(4.0, abs=0.1)
    assert "of the density of BirthDeath" in sol.ledger.notes["entropy"]
    assert np.isfinite(sol.ledger["free_energy"]).all()


def test_the_mass_is_one():
    """At every record |Σw − 1| ≤ 4 units of rounding: weights are scaled by their sum after every step, never drift."""
    F = wgf.Quadratic(3.0) + wgf.Interaction(K.Gaussian(0.5)) - 0.1 * wgf.Shannon()
    masses, smallest = [], []

    def look(mu):
        masses.append(math.fsum(mu.weights.tolist()))
        smallest.append(float(mu.weights.min()))
        return 0.0

    wgf.solve(F, wgf.Ensemble.gaussian(300, 2, cov=4.0, seed=1), BirthDeath(), dt=0.05, t_end=3.0, observers=[look])
    assert max(abs(mass - 1) for mass in masses) <= 4 * 2.0**-52
    assert min(smallest) >= 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_particle_far_out_of_the_well_dies_without_a_trace(dtype):
    """Its weight would be e^{−1000}, out of range: it stays at 5e-31 of the largest or less, and nothing is NaN."""
    x = np.concatenate([np.linspace(-1, 1, 40), [10.0]])[:, None]
    mu, F = wgf.Ensemble(x).to(dtype=dtype), wgf.Quadratic(20.0) - 1.0 * wgf.Shannon()
    end = wgf.solve(F, mu, BirthDeath(transport=False), dt=1.0, t_end=5.0).ensemble
    assert float(end.weights[-1] / end.weights.max()) < 1e-30
    assert float(end.covariance()) < 0.1


def test_resampling_is_systematic_and_copies_have_ids_of_their_own():
    """Particle i gets ⌊n wᵢ⌋ or ⌈n wᵢ⌉ copies, from n equal weights on; as many particles as before."""
    n = 200
    weights = np.exp(-0.05 * np.arange(n))
    mu = wgf.Ensemble(np.arange(n)[:, None] / n, weights / weights.sum())
    F = 1e-12 * wgf.Quadratic()
    new = wgf.solve(F, mu, BirthDeath(), dt=0.1, t_end=0.1, seed=3).ensemble
    copies = np.bincount(np.rint(new.x.numpy()[:, 0] * n).astype(int), minlength=n)
    assert new.n == n
    assert (np.abs(copies - n * mu.weights.numpy()) < 1).all()
    assert copies.max() > 5
    assert len(set(new.ids.tolist())) == n
    torch.testing.assert_close(new.weights, torch.full_like(new.weights, 1 / n), rtol=1e-9, atol=0)
    for kept in (BirthDeath(ess_threshold=0.0), BirthDeath(transport=False)):
        assert torch.equal(wgf.solve(F, mu, kept, dt=0.1, t_end=0.1).ensemble.ids, mu.ids)


def test_resampling_is_unbiased():
    """Over 400 seeds the mean of x after it is that before it: within 4.9 standard errors (false-alarm rate 1e-6).

    A bias of a tenth of a standard deviation of one resampling would not be seen, of a quarter it would.
    """
    weights = np.random.default_rng(0).exponential(size=40) ** 4
    mu = wgf.Ensemble(np.random.default_rng(1).normal(size=(40, 1)), weights / weights.sum())
    F, ends = 1e-12 * wgf.Quadratic(), []
    for seed in range(400):
        ends.append(float(wgf.solve(F, mu, BirthDeath(), dt=0.1, t_end=0.1, seed=seed).ensemble.mean()))
    means = np.array(ends) - float(mu.mean())
    assert means.std() > 1e-3
    assert abs(means.mean()) < 4.9 * means.std() / math.sqrt(len(means))


@pytest.mark.slow
def test_it_crosses_between_wells_that_langevin_does_not_cross():
    """V = 3 (x² − 1)², T = .1, a barrier of 30 T: 94 % of the mass starts left, half of it ends right.

    Langevin keeps its 6 % (nobody crosses: the rate is of the order e^{−30}), birth–death comes to
    .487, from where both wells differ by the factor e^{−rate T t} in the logarithm: within .03. Over 12 seeds it is
    .482 ± .002.
    """
    F = wgf.Potential(lambda x: 3 * ((x**2 - 1) ** 2).sum(1)) - 0.1 * wgf.Shannon()
    mu, right = wgf.Ensemble.uniform(300, 1, -1.6, 0.1, seed=1), {}
    for solver in (Langevin(), BirthDeath(rate=2.0)):
        end = wgf.solve(F, mu, solver, dt=0.025, t_end=20.0, seed=2, record_every=3000).ensemble
        right[solver.name] = float(end.expect((end.x[:, 0] > 0).double()))
    assert right["Langevin"] < 0.1
    assert abs(right["BirthDeath"] - 0.487) < 0.03


@pytest.mark.slow
def test_order_one_and_the_balance_closes():
    """Transport and weights with a mean field, a drive and log-det, all deterministic: slope 1 within .1.

    By what halving the step changes, in x and in w. Without the drive F falls by ∫|∇δF/δμ|² dμ + rate·Var_μ(δF/δμ), so
    that the closure is O(h) too.
    """
    undriven = wgf.Quadratic(1.0) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()
    driven = undriven + wgf.Quadratic(1.0, center=lambda t: math.sin(t))
    mu, solver = wgf.Ensemble.gaussian(40, 2, cov=2.0, seed=1), BirthDeath(rate=0.7, ess_threshold=0.0)
    for F in (driven, undriven):
        ends = [wgf.solve(F, mu, solver, dt=1 / n, t_end=1.0) for n in (32, 64, 128, 256)]
        for values in ([end.ensemble.x for end in ends], [end.ensemble.weights for end in ends]):
            changes = [float((a - b).norm()) for a, b in itertools.pairwise(values)]
            assert slope([4, 2, 1], changes) == pytest.approx(1.0, abs=0.1)
    closures = [float(end.ledger["closure_total"][-1]) for end in ends]
    assert slope([8, 4, 2, 1], closures) == pytest.approx(1.0, abs=0.1)
    assert abs(closures[-1]) < 4e-3


def test_the_dissipation_adds_the_variance_of_the_first_variation():
    F, mu = wgf.Quadratic(1.3) - 0.2 * wgf.LogDet(), wgf.Ensemble.gaussian(60, 2, seed=1)
    gradient, variation = F.gradient(mu).numpy(), F.first_variation(mu).numpy()
    force, spread = (gradient**2).sum(1).mean(), variation.var()
    for solver, want in [
        (BirthDeath(rate=3.0), force + 3.0 * spread),
        (BirthDeath(transport=False), spread),
        (BirthDeath(inner=Euler()), force + spread),
    ]:
        book = wgf.solve(F, mu, solver, dt=0.1, t_end=0.0).ledger
        assert book["dissipation"][0] == pytest.approx(want, rel=1e-12)
    noisy = wgf.solve(F - 0.1 * wgf.Shannon(), mu, BirthDeath(), dt=0.1, t_end=0.3).ledger
    assert np.isnan(noisy["dissipation"]).all()
    assert "NaN with noise" in noisy.notes["dissipation"]


@pytest.mark.parametrize("inner", [LeimkuhlerMatthews(), Underdamped()], ids=lambda inner: inner.name)
def test_what_the_inner_scheme_remembers_goes_with_the_particles(inner):
    """Momenta and noises of the survivors: the law of the run is that of the well.

    Mean and variance within 4.9 standard errors for ESS particles (false-alarm rate below 1e-6, since birth and death
    make the scatter smaller): a variance wrong by 27 % would be seen, or a mean by .19 standard deviations.
    """
    solver, n = BirthDeath(inner=inner, rate=2.0), 1000
    F = wgf.Quadratic(2.0) - 0.5 * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(n, 1, mean=3.0, cov=1.0, seed=1)
    sol = wgf.solve(F, mu, solver, dt=0.05, t_end=6.0, record_every=200, seed=2)
    assert int(sol.ensemble.ids.max()) >= n  # somebody was copied
    assert sol.state.memory.shape == (n, 1)
    effective = 1 / float(sol.ensemble.expect(sol.ensemble.weights))
    assert effective > 0.5 * n  # the threshold of the scheme; here about .7
    assert abs(float(sol.ensemble.covariance()) - 0.25) < 4.9 * 0.25 * math.sqrt(2 / effective)
    assert abs(float(sol.ensemble.mean())) < 4.9 * math.sqrt(0.25 / effective)


def test_a_run_goes_on_with_transport_and_without():
    """Momenta begin where transport does, and end with it."""
    F, mu, inner = wgf.Quadratic() - 0.1 * wgf.Shannon(), wgf.Ensemble.gaussian(60, 1, seed=1), Underdamped()
    alone = wgf.solve(F, mu, BirthDeath(transport=False, inner=inner), dt=0.1, t_end=0.3)
    both = wgf.solve(F, None, BirthDeath(inner=inner), dt=0.1, t_end=0.6, state=alone.state)
    assert both.state.memory.shape == (60, 1)
    again = wgf.solve(F, None, BirthDeath(transport=False, inner=inner), dt=0.1, t_end=0.9, state=both.state)
    assert again.state.memory is None
    assert again.state.solver == "BirthDeath(transport=False)"


def test_refusals():
    mu, plain = wgf.Ensemble.gaussian(60, 1, seed=1), wgf.from_function(lambda x, w: (x**2).mean(), name="plain")
    F = wgf.Quadratic() - 0.1 * wgf.Shannon()
    for ask, message in [
        (lambda: BirthDeath(transport=1), "transport = 1: wanted True or False"),
        (lambda: BirthDeath(rate=0.0), "rate = 0.0: wanted a positive number"),
        (lambda: BirthDeath(ess_threshold=1.5), "ess_threshold = 1.5: wanted a number from 0"),
        (lambda: BirthDeath(bandwidth="silver"), "did you mean 'silverman'"),
        (lambda: BirthDeath(inner=BogackiShampine()), "wanted a scheme of fixed steps"),
        (lambda: BirthDeath(inner=Grid(20)), r"inner = Grid\(cells=20.*wanted a scheme that moves the particles it is"),
        (lambda: BirthDeath(inner=BirthDeath()), r"inner = BirthDeath\(.*wanted a scheme that moves the particles"),
        (lambda: BirthDeath(inner=RandomBatch(RandomBatch(Grid(20)))), "wanted a scheme that moves the particles"),
        (lambda: BirthDeath(inner=RandomBatch(BirthDeath())), "wanted a scheme that moves the particles"),
        (lambda: wgf.solve(plain, mu, BirthDeath(), dt=0.1, t_end=1.0), "BirthDeath: plain gives no first variation"),
        (lambda: wgf.solve(F, mu, BirthDeath(inner=Euler()), dt=0.1, t_end=1.0), "Euler is deterministic and F has"),
    ]:
        with pytest.raises(ConfigError, match=message):
            ask()
