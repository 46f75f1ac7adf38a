"""The transport distance on a torus: through the seam, and unchanged when both ensembles are moved."""

from __future__ import annotations

import numpy as np
import pytest

import wgf
from wgf.errors import ConfigError


def test_the_distance_goes_through_the_seam():
    """Two particles at .95 and one at .05 each way: all of it by .1 through the seam of [0, 1)."""
    mu, nu = wgf.Ensemble([[0.95], [0.90]], period=1.0), wgf.Ensemble([[0.05], [0.0]], period=1.0)
    found = wgf.diagnostics.wasserstein(mu, nu)
    assert found.distance == pytest.approx(0.1, rel=1e-12)
    assert found.method == "emd"
    assert "on a torus" in found.note
    assert wgf.diagnostics.wasserstein(mu.on(None), nu.on(None)).distance == pytest.approx(0.9, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_moving_both_ensembles_changes_nothing(d):
    rng, torus = np.random.default_rng(0), wgf.domains.PeriodicBox(0.0, 1.0)
    x, y = rng.random((30, d)), 0.3 * rng.random((40, d))
    plain, moved = (
        wgf.diagnostics.wasserstein(*(wgf.Ensemble(torus.fold(z + shift), period=1.0) for z in (x, y))).distance
        for shift in (0.0, 0.83)
    )
    assert moved == pytest.approx(plain, rel=1e-11)


def test_what_knows_no_seam_is_refused():
    mu = wgf.Ensemble([[0.1], [0.2]], period=1.0)
    for method in ("1d", "sliced", "sinkhorn", "bures"):
        with pytest.raises(ConfigError, match="on a torus; wanted 'emd'"):
            wgf.diagnostics.wasserstein(mu, mu, method=method)
    with pytest.raises(ConfigError, match="wanted one space for both"):
        wgf.diagnostics.wasserstein(mu, mu.on(None))
