"""What every scheme of the registry keeps: one line of the table says by which problem, the tests say what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from paths import SharedPath
from resumed import in_pieces, same_ledgers
from wgf.solvers import (
    JKO,
    REGISTRY,
    Accelerated,
    AffineInvariant,
    BirthDeath,
    BogackiShampine,
    Euler,
    ExponentialEuler,
    Grid,
    Heun,
    Langevin,
    LeimkuhlerMatthews,
    RandomBatch,
    RungeKutta4,
    Stein,
    Underdamped,
)

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError
from wgf.extension import settings_of
from wgf.functional import DrivenFunctional
from wgf.protocol import Solver

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def start(n=60, d=4, seed=1, cov=0.8):
    return wgf.Ensemble.gaussian(n, d, cov=cov, seed=seed)


def smooth():
    """A drive, an interaction and entropies with a force: no minibatch, no Shannon."""
    F = wgf.Potential(lambda x: (x**2).sum(1) ** 2 / 16) + wgf.Interaction(K.Gaussian(1.0))
    return F - (lambda t: 0.1 * (1 + t)) * wgf.LogDet() - 0.05 * wgf.Blob("silverman")


def everything():
    """The same with a network on minibatches in place of the potential."""
    rng = np.random.default_rng(0)
    F = wgf.NetworkRisk(rng.normal(size=(30, 2)), rng.normal(size=30), batch=7) + wgf.Interaction(K.Gaussian(1.0))
    return F - (lambda t: 0.1 * (1 + t)) * wgf.LogDet() - 0.05 * wgf.Blob("silverman")


def noisy():
    """Everything, and Shannon beside it."""
    return everything() - 0.05 * wgf.Shannon()


def cliff():
    """A slope that leads particle 1 beyond x = 1, where neither value nor force is a number."""
    F = wgf.Potential(lambda x: torch.where(x[:, 0] > 1, math.nan, -2 * x[:, 0])) + 1e-3 * wgf.Quadratic()
    return F, wgf.Ensemble([[-30.0], [0.9], [-40.0]])


def near_cliff():
    """The same with particles close together, for schemes that move by the covariance."""
    return cliff()[0], wgf.Ensemble([[-0.3], [0.9], [-0.4]])


def near_the_cliff():
    """The same where the others are not so high that their weight would go to particle 1."""
    return cliff()[0], wgf.Ensemble([[0.0], [0.9], [-0.1]])


def oscillator():
    """ẍ + ẋ + x = 0 from x = 1 at rest, at t = 1."""
    w = math.sqrt(0.75)
    return math.exp(-0.5) * (math.cos(w) + math.sin(w) / (2 * w))


class Fading(wgf.Potential):
    """A slope that is no number at row 1 once the mean is beyond .5: for schemes whose points stay where they are."""

    def _first_variation(self, mu, at):
        values = super()._first_variation(mu, at)
        return values if mu.mean()[0] < 0.5 else values.index_fill(0, torch.tensor([1]), math.nan)


def fading():
    """Fails at the second cell after some steps."""
    return Fading(lambda x: -x[:, 0]).named("Potential of a slope"), wgf.Ensemble([[0.0], [0.1], [-0.2]])


@dataclass(frozen=True)
class Case:
    """How one scheme is tested. The defaults fit most; what a field means is what the tests below do with it."""

    solver: Solver
    F: Callable[[], wgf.Functional] = everything  # on 60 particles in 4-D, unless `mu` says otherwise
    mu: Callable[[], wgf.Ensemble] = start
    settings: Mapping[str, Any] = field(default_factory=dict)  # of every solve() with F: dt, rtol, domain
    weights: bool = True  # whether weighted ensembles are respected; else they must be refused
    alone: float = math.exp(-1)  # where one particle from x = 1 is at t = 1 under ½x²; NaN where only finite is asked
    failing: Callable[[], tuple[wgf.Functional, wgf.Ensemble]] = cliff  # F fails at particle 1 in a few steps
    refuses: tuple[type, ...] = ()  # domains in which the scheme is not right, and says so
    single: float = 1e-3  # how far float32 may be from float64 at t = .5

    def solve(self, mu=None, **changed):
        given = {"dt": 0.1, "t_end": 0.5, "seed": 6} | dict(self.settings) | changed
        return wgf.solve(self.F(), mu, self.solver, **given)


IN_A_BOX = {"dt": 0.1, "domain": wgf.domains.Box(-4.0, 4.0)}
NAN = math.nan
WALLS = (wgf.domains.Box, wgf.domains.Ball)

CASES = {
    case.solver.name.partition("(")[0]: case
    for case in (
        Case(AffineInvariant(), noisy, alone=math.nan, failing=near_cliff, refuses=WALLS),
        Case(Accelerated(), alone=0.880101),  # 2 J₁(t)/t, the flow with γ = 3/t
        Case(JKO(check_up_to=100)),
        Case(BirthDeath(), noisy, failing=near_the_cliff),
        Case(BogackiShampine(), smooth, settings={"dt": 0.01, "rtol": 1e-6}),
        Case(Euler()),
        Case(ExponentialEuler(), noisy),
        Case(
            Grid(64), lambda: smooth() - 0.05 * wgf.Shannon(), lambda: start(d=1), IN_A_BOX, alone=NAN, failing=fading
        ),
        Case(Heun()),
        Case(Langevin(), noisy),
        Case(LeimkuhlerMatthews(), noisy),
        Case(RandomBatch(), noisy),
        Case(RungeKutta4()),
        Case(Stein(1.0), noisy, refuses=(wgf.domains.Domain,)),
        Case(Underdamped(), noisy, alone=oscillator()),
    )
}

for _name, _scheme in REGISTRY.items():
    if _name not in CASES and not any(setting.required for setting in settings_of(_scheme).values()):
        CASES[_name] = Case(_scheme())  # a scheme without a line keeps the contract with the defaults

every_scheme = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
every_adaptive_scheme = pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in CASES.items() if case.solver.adaptive]
)


def by_id(mu):
    """The rows in the order of their ids: schemes that resample may order them as they like."""
    order = torch.argsort(mu.ids)
    return mu.x[order], mu.weights[order], mu.ids[order]


def test_every_scheme_has_its_line():
    assert set(CASES) == set(REGISTRY)
    for name, scheme in REGISTRY.items():
        assert isinstance(CASES[name].solver, scheme)
        assert scheme.order >= 1
        assert scheme.__doc__


def test_registry_names_the_nearest_scheme():
    with pytest.raises(ConfigError, match="did you mean 'Heun'"):
        wgf.solvers.by_name("heun")


# ------------------------------------------------------------------------------------------------- bits


@every_scheme
@pytest.mark.parametrize("cut", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_continuing_equals_the_unbroken_run(case, cut):
    """(0 → T) and (0 → k steps, then on by state=), bit for bit; cut by t_end too where the steps are fixed."""
    mu = case.mu()
    whole = case.solve(mu, t_end=2.0)
    assert whole.state.step > 7
    firsts = [case.solve(mu, t_end=2.0, max_steps=cut, throw=False)]
    if not case.solver.adaptive:
        firsts.append(case.solve(mu, t_end=cut * 0.1))
    for first in firsts:
        assert first.state.step == cut
        second = case.solve(None, t_end=2.0, state=first.state, seed=0)
        assert torch.equal(whole.ensemble.x, second.ensemble.x)
        assert torch.equal(whole.ensemble.weights, second.ensemble.weights)
        assert torch.equal(whole.ensemble.ids, second.ensemble.ids)
        assert second.ledger["t"][-1] == second.state.t == 2.0
        assert second.state.step == whole.state.step
        np.testing.assert_array_equal(whole.ledger["free_energy"][-1], second.ledger["free_energy"][-1])
    with pytest.raises(ConfigError, match="continues a run with seed 6"):
        case.solve(None, t_end=3.0, state=firsts[0].state, seed=9)


@every_scheme
@pytest.mark.parametrize("cuts", [(1,), pytest.param((2, 3, 2), marks=pytest.mark.slow)])
def test_a_run_goes_on_from_bytes_with_one_ledger(case, cuts):
    """What scheme, drives, rules and books remember, through a file: the same bits, and one table with exact books."""

    def F():
        return case.F() + Turn()

    given = {"dt": 0.1, "t_end": 1.0, "seed": 6, "record_every": 3} | dict(case.settings)
    whole = wgf.solve(F(), case.mu(), case.solver, **given)
    pieces = in_pieces(F, case.mu(), case.solver, cuts, **given)
    assert whole.state.step > sum(cuts)
    for part in ("x", "weights", "ids"):
        assert torch.equal(getattr(whole.ensemble, part), getattr(pieces.ensemble, part))
    assert whole.ensemble.history == pieces.ensemble.history
    assert same_ledgers(whole.ledger, pieces.ledger)


class Turn(DrivenFunctional):
    """A well whose centre jumps after three steps."""

    def begin(self, mu, t):
        return 0

    def advance(self, memory, view, h):
        return min(memory + 1, 3)

    def resolve(self, memory):
        return wgf.Quadratic(0.5, center=0.5 if memory == 3 else 0.0)


@every_scheme
def test_a_jump_of_the_free_energy_is_the_same_as_going_on_under_another(case):
    mu, settings = case.mu(), {"dt": 0.1, "seed": 6, "t_end": 1.0} | case.settings
    steered = wgf.solve(case.F() + Turn(), mu, case.solver, **settings)
    first = wgf.solve(case.F() + wgf.Quadratic(0.5), mu, case.solver, max_steps=3, throw=False, **settings)
    second = wgf.solve(case.F() + wgf.Quadratic(0.5, center=0.5), None, case.solver, state=first.state, **settings)
    assert first.state.step == 3
    assert torch.equal(steered.ensemble.x, second.ensemble.x)
    assert torch.equal(steered.ensemble.weights, second.ensemble.weights)
    assert not torch.allclose(steered.ensemble.mean(), first.ensemble.mean())


@every_scheme
def test_the_input_is_unchanged_and_states_do_not_alias(case):
    mu, kept, frozen = case.mu(), [], []

    def keep(now):
        kept.append(now)
        frozen.append((now.x.clone(), now.weights.clone()))
        return 0.0

    before = mu.x.clone(), mu.weights.clone(), mu.ids.clone()
    sol = case.solve(mu, observers=[keep], record_every=1)
    for was, now in zip(before, (mu.x, mu.weights, mu.ids), strict=True):
        assert torch.equal(was, now)
    assert len({now.x.data_ptr() for now in kept}) == len(kept) == sol.ledger.rows
    for now, (x, weights) in zip(kept, frozen, strict=True):
        assert torch.equal(now.x, x)
        assert torch.equal(now.weights, weights)


@every_scheme
def test_the_same_bits_for_one_and_two_threads(case):
    mu, threads, ends = case.mu(), torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            ends.append(case.solve(mu).ensemble)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(ends[0].x, ends[1].x)
    assert torch.equal(ends[0].weights, ends[1].weights)


@every_scheme
def test_permuting_the_particles_permutes_the_result(case):
    mu = case.mu()
    order = torch.randperm(mu.n, generator=torch.Generator().manual_seed(1))
    plain, permuted = (by_id(case.solve(m).ensemble) for m in (mu, mu.select(order)))
    torch.testing.assert_close(permuted[0], plain[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(permuted[1], plain[1], rtol=1e-9, atol=1e-12)
    assert torch.equal(permuted[2], plain[2])


@every_scheme
def test_float32_stays_float32_and_near_float64(case):
    """On the same normals, which float32 has of its own otherwise."""
    mu, path = case.mu(), SharedPath(6, 1)
    wide = case.solve(mu, noise=path).ensemble
    narrow = case.solve(mu.to(dtype=torch.float32), noise=path).ensemble
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(by_id(narrow)[0].double(), by_id(wide)[0], rtol=case.single, atol=case.single)


# ------------------------------------------------------------------------------------------------- edges


@every_scheme
def test_one_particle_in_one_dimension(case):
    settings = {"dt": 0.01, "t_end": 1.0} | {k: v for k, v in case.settings.items() if k != "dt"}
    x = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), case.solver, **settings).ensemble.mean()
    assert torch.isfinite(x).all()
    if not math.isnan(case.alone):
        assert float(x) == pytest.approx(case.alone, rel=0.01)


@every_scheme
def test_weights_are_respected_or_refused(case):
    """Two thirds of the mass at one place equals two of three particles there."""
    F = wgf.Quadratic(0.5) + wgf.Interaction(K.QuadraticKernel(1.0))
    weighted = wgf.Ensemble([[0.0], [3.0]], [2 / 3, 1 / 3])
    settings = {"dt": 0.1, "t_end": 1.0} | dict(case.settings)
    if not case.weights:
        with pytest.raises(ConfigError, match=f"{case.solver.name}: the weights differ; wanted equal weights"):
            wgf.solve(F, weighted, case.solver, **settings)
        return
    one = wgf.solve(F, weighted, case.solver, **settings).ensemble
    two = wgf.solve(F, wgf.Ensemble([[0.0], [0.0], [3.0]]), case.solver, **settings).ensemble
    torch.testing.assert_close(one.mean(), two.mean(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(one.covariance(), two.covariance(), rtol=1e-12, atol=1e-13)


@every_scheme
@pytest.mark.parametrize(
    "domain", [wgf.domains.Box(-1.0, 1.5), wgf.domains.PeriodicBox(-1.0, 1.5), wgf.domains.Ball(1.2, 0.1)], ids=repr
)
def test_no_particle_is_ever_outside_the_domain(case, domain):
    """At any record; and a run in pieces is the unbroken one there too. Grids have their own domain."""
    if "domain" in case.settings:
        domain = case.settings["domain"]
    mu, seen = case.mu(), []
    mu = mu.moved(domain.fold(mu.x))
    if isinstance(domain, case.refuses):
        with pytest.raises(ConfigError, match=r"domain = \w+\(.*; wanted all of space"):
            case.solve(mu, domain=domain)
        return

    def inside(now):
        seen.append(bool(domain.contains(now.x).all()))
        return 0.0

    whole = case.solve(mu, t_end=1.0, domain=domain, observers=[inside], record_every=1)
    assert all(seen)
    assert len(seen) == whole.state.step + 1
    first = case.solve(mu, t_end=1.0, domain=domain, max_steps=3, throw=False)
    second = case.solve(None, t_end=1.0, domain=domain, state=first.state, seed=0)
    assert torch.equal(second.ensemble.x, whole.ensemble.x)


# ------------------------------------------------------------------------------------------------- failures


@every_scheme
def test_a_force_that_is_no_number_keeps_the_last_good_state(case):
    F, mu = case.failing()
    settings = {k: v for k, v in case.settings.items() if k != "dt"}
    sol = wgf.solve(F, mu, case.solver, dt=0.02, t_end=5.0, throw=False, **settings)
    assert sol.status in (wgf.Status.DIVERGED, wgf.Status.STEP_UNDERFLOW)
    for said in (
        f"step {sol.state.step}, t = " if case.solver.adaptive else "step ",
        "t = ",
        "particle 1",
        "Potential",
    ):
        assert said in sol.status.message
    assert torch.isfinite(sol.ensemble.x).all()
    assert sol.state.step >= 1
    assert torch.isfinite(sol.state.evaluation.gradient).all()
    assert sol.ledger.rows >= 1


@every_scheme
def test_the_step_limit_keeps_the_last_state(case):
    sol = case.solve(case.mu(), max_steps=3, throw=False)
    assert sol.status == wgf.Status.STEP_LIMIT
    assert sol.state.step == 3
    assert f"step 3, t = {sol.state.t:g}: max_steps = 3" in sol.status.message


@every_adaptive_scheme
def test_a_step_that_underflows_keeps_the_last_state(case):
    """ẋ = x³ ends in finite time, t = 1/(2x²) at the outermost particle: no step leads there."""
    F = wgf.Potential(lambda x: -((x**4).sum(1)) / 4).named("explosion")
    sol = wgf.solve(F, wgf.Ensemble([[0.5], [1.0], [0.2]]), case.solver, dt=0.1, t_end=1.0, rtol=1e-6, throw=False)
    assert sol.status == wgf.Status.STEP_UNDERFLOW
    assert sol.state.t == pytest.approx(0.5, abs=1e-3)
    for said in (f"step {sol.state.step}, t = 0.5", "particle 1 (id 1)", "explosion"):
        assert said in sol.status.message
    assert torch.isfinite(sol.ensemble.x).all()


@every_scheme
def test_tolerances_are_for_schemes_that_adapt(case):
    if case.solver.adaptive:
        with pytest.raises(ConfigError, match=r"rtol = -1.*wanted a number ≥ 0"):
            case.solve(case.mu(), rtol=-1.0)
    else:
        with pytest.raises(ConfigError, match=r"atol: .* takes fixed steps"):
            case.solve(case.mu(), atol=1e-3)
