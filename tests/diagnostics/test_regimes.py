"""Regimes on tables: where their spans begin and end, and windows over time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import book, ends

from wgf import figures
from wgf.diagnostics import Thresholds, force_report
from wgf.diagnostics.regimes import REGIMES, runs_of, variation, windows


def test_spans_have_the_ends_of_their_records():
    weak = force_report(book(information_force=[1, 1e-4, 1e-4, 1, 1e-4, 1, 1, 1]))
    assert ends(weak, "weak") == [(1.0, 2.0), (4.0, 4.0)]
    assert weak.of("weak")[0].threshold == "I/G < 0.001"
    tilted = force_report(book(reference_alignment=[0.1, 0.0, -0.1, -0.2, 0.3]))
    assert ends(tilted, "misaligned") == [(2.0, 3.0)]


def test_instability_by_variation_covers_the_windows_that_show_it():
    spike = np.ones(21)
    spike[10] = 100.0
    report = force_report(book(information_force=spike, loss_force=np.full(21, 1e3)), window=4.0)
    assert ends(report, "unstable") == [(6.0, 14.0)]
    assert "variation" in report.of("unstable")[0].threshold
    still = force_report(book(information_force=spike, loss_force=np.full(21, 1e3)), window=4.0,
                         thresholds=Thresholds(variation=50.0))  # fmt: skip
    assert still.of("unstable") == ()


def test_a_rise_counts_only_throughout_a_window_and_above_one():
    force = [3.0, 3.1, 3.2, 3.3, 3.2, 3.1, 3.2, 3.3, 3.2, 3.1, 3.0, 2.9, 2.8]
    assert ends(force_report(book(information_force=force)), "unstable") == [(0.0, 3.0)]  # a window of 3
    assert force_report(book(information_force=force, loss_force=np.full(13, 10.0))).of("unstable") == ()
    assert force_report(book(information_force=np.full(13, 3.0))).of("unstable") == ()  # at rest, it does not rise


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_spans_cover_what_holds_and_nothing_else(flags):
    t, holds = np.cumsum(np.arange(1.0, len(flags) + 1)), np.array(flags)
    spans = runs_of("weak", t, holds, "")
    covered = np.zeros(len(t), dtype=bool)
    for span in spans:
        inside = (t >= span.start) & (t <= span.end)
        assert not (covered & inside).any()
        covered |= inside
    np.testing.assert_array_equal(covered, holds)


@given(st.lists(st.floats(0.01, 2.0), min_size=2, max_size=30), st.floats(0.05, 1.0))
def test_a_window_is_the_shortest_that_covers_the_length(steps, fraction):
    t = np.cumsum(steps)
    length = fraction * float(t[-1] - t[0])
    for k, window in enumerate(windows(t, length)):
        if window.stop == 0:
            assert t[k] - t[0] < length
            continue
        assert t[k] - t[window.start] >= length * (1 - 1e-8)
        assert window.start + 1 == k or t[k] - t[window.start + 1] < length
        assert window.stop == k + 1


def test_variation_is_over_time_not_over_records():
    """I = t on [1, 2]: mean 3/2, standard deviation 1/√12, whatever the spacing of the records."""
    t = 1 + np.sort(np.concatenate([np.linspace(0, 1, 400), np.linspace(0, 0.1, 2003)[1:-1]]))
    assert variation(t, t, 1.0)[-1] == pytest.approx(1 / math.sqrt(12) / 1.5, rel=1e-4)
    assert np.isnan(variation(t, t, 1.0)[:-1]).all()
    np.testing.assert_allclose(variation(t, 1e300 * t, 1.0)[-1], variation(t, t, 1.0)[-1], rtol=1e-12)


def test_regimes_and_shades_go_together():
    assert set(figures.regimes.SHADES) == set(REGIMES)
