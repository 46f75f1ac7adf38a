"""Distribution shift: moved inputs, shifted classes and swapped data, with their work."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import drives
from wgf.errors import ConfigError, ShapeError

HEUN = wgf.solvers.Heun()


def linear_risk(z, y):
    """f_μ(z) = ∫ (θ − z) dμ: the risk is ½|∫θ dμ − z − y|² on average, a well for the mean of θ."""
    return wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, theta: theta - z, dim=z.shape[1]))


# ------------------------------------------------------------------------------------------- exact: a moving centre


@pytest.mark.parametrize("solver", [wgf.solvers.Euler(), HEUN, wgf.solvers.RungeKutta4()])
@pytest.mark.parametrize("n", [1, 40])
def test_a_centre_that_moves_at_velocity_c_is_followed_at_the_lag_c_over_k(solver, n):
    """V = k|x − ct|²/2 from x = −c/k: lag |c|/k, work per time |c|² = dissipation, to rounding (docs/theory.md §4)."""
    k, c = 2.0, torch.tensor([0.6, -0.3], dtype=torch.float64)
    F = wgf.Quadratic(k, center=lambda t: c * t)
    start = wgf.Ensemble((-c / k).expand(n, 2))
    sol = wgf.solve(F, start, solver, dt=0.05, t_end=3.0, record_every=1)
    assert float((c * 3.0 - sol.ensemble.mean()).norm()) == pytest.approx(float(c.norm()) / k, rel=1e-13)
    np.testing.assert_allclose(sol.ledger["work"][1:] / 0.05, float(c @ c), rtol=1e-11)
    np.testing.assert_allclose(sol.ledger["dissipation"], float(c @ c), rtol=1e-12)
    np.testing.assert_allclose(sol.ledger["released"][1:] / 0.05, float(c @ c), rtol=1e-11)


@pytest.mark.parametrize("given", ["displacement", "each sample", "transform"])
def test_inputs_that_move_at_velocity_c_are_followed_alike(given):
    """The same law through the data of a network: inputs at z + ct carry a well for the mean with k = 1."""
    rng, c = np.random.default_rng(0), np.array([0.6, -0.3])
    z, y = rng.normal(size=(7, 2)), rng.normal(size=(7, 2))
    shift = {
        "displacement": lambda risk: drives.CovariateShift(risk, lambda t: c * t),
        "each sample": lambda risk: drives.CovariateShift(risk, lambda t: np.tile(c * t, (7, 1))),
        "transform": lambda risk: drives.CovariateShift(risk, transform=lambda z, t: z + torch.from_numpy(c) * t),
    }[given]
    steady = (z + y).mean(0) - c
    mu = wgf.Ensemble(steady + np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    sol = wgf.solve(shift(linear_risk(z, y)), mu, HEUN, dt=0.05, t_end=2.0, record_every=1)
    assert sol.ensemble.mean().numpy() == pytest.approx(steady + 2.0 * c, abs=1e-12)
    np.testing.assert_allclose(sol.ledger["work"][1:] / 0.05, c @ c, rtol=1e-10)
    np.testing.assert_allclose(sol.ledger["dissipation"], c @ c, rtol=1e-10)


# ------------------------------------------------------------------------------------------- covariate shift


def test_a_displacement_that_stands_still_does_no_work():
    rng = np.random.default_rng(1)
    risk = wgf.NetworkRisk(rng.normal(size=(30, 2)), rng.normal(size=30))
    mu, moved = risk.initial(10), risk.with_inputs(risk.inputs + torch.tensor([0.5, -1.0]))
    shifted = drives.CovariateShift(risk, [0.5, -1.0])
    sol, plain = (wgf.solve(F, mu, HEUN, dt=0.1, t_end=1.0) for F in (shifted, moved))
    assert torch.equal(sol.ensemble.x, plain.ensemble.x)
    assert not sol.ledger["work"].any()
    assert not torch.equal(risk.inputs, moved.inputs)


def test_drives_nest_and_minibatches_see_the_shift():
    rng = np.random.default_rng(2)
    z, y = rng.normal(size=(30, 2)), rng.integers(0, 2, 30)
    risk = wgf.NetworkRisk(z, y, loss="cross_entropy", batch=6)
    both = drives.CovariateShift(drives.LabelShift(risk, lambda t: [1 - t, t]), lambda t: [t, 0.0])
    frozen, noise, mu = both.at(0.4), wgf.Noise(0), risk.initial(8)
    by_hand = wgf.NetworkRisk(z + np.array([0.4, 0.0]), y, loss="cross_entropy")
    share = np.bincount(y) / 30
    by_hand = by_hand.with_law(np.array([0.6, 0.4])[y] / share[y] / 30)
    assert float(frozen.value(mu)) == pytest.approx(float(by_hand.value(mu)), rel=1e-13)
    drawn = torch.stack([frozen.draw(noise, step).value(mu) for step in range(400)])
    # five standard errors, a false alarm in 2·10⁶; the unshifted risk is 20 away
    assert abs(float(drawn.mean() - by_hand.value(mu))) < 5 * float(drawn.std()) / 20
    sol = wgf.solve(both, mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0)
    assert sol.status.ok


def test_displacements_that_do_not_fit_are_refused():
    risk = wgf.NetworkRisk(np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ShapeError, match=r"at t = 0: displacement of shape \(3,\); wanted \(2,\) or \(4, 2\)"):
        drives.CovariateShift(risk, [1.0, 2.0, 3.0])
    with pytest.raises(ConfigError, match="one of them only"):
        drives.CovariateShift(risk)
    with pytest.raises(ConfigError, match="wanted a callable"):
        drives.CovariateShift(risk, transform=3)
    late = drives.CovariateShift(risk, lambda t: [math.nan if t > 0.55 else 0.0, 0.0])
    with pytest.raises(ConfigError, match=r"at t = 0\.6: inputs: nan at row 0"):
        wgf.solve(late, risk.initial(3), HEUN, dt=0.1, t_end=1.0)
    with pytest.raises(ShapeError, match=r"at t = 1: inputs: shape \(4, 1\)"):
        drives.CovariateShift(risk, transform=lambda z, t: z[:, :1]).at(1.0)


# ------------------------------------------------------------------------------------------- label shift


def test_a_label_shift_to_the_frequencies_of_the_sample_changes_nothing():
    rng = np.random.default_rng(2)
    y = np.arange(30) % 3
    risk = wgf.NetworkRisk(rng.normal(size=(30, 2)), y, loss="cross_entropy")
    mu = risk.initial(10)
    same = drives.LabelShift(risk, [1 / 3, 1 / 3, 1 / 3])
    assert float(same.value(mu)) == pytest.approx(float(risk.value(mu)), rel=1e-14)
    alone = wgf.NetworkRisk(risk.inputs[y == 1], y[y == 1], loss="cross_entropy", unit=risk.unit)
    # all frequency on class 1: the mean loss of its samples
    z, law = risk.inputs[y == 1], drives.LabelShift(risk, [0.0, 1.0, 0.0])
    assert float(law.value(mu)) == pytest.approx(risk.loss_on(mu, z, y[y == 1]), rel=1e-13)
    assert len(alone.inputs) == 10


def test_a_label_shift_of_yes_and_no():
    risk = wgf.NetworkRisk([[0.0], [1.0], [2.0]], [-1.0, 1.0, 1.0], loss="logistic")
    assert drives.LabelShift(risk, [0.5, 0.5]).at(0.0).law.tolist() == [0.5, 0.25, 0.25]


def test_priors_that_are_none_are_refused():
    three = wgf.energies.CrossEntropy(classes=3)  # class 1 has no sample
    risk = wgf.NetworkRisk(np.zeros((4, 2)), [0, 0, 2, 2], loss=three)
    with pytest.raises(ConfigError, match=r"class 1 has the frequency 0\.2"):
        drives.LabelShift(risk, [0.5, 0.2, 0.3])
    with pytest.raises(ShapeError, match=r"priors .*shape \(2,\); wanted \(3,\), one for each class"):
        drives.LabelShift(risk, [0.5, 0.5])
    with pytest.raises(ConfigError, match="sum to"):
        drives.LabelShift(risk, [0.5, 0.0, 0.6])
    late = drives.LabelShift(risk, lambda t: [1.0 - t, 0.0, max(t, 1.5 * t - 0.3)])
    with pytest.raises(ConfigError, match=r"priors at t = 0\.7: weights sum to 1\.05"):
        wgf.solve(late, risk.initial(3), HEUN, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="one class for each sample"):
        drives.LabelShift(wgf.NetworkRisk(np.zeros((4, 2)), np.zeros(4)), [0.5, 0.5])


# ------------------------------------------------------------------------------------------- swaps

WELLS = [(0.0, wgf.Quadratic(2.0)), (0.33, wgf.Quadratic(2.0, center=1.0)), (0.7, wgf.Quadratic(5.0))]


@pytest.fixture
def mu():
    return wgf.Ensemble.gaussian(30, 2, cov=2.0, seed=3)


def test_a_swap_is_three_runs_one_after_the_other_and_its_jumps_are_work(mu):
    whole = wgf.solve(drives.Swap(WELLS), mu, HEUN, dt=0.05, t_end=1.0, record_every=1)
    ends = [0.35, 0.7, 1.0]  # the steps that reach 0.33 and 0.7
    jumps, start, t0 = [], mu, 0.0
    for (_, well), end in zip(WELLS, ends, strict=True):
        part = wgf.solve(well, start, HEUN, dt=0.05, t0=t0, t_end=end, record_every=1)
        jumps.append((part.ledger["free_energy"][0], part.ledger["free_energy"][-1]))
        start, t0 = part.ensemble, end
    torch.testing.assert_close(whole.ensemble.x, start.x, rtol=1e-14, atol=1e-15)
    work = whole.ledger["work"]
    assert np.flatnonzero(work).tolist() == [7, 14]
    assert work[7] == pytest.approx(jumps[1][0] - jumps[0][1], rel=1e-13)
    assert work[14] == pytest.approx(jumps[2][0] - jumps[1][1], rel=1e-13)


def test_a_swap_of_data_sets(mu):
    rng = np.random.default_rng(0)
    first, second = (wgf.NetworkRisk(rng.normal(size=(20, 2)), rng.normal(size=20), batch=b) for b in (None, 5))
    F = drives.Swap([(0.0, first), (0.5, second)]) + 0.1 * wgf.Quadratic()
    sol = wgf.solve(F, first.initial(10), wgf.solvers.Euler(), dt=0.1, t_end=1.0, record_every=1)
    assert sol.ledger["term:Swap"][4] == pytest.approx(float(first.value(first.initial(10))), rel=0.5)
    full = wgf.NetworkRisk(second.inputs, second.targets)
    assert sol.ledger["term:Swap"][-1] == pytest.approx(float(full.value(sol.ensemble)), rel=1e-12)


def test_outside_a_run_a_swap_is_asked_at_a_time(mu):
    F = drives.Swap(WELLS)
    assert [F.at(t) for t in (0.0, 0.5, 0.7)] == [well for _, well in WELLS]
    with pytest.raises(ConfigError, match=r"Swap.*\.at\(t\)"):
        F.value(mu)


def test_swap_times_outside_the_run_are_refused(mu):
    settings = {"dt": 0.1}
    with pytest.raises(ConfigError, match=r"Swap at t = 0\.7: the run ends at t_end = 0\.6; .*continued=True"):
        wgf.solve(drives.Swap(WELLS), mu, HEUN, t_end=0.6, **settings)
    with pytest.raises(ConfigError, match=r"Swap at t = 0\.33: the run starts at t = 0\.5.*state="):
        wgf.solve(drives.Swap(WELLS), mu, HEUN, t0=0.5, t_end=1.0, **settings)
    with pytest.raises(ConfigError, match=r"from t = 0, the run starts at t = -1"):
        wgf.solve(drives.Swap(WELLS), mu, HEUN, t0=-1.0, t_end=1.0, **settings)
    part = wgf.solve(drives.Swap(WELLS, continued=True), mu, HEUN, t_end=0.6, **settings)
    rest = wgf.solve(drives.Swap(WELLS), None, HEUN, t_end=1.0, state=part.state, **settings)
    whole = wgf.solve(drives.Swap(WELLS), mu, HEUN, t_end=1.0, **settings)
    assert torch.equal(rest.ensemble.x, whole.ensemble.x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: drives.Swap([]), "no terms"),
        (lambda: drives.Swap([(0.0, wgf.Quadratic()), (0.0, wgf.Quadratic())]), "increasing times"),
        (lambda: drives.Swap([wgf.Quadratic()]), "wanted pairs"),
        (lambda: drives.Swap([(0.0, 3.0)]), "wanted a term"),
        (lambda: drives.Swap([(0.0, wgf.LogDet())]), "LogDet is an entropy"),
        (lambda: drives.Swap([(0.0, wgf.Shannon())]), "Shannon has no value"),
        (lambda: drives.Swap([(0.0, drives.Swap(WELLS))]), "follows the run by itself"),
        (lambda: drives.Swap([(0.0, drives.Controller(1.0, ratio=1.0) * wgf.LogDet())]), "is a control"),
        (lambda: drives.Swap([(math.inf, wgf.Quadratic())]), "Swap time = inf"),
    ],
)
def test_what_cannot_be_swapped_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
