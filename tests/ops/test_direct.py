"""Operations go straight to their compiled bodies where torch has nothing to add, and through torch elsewhere."""

from __future__ import annotations

import subprocess
import sys
from unittest import mock

import pytest
import torch
from operations import operations
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad

from wgf import ops
from wgf.ops import linalg
from wgf.ops.registry import ordinary


def test_a_first_run_does_not_import_the_compiler_of_torch():
    script = (
        "import sys, torch, wgf; mu = wgf.Ensemble.gaussian(64, 2)\n"
        "wells = wgf.Quadratic() + wgf.Quadratic(torch.eye(2) + 0.1)\n"
        "F = wells + wgf.Interaction(wgf.kernels.Gaussian(1.0)) - wgf.LogDet()\n"
        "wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.01, t_end=0.02)\n"
        "assert not {'torch._dynamo', 'scipy.optimize', 'scipy.fft', 'scipy.sparse.linalg'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize("name", operations())
def test_both_ways_give_the_same_bits(name):
    op, arguments = operations()[name]
    with mock.patch.object(op, "definition", None):  # straight to the body
        straight = op(*arguments)
    through = op.definition(*arguments)
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (straight, through)), strict=True):
        assert torch.equal(a, b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)


def test_what_torch_must_see_goes_through_torch():
    x = torch.ones(3, 2)
    assert ordinary((x,))
    assert not ordinary((x.clone().requires_grad_(),))
    with torch.no_grad():
        assert ordinary((x.clone().requires_grad_(),))
    assert not ordinary((torch.nn.Parameter(x),))
    assert not ordinary((x.to("meta"),))
    with FakeTensorMode():
        assert not ordinary((x,))
    with forward_ad.dual_level():
        assert not ordinary((x,))
    seen = []

    def seeing(row):
        seen.append(ordinary((row,)))
        return row.sum()

    torch.func.vmap(seeing)(x)
    torch.func.grad(seeing)(x)
    assert seen == [False, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 8, 9, 20])
@pytest.mark.parametrize("n", [1, 33, 2048, 5000])
def test_the_inner_product_has_the_bits_of_its_parts(n, dim, dtype):
    draw = torch.Generator().manual_seed(n + dim)
    a, b = (torch.randn(n, dim, generator=draw, dtype=dtype) for _ in range(2))
    weights = torch.rand(n, generator=draw, dtype=torch.float64)
    parts = ops.weighted_sum(weights, linalg.row_dot(a, b)[:, None]).reshape(())
    assert torch.equal(ops.inner(weights, a, b), parts)


def test_the_inner_product_has_derivatives():
    draw = torch.Generator().manual_seed(0)
    shapes = ((4,), (4, 3), (4, 3))
    leaf = [torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(ops.inner, leaf)
