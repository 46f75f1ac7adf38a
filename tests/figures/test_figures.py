"""Figures: every ledger that a run can make is drawn, each panel says what it shows, and nothing global is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wgf
from wgf import figures
from wgf.diagnostics import Ledger

LEDGER_FIGURES = [
    figures.overview,
    figures.free_energy,
    figures.dissipation,
    figures.information_force,
    figures.learning,
]


def flow(F, solver=None, dt=0.05, t_end=0.5, **options):
    mu = wgf.Ensemble.gaussian(60, 2, cov=2.0, seed=0)
    return wgf.solve(F, mu, solver or wgf.solvers.Heun(), dt=dt, t_end=t_end, **options)


def drawn(figure, tmp_path):
    """Draw, so that layout and fonts are exercised; returns all text of the figure."""
    figure.savefig(tmp_path / "figure.png", dpi=40)
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    texts += figure.get_supxlabel().split()  # what is not shown, and why
    return " ".join([*texts, *(axis.get_ylabel() for axis in figure.axes), *(axis.get_title() for axis in figure.axes)])


def all_drawn(ledger, tmp_path):
    return " ".join(drawn(make(ledger), tmp_path) for make in LEDGER_FIGURES)


def test_a_plain_run_fills_every_panel_and_labels_every_axis(tmp_path):
    sol = flow(
        wgf.Quadratic() - 0.5 * wgf.LogDet(), observers={"train_loss": lambda mu: 1.0, "test_loss": lambda mu: 2.0}
    )
    for make in LEDGER_FIGURES:
        figure = make(sol.ledger)
        for axis in figure.axes:
            assert axis.get_xlabel() == "flow time t"
            assert axis.get_ylabel()
            assert any(np.isfinite(line.get_ydata()).any() for line in axis.lines)
            assert not axis.texts, "no panel has a reason to be empty"
        drawn(figure, tmp_path)


def test_plot_of_a_solution_is_the_overview():
    assert len(flow(wgf.Quadratic() - 0.5 * wgf.LogDet()).plot().axes) == 6


def test_panels_with_nothing_to_show_are_left_out_with_the_reason():
    figure = flow(wgf.Quadratic()).plot()
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_visible()][-1].startswith("force (")
    told = " ".join(figure.get_supxlabel().split())
    assert told == "Not shown: force ratio I / G, alignment of the two forces (the free energy has no entropy term)"
    assert "to t = 0.5" in figure.get_suptitle()


def test_the_free_energy_panel_shows_the_ledger():
    sol = flow(wgf.Quadratic() - 0.5 * wgf.LogDet())
    lines = {line.get_label(): line.get_ydata() for line in figures.free_energy(sol.ledger).axes[0].lines}
    np.testing.assert_array_equal(lines["F = E − T·S"], sol.ledger["free_energy"])
    temperature_times_entropy = sol.ledger["temperature"] * sol.ledger["entropy"]
    np.testing.assert_allclose(lines["−T·S"], -temperature_times_entropy, rtol=1e-9, atol=1e-12)


def test_the_middle_panel_of_dissipation_sums_what_the_records_hold():
    sol = flow(wgf.Quadratic() - 0.5 * wgf.LogDet())
    released, dissipated = (np.asarray(line.get_ydata()) for line in figures.dissipation(sol.ledger).axes[1].lines)
    np.testing.assert_allclose(released[-1], sol.ledger["released"].sum(), rtol=1e-12)
    np.testing.assert_allclose(released[-1] / dissipated[-1] - 1, sol.ledger["closure_total"][-1], atol=1e-12)


def test_a_run_without_entropy_says_why_the_forces_are_missing(tmp_path):
    text = all_drawn(flow(wgf.Quadratic()).ledger, tmp_path).replace("\n", " ")
    assert "the free energy has no entropy term" in text


def test_a_stochastic_run_shows_the_standard_error_of_its_closure(tmp_path):
    sol = flow(wgf.Quadratic() - 0.5 * wgf.Shannon(), wgf.solvers.Langevin())
    assert "closure_error" in sol.ledger
    all_drawn(sol.ledger, tmp_path)
    assert len(figures.dissipation(sol.ledger).axes[2].lines) == 2  # the cumulative closure and the zero


@pytest.mark.slow
def test_one_record_and_none_are_drawn(tmp_path):
    assert "only its start" in all_drawn(flow(wgf.Quadratic(), t_end=0.0).ledger, tmp_path)
    all_drawn(Ledger(), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1e300])
def test_columns_of_one_odd_value_are_drawn(value, tmp_path):
    ledger = Ledger()
    names = flow(wgf.Quadratic() - 0.5 * wgf.LogDet()).ledger.columns
    for t in range(4):
        ledger.append(dict.fromkeys(names, value) | {"t": float(t), "train_accuracy": value, "test_accuracy": value})
    all_drawn(ledger, tmp_path)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 300])
def test_particles_of_any_dimension_share_axes(dim, n, tmp_path):
    clouds = [wgf.Ensemble.gaussian(n, dim, cov=0.5 + k, seed=k) for k in range(3)]
    figure = figures.particles(clouds, [0.0, 1.0, 2.0])
    assert "t = 1" in drawn(figure, tmp_path)
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    assert len({axis.get_ylim() for axis in figure.axes}) == 1


def test_particles_are_projected_by_one_orthonormal_pair_of_principal_directions():
    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(200, 6)) * [1, 9, 1, 1, 4, 1] + k for k in range(3)]
    pictures = [axis.collections[0].get_offsets() for axis in figures.particles(clouds, [0, 1, 2]).axes]
    pooled = np.concatenate(clouds)
    spread = np.concatenate(pictures).var(0)
    np.testing.assert_allclose(spread, np.linalg.eigvalsh(np.cov(pooled.T, bias=True))[:-3:-1], rtol=1e-9)


def test_particles_that_left_are_said_so_not_drawn(tmp_path):
    near, far = np.zeros((5, 3)), np.full((5, 3), np.inf)
    assert "too far away" in drawn(figures.particles([near, far], [0, 1]), tmp_path).replace("\n", " ")
    drawn(figures.particles([far, far], [0, 1]), tmp_path)


def test_the_distance_from_the_start_stays_below_the_length_of_the_path(tmp_path):
    sol = flow(wgf.Quadratic() - 0.5 * wgf.LogDet(), trajectory_every=1)
    start = wgf.Ensemble(sol.trajectory[0])
    distances = [float(wgf.diagnostics.wasserstein(wgf.Ensemble(x), start)) for x in sol.trajectory]
    figure = figures.transport(sol.trajectory_times.tolist(), distances, sol.ledger)
    moved, length = (np.asarray(line.get_ydata()) for line in figure.axes[0].lines)
    assert (moved <= length * 1.001).all()  # the trapezoid of √D is off by O(h²)
    drawn(figure, tmp_path)
    assert "no distance" in drawn(figures.transport([0.0], [float("nan")]), tmp_path)


def test_pyplot_and_its_state_stay_out():
    import matplotlib

    before = matplotlib.rcParams.copy()
    flow(wgf.Quadratic()).plot()
    assert matplotlib.rcParams.copy() == before
    assert "import pyplot" not in Path(figures.__file__).read_text(encoding="utf-8")
    assert "matplotlib.pyplot" not in Path(figures.__file__).read_text(encoding="utf-8")
