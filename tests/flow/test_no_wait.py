"""Between two records no step looks at a value, so that none would wait for a GPU."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest
import torch
from problems import PROBLEMS, every_problem, run, start
from torch.utils._python_dispatch import TorchDispatchMode

import wgf
from wgf import ops
from wgf.energies import batches
from wgf.flow import Plan, gear, loop
from wgf.functional import FreeEnergy, Steering
from wgf.ledger import Bookkeeper
from wgf.measure import checks
from wgf.ops import linalg
from wgf.ops.registry import PLAIN
from wgf.protocol import Dynamics, State
from wgf.summation import choice

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


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

    def noting(method):
        def look(*arguments, **options):
            waits.seen.append(method)
            raise ZeroDivisionError(method)

        return look

    def watched(self, stop):
        with ExitStack() as stack:
            for method in ("numpy", "tolist", "cpu", "__array__"):
                stack.enter_context(mock.patch.object(torch.Tensor, method, noting(method)))
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
        stack.enter_context(mock.patch.object(linalg, "AT_ONCE", ()))
        stack.enter_context(mock.patch.object(ops, "network_forward_backward", in_one_run))
        # what only the CPU has or looks at
        stack.enter_context(mock.patch.object(choice, "finite", return_value=True))
        stack.enter_context(mock.patch.object(choice, "_once", return_value=False))
        stack.enter_context(mock.patch.object(batches, "lowest", sorted_start))
        stack.enter_context(gear.forced(False))
        yield


def sorted_start(keys, count):
    """`lowest` as a GPU has it."""
    return torch.argsort(keys, stable=True)[:count]


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
