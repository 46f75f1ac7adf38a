"""Entropies against numpy, and rules for a bandwidth."""

from __future__ import annotations

import math
from typing import Any

import naive
import pytest
from samples import ensemble

import wgf

ENTROPIES = {
    "LogDet": (wgf.LogDet(0.2), {"ridge": 0.2}), "Variance": (wgf.Variance(), {}),
    "LogVariance": (wgf.LogVariance(0.1), {"ridge": 0.1}), "Softmax-features": (wgf.Softmax(0.7), {"tau": 0.7}),
    "Softmax-particles": (wgf.Softmax(0.7, "particles"), {"tau": 0.7}), "Blob": (wgf.Blob(0.6), {"h": 0.6}),
    "Power": (wgf.Power(2.0, 0.6), {"h": 0.6, "m": 2.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTROPIES)
def test_entropies_against_numpy(name):
    entropy, p = ENTROPIES[name]
    mu = ensemble(3, True, n=40)
    assert float(entropy.value(mu)) == pytest.approx(
        naive.entropy(name, mu.x.numpy(), mu.weights.numpy(), **p), rel=1e-12
    )


def test_bandwidth_rules():
    """Silverman's factor against SciPy's on equal variances."""
    from scipy.stats import gaussian_kde

    mu = wgf.Ensemble.gaussian(500, 2, seed=1)
    sigma = math.sqrt(float(mu.covariance().diagonal().mean()))
    for rule, factor in (("silverman", "silverman_factor"), ("scott", "scotts_factor")):
        resolved: Any = wgf.Blob(rule).prepare(mu)
        kde = gaussian_kde(mu.x.numpy().T)
        assert resolved.bandwidth == pytest.approx(sigma * getattr(kde, factor)(), rel=1e-12)
    fixed: Any = wgf.Blob(0.3).prepare(mu)
    assert fixed.bandwidth == 0.3
