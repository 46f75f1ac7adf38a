"""The sliced Wasserstein energy: translations, its kept target, float32, its flow, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf.energies import discrepancy
from wgf.errors import ConfigError, DivergenceError, ShapeError
from wgf.ops import sliced as lines

# ------------------------------------------------------------------------------------------------- operations


def cloud(n, d, seed, weighted=False, ties=False, dtype=torch.float64):
    """Particles (n, d) and weights (n,), one of them zero; with ties, every place is taken by two or three."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 0.5 * seed
    if ties:
        x[n // 2 :] = x[: n - n // 2]
    w = rng.uniform(0.2, 1.0, n) if weighted else np.ones(n)
    if weighted and n > 5:
        w[4] = 0.0
    return torch.from_numpy(x).to(dtype), torch.from_numpy(w / w.sum())


# ------------------------------------------------------------------------------------------------- the energy


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_translation_costs_its_square_and_is_felt_along_it(d):
    """Frames are tight: mean_θ (θ·v)² = |v|²/d and mean_θ (θ·v) θ = v/d."""
    x, v = cloud(300, d, 0)[0], torch.linspace(0.5, 2.0, d, dtype=torch.float64)
    term, mu = wgf.SlicedWasserstein(x - v, projections=10 * d), wgf.Ensemble(x)
    assert float(term.value(mu)) == pytest.approx(float(v @ v) / (2 * d), rel=1e-12)
    torch.testing.assert_close(term.gradient(mu), (v / d).expand(300, d), rtol=1e-11, atol=1e-12)


def test_the_kept_target_changes_nothing(monkeypatch):
    (x, a), (y, b) = cloud(200, 3, 0, True), cloud(150, 3, 1, True)
    mu, nu = wgf.Ensemble(x, a), wgf.Ensemble(y, b)
    results = []
    for kept, block in ((2**24, 2**21), (0, 2**21), (0, 600), (2**24, 600)):
        monkeypatch.setattr(discrepancy, "KEPT_VALUES", kept)
        monkeypatch.setattr(lines, "BLOCK_VALUES", block)
        monkeypatch.setattr(lines, "LEAST_DIRECTIONS", 1)
        term = wgf.SlicedWasserstein(nu, projections=12)
        both = term.evaluate(mu)
        results.append((both.value, term.value(mu), both.gradient, term.first_variation(mu)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-13, atol=1e-14)


def test_float32_particles_lose_only_the_rounding_of_their_gradient():
    """Lines are float64, so no two neighbours are exchanged; 6e-8 is half a unit of the last place."""
    x, y = cloud(20_000, 3, 0, dtype=torch.float32)[0], cloud(20_000, 3, 1)[0]
    term = wgf.SlicedWasserstein(y, projections=9)
    single, both = term.evaluate(wgf.Ensemble(x)), term.evaluate(wgf.Ensemble(x.double()))
    assert float(single.value) == float(both.value)
    # a sum over one block of directions, rounded to float32 once there and once as the mean
    assert float((single.gradient - both.gradient).norm() / both.gradient.norm()) < 2 * 6e-8


def test_its_flow_carries_the_particles_to_the_target():
    """2 · SlicedWasserstein in the plane draws in as ½ W₂² does: the value falls by e⁻² in a unit of time, until shapes
    of the size of the spacing of the particles are left, 500⁻¹ᐟ² of the target, whose square is 2·10⁻³ of the value."""
    rng = np.random.default_rng(4)
    target = rng.normal(size=(500, 2)) @ np.array([[1.0, 0.5], [0.0, 0.3]]) + [3.0, -1.0]
    term = wgf.SlicedWasserstein(target, projections=40)
    F = 2 * term
    sol = wgf.solve(F, wgf.Ensemble.gaussian(500, 2, seed=1), wgf.solvers.Euler(), dt=0.05, t_end=5.0, record_every=20)
    values = sol.ledger["free_energy"]
    assert np.all(np.diff(values) < 0)
    assert values[1] / values[0] == pytest.approx(math.exp(-2), rel=0.05)  # Euler's own error at this step
    assert values[-1] < 2e-3 * values[0]


def test_what_does_not_fit_is_refused():
    x = cloud(5, 2, 0)[0]
    with pytest.raises(ShapeError, match="SlicedWasserstein: particles of dimension 3, samples of dimension 2"):
        wgf.SlicedWasserstein(x).value(wgf.Ensemble.gaussian(4, 3))
    with pytest.raises(ConfigError, match="projections = 0: wanted an integer ≥ 1"):
        wgf.SlicedWasserstein(x, projections=0)
    with pytest.raises(ConfigError, match="seed = -1"):
        wgf.SlicedWasserstein(x, seed=-1)
    broken = wgf.Ensemble(x).moved(x * math.nan)
    with pytest.raises(DivergenceError, match="SlicedWasserstein: the gradient is not finite at particle 0"):
        wgf.SlicedWasserstein(x).gradient(broken)
    assert repr(wgf.SlicedWasserstein(x, 7)).endswith("projections=7, seed=0)")
