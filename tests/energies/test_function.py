"""A user's function may be an entropy: it then counts as one everywhere, and as none otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from wgf.solvers import Heun

import wgf
from wgf import drives
from wgf.diagnostics import force_report
from wgf.errors import ConfigError
from wgf.regularizers import Regularizer


def log_det(x, w):
    away = x - w @ x
    return 0.5 * torch.logdet((away * w[:, None]).T @ away)


S, MU = wgf.from_function(log_det, entropy=True), wgf.Ensemble.gaussian(40, 2, seed=1)
SETTINGS = {"dt": 0.05, "t_end": 1.0, "record_every": 5}


def test_a_function_that_is_an_entropy_has_the_ledger_of_the_built_in_one():
    """Log-det by autograd and in closed form: the same columns, to rounding."""
    mine = wgf.solve(wgf.Quadratic() - 0.1 * S, MU, Heun(), **SETTINGS).ledger
    theirs = wgf.solve(wgf.Quadratic() - 0.1 * wgf.LogDet(), MU, Heun(), **SETTINGS).ledger
    for name in ("temperature", "information_force", "force_ratio", "alignment", "entropy_production", "energy",
                 "reference_alignment", "free_energy", "closure"):  # fmt: skip
        shift = theirs["entropy"] - mine["entropy"] if name == "free_energy" else 0.0  # a constant of the definition
        np.testing.assert_allclose(mine[name] - 0.1 * shift, theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert mine["temperature"][0] == 0.1
    assert force_report(mine).effective == force_report(theirs).effective is True


def test_it_is_an_entropy_wherever_one_is_wanted():
    F = wgf.Quadratic() - 0.5 * S
    assert F.at(0.0).temperature == 0.5
    with pytest.raises(ConfigError, match=r"temperature -0.1 of log_det at t = 0: wanted T ≥ 0"):
        wgf.solve(wgf.Quadratic() + 0.1 * S, MU, Heun(), **SETTINGS)
    index = wgf.collapse_index(F, MU, Heun(), dt=0.05, t_end=1.0, records=4)
    right = wgf.collapse_index(wgf.Quadratic() - 0.5 * wgf.LogDet(), MU, Heun(), dt=0.05, t_end=1.0, records=4)
    assert float(index) == pytest.approx(float(right), rel=1e-9)
    assert wgf.ledger.reference.reference_alignment(S, MU) == pytest.approx(1.0)
    held = drives.Controller(0.1, ratio=0.5)
    sol = wgf.solve(wgf.Quadratic() - held * S, MU, Heun(), **SETTINGS)
    assert sol.ledger["temperature"][-1] > 0
    with pytest.raises(ConfigError, match="log_det is an entropy"):
        drives.Swap([(0.0, S)])
    z = MU.x.clone().requires_grad_()
    Regularizer(S)(z).backward()
    torch.testing.assert_close(40 * z.grad, wgf.LogDet().gradient(MU))


def test_a_minus_sign_makes_no_entropy_and_the_report_says_so():
    F = wgf.Quadratic() - 0.1 * wgf.from_function(log_det)
    ledger = wgf.solve(F, MU, Heun(), **SETTINGS).ledger
    assert (ledger["temperature"] == 0).all()
    assert np.isnan(ledger["entropy"]).all()
    told = "the free energy has no entropy term; log_det with a minus sign counts as an energy"
    assert ledger.notes["entropy"] == told
    assert force_report(ledger).remarks()[0] == told
    assert f"\n{told}\n" in str(force_report(ledger))
    plain = wgf.solve(wgf.Quadratic(), MU, Heun(), **SETTINGS)
    assert force_report(plain).remarks()[0] == "the free energy has no entropy term"


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_entropy_is_true_or_false(wrong):
    with pytest.raises(ConfigError, match=r"from_function: entropy = .*; wanted True or False"):
        wgf.from_function(log_det, entropy=wrong)
    assert repr(S) == "from_function(log_det, entropy=True)"
    assert not S.same_as(wgf.from_function(log_det))
