"""Every drive on at once: exact books, the same bits in pieces and for any number of threads, and no work unasked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from resumed import in_pieces, same_ledgers

import wgf
from wgf import drives
from wgf.drives.budget import Excess
from wgf.measure import checks

ITEMS = np.random.default_rng(9).normal(size=(5, 3))
PAIRS = [[0, 1], [2, 1], [3, 4], [0, 4], [2, 3]]


def data(seed, m=60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, 3)), np.arange(m) % 2


def risk(seed=0, m=60):
    return wgf.NetworkRisk(*data(seed, m), loss="cross_entropy")


def priors(t):
    return [0.5 + 0.2 * t, 0.5 - 0.2 * t]


def displacement(t):
    return [0.3 * t, 0.0, -0.1 * t]


def everything(m=60, continued=True):
    """Terms by name; the run is [0, 1]."""
    shifted = drives.CovariateShift(drives.LabelShift(risk(0, m), priors), displacement)
    swap = [(0.0, risk(1)), (0.33, drives.CVaR(risk(2), 0.5)), (0.8, drives.EntropicRisk(risk(1), 0.5))]
    told = drives.Preferences(risk(0), ITEMS, PAIRS, times=[0.1, 0.45, 0.45, 0.62, 1.0], output=1, continued=continued)
    return {
        "tail": drives.Warmup(1.0, 0.5) * drives.CVaR(shifted, drives.Linear(0.2, 0.8, t1=1.0)),
        "entropic": 0.3 * drives.EntropicRisk(shifted, drives.Cosine(0.0, 2.0, t1=1.0)),
        "spread": drives.Constant(0.2) * drives.MeanVariance(risk(3), drives.Steps([(0.0, 0.5), (0.5, 1.0)])),
        "swap": 1.0 * drives.Swap(swap, continued=continued),
        "told": drives.Piecewise([(0.0, 0.5), (1.0, 0.6)]) * told,
        "norm": drives.Budget(wgf.Quadratic(), limit=10.0, rate=0.05, damping=0.02),
        "transport": drives.Budget(drives.Displacement(), limit=drives.Linear(0.02, 0.01, t1=1.0), rate=5.0, start=0.1),
        "well": drives.Exponential(0.1, 0.01, t1=1.0) * wgf.Quadratic(1.0, center=lambda t: t),
        "entropy": -1.0 * (drives.Controller(0.02, ratio=0.3) * wgf.LogDet(ridge=1e-3)),
    }


def free_energy(m=60, continued=True):
    return sum((term.named(name) for name, term in everything(m, continued).items()), 0)


SETTINGS = {"dt": 0.05, "record_every": 1, "until": drives.EvaluationCap(10**9)}


KINKS = pytest.mark.filterwarnings("ignore:closure")
"""CVaR of few samples has kinks that these steps do not resolve; the books balance all the same."""


@pytest.fixture(scope="module")
def mu():
    start = risk().initial(25, seed=3)
    return start.moved(3.0 * start.x)  # losses that are apart


def classes_in(value, seen):
    """The classes of drives in a term, in its coefficient and in the terms inside it."""
    if isinstance(value, tuple(drives.REGISTRY.values())):
        seen.add(type(value))
    if isinstance(value, wgf.FreeEnergy):
        for term in value.terms:
            classes_in(term.functional, seen)
            for factor in term.coefficient.functions:
                classes_in(factor, seen)
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            classes_in(part, seen)
    elif hasattr(value, "__dict__"):
        for part in vars(value).values():
            classes_in(part, seen)
    return seen


def test_every_registered_drive_is_on():
    """A new drive joins `everything`, and with it all tests of this file."""
    found = classes_in(everything(), classes_in(SETTINGS, set()))
    names = {cls.__name__ for cls in found} | {"Budget"}  # a sum of its parts; its multiplier is in the ledger
    assert names == set(drives.REGISTRY)
    assert {"drive:Budget", "drive:Budget_2"} <= set(
        wgf.solve(free_energy(), risk().initial(25, seed=3), wgf.solvers.Euler(), dt=0.5, t_end=0.5).ledger.columns
    )


@KINKS
@pytest.mark.parametrize("solver", [wgf.solvers.Euler(), wgf.solvers.Heun()])
def test_the_work_of_every_drive_at_once_is_its_definition(mu, solver):
    """W_k by hand from particles and recorded controls: ½[(F_{k+1} − F_k)(μ_k) + (F_{k+1} − F_k)(μ_{k+1})] with what
    follows the run held, and then the jump at μ_{k+1}; ΔF = W − Q to rounding, with Q that of the dissipation."""
    sol = wgf.solve(free_energy(continued=False), mu, solver, t_end=1.0, trajectory_every=1, **SETTINGS)
    ledger, terms = sol.ledger, everything()
    held = {"norm": "drive:Budget", "transport": "drive:Budget_2", "entropy": "drive:Controller"}

    def value(t, when, row, x):
        """F at (x, t) with the events up to `when` and the controls of a row."""
        total = 0.0
        for name, term in terms.items():
            (part,) = term._terms()
            functional = part.functional
            if isinstance(functional, drives.Swap | drives.Preferences):
                functional = functional.at(when)
            number = part.coefficient.number
            if name in held:
                number *= ledger[held[name]][row]
                functional = functional.resolve(mu) if isinstance(functional, Excess) else functional
            else:
                number = part.coefficient.at(t).number
            total += number * float(functional.at(t).value(mu.moved(x)))
        return total

    t, x = ledger["t"], sol.trajectory
    for k in range(len(t) - 1):
        steps = [value(t[k + 1], t[k], k, y) - value(t[k], t[k], k, y) for y in (x[k], x[k + 1])]
        jump = value(t[k + 1], t[k + 1], k + 1, x[k + 1]) - value(t[k + 1], t[k], k, x[k + 1])
        assert ledger["work"][k + 1] == pytest.approx(0.5 * sum(steps) + jump, abs=2e-14)
        assert ledger["free_energy"][k] == pytest.approx(value(t[k], t[k], k, x[k]), abs=2e-14)
    change = np.diff(ledger["free_energy"])
    np.testing.assert_allclose(change, ledger["work"][1:] - ledger["released"][1:], atol=1e-14)
    assert abs(ledger["closure_total"][-1]) < 0.05
    assert (ledger["work"][1:] != 0).all()


@pytest.mark.parametrize(("solver", "fall"), [(wgf.solvers.Euler(), 2.0), (wgf.solvers.Heun(), 4.0)])
def test_the_closure_with_every_smooth_drive_falls_as_the_scheme_says(solver, fall):
    """What is released is dissipated to O(h) by Euler and O(h²) by Heun: all but CVaR, whose kinks have no order."""
    terms = everything(continued=False)
    del terms["tail"]
    terms["swap"] = 1.0 * drives.Swap([(0.0, risk(1)), (0.3, risk(2)), (0.8, risk(1))])
    F, start = sum((term.named(name) for name, term in terms.items()), 0), risk().initial(60, seed=3)
    coarse, fine = (wgf.solve(F, start, solver, dt=dt, t_end=1.0).ledger["closure_total"][-1] for dt in (0.05, 0.025))
    assert abs(coarse) < 0.03
    assert coarse / fine == pytest.approx(fall, rel=0.15)


@KINKS
def test_each_drive_acts(mu):
    """The run differs from that without the drive, for each of them."""
    settings = {"dt": 0.1, "t_end": 1.0}
    whole = wgf.solve(free_energy(), mu, wgf.solvers.Euler(), **settings).ensemble.x
    terms = everything()
    for name in terms:
        rest = sum((term.named(other) for other, term in terms.items() if other != name), 0)
        assert not torch.equal(wgf.solve(rest, mu, wgf.solvers.Euler(), **settings).ensemble.x, whole), name


@KINKS
@pytest.mark.parametrize("cut", [0.3, 0.35, 0.8])
@pytest.mark.parametrize("solver", [wgf.solvers.Heun(), wgf.solvers.BogackiShampine(adaptive=False)])
def test_a_run_in_pieces_has_the_same_bits(mu, solver, cut):
    """Before, at and after an exchange; the free energy of the second piece is written anew."""
    whole = wgf.solve(free_energy(), mu, solver, t_end=1.0, **SETTINGS)
    part = wgf.solve(free_energy(), mu, solver, t_end=cut, **SETTINGS)
    rest = wgf.solve(free_energy(continued=False), None, solver, t_end=1.0, state=part.state, **SETTINGS)
    assert torch.equal(whole.ensemble.x, rest.ensemble.x)
    assert whole.state.drives == rest.state.drives
    for column in ("work", "free_energy", "drive:Budget", "drive:Budget_2", "drive:Controller"):
        assert whole.ledger[column][-1] == rest.ledger[column][-1]
    done = len(part.ledger["t"])
    np.testing.assert_array_equal(whole.ledger["work"][done:], rest.ledger["work"][1:])


@KINKS
@pytest.mark.parametrize("cuts", [(6,), (7, 1, 8)], ids=str)
def test_a_run_goes_on_from_bytes_with_one_ledger(mu, cuts):
    """What every drive remembers goes through a file."""
    given = {"dt": 0.05, "t_end": 1.0, "record_every": 2}
    whole = wgf.solve(free_energy(), mu, wgf.solvers.Heun(), **given)
    pieces = in_pieces(free_energy, mu, wgf.solvers.Heun(), cuts, **given)
    assert torch.equal(whole.ensemble.x, pieces.ensemble.x)
    assert same_ledgers(whole.ledger, pieces.ledger)


@KINKS
def test_checks_put_off_to_records_change_no_bit(mu):
    """As on a GPU."""
    sols = []
    for put_off in (False, True):
        with checks.forced(put_off):
            sols.append(wgf.solve(free_energy(), mu, wgf.solvers.Heun(), dt=0.05, t_end=1.0, record_every=7))
    assert torch.equal(sols[0].ensemble.x, sols[1].ensemble.x)
    assert sols[0].state.drives == sols[1].state.drives
    np.testing.assert_array_equal(sols[0].ledger["work"], sols[1].ledger["work"])


@KINKS
@pytest.mark.slow
def test_one_and_two_threads_give_the_same_bits():
    """With as many samples as torch would share out among threads."""
    start, before, ends = risk().initial(100, seed=1), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sol = wgf.solve(free_energy(m=34_000), start, wgf.solvers.Euler(), dt=0.25, t_end=0.5)
            ends.append((sol.ensemble.x, sol.ledger["work"]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(ends[0][0], ends[1][0])
    np.testing.assert_array_equal(ends[0][1], ends[1][1])


@KINKS
def test_where_nothing_is_driven_the_work_is_exactly_zero(mu):
    F = (
        drives.Constant(2.0) * drives.CVaR(drives.CovariateShift(drives.LabelShift(risk(), [0.3, 0.7]), [0.1] * 3), 0.7)
        + drives.EntropicRisk(risk(1), 0.5)
        + drives.MeanVariance(risk(2), 0.5)
        + drives.Swap([(0.0, risk(3))])
        + drives.Preferences(risk(), ITEMS, PAIRS, output=0)
        + drives.Budget(wgf.Quadratic(), limit=1e3)
        + drives.Budget(drives.Displacement(), limit=1e3)
        - drives.Linear(0.01, 0.0, t0=5.0, t1=6.0) * wgf.LogDet(ridge=1e-3)
    )
    ledger = wgf.solve(F, mu, wgf.solvers.Heun(), t_end=1.0, **SETTINGS).ledger
    assert not ledger["work"].any()
    assert (ledger["released"][1:] > 0).all()
    assert not ledger["drive:Budget"].any()
    assert not ledger["drive:Budget_2"].any()


def test_drives_act_on_float32_particles_and_on_noise():
    """Langevin with every drive but the ones that need a force of Shannon; minibatches in the swapped data."""
    mu = risk().initial(200, seed=3, dtype="float32")
    swap = drives.Swap([(0.0, risk(1)), (0.3, wgf.NetworkRisk(*data(2), loss="cross_entropy", batch=10))])
    control = drives.Controller(0.01, entropy=-3.0, sensor=wgf.LogDet(ridge=1e-3))
    F = (
        swap
        + drives.CVaR(drives.CovariateShift(risk(), displacement), 0.5)
        + drives.Budget(drives.Displacement(), limit=0.5)
        + drives.Preferences(risk(), ITEMS, PAIRS, times=[0.1, 0.2, 0.3, 0.4, 0.5], output=0)
        - control * wgf.Shannon()
    )
    sol = wgf.solve(F, mu, wgf.solvers.Langevin(), dt=0.05, t_end=1.0, record_every=5)
    assert sol.status.ok
    assert sol.ensemble.x.dtype == torch.float32
    assert np.isfinite(sol.ledger["work"]).all()
