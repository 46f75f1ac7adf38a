"""Directions without spread are found by rank, in units of each coordinate, and the schemes that keep them say so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from wgf.solvers import AffineInvariant, BirthDeath, Euler, Heun, Langevin, RandomBatch, Stein

import wgf
from wgf.errors import WgfWarning
from wgf.measure.spread import without_spread

Z = np.random.default_rng(0).normal(size=(100, 3))
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "x",
    [Z, Z * [1, 1e-8, 1e8], Z + 1e4, Z @ [[1, 0.99, 0], [0, 0.01, 0], [0, 0, 1]], Z[:2], Z[:3]],
    ids=["round", "scales", "far", "narrow", "two points", "three points"],
)  # fmt: skip
def test_full_rank_is_no_lack(x, dtype):
    assert without_spread(wgf.Ensemble(x.astype(dtype))) == ""


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("x", "named"),
    [
        (np.tile([[0.1, 0.3, 1e9]], (100, 1)), "coordinates 0, 1, 2"),
        (np.hstack([Z, np.full((100, 1), 0.1)]), "coordinate 3"),
        (np.hstack([Z[:, :1], 2 * Z[:, :1] + 1]), r"the direction \(0\.89, -0\.45\)"),
        (Z[:, :1] * [[1.0, -1.0]], r"the direction \(0\.71, 0\.71\)"),
        ((Z * [1, 1, 0]) @ TURN + 5, "the direction"),
        (np.ones((30, 40)), "coordinates 0, 1, 2 and 37 more"),
        (Z[:, :2] @ np.random.default_rng(2).normal(size=(2, 6)), "4 directions across coordinates"),
        (Z[:1], "coordinates 0, 1, 2"),
        (np.hstack([Z[:4, :1], np.ones((4, 7))]), "coordinates 1, 2, 3 and 4 more"),
    ],
)
def test_what_is_missing_is_named(x, named, dtype):
    import re

    assert re.fullmatch(rf"{named}.*", without_spread(wgf.Ensemble(x.astype(dtype))))


def test_particles_of_weight_zero_do_not_count():
    mu = wgf.Ensemble(np.vstack([np.zeros((5, 2)), [[3.0, 4.0]]]), [0.2] * 5 + [0.0])
    assert without_spread(mu) == "coordinates 0, 1"


STARTS = {"one point": np.tile([[0.5, 0.25]], (100, 1)), "a plane": np.hstack([Z[:, :1], np.ones((100, 1))])}
SHANNON, PLAIN = wgf.Quadratic() - wgf.Shannon(), 1.0 * wgf.Quadratic()


@pytest.mark.parametrize("x", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize(
    ("F", "scheme"),
    [
        (SHANNON, AffineInvariant()),
        (SHANNON, AffineInvariant("deviations")),
        (PLAIN, AffineInvariant()),
        (SHANNON, RandomBatch(AffineInvariant())),
        (SHANNON, BirthDeath(inner=AffineInvariant(), bandwidth=0.5)),
        (SHANNON, Stein("linear")),
        (SHANNON, Stein()),
        (SHANNON, Stein(1.0)),
    ],
    ids=["noise", "deviations", "no noise", "batches", "birth and death", "linear", "median", "fixed"],
)
def test_schemes_that_move_particles_within_their_span_say_so(F, scheme, x):
    """The variance in coordinate 1 is 0 by C, and nearly so by a kernel, where the law has 1 − e^{−.2} = .18."""
    if isinstance(scheme, RandomBatch):
        F = F + wgf.Interaction(wgf.kernels.Gaussian(1.0))
    with pytest.warns(WgfWarning, match="no spread in coordinate.* 1") as told:
        end = wgf.solve(F, wgf.Ensemble(x), scheme, dt=0.01, t_end=0.1).ensemble
    assert all(len(str(each.message)) < 300 for each in told)
    assert float(end.covariance()[1, 1]) < (1e-3 if isinstance(scheme, Stein) else 1e-20)


def test_values_of_a_forward_map_give_no_force_across_the_span():
    misfit = wgf.LeastSquares(lambda x: x, data=[0.0, 0.0])
    with pytest.warns(WgfWarning, match="LeastSquares: the particles have no spread in coordinate 1"):
        end = wgf.solve(misfit.linearised(), wgf.Ensemble(STARTS["a plane"]), Heun(), dt=0.1, t_end=1.0).ensemble
    assert torch.equal(end.x[:, 1], torch.ones(100, dtype=torch.float64))


def test_other_schemes_and_full_ranks_say_nothing():
    plane, few = wgf.Ensemble(STARTS["a plane"]), wgf.Ensemble(Z[:2])
    wgf.solve(SHANNON, plane, Langevin(), dt=0.05, t_end=0.1)
    wgf.solve(PLAIN, plane, Euler(), dt=0.05, t_end=0.1)
    wgf.solve(PLAIN, few, AffineInvariant(), dt=0.05, t_end=0.1)
    wgf.solve(SHANNON, wgf.Ensemble(Z[:1]), Stein(1.0), dt=0.05, t_end=0.1)


def test_float32_particles_far_from_zero_have_the_spread_that_their_numbers_have():
    """At 10⁶ the numbers of float32 are 1/16 apart, at 4·10⁶ a quarter: N(0, 1) has a spread there."""
    rng = np.random.default_rng(0)
    for far in (1e6, 4e6):
        x = (rng.normal(size=(100, 3)) * [1, 1, 0] + far).astype("float32")
        assert without_spread(wgf.Ensemble(x)) == "coordinate 2"
        mu = wgf.Ensemble(x[:, :2])
        exact = 0.5 * float(np.log(x[:, :2].astype(float).var(axis=0)).sum())
        assert float(wgf.LogVariance().value(mu)) == pytest.approx(exact, rel=1e-3)
        assert wgf.diagnostics.effective_rank(mu) > 1.9
