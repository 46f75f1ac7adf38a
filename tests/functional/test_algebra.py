"""The algebra of free energies: names, coefficients of time, and terms that move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from samples import ensemble

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError


def test_a_free_energy_reads_as_on_paper():
    mu = ensemble(2, True)
    quadratic, interaction, entropy = wgf.Quadratic(2.0), wgf.Interaction(K.Gaussian(1.0)), wgf.LogDet()
    F = quadratic / 2 + np.float64(0.5) * interaction - 0.1 * entropy - 0.2 * wgf.LogDet() - (-1.0) * wgf.Quadratic()
    assert [t.name for t in F.terms] == ["Quadratic", "Interaction", "LogDet", "LogDet_2", "Quadratic_2"]
    want = 2.0 * float(wgf.Quadratic().value(mu)) + 0.5 * float(interaction.value(mu)) - 0.3 * float(entropy.value(mu))
    assert float(F.value(mu)) == pytest.approx(want, rel=1e-13)
    assert F.temperature == pytest.approx(0.3)
    assert [t.name for t in (wgf.Quadratic().named("weight decay") - entropy).terms] == ["weight decay", "LogDet"]
    assert "0.1 * LogDet" in repr(F)
    with pytest.raises(ConfigError, match="name its terms"):
        F.named("all")
    with pytest.raises(ConfigError, match="no term"):
        F["Shannon"]


def test_coefficients_may_be_callables_of_time():
    mu = ensemble(2, True)
    F = (lambda t: 1 + t) * wgf.Quadratic() - (lambda t: 0.1 * t) * wgf.LogDet()
    with pytest.raises(ConfigError, match="depends on t"):
        F.value(mu)
    want = 3 * float(wgf.Quadratic().value(mu)) - 0.2 * float(wgf.LogDet().value(mu))
    assert float(F.at(2.0).value(mu)) == pytest.approx(want, rel=1e-13)
    with pytest.raises(ConfigError, match=r"temperature -0\.1 of LogDet at t = -1"):
        F.at(-1.0)
    with pytest.raises(ConfigError, match="nan at t = 0"):
        ((lambda t: math.nan) * wgf.Quadratic()).at(0.0)
    text: Any = "2"
    number: Any = 1.0
    with pytest.raises(ConfigError, match="wanted a finite number or a callable"):
        text * wgf.Quadratic()
    with pytest.raises(TypeError):
        wgf.Quadratic() + number


def test_moving_quadratic_is_frozen_by_at():
    mu = ensemble(2, True)
    moving = wgf.Quadratic(2.0, center=lambda t: [t, 0.0])
    assert moving.varies
    assert float(moving.at(3.0).value(mu)) == pytest.approx(float(wgf.Quadratic(2.0, [3.0, 0.0]).value(mu)))
    with pytest.raises(ConfigError, match="depends on t"):
        moving.value(mu)


class Anchored(wgf.Functional):
    """A user's term with a rule and an array: ½ |x − a|²/s² with s resolved from the initial ensemble."""

    def __init__(self, anchor, scale=None):
        self.anchor, self.scale = anchor, scale

    def prepare(self, mu):
        return Anchored(self.anchor, float(mu.covariance().diagonal().sum())) if self.scale is None else self

    def _value(self, mu):
        return mu.expect(self._first_variation(mu, None))

    def _first_variation(self, mu, at):
        return 0.5 * ((mu.points(at) - torch.as_tensor(self.anchor)) ** 2).sum(1) / self.scale

    def _gradient(self, mu, at):
        return (mu.points(at) - torch.as_tensor(self.anchor)) / self.scale


@pytest.mark.parametrize("array", [np.array, lambda numbers: torch.tensor(numbers, dtype=torch.float64)])
def test_a_term_with_a_rule_and_an_array_goes_on_by_state(array):
    """The comparison of settings is entry by entry; with another array the rule is resolved anew."""
    mu = wgf.Ensemble.gaussian(20, 2, cov=3.0, seed=1)
    times = {"dt": 0.1, "t_end": 1.0}
    whole = wgf.solve(Anchored(array([1.0, 2.0])), mu, wgf.solvers.Heun(), **times)
    half = wgf.solve(Anchored(array([1.0, 2.0])), mu, wgf.solvers.Heun(), dt=0.1, t_end=0.5)
    rest = wgf.solve(Anchored(array([1.0, 2.0])), None, wgf.solvers.Heun(), state=half.state, **times)
    assert torch.equal(whole.ensemble.x, rest.ensemble.x)
    resolved, of_whole = (sol.state.resolved["Anchored"] for sol in (rest, whole))
    assert isinstance(resolved, tuple)
    assert isinstance(of_whole, tuple)
    assert vars(resolved[1])["scale"] == vars(of_whole[1])["scale"]
    other = wgf.solve(Anchored(array([1.0, 2.5])), None, wgf.solvers.Heun(), state=half.state, **times)
    of_other = other.state.resolved["Anchored"]
    assert isinstance(of_other, tuple)
    assert vars(of_other[1])["scale"] != vars(resolved[1])["scale"]


def test_same_as_compares_class_and_settings_entry_by_entry():
    one = Anchored(np.array([1.0, np.nan]))
    assert one.same_as(Anchored(np.array([1.0, np.nan])))
    assert not one.same_as(Anchored(np.array([1.0, 0.0])))
    assert not one.same_as(Anchored(torch.tensor([1.0, np.nan])))
    assert not one.same_as(Anchored([1.0, 2.0]))
    assert wgf.Blob("silverman").same_as(wgf.Blob("silverman"))
    assert not wgf.Blob("silverman").same_as(wgf.Blob(0.5))
    assert not wgf.Blob(0.5).same_as(wgf.LogDet(0.5))
    assert wgf.Quadratic([1.0, 2.0]).same_as(wgf.Quadratic([1.0, 2.0]))
    assert not wgf.Quadratic([1.0, 2.0]).same_as(wgf.Quadratic([1.0, 3.0]))
    f = Anchored({"a": [1.0, (2.0, np.array([3.0]))], "b": one})
    assert f.same_as(Anchored({"a": [1.0, (2.0, np.array([3.0]))], "b": Anchored(np.array([1.0, np.nan]))}))
    assert not f.same_as(Anchored({"a": [1.0, (2.0, np.array([4.0]))], "b": one}))


@pytest.mark.parametrize(
    ("make", "old", "new", "value"),
    [
        (wgf.Softmax, "temperature", "tau", 0.5),
        (wgf.regularizers.Softmax, "temperature", "tau", 0.5),
        (wgf.solvers.JKO, "lines", "max_line_searches", 7),
        (wgf.solvers.BirthDeath, "threshold", "ess_threshold", 0.25),
        (wgf.solvers.AffineInvariant, "noise", "square_root", "deviations"),
    ],
)
def test_a_renamed_setting_is_known_by_its_old_name_with_a_warning(make, old, new, value):
    with pytest.warns(DeprecationWarning, match=rf"{old}=\) is now {new}="):
        made = make(**{old: value})
    holder = getattr(made, "functional", made)
    assert getattr(holder, new) == value
    with pytest.warns(DeprecationWarning, match=f"is now .*{new}"):
        assert getattr(holder, old) == value
    with pytest.raises(ConfigError, match="are the same setting"):
        make(**{old: value, new: value})
