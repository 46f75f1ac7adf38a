"""The second gear takes whole stretches of steps in one compiled call, with the bits of single steps."""

from __future__ import annotations

import math
from functools import partial
from typing import Any
from unittest import mock

import numba
import pytest
import torch
from gears import ends, in_gear, slope, well
from wgf.solvers import REGISTRY

import wgf
from wgf import energies, entropies, solvers
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError
from wgf.flow import gear
from wgf.functional import Functional
from wgf.ops.cpu import stretch
from wgf.protocol import Solver

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


@numba.njit
def cliff(x):
    return math.inf if x[0] > 2.5 else -x[0]


def interacting(kernel, d):
    return wgf.Quadratic() + 0.1 * wgf.Interaction(kernel)


KERNELS = [
    K.Laplace(1.0), K.Matern(1.5, 0.8), K.Matern(2.5, 0.8), K.InverseMultiquadric(1.0), K.InverseMultiquadric(1.0, 0.8),
    K.Morse(1.0, 0.5, 0.5, 2.0), K.Log(), K.Riesz(1.0), K.Riesz(0.7), K.Newtonian(3), K.Log(0.1),
    0.5 * K.Gaussian(0.5) - 0.1 * K.Log(),
]  # fmt: skip
SHANNON = wgf.Shannon()
SCHEMES = {
    "Euler": (solvers.Euler(), 0.0),
    "Heun": (solvers.Heun(), 0.0),
    "RungeKutta4": (solvers.RungeKutta4(), 0.0),
    "Langevin": (solvers.Langevin(), 0.3),
    "Langevin at T = 0": (solvers.Langevin(), 0.0),
    "LeimkuhlerMatthews": (solvers.LeimkuhlerMatthews(), 0.3),
    "ExponentialEuler": (solvers.ExponentialEuler(), 0.3),
    "Underdamped": (solvers.Underdamped(), 0.3),
    "Underdamped without noise": (solvers.Underdamped(), 0.0),
    "Stein": (solvers.Stein(1.3), 0.7),
    "BogackiShampine": (solvers.BogackiShampine(1e-6, 1e-8), 0.0),
    "BogackiShampine with equal steps": (solvers.BogackiShampine(adaptive=False), 0.0),
}
"""Every scheme that has a body, with the temperature of the noise."""
TERMS = {
    "Quadratic": lambda d: wgf.Quadratic(1.3, 0.2),
    "Quadratic by coordinates": lambda d: 0.7 * wgf.Quadratic([1.0 + c for c in range(d)]),
    "Quadratic by a matrix": lambda d: wgf.Quadratic(torch.eye(d) + 0.1, 0.3),
    "Potential": lambda d: wgf.Potential(well, slope),
    "LogDet": lambda d: wgf.Quadratic() - 0.2 * wgf.LogDet(),
    "LogDet with a ridge": lambda d: wgf.Quadratic() - 0.2 * wgf.LogDet(1e-2),
    "LogVariance": lambda d: wgf.Quadratic() - 0.2 * wgf.LogVariance(),
    "Variance": lambda d: wgf.Quadratic() - 0.2 * wgf.Variance(),
    "Softmax": lambda d: wgf.Quadratic() - 0.2 * wgf.Softmax(0.6),
    "Blob": lambda d: wgf.Quadratic() - 0.2 * wgf.Blob(0.7),
    "Interaction": lambda d: wgf.Quadratic(0.3) + wgf.Interaction(K.Gaussian(1.0)) - 0.1 * wgf.LogDet(),
    **{f"Interaction by {kernel.formula}": partial(interacting, kernel) for kernel in KERNELS},
    "sum": lambda d: wgf.Potential(well, slope) + 0.3 * wgf.Quadratic(1.3, 0.2) + wgf.Quadratic(0.1),
}
"""Every term that has a body."""
TABLEAUS = ["Euler", "Heun", "RungeKutta4", "Langevin at T = 0"]
"""Schemes that share their compiled code."""
OTHERS = [scheme for scheme in SCHEMES if scheme not in (*TABLEAUS, "Stein")]
FORMULAS = [f"Interaction by {kernel.formula}" for kernel in KERNELS]
ROUND = {term: list(SCHEMES) for term in TERMS} | {
    term: [*TABLEAUS, OTHERS[k % len(OTHERS)]] for k, term in enumerate(FORMULAS)
}
"""The schemes with which a term is tested: all, and for kernels, which differ in one formula, some by turns."""


def pulled(d, term, temperature):
    make: Any = TERMS[term]
    F = make(d)
    return F - temperature * SHANNON if temperature else 1.0 * F


def test_every_body_is_tested():
    of_schemes = {name for name, scheme in REGISTRY.items() if scheme.body is not Solver.body}
    assert of_schemes == {solver.name for solver, _ in SCHEMES.values()}
    classes = [c for c in (vars(energies) | vars(entropies)).values() if isinstance(c, type)]
    of_terms = {c.__name__ for c in classes if issubclass(c, Functional) and c.body is not Functional.body}
    assert of_terms <= {name.partition(" ")[0] for name in TERMS}


def contract():
    """Every scheme × term × dtype. Each of them is once among those that are not slow: each compiles for seconds."""
    for scheme in SCHEMES:
        for term in TERMS:
            for dtype in ("float64", "float32"):
                if scheme == "Stein" and term not in ("sum", "Interaction", "Quadratic by coordinates"):
                    continue  # the forces are those of the other schemes
                if scheme not in ROUND[term]:
                    continue
                quick = term == "Interaction" or (scheme == "Euler" and dtype == "float64")
                quick &= scheme != "BogackiShampine" or dtype == "float64"
                quick |= scheme == "ExponentialEuler" and "matrix" in term and dtype == "float32"
                marks = () if quick else pytest.mark.slow
                yield pytest.param(scheme, term, dtype, marks=marks)


@pytest.mark.parametrize(("scheme", "term", "dtype"), contract())
def test_both_gears_have_the_same_bits(scheme, term, dtype):
    """With records inside, frames, and a last step that is shorter."""
    solver, temperature = SCHEMES[scheme]
    mu, F = wgf.Ensemble.gaussian(141, 3, seed=1, dtype=dtype), pulled(3, term, temperature)
    first, second = (in_gear(s, F, mu, solver, t_end=1.02, record_every=5, trajectory_every=7) for s in (False, True))
    ends(first, second)
    for k in range(len(first.trajectory_times)):
        assert torch.equal(first.frame(k).x, second.frame(k).x)


@pytest.mark.parametrize("scheme", ["Heun", "Langevin"])
@pytest.mark.parametrize("dim", [1, 8, 20])
def test_particles_in_blocks_and_threads(scheme, dim):
    """More particles than one block holds, in one and two threads; weights differ."""
    solver, temperature = SCHEMES[scheme]
    if dim > 8 and not temperature:
        pytest.skip("sums over particles have another order in more dimensions")
    n = 20_000 // dim + 3
    mu = wgf.Ensemble.gaussian(n, dim, seed=1)
    mu = mu.reweighted(torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5)
    F, threads, sols = pulled(dim, "sum", temperature), torch.get_num_threads(), []
    try:
        for count, second in ((1, False), (1, True), (2, True)):
            torch.set_num_threads(count)
            sols.append(in_gear(second, F, mu, solver, t_end=0.4, record_every=4))
    finally:
        torch.set_num_threads(threads)
    ends(sols[0], sols[1])
    ends(sols[0], sols[2])


@pytest.mark.parametrize(("n", "weighted"), [(64, False), (700, False), (1111, True)])
def test_pairs_in_both_gears_and_threads(n, weighted):
    """Few particles go row by row. For more, each pair is visited once, by one thread or by two."""
    mu = wgf.Ensemble.gaussian(n, 2, seed=1)
    if weighted:
        mu = mu.reweighted(torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5)
    F, threads, sols = pulled(2, "Interaction", 0.0), torch.get_num_threads(), []
    try:
        for count, second in ((1, False), (2, False), (1, True), (2, True)):
            torch.set_num_threads(count)
            with mock.patch.object(gear, "_SPREAD", math.inf):
                sols.append(in_gear(second, F, mu, solvers.Euler(), t_end=0.2, record_every=4))
    finally:
        torch.set_num_threads(threads)
    for other in sols[1:]:
        ends(sols[0], other)


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if s != "BogackiShampine"])  # see test_adaptive_stretches
def test_a_run_in_pieces_is_the_unbroken_one(scheme):
    """Cut at a step and at a time; pieces in either gear."""
    solver, temperature = SCHEMES[scheme]
    mu, F = wgf.Ensemble.gaussian(40, 2, seed=1), pulled(2, "sum", temperature)
    whole = in_gear(True, F, mu, solver, t_end=2.0)
    for one, other in ((True, True), (True, False), (False, True)):
        first = in_gear(one, F, mu, solver, t_end=2.0, max_steps=13, throw=False)
        second = in_gear(other, F, None, solver, state=first.state, seed=6, t_end=2.0)
        assert torch.equal(second.ensemble.x, whole.ensemble.x)


def test_a_call_is_cut_into_pieces():
    """No call takes more than a part of a second, and the monitor is told after each."""
    told = []

    class Watch(wgf.flow.Monitor):
        def advance(self, done, t, row):
            told.append(done)

    mu = wgf.Ensemble.gaussian(40, 2, seed=1)
    with mock.patch.object(gear, "_MOST", 16):
        cut = in_gear(True, wgf.Quadratic(), mu, solvers.Euler(), t_end=5.0, record_every=100, progress=Watch())
    ends(cut, in_gear(True, wgf.Quadratic(), mu, solvers.Euler(), t_end=5.0, record_every=100))
    assert told == [0, *range(16, 100, 16), 100]


EXPLODING = {
    "value": (-3.0 * wgf.Quadratic(), 400.0),
    "overshoot": (wgf.Quadratic(100.0), 400.0),
    "user's value": (wgf.Potential(cliff, slope) - 8.0 * wgf.Quadratic(), 4.0),
}


@pytest.mark.parametrize(
    ("scheme", "name"),
    # ExponentialEuler is stable at any step, and under Stein lonely particles hardly move
    [
        (s, n)
        for s in SCHEMES
        if s != "BogackiShampine"
        for n in EXPLODING
        if (s, n) != ("ExponentialEuler", "overshoot") and (s != "Stein" or n == "user's value")
    ],
)
def test_a_divergence_is_that_of_the_first_gear(scheme, name):
    (F, t_end), (solver, temperature) = EXPLODING[name], SCHEMES[scheme]
    F, mu = F - temperature * SHANNON if temperature else F, wgf.Ensemble.gaussian(20, 2, cov=0.3, seed=1)
    settings = {"t_end": t_end, "record_every": 10**6, "throw": False, "dt": 0.5 if t_end > 5 else 0.01}
    first, second = (in_gear(s, F, mu, solver, **settings) for s in (False, True))
    assert first.status == second.status == wgf.Status.DIVERGED
    assert first.status.message == second.status.message
    ends(first, second)


def test_a_term_that_fails_later_than_its_check_goes_on_in_the_first_gear():
    """Where single steps find no fault, their steps stand, and the run stays in the first gear."""
    mu, takes = wgf.Ensemble.gaussian(40, 2, seed=1), []

    def broken(self, x, memory, first, count):
        takes.append(count)
        x[:] = math.nan

    with gear.forced(True), mock.patch.object(stretch.Stretch, "take", broken):
        sol = wgf.solve(wgf.Quadratic(), mu, solvers.Langevin(), dt=0.1, t_end=2.0, record_every=5, seed=6)
    assert takes == [5]
    ends(sol, in_gear(False, wgf.Quadratic(), mu, solvers.Langevin(), dt=0.1, t_end=2.0, record_every=5))


@pytest.mark.parametrize("what", [
    {"F": wgf.Quadratic(lambda t: 1 + t)}, {"F": wgf.Potential(lambda x: x[:, 0])}, {"mu": (20, 9)},
    {"domain": wgf.domains.Box(-9.0, 9.0)},
    {"solver": solvers.BogackiShampine(), "F": (lambda t: 1 + t) * wgf.Quadratic()},
    {"F": wgf.Quadratic(torch.eye(9)), "mu": (20, 9), "solver": solvers.Langevin()},
])  # fmt: skip
def test_other_runs_stay_in_the_first_gear(what):
    """A term with t, a torch function, dimensions whose sums have another order, domains; h and F both change."""
    settings = {"F": wgf.Quadratic(), "mu": (20, 2), "solver": solvers.Euler(), "t_end": 1.0} | what
    mu = wgf.Ensemble.gaussian(*settings.pop("mu"))
    with gear.forced(True), mock.patch.object(stretch.Stretch, "take", side_effect=AssertionError):
        wgf.solve(settings.pop("F"), mu, settings.pop("solver"), dt=0.1, **settings)


@mock.patch.dict(gear._missed, clear=True)
def test_a_short_run_compiles_nothing():
    mu = wgf.Ensemble.gaussian(40, 2, seed=1)
    with mock.patch.object(stretch.Stretch, "__new__", side_effect=AssertionError):
        wgf.solve(wgf.Quadratic(), mu, solvers.Euler(), dt=0.01, t_end=0.2)
    with (
        mock.patch.object(stretch.Stretch, "built", return_value=False),
        mock.patch.object(stretch.Stretch, "take", side_effect=AssertionError),
    ):
        wgf.solve(wgf.Quadratic(), mu, solvers.Euler(), dt=0.001, t_end=1.0, record_every=1000)


@mock.patch.dict(gear._missed, clear=True)
@mock.patch.object(gear, "_least", mock.Mock(return_value=gear._LOADED))
def test_several_short_runs_of_one_kind_look_for_the_code_together():
    mu = wgf.Ensemble.gaussian(40, 2, seed=1)
    with mock.patch.object(stretch.Stretch, "built", return_value=False) as built:
        looked = []
        for _ in range(4):
            wgf.solve(wgf.Quadratic(), mu, solvers.Euler(), dt=0.01, t_end=3.0, record_every=300)
            looked.append(built.call_count)
    assert looked == [0, 1, 1, 2]


@pytest.mark.parametrize(("scheme", "term", "steps"), [
    ("Euler", "Quadratic", 10**6), ("Langevin", "Quadratic", 10**5), ("Euler", "Interaction", 10**5),
])  # fmt: skip
def test_memory_does_not_grow_with_the_number_of_steps(scheme, term, steps):
    """By the peak of the process, after a shorter run has loaded the code; with 11 records."""
    import resource

    solver, temperature = SCHEMES[scheme]
    mu, F = wgf.Ensemble.gaussian(32, 2, seed=1), pulled(2, term, temperature)

    def peak(count):
        in_gear(True, F, mu, solver, dt=1e-6, t_end=count * 1e-6, record_every=count // 10, max_steps=10**7)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak(1000)
    assert peak(steps) - before < (50_000 if steps == 10**6 else 5_000)  # kilobytes


@pytest.mark.parametrize(("fn", "grad", "said"), [
    (well, None, "wanted both by @numba.njit or none"),
    (lambda x: x[:, 0], slope, "wanted both by @numba.njit or none"),
    (numba.njit(lambda x: x.colour), slope, "does not compile for one particle"),
])  # fmt: skip
def test_compiled_functions_that_do_not_fit_are_refused(fn, grad, said):
    with pytest.raises(ConfigError, match=said):
        wgf.Potential(fn, grad).value(wgf.Ensemble([[1.0]]))


def test_what_a_compiled_gradient_leaves_out_is_no_number():
    lazy = wgf.Potential(well, numba.njit(lambda x, out: None))
    with pytest.raises(DivergenceError, match="grad returned"):
        lazy.gradient(wgf.Ensemble([[1.0]]))


def test_compiled_functions_cannot_write_to_the_particles():
    @numba.njit
    def writing(x, out):
        out[0] = x[0]
        x[0] = 1e9

    mu = wgf.Ensemble([[1.0], [2.0]])
    sols = [
        in_gear(s, wgf.Potential(numba.njit(lambda x: 0.5 * x[0] ** 2), writing), mu, solvers.Euler(), t_end=1.0)
        for s in (False, True)
    ]
    ends(*sols)
    assert float(sols[0].ensemble.x.max()) < 2.0
