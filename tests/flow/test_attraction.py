"""Noise with an attraction that no time step resolves is told at the start; whatever is resolved is not."""

from __future__ import annotations

import warnings

import pytest
import torch
from wgf.solvers import AffineInvariant, BirthDeath, Grid, Heun, Langevin, LeimkuhlerMatthews, RandomBatch, Underdamped

import wgf
from wgf import kernels as K
from wgf.errors import WgfWarning
from wgf.flow.attraction import unresolved

LOG = K.RadialKernel(lambda q: 0.5 * torch.log(q), infinite_at_zero=True)


def told(kernel, dim, temperature=1.0, n=100, factor=1.0):
    mu = wgf.Ensemble.gaussian(n, dim, cov=4.0, seed=1)
    return unresolved([(factor, kernel)], temperature, mu)


@pytest.mark.parametrize(
    ("kernel", "dim"),
    [
        (-1.0 * K.Log(), 1),
        (-1.0 * K.Log(), 2),
        (-1e-3 * K.Log(), 2),
        (-1.0 * K.Riesz(0.3), 1),
        (-1.0 * K.Riesz(0.3), 5),
        (-1.0 * K.Riesz(60.0), 2),
        (-1.0 * K.Newtonian(2), 2),
        (-1.0 * K.Newtonian(3), 3),
        (-1.0 * K.Newtonian(9), 9),
        (LOG, 1),
        (K.Gaussian(1.0) - 0.5 * K.Log(), 1),
        (K.Log() - 0.1 * K.Riesz(1.0), 2),
        (0.5 * K.Log() - 1.0 * K.Log(), 1),
    ],
    ids=str,
)
def test_attraction_that_ends_in_a_point_is_found(kernel, dim):
    assert told(kernel, dim)
    assert told(-1.0 * kernel, dim, factor=-1.0)
    assert not told(kernel, dim, factor=-1.0)


@pytest.mark.parametrize(
    ("kernel", "dim"),
    [
        (K.Log(), 1),
        (K.Newtonian(3), 3),
        (-1.0 * K.Log(softening=0.05), 1),
        (-1.0 * K.Newtonian(3, softening=0.1), 3),
        (-1.0 * K.Gaussian(1.0), 1),
        (-1.0 * K.Newtonian(1), 1),
        (-1.0 * K.Laplace(1.0), 1),
        (-1.0 * K.Log(), 3),  # two particles never meet: a Bessel process of dimension 3 − 1/100
        (K.Riesz(2.0) - 1.0 * K.Log(), 1),  # it repels in the end
        (K.Log() - 1.0 * K.Log(), 1),
        (K.Morse(1.0, 0.5, 1.0, 2.0), 2),
    ],
    ids=str,
)
def test_what_is_resolved_is_let_pass(kernel, dim):
    assert not told(kernel, dim)


def test_two_heavy_particles_meet_in_three_dimensions():
    """The Bessel dimension is d − c w/T: 3 − c/100 for a hundred particles at T = 1, 2.5 and 1.5 for two."""
    for c, n, meets in ((1.0, 100, False), (1.0, 2, False), (3.0, 2, True), (150.0, 100, True)):
        assert told(-c * K.Log(), 3, n=n) is meets
    assert told(-1.0 * K.Log(), 3, temperature=0.4, n=2)


def interaction(kernel):
    return wgf.Quadratic() + wgf.Interaction(kernel) - wgf.Shannon()


@pytest.mark.filterwarnings("ignore:closure")
@pytest.mark.parametrize(
    "scheme",
    [Langevin(), LeimkuhlerMatthews(), Underdamped(1.0), AffineInvariant(), RandomBatch(Langevin()),
     BirthDeath(inner=Langevin())],
    ids=lambda scheme: scheme.name,
)  # fmt: skip
def test_every_scheme_with_noise_warns_once(scheme):
    mu = wgf.Ensemble.gaussian(100, 1, cov=4.0, seed=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wgf.solve(interaction(-0.5 * K.Log()), mu, scheme, dt=1e-3, t_end=3e-3)
    found = [str(each.message) for each in caught if "infinite at distance 0" in str(each.message)]
    assert len(found) == 1
    assert "Interaction" in found[0]
    assert "softening" in found[0]
    assert len(found[0]) < 300


@pytest.mark.parametrize("F", [
    wgf.Quadratic() - 0.5 * wgf.Interaction(K.Log()) - wgf.Shannon(),
    wgf.Quadratic() - (lambda t: 50 * t) * wgf.Interaction(K.Log()) - wgf.Shannon(),
    wgf.Quadratic() - 0.5 * wgf.Interaction(K.Log()) - (lambda t: 50 * t) * wgf.Shannon(),
    wgf.Quadratic() + wgf.Interaction(K.Gaussian(1.0)) + wgf.Interaction(-1.0 * K.Log()) - wgf.Shannon(),
], ids=["coefficient", "later", "heated later", "two terms"])  # fmt: skip
def test_coefficients_and_schedules_count(F):
    mu = wgf.Ensemble.gaussian(20, 1, cov=4.0, seed=1)
    with pytest.warns(WgfWarning, match="infinite at distance 0"):
        wgf.solve(F, mu, Langevin(), dt=1e-3, t_end=0.01)


def test_without_noise_or_with_softening_nothing_is_said():
    mu, singular = wgf.Ensemble.gaussian(20, 1, cov=4.0, seed=1), -0.01 * K.Log()
    wgf.solve(wgf.Quadratic() + wgf.Interaction(singular), mu, Heun(), dt=1e-4, t_end=1e-3)
    wgf.solve(wgf.Quadratic() + wgf.Interaction(singular), mu, Langevin(), dt=1e-4, t_end=1e-3)
    wgf.solve(interaction(-0.5 * K.Log(softening=0.1)), mu, Langevin(), dt=1e-3, t_end=0.01)
    two = wgf.Interaction(K.Riesz(1.0)) - 0.5 * wgf.Interaction(K.Log())
    wgf.solve(wgf.Quadratic() + two - wgf.Shannon(), mu, Langevin(), dt=1e-6, t_end=1e-5)
    box = wgf.domains.Box(-8.0, 8.0)
    wgf.solve(interaction(-0.5 * K.Log(softening=0.1)), mu, Grid(40), dt=1e-3, t_end=2e-3, domain=box)


@pytest.mark.slow
def test_the_softening_that_is_named_gives_the_right_second_moment():
    """E x² of −χ log|u|, χ = .5, without confinement: d E x²/dt = 2T − χ(1 − 1/n), so 1 + 1.505 t. Right at t = 1: 2.5.

    n = 100 and 20 seeds: a standard error of about .08. The unsoftened run gives ten times that, or nothing.
    """
    found = []
    F = wgf.Interaction(-0.5 * K.Log(softening=0.03)) - wgf.Shannon()
    for seed in range(20):
        mu = wgf.Ensemble.gaussian(100, 1, seed=50 + seed)
        end = wgf.solve(F, mu, Langevin(), dt=1e-3, t_end=1.0, record_every=2000, seed=seed).ensemble
        found.append(float((end.x**2).mean() - (mu.x**2).mean()))
    assert sum(found) / 20 == pytest.approx(2 - 0.5 * 0.99, abs=5 * 0.08 + 0.05)
