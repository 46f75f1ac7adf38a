"""The collapse index: exact where both flows scale the cloud, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from ledgers import K, T, start
from wgf.solvers import BogackiShampine, Euler, Heun, Langevin

import wgf
from wgf.diagnostics import collapse_of, wasserstein
from wgf.errors import ConfigError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def test_the_collapse_index_of_a_log_det_flow_is_exact():
    """V = k|x|²/2 on an isotropic centred cloud: both flows scale the cloud, so W₂ is the difference of the scales and
    the path of μ^0 is straight. Euler: s' = (1 − kh)s without entropy; with it C obeys its own recursion."""
    x = np.random.default_rng(0).normal(size=(40, 2))
    x = x - x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / len(x))).T  # C = I
    h, steps = 0.1, 10
    c = wgf.collapse_index(wgf.Quadratic(K) - T * wgf.LogDet(), wgf.Ensemble(x), Euler(), dt=h, t_end=1.0, records=10)
    with_entropy, without = [1.0], [1.0]
    for _ in range(steps):
        with_entropy.append(with_entropy[-1] * (1 - K * h + T * h / with_entropy[-1] ** 2))
        without.append(without[-1] * (1 - K * h))
    a, b = np.array(with_entropy), np.array(without)
    np.testing.assert_allclose(c.distance, math.sqrt(2) * (a - b), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(c.length, math.sqrt(2) * (1 - b), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(c.index[1:], (a - b)[1:] / (1 - b)[1:], rtol=1e-7)
    assert math.isnan(c.index[0])
    np.testing.assert_allclose(c.t, np.linspace(0, 1, 11), atol=1e-12)
    assert float(c) == c.index[-1]
    assert json.loads(json.dumps(c.to_dict()))["index"][0] is None


def test_with_noise_the_flow_without_shannon_has_none():
    mu = wgf.Ensemble.gaussian(60, 1, seed=5)
    c = wgf.collapse_index(wgf.Quadratic() - 0.3 * wgf.Shannon(), mu, Langevin(), dt=0.05, t_end=1.0, seed=7, records=2)
    noisy = wgf.solve(wgf.Quadratic() - 0.3 * wgf.Shannon(), mu, Langevin(), dt=0.05, t_end=1.0, seed=7).ensemble
    still = wgf.solve(wgf.Quadratic(), mu, Euler(), dt=0.05, t_end=1.0).ensemble
    assert c.distance[-1] == pytest.approx(float(wasserstein(noisy, still)), rel=1e-12)


@pytest.mark.parametrize(("change", "says"), [
    ({"F": wgf.Quadratic()}, "no entropy"), ({"F": -1.0 * wgf.Variance()}, "no energy"), ({"F": 3}, "wanted a free"),
    ({"solver": BogackiShampine()}, "adapts"), ({"records": 0}, "records"), ({"dt": -1.0}, "dt"),
    ({"record_every": 3}, "record_every"), ({"method": "nearest"}, "nearest"),
])  # fmt: skip
def test_collapse_index_refuses(change, says):
    asked = {"F": wgf.Quadratic() - T * wgf.LogDet(), "mu": start(), "solver": Heun(), "dt": 0.1, "t_end": 0.2} | change
    with pytest.raises(ConfigError, match=says):
        wgf.collapse_index(asked.pop("F"), asked.pop("mu"), asked.pop("solver"), **asked)


def test_collapse_of_refuses_runs_that_do_not_belong_together():
    mu = start()
    with pytest.raises(ConfigError, match="at least 2"):
        collapse_of([0.0], [mu], [mu])
    with pytest.raises(ConfigError, match="same start"):
        collapse_of([0.0, 1.0], [mu, mu], [start(seed=2), mu])
