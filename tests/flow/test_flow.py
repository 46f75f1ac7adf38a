"""solve(): orders, the ledger and its closure, continuation, records, stops and failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from paths import SharedPath
from wgf.solvers import Euler, Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, ResourceError, WgfError, WgfWarning

# steps are coarse on purpose here; that the ledger says so is a test of its own below
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def start(n=12, d=2, seed=1, cov=0.8):
    return wgf.Ensemble.gaussian(n, d, cov=cov, seed=seed)


def free_energy():
    """Nonlinear, interacting, with an entropy; smooth, so that orders show."""
    return wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()


def slope(hs, errors):
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


# ------------------------------------------------------------------------------------------------- orders


@pytest.mark.parametrize("scheme", [Euler, Heun, RungeKutta4])
def test_order_of_deterministic_schemes(scheme):
    """The log–log slope of the final error is the order, within .15; time-dependent coefficients included."""
    F = free_energy() + (lambda t: math.sin(3 * t)) * wgf.Quadratic(0.5)
    mu = start(cov=0.2)
    truth = wgf.solve(F, mu, RungeKutta4(), dt=1 / 512, t_end=1.0, record_every=2000).ensemble.x
    hs = [1 / 16, 1 / 32, 1 / 64]
    errors = [float((wgf.solve(F, mu, scheme(), dt=h, t_end=1.0).ensemble.x - truth).norm()) for h in hs]
    assert slope(hs, errors) == pytest.approx(scheme.order, abs=0.15)


def test_langevin_has_strong_order_one_for_additive_noise():
    """On shared paths the error at t = 1 against h = 1/1024 falls with slope 1 (order ½ would give .5)."""
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.2 * wgf.Shannon()
    mu = start(40, 1, cov=0.2)

    def end(fine_steps):
        h = fine_steps / 1024
        return wgf.solve(
            F, mu, Langevin(), dt=h, t_end=1.0, noise=SharedPath(3, fine_steps), record_every=1000
        ).ensemble.x

    truth, hs, errors = end(1), [], []
    for steps in (8, 16, 32):
        hs.append(steps / 1024)
        errors.append(float((end(steps) - truth).norm()))
    assert slope(hs, errors) == pytest.approx(1.0, abs=0.15)


# ------------------------------------------------------------------------------------------------- the ledger


def driven():
    """Coefficients and a centre that move."""
    return (
        free_energy()
        + wgf.Quadratic(2.0, center=lambda t: math.sin(2 * t))
        - (lambda t: 0.1 * (1 + t)) * wgf.Variance()
        + (lambda t: math.cos(t)) * wgf.Quadratic(0.3)
    )


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


@pytest.mark.parametrize(
    ("scheme", "F", "order"),
    [
        (Euler, free_energy, 1), (Heun, free_energy, 2), (RungeKutta4, free_energy, 4),
        (Euler, driven, 1), (Heun, driven, 2), (RungeKutta4, driven, 2),
    ],
)  # fmt: skip
def test_closure_falls_at_the_stated_order(scheme, F, order):
    """O(h^p), and O(h^min(p,2)) when driven: the median over the steps to t = ½."""
    hs = [1 / 16, 1 / 32, 1 / 64]
    closures = []
    for h in hs:
        book = wgf.solve(F(), start(cov=0.2), scheme(), dt=h, t_end=0.5, record_every=1).ledger
        closures.append(np.median(np.abs(book["closure"][1:])))
    assert slope(hs, closures) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("scheme", [Euler, Heun, RungeKutta4])
def test_moving_centre(scheme):
    """V = k|x − ct|²/2, steady state: lag |c|/k, work per time |c|² = dissipation, to rounding (docs/theory.md §4)."""
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


# ------------------------------------------------------------------------------------------------- records and stops


def test_steps_records_and_trajectory():
    sol = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.3, t_end=1.0, t0=0.1, record_every=2, trajectory_every=3)
    np.testing.assert_allclose(sol.ledger["t"], [0.1, 0.7, 1.0])
    np.testing.assert_allclose(sol.trajectory_times, [0.1, 1.0])
    assert sol.trajectory.shape == (2, 12, 2)
    assert sol.ledger["t"][-1] == 1.0
    x = start().x
    np.testing.assert_allclose(
        sol.ensemble.x, x * 0.7**3, rtol=1e-12
    )  # three steps of .3; .9/.3 is whole but for rounding
    shortened = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.3, t_end=1.0).ensemble
    np.testing.assert_allclose(shortened.x, x * 0.7**3 * 0.9, rtol=1e-12)
    assert wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.001, t_end=1.0).ledger.rows == 101
    nothing = wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=0.0)
    assert nothing.ledger.rows == 1
    assert torch.equal(nothing.ensemble.x, x)


def test_observers_and_until():
    def spread(mu):
        return mu.covariance().trace()

    sol = wgf.solve(
        wgf.Quadratic(), start(), Heun(), dt=0.05, t_end=10.0, observers=[spread], record_every=1,
        until=lambda row: row["spread"] < 0.5,
    )  # fmt: skip
    assert sol.status == wgf.Status.CONVERGED
    assert sol.status.ok
    assert sol.ledger["spread"][-1] < 0.5 <= sol.ledger["spread"][-2]
    assert sol.state.t < 10.0
    named = wgf.solve(wgf.Quadratic(), start(), Heun(), dt=0.5, t_end=1.0, observers={"spread of x": spread})
    assert named.ledger["spread of x"][0] == pytest.approx(float(spread(start())))


def test_progress_lines(capsys):
    from wgf.flow.progress import LineProgress

    wgf.solve(wgf.Quadratic(), start(), Heun(), dt=0.1, t_end=1.0, progress=LineProgress(interval=0.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[4].startswith("5/10 steps  t = 0.5  F = ")
    assert "s left" in lines[4]


def test_solution_plots_and_prints():
    sol = wgf.solve(free_energy(), start(), Heun(), dt=0.1, t_end=1.0)
    assert "COMPLETED" in repr(sol)
    figure = sol.plot()
    assert len(figure.axes) >= 3


# ------------------------------------------------------------------------------------------------- failures


def test_divergence_names_step_time_particle_and_term_and_keeps_the_last_good_state():
    F = wgf.Potential(lambda x: (x**4).sum(1)).named("quartic") + wgf.Quadratic()
    mu = wgf.Ensemble([[0.1], [40.0], [0.2]])
    with pytest.raises(DivergenceError, match=r"step \d+, t = [\d.]+: .*particle 1") as caught:
        wgf.solve(F, mu, Euler(), dt=0.1, t_end=10.0)
    partial = caught.value.solution
    assert partial.status == wgf.Status.DIVERGED
    assert torch.isfinite(partial.ensemble.x).all()
    assert partial.ledger.rows >= 1
    quiet = wgf.solve(F, mu, Euler(), dt=0.1, t_end=10.0, throw=False)
    assert not quiet.status.ok
    assert "step" in quiet.status.message
    assert torch.equal(quiet.ensemble.x, partial.ensemble.x)


def test_a_term_that_overflows_is_named():
    F = wgf.Quadratic() + wgf.from_function(lambda x, w: (w @ torch.exp(x**2)).sum(), name="steep")
    with pytest.raises(DivergenceError, match="the force of steep is not finite at particle 0"):
        wgf.solve(F, wgf.Ensemble([[30.0]]), Euler(), dt=0.1, t_end=1.0)


def test_a_failure_of_a_term_on_the_way_keeps_the_solution():
    """A collapsing covariance without ridge: a typed error with the state before it."""
    F = 1e3 * wgf.Quadratic() - 0.0 * wgf.LogDet()
    with pytest.raises(WgfError, match="give a ridge") as caught:
        wgf.solve(F, wgf.Ensemble([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), Euler(), dt=1e-3, t_end=1.0)
    assert caught.value.solution.status == wgf.Status.FAILED


def test_step_limit():
    with pytest.raises(ResourceError, match="max_steps = 5") as caught:
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=1.0, max_steps=5)
    assert caught.value.solution.state.step == 5


def test_interruption_keeps_the_solution():
    def stop(mu):
        if mu.covariance().trace() < 1.0:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt) as caught:
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=5.0, observers=[stop])
    assert caught.value.solution.status == wgf.Status.INTERRUPTED
    assert caught.value.solution.ledger.rows > 1


@pytest.mark.parametrize("dt", [0, -1.0, math.nan, math.inf, "0.1", True, None])
def test_bad_dt(dt):
    with pytest.raises(ConfigError, match=r"dt = .*positive number"):
        wgf.solve(wgf.Quadratic(), start(), Euler(), dt=dt, t_end=1.0)


def test_solve_refuses_what_it_cannot_do():
    mu, F, euler = start(), wgf.Quadratic(), Euler()
    with pytest.raises(ConfigError, match=r"deterministic.*Langevin.*LogDet, Variance, LogVariance, Blob"):
        wgf.solve(F - 0.1 * wgf.Shannon(), mu, Heun(), dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"temperature -0.1 of LogDet at t = 0"):
        wgf.solve(F + 0.1 * wgf.LogDet(), mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"temperature .* of LogDet at t = 0.6"):
        wgf.solve(F - (lambda t: 0.5 - t) * wgf.LogDet(), mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="before the start"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=-1.0)
    with pytest.raises(ConfigError, match="wanted an instance, Euler"):
        wgf.solve(F, mu, Euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="wanted a scheme"):
        wgf.solve(F, mu, "Euler", dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match=r"wanted a wgf.Ensemble"):
        wgf.solve(F, mu.x, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="wanted a term"):
        wgf.solve(lambda x: x, mu, euler, dt=0.1, t_end=1.0)
    with pytest.raises(ConfigError, match="fixed steps"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, rtol=1e-3)
    for seed in (-1, 2**64, 1.5, True, "0"):
        with pytest.raises(ConfigError, match="seed = "):
            wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, seed=seed)
    with pytest.raises(ConfigError, match="record_every = 0"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, record_every=0)
    with pytest.raises(ConfigError, match="observer"):
        wgf.solve(F, mu, euler, dt=0.1, t_end=1.0, observers={"a": 3})


# ------------------------------------------------------------------------------------------------- found in review


@pytest.mark.parametrize(("schedule", "dt", "t_end"), [
    (lambda t: 1 - t, 0.3, 1.0), (lambda t: 0.3 - t, 0.1, 0.3), (lambda t: 1 - t / 0.7, 0.1, 0.7),
    (lambda t: math.sqrt(1 - t), 0.3, 1.0),
])  # fmt: skip
def test_a_schedule_that_ends_at_zero_is_legal(schedule, dt, t_end):
    """No time beyond t_end is looked at, and a temperature of −1e-17 is zero."""
    sol = wgf.solve(wgf.Quadratic() - schedule * wgf.LogDet(), start(), Heun(), dt=dt, t_end=t_end)
    assert sol.ledger["temperature"][-1] == pytest.approx(0.0, abs=1e-15)
    assert sol.ledger["t"][-1] == sol.state.t == t_end


def test_a_rule_is_kept_only_for_the_term_that_it_was_made_for():
    mu = start(40, 2)
    first = wgf.solve(wgf.Quadratic() - 0.1 * wgf.Blob("silverman"), mu, Euler(), dt=0.1, t_end=0.5)
    fixed = wgf.Quadratic() - 0.1 * wgf.Blob(5.0)
    went_on = wgf.solve(fixed, None, Euler(), dt=0.1, t_end=1.0, state=first.state).ensemble.x
    afresh = wgf.solve(fixed, first.ensemble, Euler(), dt=0.1, t_end=0.5).ensemble.x
    torch.testing.assert_close(went_on, afresh, rtol=1e-12, atol=1e-13)


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


def test_observers_have_names_of_their_own():
    def free_energy(mu):
        return -1.0

    for observers, message in [
        ([free_energy], "has a column of this name"),
        ({"term:x": free_energy}, "has a column of this name"),
        ([lambda mu: 1.0, lambda mu: 2.0], "is there twice"),
        (free_energy, "wanted a mapping"),
        ({"a": lambda mu: mu.x}, "observer 'a' returned Tensor"),
        ({"a": lambda mu: "much"}, "observer 'a' returned str"),
    ]:
        with pytest.raises(ConfigError, match=message):
            wgf.solve(wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=1.0, observers=observers)


def test_what_a_users_function_raises_keeps_the_solution():
    calls = []

    def moody(x):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("no more")
        return (x**2).sum(1)

    with pytest.raises(RuntimeError, match="no more") as caught:
        wgf.solve(wgf.Potential(moody), start(), Euler(), dt=0.1, t_end=5.0)
    assert caught.value.solution.state.step >= 1
    calls.clear()
    quiet = wgf.solve(wgf.Potential(moody), start(), Euler(), dt=0.1, t_end=5.0, throw=False)
    assert quiet.status == wgf.Status.FAILED
    assert "RuntimeError: no more" in quiet.status.message


def test_arguments_that_contradict_the_state_are_refused():
    F, mu = wgf.Quadratic(), start()
    sol = wgf.solve(F, mu, Euler(), dt=0.1, t_end=0.5)
    for arguments, message in [
        ({"mu": wgf.Ensemble.gaussian(9, 7)}, "does not fit the state"),
        ({"t0": 5.0}, "t0 = 5, but the state continues at t = 0.5"),
        ({"state": sol}, "state is Solution: wanted sol.state"),
        ({"until": 1.0}, "until = 1.0"),
    ]:
        given = {"mu": None, "state": sol.state} | arguments
        with pytest.raises(ConfigError, match=message):
            wgf.solve(F, given.pop("mu"), Euler(), dt=0.1, t_end=1.0, **given)


def test_the_trajectory_ends_where_the_run_does():
    sol = wgf.solve(
        wgf.Quadratic(), start(), Euler(), dt=0.1, t_end=5.0, trajectory_every=10, record_every=1,
        until=lambda row: row["t"] > 1.25,
    )  # fmt: skip
    np.testing.assert_allclose(sol.trajectory_times, [0.0, 1.0, 1.3])
    assert torch.equal(sol.trajectory[-1], sol.ensemble.x)


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


def test_a_diverged_run_goes_on_with_a_smaller_step():
    F, mu = wgf.Potential(lambda x: (x**4).sum(1)), wgf.Ensemble([[0.1], [12.0]])
    failed = wgf.solve(F, mu, Euler(), dt=1e-2, t_end=1.0, throw=False)
    assert failed.status == wgf.Status.DIVERGED
    first = wgf.solve(F, mu, Euler(), dt=1e-4, t_end=0.01)
    assert wgf.solve(F, None, Euler(), dt=1e-3, t_end=1.0, state=first.state).status.ok


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


def test_observers_are_handed_the_time_where_they_ask_for_it():
    """A second argument without a default, or called t, is the time; any other default is the observer's own."""
    sol = wgf.solve(
        wgf.Quadratic(), start(), Euler(), dt=0.25, t_end=1.0, record_every=1,
        observers={
            "when": lambda mu, t: t,
            "late": lambda mu, t=-1.0: 10 * t,
            "own": lambda mu, scale=3.0: scale,
            "size": len,
        },
    )  # fmt: skip
    np.testing.assert_array_equal(sol.ledger["when"], sol.ledger["t"])
    np.testing.assert_array_equal(sol.ledger["late"], 10 * sol.ledger["t"])
    assert set(sol.ledger["own"]) == {3.0}
    assert set(sol.ledger["size"]) == {float(start().n)}
