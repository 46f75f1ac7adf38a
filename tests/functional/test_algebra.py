"""The algebra of free energies: names, coefficients of time, and terms that move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from samples import ensemble

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError


def test_a_free_energy_reads_as_on_paper():
    mu = ensemble(2, True)
    quadratic, interaction, entropy = wgf.Quadratic(2.0), wgf.Interaction(K.Gaussian(1.0)), wgf.LogDet()
    F = quadratic / 2 + np.float64(0.5) * interaction - 0.1 * entropy - 0.2 * wgf.LogDet() - (-1.0) * wgf.Quadratic()
    assert [t.name for t in F.terms] == ["Quadratic", "Interaction", "LogDet", "LogDet_2", "Quadratic_2"]
    want = 2.0 * float(wgf.Quadratic().value(mu)) + 0.5 * float(interaction.value(mu)) - 0.3 * float(entropy.value(mu))
    assert float(F.value(mu)) == pytest.approx(want, rel=1e-13)
    assert F.temperature == pytest.approx(0.3)
    assert [t.name for t in (wgf.Quadratic().named("weight decay") - entropy).terms] == ["weight decay", "LogDet"]
    assert "0.1 * LogDet" in repr(F)
    with pytest.raises(ConfigError, match="name its terms"):
        F.named("all")
    with pytest.raises(ConfigError, match="no term"):
        F["Shannon"]


def test_coefficients_may_be_callables_of_time():
    mu = ensemble(2, True)
    F = (lambda t: 1 + t) * wgf.Quadratic() - (lambda t: 0.1 * t) * wgf.LogDet()
    with pytest.raises(ConfigError, match="depends on t"):
        F.value(mu)
    want = 3 * float(wgf.Quadratic().value(mu)) - 0.2 * float(wgf.LogDet().value(mu))
    assert float(F.at(2.0).value(mu)) == pytest.approx(want, rel=1e-13)
    with pytest.raises(ConfigError, match=r"temperature -0\.1 of LogDet at t = -1"):
        F.at(-1.0)
    with pytest.raises(ConfigError, match="nan at t = 0"):
        ((lambda t: math.nan) * wgf.Quadratic()).at(0.0)
    text: Any = "2"
    number: Any = 1.0
    with pytest.raises(ConfigError, match="wanted a finite number or a callable"):
        text * wgf.Quadratic()
    with pytest.raises(TypeError):
        wgf.Quadratic() + number


def test_moving_quadratic_is_frozen_by_at():
    mu = ensemble(2, True)
    moving = wgf.Quadratic(2.0, center=lambda t: [t, 0.0])
    assert moving.varies
    assert float(moving.at(3.0).value(mu)) == pytest.approx(float(wgf.Quadratic(2.0, [3.0, 0.0]).value(mu)))
    with pytest.raises(ConfigError, match="depends on t"):
        moving.value(mu)
