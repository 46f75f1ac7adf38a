"""Regularizers in compiled programs: no break of the graph, the bits of plain autograd, copies, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from batches import batch

import wgf
from wgf.errors import ConfigError
from wgf.regularizers import Blob, LogDet, LogVariance, Regularizer, Softmax, Variance

pytestmark = pytest.mark.slow  # torch._dynamo takes seconds to import

MODULES = {
    "LogDet": LogDet(ridge=0.1),
    "Variance": Variance(),
    "LogVariance": LogVariance(ridge=0.1),
    "Softmax": Softmax(0.7),
    "Blob by a rule": Blob("silverman"),
    "a function": Regularizer(wgf.from_function(lambda x, weights: weights @ x.pow(4).sum(1))),
}


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def loss(module, z):
    return z.float().square().mean() - 0.1 * module(2.0 * z)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())
def test_the_whole_graph_is_compiled_with_the_same_bits(module, dtype):
    plain, traced = (batch(16, 3, dtype=dtype) for _ in range(2))
    compiled = torch.compile(lambda z: loss(module, z), fullgraph=True, backend="aot_eager")
    expected, found = loss(module, plain), compiled(traced)
    expected.backward()
    found.backward()
    assert torch.equal(found, expected)
    assert torch.equal(traced.grad, plain.grad)


def test_by_the_default_compiler_too():
    z = batch(5, 4, 3)
    compiled = torch.compile(LogDet(ridge=0.1), fullgraph=True)
    try:
        value = compiled(z)
    except torch._inductor.exc.InductorError as error:  # no C++ compiler here
        pytest.skip(str(error).splitlines()[0])
    (gradient,) = torch.autograd.grad(value, z)
    assert torch.equal(value, LogDet(ridge=0.1)(z))
    assert torch.equal(gradient, torch.autograd.grad(LogDet(ridge=0.1)(z), z)[0])


def test_each_copy_is_found_by_its_own_settings():
    z = batch(16, 3).detach()
    modules = [LogDet(ridge=0.1), LogDet(ridge=1.0)]
    modules += [copy.deepcopy(modules[0]), pickle.loads(pickle.dumps(modules[1]))]
    compiled = torch.compile(lambda z: torch.stack([module(z) for module in modules]), fullgraph=True, backend="eager")
    found = compiled(z)
    assert torch.equal(found, torch.stack([module(z) for module in modules]))
    assert found[0] == found[2] != found[1] == found[3]


def test_vmap_inside_and_export():
    Z = torch.stack([batch(16, 3, seed=seed).detach() for seed in range(3)])
    module = LogDet(ridge=0.1)
    compiled = torch.compile(torch.vmap(module), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(Z), torch.stack([module(z) for z in Z]))
    program = torch.export.export(module, (Z[0],))
    assert torch.equal(program.module()(Z[1]), module(Z[1]))


def test_second_derivatives_are_refused_in_compiled_programs():
    z = batch(8, 2)
    compiled = torch.compile(LogDet(ridge=0.1), fullgraph=True, backend="eager")
    (gradient,) = torch.autograd.grad(compiled(z), z, create_graph=True)
    with pytest.raises(ConfigError, match="first derivatives only"):
        gradient.square().sum().backward()
    torch._dynamo.reset()
    inside = torch.compile(torch.func.grad(LogDet(ridge=0.1)), fullgraph=True, backend="eager")
    with pytest.raises(RuntimeError):
        inside(z.detach())


def test_refusals_keep_their_type():
    compiled = torch.compile(LogDet(ridge=0.1), fullgraph=True, backend="eager")
    with pytest.raises(wgf.errors.DivergenceError, match="row 0, feature 0"):
        compiled(torch.full((8, 2), float("nan")))
