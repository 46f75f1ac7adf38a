"""Entropy estimates against closed forms, and the reasons given where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import wgf
from wgf.entropies.estimators import Estimate, effective_rank, gaussian_entropy, knn_entropy
from wgf.errors import ConfigError, DivergenceError

N = 20_000
FALSE_ALARM = 5.0  # standard errors: 6·10⁻⁷ two-sided for a normal error


def normal(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim))


# ---------------------------------------------------------------------------------------------- k nearest neighbours


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 4])
def test_knn_entropy_of_a_gaussian(dim: int, k: int) -> None:
    """½ log det(2πe C). The standard error is about 0.01, so a wrong constant (log 2, ψ(k), c_d) shows."""
    a = np.diag([2.0, 0.5, 1.0][:dim])
    estimate = knn_entropy(wgf.Ensemble(normal(N, dim, 0) @ a), k)
    exact = 0.5 * dim * math.log(2 * math.pi * math.e) + math.log(abs(np.linalg.det(a)))
    assert estimate.standard_error < 0.02
    assert abs(estimate.value - exact) < FALSE_ALARM * estimate.standard_error


def test_knn_entropy_of_a_uniform_law() -> None:
    """log volume; the boundary biases it by O(n^{−1/d}) perimeter effects, below one standard error in 1D."""
    x = 3.0 * np.random.default_rng(1).uniform(size=(N, 1))
    estimate = knn_entropy(wgf.Ensemble(x))
    assert abs(estimate.value - math.log(3.0)) < FALSE_ALARM * estimate.standard_error


def test_standard_error_matches_the_spread_over_replicas() -> None:
    """Over 60 replicas the spread is known to 1/√120 = 9 %; dependence between neighbours adds to that for k > 1."""
    estimates = [knn_entropy(wgf.Ensemble(normal(500, 2, 100 + r)), k=1) for r in range(60)]
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert 0.6 < spread / claimed < 1.5


@pytest.mark.parametrize("scale", [1e-170, 1e-3, 1e170])
def test_knn_entropy_follows_translation_and_scale(scale: float) -> None:
    x = normal(300, 2, 2)
    here = float(knn_entropy(wgf.Ensemble(x)))
    there = float(knn_entropy(wgf.Ensemble(scale * (x + 1.0))))
    assert there == pytest.approx(here + 2 * math.log(scale), rel=1e-10)


def test_knn_entropy_is_named_and_invariant_under_permutation_and_threads() -> None:
    x = normal(2000, 3, 3)
    estimate = knn_entropy(wgf.Ensemble(x), k=3)
    assert isinstance(estimate, Estimate)
    assert estimate.name == "kozachenko-leonenko(k=3)"
    assert float(knn_entropy(wgf.Ensemble(x[::-1].copy()), k=3)) == pytest.approx(float(estimate), rel=1e-13)
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert knn_entropy(wgf.Ensemble(x), k=3) == estimate


def test_knn_entropy_in_float32() -> None:
    x = normal(2000, 2, 4)
    single = float(knn_entropy(wgf.Ensemble(torch.from_numpy(x).float())))
    assert single == pytest.approx(float(knn_entropy(wgf.Ensemble(x))), abs=1e-4)


def test_two_coincident_particles_are_no_obstacle_to_k_above_one() -> None:
    x = normal(100, 2, 5)
    x[7] = x[3]
    assert math.isfinite(float(knn_entropy(wgf.Ensemble(x), k=2)))
    with pytest.raises(ConfigError, match=r"More than k = 1 particles coincide \(at row 3\)"):
        knn_entropy(wgf.Ensemble(x), k=1)


def test_knn_entropy_gives_its_reasons() -> None:
    x = normal(10, 2, 6)
    with pytest.raises(ConfigError, match="needs equal weights"):
        knn_entropy(wgf.Ensemble(x, np.arange(1.0, 11.0) / 55))
    with pytest.raises(ConfigError, match="more particles than k = 10, not n = 10"):
        knn_entropy(wgf.Ensemble(x), k=10)
    with pytest.raises(ConfigError, match="k = 0"):
        knn_entropy(wgf.Ensemble(x), k=0)
    with pytest.raises(ConfigError, match="More than k = 4 particles coincide"):
        knn_entropy(wgf.Ensemble(np.ones((10, 2))))
    mu = wgf.Ensemble(x)
    broken = mu.x.clone()
    broken[4, 1] = math.nan
    with pytest.raises(DivergenceError, match="nan in row 4, column 1"):
        knn_entropy(mu.moved(broken))


# ---------------------------------------------------------------------------------------------- covariance


def test_gaussian_entropy_is_half_log_det_of_the_empirical_covariance() -> None:
    x = normal(50, 3, 7) @ np.array([[2.0, 0.3, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.1]])
    exact = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * np.cov(x.T, bias=True)).logabsdet
    assert gaussian_entropy(wgf.Ensemble(x)) == pytest.approx(exact, rel=1e-12)


def test_gaussian_entropy_uses_the_weights() -> None:
    mu = wgf.Ensemble([[0.0], [1.0]], [0.25, 0.75])  # variance 3/16
    assert gaussian_entropy(mu) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 3 / 16), rel=1e-12)


def test_gaussian_entropy_refuses_a_singular_covariance() -> None:
    with pytest.raises(ConfigError, match=r"4 particles in 6 dimensions is singular \(rank 3\)"):
        gaussian_entropy(wgf.Ensemble(normal(4, 6, 8)))
    with pytest.raises(ConfigError, match="rank 0"):
        gaussian_entropy(wgf.Ensemble([[1.0]]))


def test_gaussian_entropy_bounds_the_knn_entropy_of_another_law() -> None:
    """Uniform on [0, 1]: log 1 = 0 against ½ log(2πe/12) = 0.176; the difference is 20 standard errors."""
    mu = wgf.Ensemble(np.random.default_rng(9).uniform(size=(N, 1)))
    assert gaussian_entropy(mu) == pytest.approx(0.5 * math.log(2 * math.pi * math.e / 12), abs=0.02)
    assert gaussian_entropy(mu) > float(knn_entropy(mu)) + 0.1


def test_effective_rank_counts_dimensions() -> None:
    axes = np.eye(4)
    assert effective_rank(wgf.Ensemble(np.vstack([axes, -axes]))) == pytest.approx(4.0, rel=1e-12)
    line = np.outer(np.arange(5.0), [1.0, 2.0, -1.0])
    assert effective_rank(wgf.Ensemble(line)) == pytest.approx(1.0, abs=1e-12)
    assert effective_rank(wgf.Ensemble([[1.0, 2.0]])) == 0.0
    mu = wgf.Ensemble([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # eigenvalues 9 : 1
    assert effective_rank(mu) == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)), rel=1e-12)


@pytest.mark.parametrize("estimator", [gaussian_entropy, effective_rank])
def test_a_covariance_that_is_not_finite_is_an_error(estimator: object) -> None:
    mu = wgf.Ensemble(normal(5, 2, 10))
    with pytest.raises(DivergenceError, match="not finite"):
        estimator(mu.moved(mu.x * math.nan))  # type: ignore[operator]
