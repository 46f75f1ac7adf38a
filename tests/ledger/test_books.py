"""The books of a run: the balance of work and release, forces from their definitions, estimates, and what is NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from flows import driven, free_energy, start
from wgf.solvers import Euler, Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K
from wgf.errors import WgfWarning

# steps are coarse on purpose here; that the ledger says so is a test of its own below
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


@pytest.mark.parametrize("every", [1, 7])
def test_ledger_identity_and_terms(every):
    """F_{k+1} − F_k = W − Q and F = Σ terms = E − T·S to rounding, also when records are sparse.

    Q is what is left of F after W; that W is right is the next test, and that Q is the dissipation is the closure's.
    """
    sol = wgf.solve(driven(), start(), Heun(), dt=0.02, t_end=1.0, record_every=every)
    book = sol.ledger
    change = book["work"] - book["released"]
    np.testing.assert_allclose(np.diff(book["free_energy"]), change[1:], atol=1e-13)
    np.testing.assert_allclose(sum(book[c] for c in book if c.startswith("term:")), book["free_energy"], atol=1e-13)
    np.testing.assert_allclose(book["energy"] - book["temperature"] * book["entropy"], book["free_energy"], atol=1e-13)
    assert book["work"][0] == book["released"][0] == 0.0
    assert book["t"].dtype == np.float64
    assert book["t"].ndim == 1
    fine = wgf.solve(driven(), start(), Heun(), dt=0.02, t_end=1.0, record_every=1).ledger
    assert book["work"].sum() == pytest.approx(fine["work"].sum(), abs=1e-13)
    assert book["dissipated"].sum() == pytest.approx(fine["dissipated"].sum(), rel=1e-13)


def test_work_is_defined_by_the_two_ends_of_each_step():
    """W_k = ½[(F_{k+1} − F_k)(μ_k) + (F_{k+1} − F_k)(μ_{k+1})], computed here from the definition."""
    F, h = driven(), 0.05
    sol = wgf.solve(F, start(), Heun(), dt=h, t_end=0.25, record_every=1, trajectory_every=1)
    for k in range(5):
        now, then = F.at(k * h), F.at((k + 1) * h)
        ends = [wgf.Ensemble(sol.trajectory[j]) for j in (k, k + 1)]
        want = 0.5 * sum(float(then.value(mu) - now.value(mu)) for mu in ends)
        assert sol.ledger["work"][k + 1] == pytest.approx(want, abs=1e-13)


@pytest.mark.parametrize("scheme", [Euler, Heun, RungeKutta4])
def test_moving_centre(scheme):
    """V = k|x − ct|²/2 in the steady state: lag |c|/k, work per time |c|² = dissipation, to rounding (theory §4)."""
    k, c, h = 2.0, np.array([0.3, -0.4]), 0.05
    mu = wgf.Ensemble(np.repeat(-c[None] / k, 5, axis=0))
    F = wgf.Quadratic(k, center=lambda t: c * t)
    sol = wgf.solve(F, mu, scheme(), dt=h, t_end=1.0, record_every=1)
    lag = c * 1.0 - sol.ensemble.mean().numpy()
    np.testing.assert_allclose(lag, c / k, atol=1e-14)
    np.testing.assert_allclose(sol.ledger["work"][1:] / h, 0.25, atol=1e-13)
    np.testing.assert_allclose(sol.ledger["dissipation"], 0.25, atol=1e-13)
    np.testing.assert_allclose(sol.ledger["closure"][1:], 0.0, atol=1e-12)


def test_force_columns_from_their_definitions():
    mu, temperature = start(), 0.3
    E = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0))
    book = wgf.solve(E - temperature * wgf.LogDet(), mu, Euler(), dt=0.01, t_end=0.01).ledger
    e, s = E.gradient(mu).numpy(), wgf.LogDet().gradient(mu).numpy()

    def inner(a, b):
        return float((a * b).sum(1).mean())

    G, information = math.sqrt(inner(e, e)), temperature * math.sqrt(inner(s, s))
    want = {
        "loss_force": G,
        "information_force": information,
        "force_ratio": information / G,
        "alignment": -temperature * inner(s, e) / (G * information),
        "entropy_production": inner(s, temperature * s - e),
        "dissipation": inner(temperature * s - e, temperature * s - e),
    }
    for name, value in want.items():
        assert book[name][0] == pytest.approx(value, rel=1e-12), name


def test_equilibrium_has_ratio_one_and_alignment_minus_one():
    """At the minimum of Quadratic − T LogDet the forces cancel, D = 0 and the closure is NaN rather than noise."""
    mu = wgf.Ensemble.gaussian(50, 2, seed=1)
    sol = wgf.solve(wgf.Quadratic(1.0) - 0.5 * wgf.LogDet(), mu, RungeKutta4(), dt=0.1, t_end=30.0)
    last = sol.ledger.row(-1)
    assert last["force_ratio"] == pytest.approx(1.0, rel=1e-9)
    assert last["alignment"] == pytest.approx(-1.0, rel=1e-9)
    assert math.isnan(last["closure"])
    assert abs(last["closure_total"]) < 1e-2


def test_without_entropy_the_information_force_is_zero():
    book = wgf.solve(wgf.Quadratic(), start(), Heun(), dt=0.1, t_end=0.5).ledger
    assert (book["information_force"] == 0).all()
    assert np.isnan(book["entropy"]).all()
    assert "no entropy term" in book.notes["entropy"]


def test_several_entropies_keep_the_energy_balance():
    F = wgf.Quadratic() - 0.2 * wgf.LogDet() - 0.1 * wgf.Variance()
    row = wgf.solve(F, start(), Heun(), dt=0.1, t_end=0.5).ledger.row(-1)
    assert row["temperature"] == pytest.approx(0.3)
    assert row["free_energy"] == pytest.approx(row["energy"] - 0.3 * row["entropy"], rel=1e-12)


@pytest.mark.slow
def test_langevin_ledger_is_an_estimate_with_an_error_bar():
    """OU from N(0, 4): F, S and D against the Gaussian's own; the closure lies within 5 standard errors."""
    mu = wgf.Ensemble.gaussian(20_000, 1, cov=4.0, seed=2)
    sol = wgf.solve(
        wgf.Quadratic(1.0) - 1.0 * wgf.Shannon(), mu, Langevin(), dt=0.01, t_end=1.0, record_every=5, seed=3
    )
    book = sol.ledger
    variance = 1.0 + 3.0 * np.exp(-2 * book["t"])
    entropy = 0.5 * np.log(2 * math.pi * math.e * variance)
    np.testing.assert_allclose(book["entropy"], entropy, atol=5 * 0.9 / math.sqrt(5000))
    np.testing.assert_allclose(book["free_energy"], variance / 2 - entropy, atol=0.12)
    rate = variance - 2 + 1 / variance  # ∫|x − x/v|² ρ
    np.testing.assert_allclose(book["dissipation"][:10], rate[:10], rtol=0.2)
    assert "Kozachenko" in book.notes["entropy"]
    assert "cumulative" in book.notes["closure"]
    assert abs(book["closure"][-1]) < 5 * book["closure_error"][-1] + 0.1


@pytest.mark.parametrize("schedule", [lambda t: 2.0 - t, lambda t: 1.0 if t < 0.52 else 2.0], ids=["ramp", "jump"])
def test_the_work_of_a_changing_temperature(schedule):
    """−∫ S dT of an OU process, whose S is that of a Gaussian of variance v' = 2(T − v), at eleven records only.

    S of 5000 particles is known to .9/√5000, five of which are allowed per unit of ΔT = ±1; taking S as linear
    between records costs less than Δt² max|S''|/8 = .01.
    """
    mu = wgf.Ensemble.gaussian(5000, 1, cov=1.0, seed=2)
    F = wgf.Quadratic(1.0) - schedule * wgf.Shannon()
    book = wgf.solve(F, mu, Langevin(), dt=0.01, t_end=1.0, record_every=10, seed=3).ledger
    h, v, want = 1e-3, 1.0, 0.0
    for k in range(1000):
        change = schedule((k + 1) * h) - schedule(k * h)
        want -= 0.5 * math.log(2 * math.pi * math.e * v) * change
        v += 2 * h * (schedule((k + 0.5) * h) - v)
    assert book["work"].sum() == pytest.approx(want, abs=5 * 0.9 / math.sqrt(5000) + 0.01)


def test_langevin_in_high_dimension_says_why_there_is_no_entropy():
    book = wgf.solve(wgf.Quadratic() - 0.1 * wgf.Shannon(), start(16, 40), Langevin(), dt=0.1, t_end=0.5).ledger
    assert np.isnan(book["entropy"]).all()
    assert np.isfinite(book["loss_force"]).all()
    assert "dimension 40" in book.notes["entropy"]


def test_minibatch_ledger_uses_the_full_batch():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    full, part = wgf.NetworkRisk(z, y), wgf.NetworkRisk(z, y, batch=6)
    mu = full.initial(40, seed=1)
    sol = wgf.solve(part + 1e-3 * wgf.Quadratic(), mu, Euler(), dt=0.5, t_end=20.0, seed=4)
    assert sol.ledger["term:NetworkRisk"][-1] == pytest.approx(float(full.value(sol.ensemble)), rel=1e-12)
    again = wgf.solve(part + 1e-3 * wgf.Quadratic(), mu, Euler(), dt=0.5, t_end=20.0, seed=4)
    other = wgf.solve(part + 1e-3 * wgf.Quadratic(), mu, Euler(), dt=0.5, t_end=20.0, seed=5)
    assert torch.equal(sol.ensemble.x, again.ensemble.x)
    assert not torch.equal(sol.ensemble.x, other.ensemble.x)
    assert sol.ledger["free_energy"][-1] < sol.ledger["free_energy"][0]


def test_a_coarse_step_is_reported():
    with pytest.warns(WgfWarning, match="smaller dt"):
        wgf.solve(wgf.Quadratic(1.0), start(), Euler(), dt=0.8, t_end=8.0)


def test_ledger_is_a_table():
    sol = wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0)
    frame = sol.ledger.to_pandas()
    assert list(frame.columns) == list(sol.ledger.columns)
    assert len(frame) == sol.ledger.rows == 11
    assert "free_energy" in repr(sol.ledger)
    with pytest.raises(KeyError, match="did you mean 'entropy'"):
        sol.ledger["entropie"]


def test_estimates_do_not_depend_on_the_order_of_the_particles():
    """20 000 particles of N(0, 1), sorted: a stand-in must be drawn by ids, and the loss force needs none."""
    n = 20_000
    mu = wgf.Ensemble.gaussian(n, 1, seed=1)
    ordered = mu.select(torch.argsort(mu.x[:, 0]))
    F = wgf.Quadratic() - wgf.Shannon()
    one, two = (wgf.solve(F, m, Langevin(), dt=0.1, t_end=0.0).ledger.row(0) for m in (mu, ordered))
    for name in ("entropy", "loss_force", "dissipation", "information_force"):
        assert one[name] == pytest.approx(two[name], rel=1e-9), name
    assert one["entropy"] == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=5 / math.sqrt(5000))
    assert one["loss_force"] == pytest.approx(math.sqrt(float(mu.expect(mu.x[:, 0] ** 2))), rel=1e-12)


@pytest.mark.slow
def test_a_record_without_an_entropy_does_not_blank_the_closure():
    """All particles in one point at first: no density, hence no entropy, at t = 0 alone; the note says so."""
    sol = wgf.solve(
        wgf.Quadratic() - 0.5 * wgf.Shannon(), wgf.Ensemble(np.zeros((2000, 1))), Langevin(), dt=0.01, t_end=1.0
    )
    book = sol.ledger
    assert math.isnan(book["free_energy"][0])
    assert math.isfinite(book["closure"][-1])
    assert "left out" in book.notes["closure"]
    assert "coincide" in book.notes["entropy"]
    assert "Kozachenko" in book.notes["entropy"]


def test_langevin_without_shannon_keeps_eulers_ledger():
    """Nothing is estimated then: the same dissipation, closure and warning as the deterministic scheme."""
    F = wgf.Quadratic() - 0.1 * wgf.LogDet()
    one, two = (wgf.solve(F, start(), solver, dt=0.1, t_end=1.0).ledger for solver in (Euler(), Langevin()))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    with pytest.warns(WgfWarning, match="smaller dt"):
        wgf.solve(wgf.Quadratic(), start(), Langevin(), dt=0.8, t_end=8.0)


def test_a_sampler_at_equilibrium_does_not_pretend_to_dissipate():
    """N(0, I) under its own Langevin flow: D = 0, where a plain kernel score of 1000 particles would say .26.

    The closure is NaN, or carries an error bar that covers it; the information force is that of the law, √2.
    """
    mu = wgf.Ensemble.gaussian(1000, 2, seed=3)
    book = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Langevin(), dt=0.02, t_end=2.0, record_every=5, seed=1).ledger
    assert abs(book["dissipation"].mean()) < 0.1
    assert book["information_force"].mean() == pytest.approx(math.sqrt(2), rel=0.05)
    assert math.isnan(book["closure"][-1]) or abs(book["closure"][-1]) < 3 * book["closure_error"][-1]


@pytest.mark.parametrize("scheme", [wgf.solvers.Langevin(), wgf.solvers.Underdamped(1.0)], ids=str)
def test_records_of_float32_particles_whose_squares_float32_cannot_hold(scheme):
    x = 1e20 * wgf.Ensemble.gaussian(60, 2, seed=1).x
    rows = []
    for dtype in (torch.float32, torch.float64):
        F = wgf.Quadratic(2.0) - 1e40 * wgf.Shannon()
        sol = wgf.solve(F, wgf.Ensemble(x.to(dtype)), scheme, dt=0.05, t_end=0.2)
        rows.append(sol.ledger.row(-1))
    for row in rows:  # the two dtypes have noise of their own
        assert 0.5e40 < row["energy"] < 4e40
        assert math.isfinite(row["closure_error"]) or "closure" in sol.ledger.notes


def test_an_observer_that_returns_text_is_refused():
    with pytest.raises(wgf.errors.ConfigError, match="wanted one number"):
        wgf.solve(
            wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Euler(), dt=0.1, t_end=0.1,
            observers={"o": lambda mu: "3"},
        )  # fmt: skip
