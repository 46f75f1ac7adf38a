"""What a step does to few particles in one call has the bits of the operations one by one."""

from __future__ import annotations

import math

import pytest
import torch

import wgf
from wgf import ops
from wgf.energies import CrossEntropy

DTYPES = [torch.float32, torch.float64]


def drawn(*shapes, dtype):
    draw = torch.Generator().manual_seed(7)
    return [torch.randn(*shape, generator=draw, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [1, 3, 8, 9, 75])
def test_the_bits_of_single_operations(dim, dtype):
    x, slope, values = drawn((33, dim), (33, dim), (33,), dtype=dtype)
    weights = torch.rand(33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = ops.descend(x, slope, weights, 0.1)
    assert found is not None
    assert found[2] is True
    assert torch.equal(found[0], x - 0.1 * slope)
    assert torch.equal(found[1], ops.inner(weights, slope, slope))
    for numbers in ((1.0, 0.1), (-0.7, 1.0, 0.3)):
        parts, want = [x, slope, x * x][: len(numbers)], numbers[0] * x
        for number, part in zip(numbers[1:], parts[1:], strict=True):
            want = want + number * part
        total, finite = ops.combination(numbers, parts)
        assert finite
        assert torch.equal(total, want)
    assert torch.equal(x, drawn((33, dim), dtype=dtype)[0])  # no part is written to
    k, c = torch.tensor([0.3, -1.2]).to(dtype)
    force, square = ops.spring(x, k, c, weights)
    assert torch.equal(force, k * (x - c))
    assert torch.equal(square, ops.inner(weights, x - c, k * (x - c)))
    mean = ops.mean_of_finite(weights, values, slope)
    assert mean is not None
    assert torch.equal(mean, ops.weighted_sum(weights, values[:, None])[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_seen(bad):
    (x,), weights = drawn((5, 2), dtype=torch.float64), torch.full((5,), 0.2, dtype=torch.float64)
    wrong = x.clone()
    wrong[4, 1] = bad
    assert ops.mean_of_finite(weights, x[:, 0].contiguous(), wrong) is None
    assert ops.mean_of_finite(weights, wrong[:, 1].contiguous(), x) is None
    found = ops.descend(x, wrong, weights, 0.1)
    assert found is not None
    assert found[2] is False
    assert not ops.combination([1.0, 0.0], [x, wrong])[1]
    assert not ops.combination([1.0, 0.5, 1.0], [x, x, wrong])[1]


def test_other_tensors_take_the_operations_one_by_one():
    (x,), weights = drawn((4, 2), dtype=torch.float64), torch.full((4,), 0.25, dtype=torch.float64)
    for other in (x.clone().requires_grad_(), x.T.contiguous().T, x.half()):
        assert ops.descend(other, other, weights, 0.1) is None
        assert ops.mean_of_finite(weights, x[:, 0].contiguous(), other) is None
        assert ops.spring(other, x.new_tensor(1.0), x.new_tensor(0.0), weights) is None
        assert torch.equal(ops.combination([1.0, 0.5], [x, other.detach()])[0], x + 0.5 * other.detach())
    slope = torch.func.grad(lambda y: ops.combination([1.0, 2.0], [y, y])[0].sum())(x)
    assert torch.equal(slope, torch.full_like(x, 3.0))


def test_a_potential_that_is_not_finite_is_named():
    hole = wgf.Potential(lambda x: torch.where(x[:, 0] > 1.5, torch.inf, x[:, 0]))
    with pytest.raises(wgf.errors.DivergenceError, match="fn returned inf at particle 1"):
        hole.evaluate(wgf.Ensemble([[1.0], [2.0]]))


def test_cross_entropy_is_that_of_torch():
    (f,), y = drawn((20, 5), dtype=torch.float64), torch.arange(20) % 5
    f[0, 0], f[1] = 800.0, -800.0
    loss = CrossEntropy()
    torch.testing.assert_close(loss.value(f, y), torch.nn.functional.cross_entropy(f, y, reduction="none"))
    leaf = f.clone().requires_grad_()
    loss.value(leaf, y).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(loss.derivative(f, y), leaf.grad)
    assert all(map(torch.equal, loss.both(f, y), (loss.value(f, y), loss.derivative(f, y))))
    assert loss.value(torch.full((1, 2), math.nan, dtype=torch.float64), torch.tensor([0])).isnan().all()
