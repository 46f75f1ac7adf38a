"""Domains: folding from any distance, velocities, refusals, and the uniform law of diffusion inside."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from wgf.solvers import Euler, Langevin, LeimkuhlerMatthews

import wgf
from wgf.domains import REGISTRY, Ball, Box, Domain, PeriodicBox
from wgf.errors import ConfigError, ShapeError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

DOMAINS: list[Domain] = [Box([-1.0, 0.0], [1.0, 0.5]), PeriodicBox(-1.0, [2.0, 0.5]), Ball(1.5, [1.0, -2.0])]
DOMAINS += [cls() for cls in REGISTRY.values() if cls not in {type(domain) for domain in DOMAINS}]
every_domain = pytest.mark.parametrize("domain", DOMAINS, ids=repr)


def points(n, scale, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(3).normal(size=(n, 2)) * scale).to(dtype)


def walked(x, low, high):
    """One reflection after the other, as a particle would be: the oracle for a box."""
    while not low <= x <= high:
        x = 2 * low - x if x < low else 2 * high - x
    return x


# ------------------------------------------------------------------------------------------------- folding


@every_domain
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e6])
def test_every_point_is_brought_inside_and_stays_there(domain, dtype, scale):
    x = points(5000, scale, dtype)
    folded = domain.fold(x)
    assert folded.dtype == dtype
    assert domain.contains(folded).all()
    assert torch.equal(domain.fold(folded), folded)
    inside = domain.contains(x)
    if not isinstance(domain, PeriodicBox):  # which moves its upper wall to the lower one
        assert torch.equal(folded[inside], x[inside])


def test_a_box_reflects_as_often_as_it_takes():
    x = points(500, 7.0)
    want = [[walked(a, -1.0, 1.0), walked(b, 0.0, 0.5)] for a, b in x.tolist()]
    np.testing.assert_allclose(DOMAINS[0].fold(x), want, atol=1e-13)


def test_a_periodic_box_takes_whole_periods():
    x = points(500, 40.0)
    periods = (x - DOMAINS[1].fold(x)) / torch.tensor([3.0, 1.5])
    np.testing.assert_allclose(periods, periods.round(), atol=1e-12)
    assert PeriodicBox(0.0, 1.0).fold([[-1e-20]]).item() == 0.0


def test_a_ball_reflects_along_the_ray():
    for r, want in [(1.0, 1.0), (1.9, 1.1), (3.0, 0.0), (3.5, -0.5), (4.5, -1.5), (5.0, -1.0), (7.0, 1.0)]:
        x = [[1.0 + 0.6 * r, -2.0 + 0.8 * r]]
        np.testing.assert_allclose(DOMAINS[2].fold(x), [[1.0 + 0.6 * want, -2.0 + 0.8 * want]], atol=1e-14)


@pytest.mark.parametrize("domain", [domain for domain in DOMAINS if not domain.curved], ids=repr)
def test_velocities_keep_their_length_and_turn_at_walls(domain):
    """Free flight: the place folded at time s moves with the velocity carried to s."""
    x, v, eps = points(400, 6.0), points(400, 1.0) + 0.1, 1e-7
    folded, carried = domain.carry(x, v)
    assert torch.equal(folded, domain.fold(x))
    torch.testing.assert_close(carried.norm(dim=1), v.norm(dim=1), rtol=1e-12, atol=1e-12)
    if isinstance(domain, Ball):  # radial flight only is exact: along the ray
        v = x - domain.center
        carried = domain.carry(x, v)[1]
        v, carried = 0.1 * v, 0.1 * carried
    moved = (domain.fold(x + eps * v) - folded) / eps
    smooth = (moved - carried).norm(dim=1) < 1e-5 * (1 + v.norm(dim=1))
    assert smooth.double().mean() > 0.99  # the others meet a wall within eps


@every_domain
def test_nan_and_infinity_stay_no_numbers(domain):
    folded = domain.fold([[math.nan, 0.0], [math.inf, 0.1]])
    assert not torch.isfinite(folded[:, 0]).any()


# ------------------------------------------------------------------------------------------------- refusals


def test_bad_domains_are_refused():
    for make, message in [
        (lambda: Box(1.0, 0.0), "wanted low < high"),
        (lambda: Box(0.0, math.inf), r"high = inf"),
        (lambda: Box("0", 1.0), "low = '0'"),
        (lambda: Box([0.0, 0.0], [1.0, 1.0, 1.0]), "low has 2 entries and high 3"),
        (lambda: PeriodicBox(0.0, [[1.0]]), "one per dimension"),
        (lambda: Box([], 1.0), "low of shape"),
        (lambda: PeriodicBox([0.0, 0.0], 1.0).period(3), "low of PeriodicBox has 2 entries"),
        (lambda: Ball(-1.0), r"radius = -1.0"),
        (lambda: Ball(1.0, math.nan), "center = nan"),
    ]:
        with pytest.raises((ConfigError, ShapeError), match=message):
            make()


@pytest.mark.parametrize(
    ("domain", "at", "dtype"),
    [
        (Box(0.0, 1e308), 1.0, torch.float64),
        (Box(-1e308, 1e308), 1.0, torch.float64),
        (Box(0.0, 1e-320), 0.0, torch.float64),
        (Box(0.0, 1e39), 1.0, torch.float32),
        (Box(1.0, 1.0 + 1e-9), 1.0, torch.float32),
        (PeriodicBox(-3e38, 3e38), 1.0, torch.float32),
        (PeriodicBox(1.0, 1.0 + 1e-9), 1.0, torch.float32),
        (Ball(1e-46), 0.0, torch.float32),
    ],
    ids=str,
)
def test_a_domain_that_the_dtype_cannot_hold_is_refused(domain, at, dtype):
    mu = wgf.Ensemble(torch.full((4, 1), at, dtype=dtype))
    with pytest.raises(ConfigError, match="is out of the range of float"):
        wgf.solve(wgf.Quadratic(), mu, Euler(), dt=0.1, t_end=0.1, domain=domain)


def test_a_far_wall_does_not_round_reflections_at_the_near_one():
    for far in (1.0, 1e6, 1e39):
        assert Box(0.0, far).fold([[-0.125]]).item() == 0.125
        points, velocity = Box(-far, 0.0).carry([[0.125]], torch.ones(1, 1, dtype=torch.float64))
        assert (points.item(), velocity.item()) == (-0.125, -1.0)


def test_domains_show_the_numbers_that_were_given():
    assert repr(Ball(0.1)) == "Ball(radius=0.1, center=0.0)"
    assert repr(Box(0.1, 0.7)) == "Box(low=0.1, high=0.7)"


def test_solve_looks_at_its_domain():
    F, mu = wgf.Quadratic(), wgf.Ensemble([[0.5, 0.5], [0.5, 1.5]], ids=[4, 7])
    with pytest.raises(ConfigError, match=r"particle 1 \(id 7\) is at \[0.5, 1.5\], outside"):
        wgf.solve(F, mu, Euler(), dt=0.1, t_end=1.0, domain=Box(0.0, 1.0))
    with pytest.raises(ShapeError, match="low of Box has 3 entries, the particles have dimension 2"):
        wgf.solve(F, mu, Euler(), dt=0.1, t_end=1.0, domain=Box([0.0, 0.0, 0.0], 2.0))
    with pytest.raises(ConfigError, match=r"domain = 1.0: wanted one of wgf.domains"):
        wgf.solve(F, mu, Euler(), dt=0.1, t_end=1.0, domain=1.0)
    with pytest.raises(ShapeError, match="wanted"):
        Box().fold([1.0, 2.0])


def test_the_free_energy_is_only_asked_inside():
    """−log x has no value beyond its wall at 0; stages and ends of steps are folded before it is asked."""
    F = wgf.Potential(lambda x: (3 * x - torch.log(x)).sum(1))
    mu = wgf.Ensemble.uniform(40, 1, 0.1, 3.9, seed=2)
    for solver in (wgf.solvers.RungeKutta4(), wgf.solvers.BogackiShampine()):
        sol = wgf.solve(F, mu, solver, dt=0.3, t_end=6.0, domain=Box(1e-3, 4.0))
        assert sol.status.ok
        torch.testing.assert_close(sol.state.evaluation.gradient, F.gradient(sol.ensemble), rtol=0, atol=0)


# ------------------------------------------------------------------------------------------------- the uniform law


def chi_square(counts):
    counts = np.asarray(counts, dtype=float).ravel()
    return float(((counts - counts.mean()) ** 2 / counts.mean()).sum()), stats.chi2.isf(1e-6, counts.size - 1)


both_noises = pytest.mark.parametrize("solver", [Langevin(), LeimkuhlerMatthews()], ids=lambda solver: solver.name)


def diffused(solver, domain, n, dt, t_end):
    """Pure diffusion at T = 1 from a cloud near (.4, .2)."""
    mu = wgf.Ensemble.gaussian(n, 2, mean=[0.4, 0.2], cov=0.01, seed=1)
    mu = mu.moved(domain.fold(mu.x))
    sol = wgf.solve(-1.0 * wgf.Shannon(), mu, solver, dt=dt, t_end=t_end, domain=domain, record_every=10**6, seed=5)
    assert domain.contains(sol.ensemble.x).all()
    return sol.ensemble.x.numpy()


@both_noises
@pytest.mark.parametrize("kind", [Box, PeriodicBox])
def test_diffusion_in_a_box_ends_uniform_at_any_step(kind, solver):
    """Steps of .6 in a box 2 wide, exact for folded Gaussians; the start is forgotten to e^{−π²T t/L²} = e^{−10}.

    χ² over 8 × 8 cells at a false-alarm rate of 1e-6; a density off by 5 % rms over the cells would be seen
    (noncentrality 40 000 × .05² = 100).
    """
    low, high = np.array([-1.0, -0.5]), np.array([1.0, 0.5])
    x = diffused(solver, kind(low, high), 40_000, 0.18, 4.0)
    cells = np.histogram2d(x[:, 0], x[:, 1], 8, np.stack([low, high], 1))[0]
    found, allowed = chi_square(cells)
    assert found < allowed


@pytest.mark.slow
@both_noises
def test_diffusion_in_a_ball_ends_uniform(solver):
    """(r/R)² and the angle are uniform; the curvature of the wall costs 2 % of the density in the outermost tenth at
    this step, a noncentrality of 1. The first mode is forgotten to e^{−3.39 t} = 2e-4.

    χ² over 10 rings × 4 sectors at a false-alarm rate of 1e-6; a density off by 7 % rms would be seen (noncentrality
    20 000 × .07² = 98).
    """
    x = diffused(solver, Ball(1.0), 20_000, 2e-3, 2.5)
    rings = np.histogram2d((x**2).sum(1), np.arctan2(x[:, 1], x[:, 0]), (10, 4), [(0, 1), (-math.pi, math.pi)])[0]
    found, allowed = chi_square(rings)
    assert found < allowed


@pytest.mark.slow
@pytest.mark.parametrize("h", [0.02, 0.005])
def test_the_density_at_a_wall_is_low_by_the_root_of_the_step(h):
    """A drift g = 1 into a wall at T = 1, from ρ = e^{−x}: in the layer of .3 √h the mass is low by about .6 √h."""
    x = -np.log(1.0 - np.random.default_rng(0).random((200_000, 1)))
    F = wgf.Potential(lambda x: x[:, 0]) - wgf.Shannon()
    settings = {"dt": h, "t_end": 1.0, "domain": Box(0.0, 40.0), "record_every": 10_000}
    end = wgf.solve(F, wgf.Ensemble(x), wgf.solvers.Langevin(), **settings).ensemble.x[:, 0]
    layer = 0.3 * math.sqrt(h)
    missing = 1.0 - float((end < layer).double().mean()) / (1.0 - math.exp(-layer))
    assert missing == pytest.approx(0.6 * math.sqrt(h), abs=0.04)  # 4 standard errors of the count
    assert float(end.mean()) == pytest.approx(1.0, abs=0.4 * h + 0.01)  # means have order 1
