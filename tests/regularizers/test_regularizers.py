"""Entropies of a batch as torch modules: the functionals' own code, precision, refusals and training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from batches import batch, trained

import wgf
from wgf.diagnostics import effective_rank
from wgf.errors import ConfigError, DivergenceError, ShapeError
from wgf.regularizers import Blob, LogDet, LogVariance, Power, Regularizer, Softmax, Variance

MODULES = {
    "LogDet": LogDet(),
    "LogDet with a ridge": LogDet(ridge=0.1),
    "Variance": Variance(),
    "LogVariance": LogVariance(ridge=0.1),
    "Softmax over features": Softmax(0.7),
    "Softmax over particles": Softmax(0.7, axis="particles"),
    "CodingRate": wgf.regularizers.CodingRate(0.7),
    "SpectralEntropy": wgf.regularizers.SpectralEntropy(),
    "HingeVariance": wgf.regularizers.HingeVariance(9.0, 1e-4),
    "Decorrelation": wgf.regularizers.Decorrelation(),
    "Uniformity": wgf.regularizers.Uniformity(0.9, method="dense"),
    "KoLeo": wgf.regularizers.KoLeo(),
    "Blob": Blob(0.8),
    "Power": Power(2.0, 0.8),
    "a sum": Regularizer(wgf.LogDet() + 0.3 * wgf.Variance()),
    "a function": Regularizer(wgf.from_function(lambda x, weights: weights @ x.pow(4).sum(1))),
}
every = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())


# ------------------------------------------------------------------------------------------ the same code


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradient_are_those_of_the_functional_bit_for_bit(module, dtype):
    z = batch(40, 3, dtype=dtype)
    S = module(z)
    S.backward()
    mu = wgf.Ensemble(z.detach())
    assert S.ndim == 0
    assert S.dtype == z.grad.dtype == dtype
    assert torch.equal(S.detach(), module.functional.evaluate(mu).value.to(dtype))
    assert torch.equal(z.grad, module.functional.gradient(mu) / 40)


@every
def test_gradient_is_the_finite_difference_of_the_value(module):
    z = batch(12, 3, seed=1)
    assert torch.autograd.gradcheck(module, (z,), eps=1e-5, atol=1e-7, rtol=1e-6)


def test_closed_forms():
    z = batch(50, 4, seed=2)
    centred = z - z.mean(0)
    C = centred.T @ centred / 50
    by_hand = {
        LogDet(ridge=0.2): 0.5 * torch.logdet(C + 0.2 * torch.eye(4, dtype=z.dtype)),
        Variance(): 0.5 * C.trace(),
        LogVariance(ridge=0.2): 0.5 * (C.diagonal() + 0.2).log().sum(),
        Softmax(0.5): torch.special.entr(torch.softmax(z / 0.5, 1)).sum(1).mean(),
        Softmax(0.5, "particles"): (torch.special.entr(torch.softmax(z / 0.5, 0)).sum(0) - math.log(50)).mean(),
    }
    for module, value in by_hand.items():
        (expected,) = torch.autograd.grad(value, z, retain_graph=True)
        (found,) = torch.autograd.grad(module(z), z)
        torch.testing.assert_close(module(z), value, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)


def test_a_module_holds_the_functional_and_no_parameters():
    module = LogDet(ridge=0.1)
    assert type(module.functional) is wgf.LogDet
    assert not list(module.parameters())
    assert not module.state_dict()
    assert "LogDet(ridge=0.1)" in repr(torch.nn.Sequential(module))
    own = wgf.Quadratic(2.0)
    assert Regularizer(own).functional is own


def test_every_leading_axis_counts_as_rows():
    z = batch(5, 4, 3)
    flat = z.detach().reshape(20, 3).requires_grad_()
    S, same = LogDet()(z), LogDet()(flat)
    (S + same).backward()
    assert torch.equal(S, same)
    assert torch.equal(z.grad, flat.grad.reshape(5, 4, 3))


def test_layout_and_gradients_that_nobody_wants():
    z = batch(30, 3)
    fixed = z.detach()
    assert not LogDet()(fixed).requires_grad
    with torch.no_grad():
        assert not LogDet()(z).requires_grad
    turned = fixed.T.contiguous().T
    assert torch.equal(LogDet()(turned), LogDet()(fixed))
    before = fixed.clone()
    (3.0 * Variance()(z)).backward()
    assert torch.equal(fixed, before)
    torch.testing.assert_close(z.grad, 3.0 * (fixed - fixed.mean(0)) / 30, rtol=1e-14, atol=1e-15)


def test_a_rule_is_settled_for_each_batch_and_constant_in_the_gradient():
    z = batch(40, 2)
    wide = (3.0 * z.detach()).requires_grad_()
    for x in (z, wide):
        prepared: Any = wgf.Blob("silverman").prepare(wgf.Ensemble(x.detach()))
        h = prepared.bandwidth
        by_rule, by_number = Blob("silverman")(x), Blob(h)(x)
        assert torch.equal(by_rule, by_number)
        assert torch.equal(torch.autograd.grad(by_rule, x)[0], torch.autograd.grad(by_number, x)[0])


# ------------------------------------------------------------------------------------------ precision


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(module, dtype):
    z = batch(40, 3, dtype=dtype)
    wide = z.detach().float().requires_grad_()
    S, same = module(z), module(wide)
    (S + same).backward()
    assert S.dtype == torch.float32
    assert torch.equal(S, same)
    assert z.grad.dtype == dtype
    assert torch.equal(z.grad, wide.grad.to(dtype))
    assert bool(torch.isfinite(z.grad).all())


@every
def test_autocast_changes_nothing(module):
    z = batch(40, 3, dtype=torch.float32)
    (plain,) = torch.autograd.grad(module(z), z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        S = module(z)
    assert S.dtype == torch.float32
    assert torch.equal(S, module(z))
    assert torch.equal(torch.autograd.grad(S, z)[0], plain)


def test_training_under_autocast_in_bfloat16():
    encoder = torch.nn.Linear(6, 3)
    x = batch(32, 6, dtype=torch.float32).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = encoder(x)
        assert z.dtype == torch.bfloat16
        loss = z.float().square().mean() - 0.1 * LogDet(ridge=1e-2)(z)
    loss.backward()
    assert encoder.weight.grad.dtype == torch.float32
    assert bool(torch.isfinite(encoder.weight.grad).all())


def test_a_scaled_loss_saves_gradients_that_half_precision_would_lose():
    z = (1e-6 * batch(2000, 2)).detach().to(torch.float16).requires_grad_()
    (lost,) = torch.autograd.grad(Variance()(z), z)
    (kept,) = torch.autograd.grad(2.0**16 * Variance()(z), z)
    assert not lost.any()
    assert float((kept != 0).float().mean()) > 0.9


# ------------------------------------------------------------------------------------------ refusals


def test_what_is_no_batch_is_refused():
    for bad in (torch.zeros(3), torch.zeros(0, 3), torch.zeros(3, 0)):
        with pytest.raises(ShapeError, match="wanted"):
            Variance()(bad)
    with pytest.raises(ShapeError, match="int64"):
        Variance()(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ShapeError, match="list"):
        Variance()([[1.0]])


def test_batches_too_small_say_how_many_rows_are_wanted():
    for module in (LogDet(ridge=1.0), Variance(), LogVariance(ridge=1.0), Softmax(axis="particles"), Blob(1.0)):
        with pytest.raises(ConfigError, match="batch of 1 row: wanted 2 rows at least"):
            module(torch.ones(1, 3))
    assert float(Softmax()(torch.zeros(1, 4))) == pytest.approx(math.log(4), rel=1e-6)
    with pytest.raises(ConfigError, match=r"batch of 4 rows with 6 features.*ridge.*more than 6"):
        LogDet()(batch(4, 6))
    assert bool(torch.isfinite(LogDet(ridge=0.1)(batch(4, 6))))


def test_what_is_not_finite_is_never_silent():
    for bad in (math.nan, math.inf):
        z = batch(8, 3).detach()
        z[5, 2] = bad
        with pytest.raises(DivergenceError, match="row 5, feature 2 of a batch of 8"):
            LogDet()(z)
    far = torch.tensor([[1e200], [-1e200]], dtype=torch.float64)
    with pytest.raises(DivergenceError, match="not finite"):
        Variance()(far)


def test_no_second_derivatives():
    z = batch(20, 3)
    (g,) = torch.autograd.grad(LogDet()(z), z, create_graph=True)
    with pytest.raises(ConfigError, match="first derivatives only"):
        torch.autograd.grad(g.square().sum(), z)


def test_other_arguments():
    with pytest.raises(ConfigError, match="functional"):
        Regularizer(torch.nn.ReLU())
    with pytest.raises(ConfigError, match="Shannon"):
        Regularizer(wgf.Shannon())
    for bad in (lambda: LogDet(-1.0), lambda: Blob(0.0), lambda: Softmax(axis="rows"), lambda: Power(1.0, 0.5)):
        with pytest.raises(ConfigError):
            bad()
    with pytest.raises(ConfigError, match="depends on t"):
        Regularizer(wgf.Variance() * (lambda t: t))(batch(5, 2))


# ------------------------------------------------------------------------------------------ training


def test_log_det_raises_the_effective_rank_of_what_is_learned():
    plain, with_entropy = trained(0.0)[0], trained(0.2)[0]
    low, high = (effective_rank(wgf.Ensemble(z)) for z in (plain, with_entropy))
    assert high > low + 1.0, (low, high)
