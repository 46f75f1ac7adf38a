"""Regularizers under torch.func, forward mode and inference mode: what plain autograd gives, to the last bit."""

from __future__ import annotations

import pytest
import torch
from batches import batch
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap

import wgf
from wgf.errors import ConfigError, DivergenceError, ShapeError
from wgf.regularizers import Blob, ForceMonitor, LogDet, LogVariance, Power, Regularizer, Softmax, Variance

MODULES = {
    "LogDet": LogDet(ridge=0.1),
    "Variance": Variance(),
    "LogVariance": LogVariance(ridge=0.1),
    "Softmax over features": Softmax(0.7),
    "Softmax over particles": Softmax(0.7, axis="particles"),
    "Blob": Blob(0.8),
    "Blob by a rule": Blob("silverman"),
    "Power": Power(2.0, 0.8),
    "a function": Regularizer(wgf.from_function(lambda x, weights: weights @ x.pow(4).sum(1))),
}
every = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())


def plain(module, batches):
    """Values and gradients of each batch by plain autograd."""
    values, gradients = [], []
    for z in batches.detach():
        z.requires_grad_()
        values.append(module(z))
        gradients.append(torch.autograd.grad(values[-1], z)[0])
    return torch.stack(values).detach(), torch.stack(gradients)


@every
def test_transforms_give_what_plain_autograd_gives(module):
    Z = torch.stack([batch(16, 3, seed=seed).detach() for seed in range(4)])
    z, tangent = Z[0], Z[1]
    S, G = plain(module, Z)
    found, value = grad_and_value(module)(z)
    assert torch.equal(found, G[0])
    assert torch.equal(value, S[0])
    assert torch.equal(vjp(module, z)[1](torch.tensor(3.0, dtype=z.dtype))[0], 3.0 * G[0])
    assert torch.equal(vmap(module)(Z), S)
    assert torch.equal(vmap(module, in_dims=1)(Z.movedim(0, 1)), S)
    assert torch.equal(vmap(vmap(module))(Z.reshape(2, 2, 16, 3)), S.reshape(2, 2))
    assert torch.equal(vmap(grad(module))(Z), G)
    assert torch.equal(grad(lambda batches: vmap(module)(batches).sum())(Z), G)
    assert torch.equal(jacrev(module)(z), G[0])
    assert torch.equal(jacrev(lambda z: torch.stack([module(z), 2.0 * module(z)]))(z), torch.stack([G[0], 2.0 * G[0]]))
    assert torch.equal(jacrev(vmap(module))(Z)[2], torch.zeros_like(Z).index_put_((torch.tensor(2),), G[2]))
    along = (G[0] * tangent).sum()
    torch.testing.assert_close(jvp(module, (z,), (tangent,)), (S[0], along), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(jacfwd(module)(z), G[0], rtol=1e-13, atol=1e-15)


def test_a_loss_by_functional_call_and_every_leading_axis():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), LogDet(ridge=0.1)).double()
    x = batch(5, 4, 3).detach()
    model(x).backward()
    found = grad(lambda parameters: functional_call(model, parameters, (x,)))(dict(model.named_parameters()))
    for name, parameter in model.named_parameters():
        assert torch.equal(found[name], parameter.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes_under_transforms(dtype):
    Z = torch.stack([batch(16, 3, seed=seed, dtype=dtype).detach() for seed in range(2)])
    S, G = plain(LogDet(ridge=0.1), Z)
    assert S.dtype == torch.float32
    assert torch.equal(vmap(LogDet(ridge=0.1))(Z), S)
    assert torch.equal(vmap(grad(LogDet(ridge=0.1)))(Z), G)
    assert G.dtype == dtype


@pytest.mark.parametrize("twice", [hessian, lambda f: jacrev(jacrev(f)), lambda f: jacfwd(grad(f))])
def test_second_derivatives_are_refused_under_transforms_too(twice):
    with pytest.raises(ConfigError, match="first derivatives only"):
        twice(LogDet(ridge=0.1))(batch(8, 2).detach())


def test_refusals_keep_their_type_under_transforms():
    with pytest.raises(ShapeError, match="shape"):
        grad(LogDet(ridge=0.1))(torch.zeros(4))
    with pytest.raises(DivergenceError, match="row 0, feature 0"):
        vmap(LogDet(ridge=0.1))(torch.full((3, 8, 2), float("nan")))
    with pytest.raises(ConfigError, match="rows at least"):
        vmap(LogDet())(torch.zeros(3, 1, 2))


def test_inference_mode():
    z = batch(16, 3)
    expected = LogDet(ridge=0.1)(z).detach()
    monitor = ForceMonitor(LogDet(ridge=0.1), 0.1)
    with torch.inference_mode():
        made_inside = batch(16, 3).detach()
        for given in (z, z.detach(), made_inside):
            assert torch.equal(LogDet(ridge=0.1)(monitor(given)), expected)
    assert monitor.step == 0
    assert torch.equal(LogDet(ridge=0.1)(made_inside), expected)
    weight = torch.eye(3, dtype=z.dtype, requires_grad=True)
    LogDet(ridge=0.1)(made_inside.clone() @ weight).backward()
    assert weight.grad is not None


def test_a_monitor_records_under_grad_what_it_records_in_a_backward_pass():
    z = batch(16, 3)
    entropy = LogDet(ridge=0.1)
    one, two = ForceMonitor(entropy, 0.1), ForceMonitor(entropy, 0.1)

    def loss(monitor, z):
        watched = monitor(z)
        return watched.square().mean() - 0.1 * entropy(watched)

    loss(one, z).backward()
    assert torch.equal(grad(lambda z: loss(two, z))(z.detach()), z.grad)
    assert one.ledger.row(0) == two.ledger.row(0)
    assert two.step == 1
    with pytest.raises(ConfigError, match="ForceMonitor under"):
        vmap(grad(lambda z: loss(two, z)))(z.detach()[None])
    with pytest.raises(ConfigError, match="ForceMonitor under"):
        jacrev(lambda z: two(z).square().mean(1))(z.detach())
    two.eval()
    assert torch.equal(vmap(grad(lambda z: loss(two, z)))(z.detach()[None])[0], z.grad)
    assert two.ledger.rows == 1
