"""Checks put off to records: no look at a value between two of them, and the same results and failures as without."""

from __future__ import annotations

import gc
import math
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from wgf.solvers import Euler, Heun, Langevin, RungeKutta4

import wgf
from wgf import kernels as K
from wgf import ops
from wgf.errors import ConfigError, DivergenceError, ResourceError
from wgf.flow import Monitor, Plan, loop
from wgf.functional import FreeEnergy, Steering
from wgf.ledger import Bookkeeper
from wgf.measure import checks
from wgf.ops import linalg
from wgf.ops.registry import PLAIN
from wgf.protocol import Dynamics, State
from wgf.summation import choice

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

# ------------------------------------------------------------------------------------------------- a counter

WAIT = {
    "local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique", "unique2", "unique_dim",
    "unique_consecutive", "bincount", "multinomial", "linalg_eigh", "linalg_eig", "linalg_svd", "linalg_lstsq",
    "linalg_check_errors", "cholesky_inverse", "allclose",
}  # fmt: skip
"""ATen operations for which the host waits for a GPU: to read a number, to size a result, to look at LAPACK's info."""


class Waits(TorchDispatchMode):
    """Notes every operation on tensors of `device` that would make the host wait for it if it were a GPU."""

    def __init__(self, device="cpu"):
        super().__init__()
        self.device, self.seen = torch.device(device), []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__.strip("_")
        by = [i for i in args[1] if i is not None] if name.startswith("index") and isinstance(args[1], list) else []
        concerned = any(isinstance(a, torch.Tensor) and a.device == self.device for a in args)
        if concerned and (name in WAIT or any(i.dtype in (torch.bool, torch.uint8) or i.ndim == 0 for i in by)):
            self.seen.append(name)
        result = func(*args, **kwargs)
        if name == "to_copy" and args[0].device != result.device and not kwargs.get("non_blocking"):
            self.seen.append(f"copy from {args[0].device} to {result.device}")
        if name == "copy" and args[0].device != args[1].device and not (len(args) > 2 and args[2]):
            self.seen.append(f"copy from {args[1].device} to {args[0].device}")
        return result


@contextmanager
def counting():
    """`Waits` between records of the runs inside, whose operations have their plain bodies (those of a GPU).

    What reads the memory of a CPU tensor past the dispatcher is counted at its method.
    """
    waits, steps = Waits(), loop.Run._steps

    def watched(self, stop):
        with ExitStack() as stack:
            for method in ("numpy", "tolist", "cpu", "__array__"):
                patched = mock.patch.object(
                    torch.Tensor, method, lambda *_, m=method, **__: waits.seen.append(m) or 1 / 0
                )
                stack.enter_context(patched)
            stack.enter_context(waits)
            steps(self, stop)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(loop.Run, "_steps", watched))
        stack.enter_context(plain_bodies())
        yield waits


@contextmanager
def plain_bodies():
    with ExitStack() as stack:
        for name, body in PLAIN.items():
            name = name.partition("::")[2]
            if hasattr(ops, name):
                stack.enter_context(mock.patch.object(ops, name, body))
        stack.enter_context(mock.patch.object(linalg, "product", torch.matmul))
        stack.enter_context(mock.patch.object(ops, "network_forward_backward", in_one_run))
        stack.enter_context(mock.patch.object(choice, "finite", return_value=True))  # asked on the CPU only
        yield


def in_one_run(theta, weights, z, outputs, activation, residual):
    """What `ops.network_forward_backward` does on a GPU, by the bodies that stand there."""
    r = residual(ops.network_forward(theta, weights, z, outputs, activation), slice(0, len(z)))
    return ops.network_backward(theta, z, r, activation)[1]


@pytest.mark.parametrize("wait", [
    lambda x: x.sum().item(), lambda x: bool(x.sum() > 0), lambda x: float(x[0]), lambda x: x[x > 0],
    lambda x: x.nonzero(), torch.unique, lambda x: torch.masked_select(x, x > 0), lambda x: torch.allclose(x, x),
    lambda x: torch.equal(x, x + 1), lambda x: x[torch.tensor(1)], lambda x: torch.linalg.eigh(x[:, None] @ x[None]),
    lambda x: torch.linalg.cholesky(torch.eye(3)), lambda x: torch.linalg.inv(torch.eye(3)),
    lambda x: torch.cholesky_inverse(torch.eye(3)), lambda x: x.to("meta"), lambda x: x.to("meta").copy_(x),
])  # fmt: skip
def test_the_counter_counts(wait):
    with Waits() as waits:
        wait(torch.tensor([1.0, -2.0, 3.0]))
    assert waits.seen


def test_the_counter_lets_pass_what_does_not_wait():
    x = torch.tensor([1.0, -2.0, 3.0])
    with Waits() as waits:
        (
            x[torch.tensor([0, 2])],
            x[1],
            x.sum() > 0,
            torch.argsort(x),
            torch.where(x > 0, x, -x),
            x.masked_fill(x > 0, 0.0),
        )
        torch.linalg.cholesky_ex(torch.eye(3)), x.to("meta", non_blocking=True), torch.full((2,), 3.0), x.double()
    assert not waits.seen


# ------------------------------------------------------------------------------------------------- no wait in steps


def start(n=40, d=2, seed=1, cov=0.8):
    return wgf.Ensemble.gaussian(n, d, cov=cov, seed=seed)


def risk(device="cpu", **settings):
    rng = np.random.default_rng(0)
    z, y = (torch.from_numpy(rng.normal(size=shape)) for shape in ((60, 2), (60,)))
    made = wgf.NetworkRisk(z, y, **settings)
    made.inputs, made.targets = made.inputs.to(device), made.targets.to(device)
    return made


def quartic(x):
    return (x**4).sum(1) / 4


PROBLEMS = {
    "network": lambda device: (risk(device) + 1e-3 * wgf.Quadratic() - 0.01 * wgf.LogDet(), 4, Heun()),
    "minibatch": lambda device: (risk(device, batch=7) + 1e-3 * wgf.Quadratic() - 0.01 * wgf.LogDet(), 4, Heun()),
    "huber": lambda device: (risk(device, loss="huber", activation="softplus") - 0.1 * wgf.LogVariance(), 4, Euler()),
    "few neurons": lambda device: (0.1 * wgf.Quadratic() - 0.1 * wgf.LogDet(ridge=1e-3), 60, RungeKutta4()),
    "annealed": lambda device: (
        wgf.Interaction(K.Gaussian(1.0)) + wgf.Quadratic() - (lambda t: 1.0 / (1 + t)) * wgf.Shannon(), 2, Langevin(),
    ),
    "blob": lambda device: (wgf.Quadratic() - 0.2 * wgf.Blob(0.4) - 0.1 * wgf.Power(2.0, 0.5), 2, Heun()),
    "singular": lambda device: (wgf.Quadratic() + wgf.Interaction(0.5 * K.Log() + K.Newtonian(2)), 2, Heun()),
    "kernels": lambda device: (
        wgf.Interaction(K.QuadraticKernel() + K.Cosine() + K.RadialKernel(lambda q: 1 / (1 + q))) - wgf.Variance(),
        2, Euler(),
    ),
    "user": lambda device: (
        wgf.Potential(quartic) + wgf.Potential(quartic, grad=lambda x: x**3)
        + wgf.from_function(lambda x, w: (w[:, None] * x**2).sum(), name="spread"), 2, Heun(),
    ),
    "driven": lambda device: (
        (lambda t: 1 + t) * wgf.Quadratic([[2.0, 0.1], [0.1, 1.0]], center=lambda t: [math.sin(t), 0.0])
        + (lambda t: math.cos(t)) * wgf.Potential(quartic) - (lambda t: 0.1 * t) * wgf.Softmax(axis="particles"),
        2, Heun(),
    ),
}  # fmt: skip
"""By name, device -> (F, dimension, solver)."""

every_problem = pytest.mark.parametrize("name", PROBLEMS)


def run(name, deferred, **arguments):
    F, dim, solver = PROBLEMS[name]("cpu")
    with checks.forced(deferred):
        return wgf.solve(
            F, start(d=dim), solver, **({"dt": 0.05, "t_end": 0.6, "record_every": 4, "seed": 3} | arguments)
        )


@every_problem
def test_between_records_nothing_waits(name):
    with counting() as waits:
        run(name, deferred=True)
    assert waits.seen == []


@every_problem
def test_looking_at_each_step_is_seen(name):
    """The counter-test: the same runs with eager checks wait at least once a step."""
    with counting() as waits:
        run(name, deferred=False)
    assert len(waits.seen) >= 12


@every_problem
def test_on_another_device_nothing_waits_or_is_copied(name):
    """Tensors without memory take the branches of a GPU, show every copy from the host, and cannot be looked at."""
    F, dim, solver = PROBLEMS[name]("meta")
    mu = start(d=dim)
    assert mu.positive_weights  # known from the first evaluation, which is at a record
    mu = mu.moved(mu.x.to("meta"))
    mu._weights, mu._ids = mu._weights.to("meta"), mu._ids.to("meta")
    plan, source = Plan.make(0.0, 0.5, 0.1, None), wgf.Noise(0)
    dynamics = Dynamics(FreeEnergy(F._terms()), source)
    steering = Steering(dynamics.free_energy)
    books = Bookkeeper(dynamics, steering, solver, {})
    books._last = {"t": 0.0}
    flow = loop.Flow(dynamics, steering, solver, plan, source)
    with checks.deferred(mu.device), plain_bodies(), Waits("meta") as waits:
        first = State(mu, 0.0, 0, 0, dynamics.evaluate(mu, 0.0, 0), 0.0, 0, 0.1)
        going = loop.Run(first, flow, books, loop.Cadence(5, 0), loop.Stops(100))
        waits.seen.clear()
        going._steps(5)
    assert going.state.step == 5
    assert waits.seen == []


# ------------------------------------------------------------------------------------------------- the same results


def same(one, two):
    """The same solution, to the last bit."""
    assert one.status == two.status
    assert one.status.message == two.status.message
    assert (one.state.step, one.state.t) == (two.state.step, two.state.t)
    assert torch.equal(one.ensemble.x, two.ensemble.x)
    assert torch.equal(one.state.evaluation.gradient, two.state.evaluation.gradient)
    assert list(one.ledger) == list(two.ledger)
    for column in one.ledger:
        np.testing.assert_array_equal(one.ledger[column], two.ledger[column], err_msg=column)
    assert (one.trajectory is None) == (two.trajectory is None)
    if one.trajectory is not None:
        assert torch.equal(one.trajectory, two.trajectory)


@every_problem
def test_a_healthy_run_has_the_same_bits(name):
    """Records every 4 steps, frames every 3, an observer; and in pieces, the second one with eager checks."""
    more = {"trajectory_every": 3, "observers": {"spread": lambda mu: mu.covariance().trace()}}
    eager, deferred = (run(name, put_off, **more) for put_off in (False, True))
    same(eager, deferred)
    first = run(name, True, t_end=0.35)
    assert torch.equal(run(name, False, state=first.state).ensemble.x, eager.ensemble.x)


def test_until_and_max_steps_stop_where_they_did():
    for arguments in ({"until": lambda row: row["free_energy"] < 1.0}, {"max_steps": 6, "throw": False}):
        eager, deferred = (run("user", put_off, **arguments) for put_off in (False, True))
        assert eager.state.step < 12
        same(eager, deferred)
    with pytest.raises(ResourceError, match="max_steps = 6"):
        run("user", True, max_steps=6)


def test_a_stricter_check_costs_a_repetition_once():
    """A covariance that Cholesky cannot tell from a singular one, but which the ridge makes regular: the first stretch
    is done twice, and from then on each step is looked at."""
    mu = wgf.Ensemble(start(d=1).x @ torch.ones(1, 2, dtype=torch.float64))
    F = wgf.Quadratic() - 0.0 * wgf.LogDet(ridge=1e-15)
    calls = []
    steps = loop.Run._steps

    def counted(self, stop):
        calls.append((self.deferred, self.state.step, stop))
        steps(self, stop)

    with mock.patch.object(loop.Run, "_steps", counted), checks.forced(True):
        twice = wgf.solve(F, mu, Heun(), dt=0.1, t_end=1.2, record_every=4)
    assert calls == [(True, 0, 4), (False, 0, 4), (False, 4, 8), (False, 8, 12)]
    same(twice, wgf.solve(F, mu, Heun(), dt=0.1, t_end=1.2, record_every=4))


# ------------------------------------------------------------------------------------------------- the same failures


def infinite_for_a_moment(x, w):
    """Its value is infinite while the mean is in (.5, .6), and its force never: the state stays finite."""
    mean = (w @ x).sum()
    return mean**2 + torch.where((mean > 0.5) & (mean < 0.6), math.inf, 0.0).detach()


def unstable(t):
    if t > 0.45:
        raise RuntimeError(f"no schedule beyond t = {t:g}")
    return 1.0


class Moody:
    """Raises at its k-th call, whatever it is given."""

    def __init__(self, k, error):
        self.left, self.error = k, error

    def __call__(self, x):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return (x**2).sum(1)


def square(values):
    return wgf.Ensemble(torch.tensor(values, dtype=torch.float64))


FAILURES = {
    "too large a step": lambda: (
        wgf.Potential(lambda x: (x**4).sum(1)).named("quartic") + wgf.Quadratic(), square([[0.1], [40.0], [0.2]]),
        Euler(), 0.1, DivergenceError,
    ),
    "a stage of Heun": lambda: (
        wgf.Interaction(K.RadialKernel(lambda q: q**2)), square([[0.1], [4.0], [0.2]]), Heun(), 0.1, DivergenceError,
    ),
    "NaN from a user's value": lambda: (
        wgf.Potential(lambda x: torch.sqrt(x[:, 0] - 0.5)), square([[1.0], [0.8]]), Euler(), 0.05, DivergenceError,
    ),
    "NaN from a user's force": lambda: (
        wgf.Quadratic() + wgf.Potential(quartic, grad=lambda x: torch.where(x < 0.7, math.nan, 0.0 * x)),
        square([[1.0], [0.9]]), Euler(), 0.05, DivergenceError,
    ),
    "an infinite value that passes": lambda: (
        wgf.Quadratic() + wgf.from_function(infinite_for_a_moment), square([[1.0], [1.1]]), Euler(), 0.02,
        DivergenceError,
    ),
    "in the work of a driven term": lambda: (
        wgf.Quadratic() + (lambda t: 1e-9 * t) * wgf.from_function(infinite_for_a_moment), square([[1.0], [1.1]]),
        Euler(), 0.02, DivergenceError,
    ),
    "a singular covariance": lambda: (
        1e3 * wgf.Quadratic() - 0.0 * wgf.LogDet(), square([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]), Euler(), 1e-3,
        ConfigError,
    ),
    "a vanishing variance": lambda: (
        wgf.Quadratic([1.0, 20.0]) - 0.0 * wgf.LogVariance(), square([[1.0, 0.0], [0.0, 1.0]]), Euler(), 0.05,
        ConfigError,
    ),
    "coincident particles": lambda: (
        wgf.Quadratic(10.0) + 0.0 * wgf.Interaction(K.Log()), square([[1.0], [2.0]]), Euler(), 0.1, DivergenceError,
    ),
    "a stochastic run": lambda: (
        wgf.Potential(lambda x: -(x**4).sum(1)) - 0.1 * wgf.Shannon(), start(60, 1), Langevin(), 0.05, DivergenceError,
    ),
}  # fmt: skip
"""By name, () -> (F, ensemble, solver, dt, the kind of error)."""

every_failure = pytest.mark.parametrize("name", FAILURES)


def fail(name, deferred, **arguments):
    F, mu, solver, dt, kind = FAILURES[name]()
    given = {"dt": dt, "t_end": 60 * dt, "record_every": 9, "trajectory_every": 6, "seed": 2} | arguments
    with checks.forced(deferred), pytest.raises(kind) as caught:
        wgf.solve(F, mu, solver, **given)
    return caught.value


@every_failure
def test_a_failure_found_late_is_the_one_found_at_once(name):
    """Type, message (step, time, particle, term), last good state, ledger and trajectory."""
    eager, deferred = (fail(name, put_off) for put_off in (False, True))
    assert type(deferred) is type(eager)
    assert str(deferred) == str(eager)
    same(deferred.solution, eager.solution)
    assert torch.isfinite(deferred.solution.ensemble.x).all()
    assert (eager.solution.state.step + 1) % 9  # no record there, so it was found late


@every_failure
def test_a_failure_without_throw(name):
    F, mu, solver, dt, _ = FAILURES[name]()
    with checks.forced(True):
        sol = wgf.solve(F, mu, solver, dt=dt, t_end=60 * dt, record_every=9, seed=2, throw=False)
    assert not sol.status.ok
    assert sol.status.message == str(fail(name, False))


def test_a_failed_run_is_continued_from_its_state():
    """With a smaller step; from where the failure is found late as from where it is found at once."""
    F, mu, solver, dt, _ = FAILURES["a singular covariance"]()
    ends = []
    for put_off in (False, True):
        with checks.forced(put_off):
            state = wgf.solve(F, mu, solver, dt=dt, t_end=9 * dt, record_every=9, throw=False).state
            ends.append(wgf.solve(F, None, solver, dt=0.1 * dt, t_end=dt, state=state, record_every=4))
    assert ends[0].status.ok
    same(*ends)


@pytest.mark.parametrize("calls", [3, 17, 18, 30])
def test_what_a_users_function_raises_comes_through_unchanged(calls):
    """Nothing was wrong before it, so nothing is done again: the state is the last one reached."""
    solutions = []
    for put_off in (False, True):
        error = RuntimeError("no more")
        with checks.forced(put_off), pytest.raises(RuntimeError, match="no more") as caught:
            wgf.solve(wgf.Potential(Moody(calls, error)), start(), Euler(), dt=0.01, t_end=1.0, record_every=9)
        assert caught.value is error
        solutions.append(error.solution)
    same(*solutions)
    assert solutions[0].state.step == calls - 1


def test_an_error_that_garbage_provoked_gives_way_to_its_cause():
    """The user's own assertion fails on particles that are NaN already; a run with eager checks never gets there."""

    def careful(x):
        if bool(torch.isnan(x).any()):
            raise AssertionError("NaN in my function")
        return (x**4).sum(1)

    messages = []
    for put_off in (False, True):
        with checks.forced(put_off), pytest.raises(DivergenceError) as caught:
            wgf.solve(wgf.Potential(careful), square([[9.0], [1.0]]), Euler(), dt=1.0, t_end=90.0, record_every=30)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("first", "step"), [(1.0, 13), (40.0, 0)])
def test_an_interruption_keeps_a_good_state(first, step):
    """The state reached where it is good; otherwise (here infinite at step 6) that of the last look, without delay."""
    F = wgf.Potential(Moody(14, KeyboardInterrupt())) + wgf.Potential(lambda x: (x**4).sum(1))
    with checks.forced(True), pytest.raises(KeyboardInterrupt) as caught:
        wgf.solve(F, square([[first]]), Euler(), dt=0.05, t_end=5.0, record_every=50)
    assert caught.value.solution.status == wgf.Status.INTERRUPTED
    assert caught.value.solution.state.step == step
    assert torch.isfinite(caught.value.solution.ensemble.x).all()


# ------------------------------------------------------------------------------------------------- memory, nesting


def test_memory_does_not_grow_with_the_number_of_steps():
    """Tensors alive after 20 and after 120 steps of one stretch, with work and dissipation to book at each."""

    class Census(Monitor):
        def advance(self, done, t, row):
            if done in (20, 120):
                gc.collect()
                alive.append(sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()))

    alive: list[int] = []
    F = (lambda t: 1 + t) * wgf.Quadratic(1.0, center=lambda t: t) - 0.1 * wgf.LogDet()
    with checks.forced(True):
        wgf.solve(F, start(), Heun(), dt=0.01, t_end=2.0, record_every=1000, progress=Census())
    assert len(alive) == 2
    assert alive[0] == alive[1]


def test_the_switch():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert (checks.deferred_on(cpu), checks.deferred_on(gpu)) == (False, True)
    with checks.forced(True), checks.forced(False):
        assert (checks.deferred_on(cpu), checks.deferred_on(gpu)) == (False, False)
    wrong = torch.tensor([1.0, math.nan])
    assert not checks.finite(wrong)
    with checks.deferred(cpu) as noted:
        assert checks.finite(torch.ones(2))
        assert noted.held()
        assert checks.finite(wrong)
        assert not noted.held()
        assert checks.finite(torch.ones(2))
        assert not noted.held()  # once bad, always bad
    assert not checks.finite(wrong)
    with checks.deferred(torch.device("meta")):
        assert not checks.finite(wrong)  # a value of another device is looked at: nothing waits for it


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_number_anywhere_is_found(dtype, bad):
    for n in (1, 2, 7, 64, 1001):
        for place in {0, n // 2, n - 1}:
            x = torch.randn(n, 3, dtype=dtype)
            assert checks.finite(x)
            x[place, 1] = bad
            assert not checks.finite(x)
            assert not checks.finite(x.to(torch.complex64))
    assert checks.finite(torch.tensor(torch.finfo(dtype).max, dtype=dtype))
    assert not checks.finite(torch.tensor(bad, dtype=dtype))
    assert checks.finite(torch.arange(3))
