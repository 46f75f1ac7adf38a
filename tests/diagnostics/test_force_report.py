"""The force report: every quantity against its closed form in the moments, and every regime where it must be."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import K, T, book, ends, solve, start
from wgf.solvers import Heun, Langevin, RungeKutta4

import wgf
from wgf import figures
from wgf.diagnostics import Ledger, Thresholds, force_report, reference_alignment
from wgf.errors import ConfigError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

SURROGATES = {"log-det": wgf.LogDet(), "variance": wgf.Variance(), "log-variance": wgf.LogVariance()}


# ------------------------------------------------------------------------------------------- analytic truth


def truth(name, x):
    """V = k|x|²/2 and a surrogate at temperature T, from the mean m and the covariance C by numpy alone."""
    m = x.mean(0)
    C = (x - m).T @ (x - m) / len(x)
    d, inverse, variances = len(m), np.linalg.inv(C), np.diag(C)
    square = {"log-det": np.trace(inverse), "variance": np.trace(C), "log-variance": (1 / variances).sum()}[name]
    power = {"log-det": d, "variance": np.trace(C), "log-variance": d}[name]  # ⟨∇S, x⟩
    shared = {"log-det": np.trace(inverse), "variance": d, "log-variance": (1 / variances).sum()}[name]  # ⟨∇S, C⁻¹x⟩
    second = np.trace(C) + m @ m
    G, force = K * math.sqrt(second), T * math.sqrt(square)
    return {
        "loss_force": G,
        "information_force": force,
        "force_ratio": force / G,
        "alignment": -T * K * power / (G * force),
        "entropy_production": T * square - K * power,
        "dissipation": G**2 - 2 * T * K * power + force**2,
        "reference_alignment": shared / math.sqrt(square * np.trace(inverse)),
    }


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("d", [1, 3])
def test_every_quantity_is_its_closed_form_in_the_moments_along_the_run(name, d):
    sol = solve(wgf.Quadratic(K) - T * SURROGATES[name], start(d=d), trajectory_every=1, record_every=1)
    report = force_report(sol)
    for k, frame in enumerate(sol.trajectory.numpy()):
        for quantity, want in truth(name, frame).items():
            assert sol.ledger[quantity][k] == pytest.approx(want, rel=1e-10, abs=1e-10), quantity
            if quantity in report.columns:
                assert report.columns[quantity][k] == sol.ledger[quantity][k]
    ratio = sol.ledger["force_ratio"]
    assert (report.c0, report.c1) == (ratio.min(), ratio.max())
    assert report.bounds(tau=0.5) == (ratio[:11].min(), ratio[:11].max())


def test_log_det_is_effective_with_the_bound_that_the_trace_inequality_predicts():
    """tr C⁻¹ ≥ d²/tr C, so I/G ≥ Td / (k √(tr C (tr C + |m|²))); and along the flow tr C ≤ max(tr C₀, Td/k), |m| ≤
    |m₀|, so that  c₀ ≥ Td / (k (max(tr C₀, Td/k) + |m₀|²))  is known before the run."""
    mu = start()
    sol = solve(wgf.Quadratic(K) - T * wgf.LogDet(), mu, t_end=6.0, trajectory_every=1, record_every=1)
    report, d = force_report(sol), 3
    frames = sol.trajectory.numpy()
    m2, spread = (frames.mean(1) ** 2).sum(-1), frames.var(1).sum(-1)
    along = T * d / (K * np.sqrt(spread * (spread + m2)))
    assert (sol.ledger["force_ratio"] >= along * (1 - 1e-12)).all()
    before = T * d / (K * (max(spread[0], T * d / K) + m2[0]))
    assert report.effective
    assert report.c0 >= before > 0.01
    assert report.spans == ()
    assert report.c1 < math.inf


# ------------------------------------------------------------------------------------------- regimes, on runs


@pytest.mark.parametrize("x", [[[50.0, 0.0], [0.0, 50.0]], [[3.0, 3.0], [-2.0, -2.0]]], ids=["saturated", "uniform"])
def test_softmax_is_weak_where_it_is_saturated_and_where_it_is_uniform(x):
    report = force_report(solve(1e-6 * wgf.Quadratic() - wgf.Softmax(), wgf.Ensemble(x), t_end=0.1))
    assert ends(report, "weak") == [(0.0, 0.1)]
    assert not report.effective
    assert report.c0 < 1e-12


def test_a_variance_hotter_than_its_confinement_is_unstable():
    """v(t) = v₀ e^{2(T−k)t}: I rises, and r = T/k on a centred ensemble."""
    mu = wgf.Ensemble.gaussian(50, 2, seed=3)
    mu = wgf.Ensemble(mu.x - mu.mean())
    report = force_report(solve(wgf.Quadratic() - 1.5 * wgf.Variance(), mu, RungeKutta4()))
    assert ends(report, "unstable") == [(0.0, 1.0)]
    assert "rises" in report.of("unstable")[0].threshold
    assert report.c0 == pytest.approx(1.5, rel=1e-12)
    calm = force_report(solve(wgf.Quadratic() - 0.9 * wgf.Variance(), mu))
    assert calm.of("unstable") == ()


@given(seed=st.integers(0, 1000), d=st.integers(2, 4), tau=st.floats(0.3, 3.0))
@settings(max_examples=20, deadline=None)
def test_softmax_over_features_pushes_inward(seed, d, tau):
    """⟨∇S, x⟩ = −E Var_p(x)/τ²: against spread by every multiple of x − m, on a centred ensemble."""
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(30, d)))
    mu = wgf.Ensemble(torch.cat([x, -x]))  # centred, to rounding
    p = torch.softmax(mu.x / tau, 1)
    spread = ((p * mu.x**2).sum(1) - (p * mu.x).sum(1) ** 2).mean()
    force = wgf.Softmax(tau).gradient(mu)
    torch.testing.assert_close((force * mu.x).sum(1).mean(), -spread / tau**2, rtol=1e-10, atol=1e-13)
    assert reference_alignment(wgf.Softmax(tau), mu, wgf.Variance()) < 0


def test_softmax_over_features_is_flagged_misaligned():
    mu = wgf.Ensemble.gaussian(200, 2, seed=0)
    report = force_report(solve(wgf.Quadratic() - 0.5 * wgf.Softmax(), mu))
    assert ends(report, "misaligned") == [(0.0, 1.0)]
    assert report.columns["reference_alignment"].max() < -0.3


def test_at_a_tiny_temperature_the_run_has_collapsed_and_at_a_large_one_it_has_not():
    mu = start()
    for temperature, collapsed in ((1e-6, True), (1.0, False)):
        F = wgf.Quadratic() - temperature * wgf.LogDet()
        c = wgf.collapse_index(F, mu, Heun(), dt=0.05, t_end=1.0, records=5)
        report = force_report(solve(F, mu), collapse=c)
        assert bool(report.of("collapsed")) is collapsed
        if collapsed:
            assert ends(report, "collapsed") == [(pytest.approx(0.2), 1.0)]
            assert ends(report, "weak") == [(0.0, 1.0)]
        assert "collapse index c" in str(report)


def test_ends_of_the_weak_span_are_where_the_ratio_crosses():
    """A temperature that falls as e^{−3t}: weak from the first record below the threshold, effective until then."""
    sol = solve(wgf.Quadratic() - (lambda t: 1e-2 * math.exp(-3 * t)) * wgf.Variance(), record_every=1)
    report, (first,) = force_report(sol), ends(force_report(sol), "weak")
    t, ratio = sol.ledger["t"], sol.ledger["force_ratio"]
    assert first == (t[ratio < 1e-3][0], 1.0)
    assert 0 < first[0] < 1
    assert report.is_effective(tau=first[0] - 0.025)
    assert not report.is_effective(tau=first[0])


# ------------------------------------------------------------------------------------------- what is not known


def test_unknown_values_are_said_and_never_counted_as_effective():
    report = force_report(book(information_force=[1, math.nan, 1, 1], force_ratio=[1, math.nan, 1, 1]))
    assert not report.effective
    assert (report.c0, report.c1) == (1.0, 1.0)
    assert "1 of 4 records" in report.unknown["force_ratio"]
    assert "where known" in report.verdict
    blind = solve(wgf.Quadratic() - 0.1 * wgf.Shannon(), start(n=20), Langevin())  # too few for a score
    report = force_report(blind)
    every = f"{blind.ledger.rows} of {blind.ledger.rows}"
    assert report.verdict.startswith(f"not known: at {every} records: no Shannon estimate from 20 < 50")
    assert not report.effective
    assert report.spans == ()
    assert math.isnan(report.c0)


def test_without_loss_force_the_ratio_is_infinite_and_not_effective():
    report = force_report(book(loss_force=[0.0, 1.0, 1.0], information_force=[1.0, 1.0, 1.0],
                               force_ratio=[math.nan, 1.0, 1.0]))  # fmt: skip
    assert report.c1 == math.inf
    assert not report.effective
    assert report.to_dict()["c1"] is None


def test_a_run_without_entropy_has_no_information_force():
    report = force_report(solve(wgf.Quadratic()))
    assert report.verdict == "no information force: I = 0 throughout"
    assert report.c0 == 0
    assert "entropy" in report.unknown["reference_alignment"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, 1e300, 1e-320])
def test_columns_of_one_odd_value_are_reported(value, tmp_path):
    """A run that diverged, say: no regime and no bound may be made up of what is not a number."""
    names = ("loss_force", "information_force", "force_ratio", "alignment", "entropy_production", "reference_alignment")
    ledger = book(**{name: np.full(9, value) for name in names})
    report = force_report(ledger)
    assert json.dumps(report.to_dict(), allow_nan=False)
    assert str(report)
    assert report.effective is (value == 1e300)
    if math.isnan(value):
        assert report.spans == ()
    figures.information_force(ledger, report).savefig(tmp_path / "figure.png", dpi=40)


def test_one_record_is_a_report_too():
    report = force_report(solve(wgf.Quadratic() - T * wgf.LogDet(), t_end=0.0))
    assert report.effective
    assert "no window" in report.unknown["stability"]


def test_a_ledger_of_the_needed_columns_alone_will_do():
    """As a hook of another training loop makes it."""
    ledger = book(information_force=[1.0, 2.0, 1.0, 2.0])
    bare = Ledger()
    for k in range(4):
        bare.append({name: x for name, x in ledger.row(k).items() if name != "reference_alignment"})
    report = force_report(bare)
    assert report.effective
    assert report.of("misaligned") == ()
    assert "reference_alignment" not in report.columns


# ------------------------------------------------------------------------------------------- the reference


def test_reference_alignment_takes_frames_and_other_references():
    mu = start()
    assert reference_alignment(wgf.Variance(), mu) == pytest.approx(truth("variance", mu.x.numpy())[
        "reference_alignment"], rel=1e-12)  # fmt: skip
    assert reference_alignment(wgf.Variance(), mu, wgf.Variance()) == pytest.approx(1.0, rel=1e-14)
    with pytest.raises(ConfigError, match="wanted an entropy"):
        reference_alignment(wgf.Quadratic(), mu)
    with pytest.raises(ConfigError, match="reference = "):
        reference_alignment(wgf.Variance(), mu, 3)


# ------------------------------------------------------------------------------------------- input and output


@pytest.mark.parametrize(("make", "says"), [
    (lambda: force_report(3), "wanted a Ledger"),
    (lambda: force_report(Ledger()), "no record"),
    (lambda: force_report(book(t=[0.0, 1.0, 1.0], loss_force=[1, 1, 1])), "do not rise"),
    (lambda: force_report(book(loss_force=[1, 1]), window=-1.0), "window"),
    (lambda: force_report(book(loss_force=[1, 1]), window=2.0), "at most the 1"),
    (lambda: force_report(book(loss_force=[1, 1]), thresholds=1e-3), "wanted Thresholds"),
    (lambda: force_report(book(loss_force=[1, 1])).of("week"), "weak"),
    (lambda: force_report(book(loss_force=[1, 1])).bounds(tau=-1.0), "begins at t = 0"),
    (lambda: Thresholds(weak=-1.0), "weak"), (lambda: Thresholds(window=0.0), "fraction"),
    (lambda: Thresholds(window=1.5), "fraction"), (lambda: Thresholds(misaligned=2.0), "cosine"),
    (lambda: Thresholds(variation=math.nan), "variation"),
])  # fmt: skip
def test_bad_input_is_a_typed_error(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_a_missing_column_is_named():
    ledger = Ledger()
    ledger.append({"t": 0.0, "loss_force": 1.0})
    with pytest.raises(ConfigError, match="lacks information_force, force_ratio"):
        force_report(ledger)


def test_the_report_is_text_a_rich_table_and_json():
    from rich.console import Console

    report = force_report(book(information_force=[1, 1e-4, 1e-4, 1, 2, 3, 4, 5, 6]))
    text = str(report)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.table())
    for words in ("not effective, 0.0001 ≤ I/G ≤ 6", "loss force G", "weak from t = 1 to 2 (I/G < 0.001)"):
        assert words in text
    assert "loss force G" in console.export_text()
    stored = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert stored["regimes"][0] == {"regime": "weak", "start": 1.0, "end": 2.0, "threshold": "I/G < 0.001"}
    assert stored["thresholds"]["weak"] == 1e-3
    assert stored["quantities"]["stability"]["start"] is None


def test_the_figure_shades_each_regime_in_every_panel_with_one_legend(tmp_path):
    sol = solve(wgf.Quadratic() - 0.5 * wgf.Softmax(), wgf.Ensemble.gaussian(100, 2, seed=0))
    report = force_report(sol, thresholds=Thresholds(weak=10.0))
    figure = figures.information_force(sol.ledger, report)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["weak", "misaligned"]
    for axis in figure.axes:
        assert len(axis.patches) == 2
    figure.savefig(tmp_path / "forces.png", dpi=40)
    calm = solve(wgf.Quadratic() - 0.5 * wgf.LogDet())
    assert not figures.information_force(calm.ledger, force_report(calm)).legends
