"""The study of chaos: the bias of linear McKean–Vlasov at each n, and independent columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wgf
from wgf import studies
from wgf.studies import Work
from wgf.studies.chaos import mean_field
from wgf.studies.frame.statistics import extrapolate, t_interval

# ------------------------------------------------------------------------------------------------- columns


def test_columns_are_independent_copies():
    """Twelve columns and their first nine: the same numbers, for both models and at every time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 12))
    for F, domain in ((mean_field.desai_zwanzig(1.0, 0.5), None), (mean_field.kuramoto(1.0, 0.4), mean_field.CIRCLE)):
        both = [
            mean_field.follow(
                F, wgf.Ensemble(domain.fold(start) if domain else start), wgf.solvers.LeimkuhlerMatthews(),
                lambda x: x.mean(0), dt=0.1, t_end=3.0, every=5, seed=1, domain=domain,
            )
            for start in (x, x[:, :9])
        ]  # fmt: skip
        np.testing.assert_allclose(both[0][:, :9], both[1], rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------- chaos


@pytest.mark.slow
def test_the_bias_of_linear_mckean_vlasov_is_measured_at_each_n():
    """Case 4: E x² = s(a)/n + (1 − 1/n) s(a + b) at h = .1, in 99.99 % intervals over six seeds (false alarms 10⁻⁴
    each) that are narrower than the bias itself; the slope is −1 ± .1."""
    study: Any = studies.load(
        "chaos", seeds=6, sizes=(8, 24, 72), columns=64, dt=0.1, every=5, t_settle=6.0, t_end=14.0
    )
    sweep = study.sweep("linear", Work())
    exact = study.stationary(study.confinement) - sweep.limit
    for n, row in zip(sweep.sizes, sweep.bias, strict=True):
        found = t_interval(row, level=0.9999)
        assert found.covers(exact / n)
        assert found.half_width < exact / n
    assert sweep.bias_law().exponent.value == pytest.approx(-1.0, abs=0.1)
    limit = extrapolate(study.sizes, list(sweep.limit + sweep.bias), paired=True, level=0.9999).limit
    assert limit.covers(sweep.limit)
