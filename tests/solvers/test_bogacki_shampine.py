"""The adaptive pair: order 3, tolerances kept, work against precision, exact ends, continuing."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from wgf.solvers import BogackiShampine, RungeKutta4

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, StepSizeError

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def smooth():
    F = wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()
    return F + (lambda t: math.sin(3 * t)) * wgf.Quadratic(0.5)


def start(cov=0.2):
    return wgf.Ensemble.gaussian(12, 2, cov=cov, seed=1)


def stiff_then_slow():
    """A quartic from far out: the fastest rate is 3x² = 300 at first and .3 at the end."""
    return wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Quadratic(0.3)


def far():
    return wgf.Ensemble(np.linspace(-10.0, 10.0, 20)[:, None])


@cache
def truth():
    """The smooth flow at t = 1 by Runge–Kutta of order four with small steps."""
    return wgf.solve(smooth(), start(), RungeKutta4(), dt=1 / 512, t_end=1.0, record_every=2000).ensemble


def slope(hs, errors):
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


@pytest.mark.slow
def test_fixed_steps_have_order_three():
    """Within .1, with a drive in time."""
    hs, errors = [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        sol = wgf.solve(smooth(), start(), BogackiShampine(adaptive=False), dt=h, t_end=1.0)
        assert sol.state.step == round(1 / h)
        errors.append(float((sol.ensemble.x - truth().x).norm()))
    assert slope(hs, errors) == pytest.approx(3.0, abs=0.1)


def test_the_closure_has_order_three():
    F, hs, closures = stiff_then_slow(), [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        solver = BogackiShampine(adaptive=False)
        book = wgf.solve(F, start(), solver, dt=h, t_end=0.5, record_every=1).ledger
        closures.append(np.median(np.abs(book["closure"][1:])))
    assert slope(hs, closures) == pytest.approx(3.0, abs=0.35)


def test_first_same_as_last_costs_three_evaluations_a_step():
    """An autonomous F: one evaluation at the start, three a step, in fixed and in accepted steps."""
    for solver in (BogackiShampine(), BogackiShampine(adaptive=False)):
        sol = wgf.solve(wgf.Quadratic(), start(), solver, dt=0.01, t_end=0.1)
        assert sol.ledger["evaluations"][-1] == 1 + 3 * sol.state.step


@pytest.mark.slow
def test_the_error_follows_the_tolerance():
    """The final error falls in proportion to rtol, and stays within twenty times of it."""
    exact = truth()
    errors, tolerances = [], [1e-3, 1e-4, 1e-5, 1e-6]
    scale = math.sqrt(float(exact.expect((exact.x**2).sum(1))))
    for rtol in tolerances:
        x = wgf.solve(smooth(), start(), BogackiShampine(), dt=0.1, t_end=1.0, rtol=rtol, atol=rtol * 0.1).ensemble.x
        errors.append(math.sqrt(float(exact.expect(((x - exact.x) ** 2).sum(1)))) / scale)
        assert errors[-1] < 20 * rtol
    assert slope(tolerances, errors) == pytest.approx(1.0, abs=0.2)


@pytest.mark.slow
def test_work_and_precision_beat_fixed_steps_on_a_stiff_then_slow_flow():
    """To be as accurate, fixed steps of the same formula take ten times the evaluations, at three tolerances.

    The exact flow of ẋ = −x³ − κx is x² = κ x₀² e^{−2κt} / (κ + x₀² (1 − e^{−2κt})), κ = .3.
    """
    F, mu, t_end, kappa = stiff_then_slow(), far(), 10.0, 0.3
    decay, x0 = math.exp(-2 * kappa * t_end), mu.x
    truth = torch.sign(x0) * torch.sqrt(kappa * x0**2 * decay / (kappa + x0**2 * (1 - decay)))

    def run(solver, dt, **tolerances):
        sol = wgf.solve(F, mu, solver, dt=dt, t_end=t_end, record_every=10**6, **tolerances)
        return float(sol.ledger["evaluations"][-1]), float((sol.ensemble.x - truth).norm())

    fixed = [run(BogackiShampine(adaptive=False), h) for h in (0.02, 0.01, 0.005, 0.0025)]
    for rtol in (1e-3, 1e-4, 1e-5):
        work, error = run(BogackiShampine(), 0.1, rtol=rtol, atol=rtol * 1e-2)
        assert error < fixed[0][1] / 100
        assert [w for w, found in fixed if found <= error], "a fixed step that is as accurate, to compare with"
        assert min(w for w, found in fixed if found <= error) > 10 * work


def test_the_end_is_hit_exactly_and_the_proposal_survives_it():
    sol = wgf.solve(wgf.Quadratic(), start(), BogackiShampine(), dt=0.01, t_end=1.0, t0=0.1)
    assert sol.state.t == sol.ledger["t"][-1] == 1.0
    proposal, _ = sol.state.memory
    on = wgf.solve(wgf.Quadratic(), None, BogackiShampine(), dt=0.01, t_end=1.0 + 1e-6, state=sol.state)
    assert on.state.step == sol.state.step + 1
    assert on.state.t == 1.0 + 1e-6
    assert on.state.memory[0] >= proposal


def test_records_count_accepted_steps():
    """A first step much too long is rejected and not counted."""
    sol = wgf.solve(stiff_then_slow(), far(), BogackiShampine(), dt=5.0, t_end=2.0, record_every=1)
    assert sol.ledger.rows == sol.state.step + 1
    assert sol.ledger["evaluations"][-1] > 1 + 3 * sol.state.step
    assert (np.diff(sol.ledger["t"]) > 0).all()
    sparse = wgf.solve(stiff_then_slow(), far(), BogackiShampine(), dt=5.0, t_end=2.0, record_every=5)
    assert torch.equal(sparse.ensemble.x, sol.ensemble.x)
    assert sparse.ledger["dissipated"].sum() == pytest.approx(sol.ledger["dissipated"].sum(), rel=1e-12)


def test_lines_of_progress_do_not_know_the_number_of_steps(capsys):
    from wgf.flow.progress import LineProgress

    wgf.solve(wgf.Quadratic(), start(), BogackiShampine(), dt=0.1, t_end=1.0, progress=LineProgress(interval=0.0))
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("1 steps  t = 0.1  F = ")
    assert first.endswith("s left")  # by the flow time


def test_a_particle_at_the_origin_has_no_error_where_atol_is_zero():
    """Its error and what is allowed to it are both 0; the others keep to rtol: e^{−1} x within twenty times of it."""
    mu = wgf.Ensemble([[0.0, 0.0], [1.0, 2.0], [-3.0, 0.5]])
    x = wgf.solve(wgf.Quadratic(), mu, BogackiShampine(rtol=1e-4, atol=0.0), dt=0.1, t_end=1.0).ensemble.x
    torch.testing.assert_close(x, mu.x * math.exp(-1.0), rtol=2e-3, atol=0)


def test_tolerances_are_checked_and_minibatches_refused():
    for settings, message in [({"rtol": "1"}, "rtol = '1'"), ({"rtol": 0.0, "atol": 0.0}, "one positive tolerance")]:
        with pytest.raises(ConfigError, match=message):
            BogackiShampine(**settings)
    rng = np.random.default_rng(0)
    risk = wgf.NetworkRisk(rng.normal(size=(20, 2)), rng.normal(size=20), batch=5)
    with pytest.raises(ConfigError, match=r"BogackiShampine: NetworkRisk is drawn on minibatches.*batch=None"):
        wgf.solve(risk, risk.initial(10), BogackiShampine(), dt=0.1, t_end=1.0)
    assert wgf.solve(risk, risk.initial(10), BogackiShampine(adaptive=False), dt=0.1, t_end=1.0).status.ok


def test_a_state_of_another_scheme_starts_with_a_new_memory():
    first = wgf.solve(wgf.Quadratic(), start(), RungeKutta4(), dt=0.1, t_end=0.5)
    second = wgf.solve(wgf.Quadratic(), None, BogackiShampine(), dt=0.1, t_end=1.0, state=first.state)
    third = wgf.solve(wgf.Quadratic(), None, RungeKutta4(), dt=0.1, t_end=1.5, state=second.state)
    assert third.state.step == second.state.step + 5
    torch.testing.assert_close(third.ensemble.x, start().x * math.exp(-1.5), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("dtype", "of"), [(torch.float32, "the particles"), (torch.float64, "t")], ids=str)
def test_particles_that_run_to_the_end_of_the_numbers_end_in_an_error(dtype, of):
    """Steps that do not move a particle any more would go on for ever."""
    mu = wgf.Ensemble(torch.tensor([[1.0], [2.0]], dtype=dtype))
    with pytest.raises(StepSizeError, match=f"below the rounding of {of}.*no lower bound"):
        wgf.solve(-1 * wgf.Quadratic(), mu, BogackiShampine(), dt=0.1, t_end=1000.0, max_steps=3000)
