"""Trees of what is remembered: every bit comes back, and what a file cannot hold is named."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from resumed import stored

import wgf
from wgf.errors import CheckpointError, ConfigError
from wgf.extension import same_value
from wgf.protocol import remembered
from wgf.storage import LeftOut, from_tree, pack, tensor_bytes, to_tree, unpack


@remembered(name="tests.Pair")
@dataclass(frozen=True, eq=False)
class Pair:
    first: Any
    second: Any = None


@dataclass(frozen=True)
class Unknown:
    value: float = 0.0


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans() | st.none() | st.text()
trees = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(trees)
def test_every_tree_comes_back(tree):
    back = unpack(*pack(to_tree(tree)))
    assert same_value(back, tree)
    assert repr(back) == repr(tree)  # the sign of zero too


def test_tensors_and_objects_come_back_to_the_bit():
    x = torch.randn(4, 3, dtype=torch.float64)
    given = Pair({"x": x, "again": x, "row": x[1], "turned": x.T, "one": x[:1].expand(5, 3)}, (Pair(math.nan), -0.0))
    back = stored(given)
    assert isinstance(back, Pair)
    for name, tensor in given.first.items():
        assert torch.equal(back.first[name], tensor)
    assert back.first["x"] is back.first["again"], "one tensor stays one"
    assert math.isnan(back.second[0].first)
    assert math.copysign(1.0, back.second[1]) == -1.0
    for dtype in (torch.float32, torch.int64, torch.uint8, torch.bool, torch.bfloat16):
        tensor = torch.ones((), dtype=dtype)
        assert stored(tensor).dtype == dtype
    assert stored((0.1 + 0.2, 10**30, np.float64(0.1), True)) == (0.1 + 0.2, 10**30, 0.1, True)


def test_an_ensemble_comes_back_with_its_weights_as_they_are():
    mu = wgf.Ensemble([[0.0], [1.0], [3.0]], [0.1, 0.2, 0.7], ids=[4, 9, 2], period=5.0).remembering(77)
    back = stored({"mu": mu})["mu"]
    for name in ("x", "weights", "ids", "period"):
        assert torch.equal(getattr(back, name), getattr(mu, name))
    assert back.history == 77
    assert back.positive_weights


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"m": (0, lambda t: t)}, r"it\['m'\]\[1\] is the function .*<lambda>, which a checkpoint cannot hold"),
        (Pair(Unknown()), r"it.first is .*Unknown, .* Register its class by @wgf.protocol.remembered"),
        ([1], r"it is builtins.list, .*Wanted numbers"),
        ({3: 1}, r"a dictionary with the keys \[3\]"),
        (OrderedDict(), "OrderedDict"),
        (np.zeros(3), "numpy.ndarray"),
        (np.int64(3), "numpy.int64"),
        (torch.zeros(2, dtype=torch.complex64), "a tensor of torch.complex64"),
        (torch.eye(2).to_sparse(), "a tensor of torch.float32"),
        ({""}, "builtins.set"),
    ],
)
def test_what_a_tree_cannot_hold_is_named_or_left_out(value, said):
    with pytest.raises(CheckpointError, match=said):
        to_tree(value)
    back = stored_with_gaps({"value": value, "rest": 1})
    assert back["rest"] == 1
    assert "LeftOut" in repr(vars(back["value"]) if isinstance(back["value"], Pair) else back["value"])


def stored_with_gaps(value):
    return from_tree(unpack(*pack(to_tree(value, leave_out=True))))


def test_a_gap_stays_a_gap():
    gap = stored_with_gaps((len,))[0]
    assert gap == LeftOut("the function len")
    assert stored(gap) == gap


def test_names_are_unique_and_a_class_may_be_defined_again():
    with pytest.raises(ConfigError, match=r"remembered\(Ensemble\): the name is taken; give another one by name="):
        remembered(name="Ensemble")(Pair)
    with pytest.raises(ConfigError, match="wanted a dataclass"):
        remembered(type("Plain", (), {}))
    for name in ("", "tensor", "float", "left out"):
        with pytest.raises(ConfigError, match="taken"):
            remembered(name=name)(Unknown)

    def define():
        @remembered(name="tests.Again")
        @dataclass(frozen=True)
        class Again:
            n: int

        return Again

    first = define()
    second = define()  # as in a notebook, whose cell runs twice
    assert type(from_tree(to_tree(second(1)))) is second
    assert type(from_tree(to_tree(first(1)))) is second


def test_what_is_not_known_here_is_named():
    with pytest.raises(CheckpointError, match=r"the state.memory is of the class 'Gone', which is not known here"):
        from_tree({"": "tests.Pair", "memory": {"": "Gone"}}, "the state")
    with pytest.raises(CheckpointError, match=r"tests.Pair has other parts here"):
        from_tree({"": "tests.Pair", "third": 1})
    for text in (
        "",
        "[",
        '{"": "tensor"}',
        '{"": "tensor", "name": "0", "device": "cpu"}',
        '{"": "float", "is": "x"}',
    ):
        with pytest.raises(CheckpointError, match="cannot read it"):
            unpack(text, {})
    with pytest.raises(CheckpointError, match="cannot read it"):
        unpack('{"": "tensor", "name": "0", "device": "cuda:7"}', {"0": torch.zeros(1)})
    assert unpack('{"": "tensor", "name": "0", "device": "cuda:7"}', {"0": torch.zeros(1)}, device="cpu") == 0


def test_tensors_that_share_memory_are_stored_apart():
    base = torch.arange(12.0)
    text, tensors = pack(to_tree((base, base[:6], base.view(3, 4), base.view(3, 4)[:, 1])))
    tensor_bytes(tensors, "test-1")  # safetensors refuses memory that is shared
    assert [t.tolist() for t in unpack(text, tensors)][1] == [0, 1, 2, 3, 4, 5]


class Lost:
    """A scheme's memory without registration is found before the first step is lost."""


def test_a_state_says_what_was_left_out_of_it():
    class Far(wgf.Potential):
        def __init__(self, V, scale=None):
            super().__init__(V)
            self.scale = scale

        def prepare(self, mu):
            return Far(lambda x: (x**2).sum(1), lambda: 2)

    sol = wgf.solve(Far(lambda x: x[:, 0]), wgf.Ensemble([[1.0]]), wgf.solvers.Euler(), dt=0.01, t_end=0.1)
    with pytest.raises(CheckpointError, match=r"the state.memory is .*Lost, which a checkpoint cannot hold"):
        to_tree(replace(sol.state, resolved={}, memory=Lost()), "the state")
    state = stored_with_gaps(replace(sol.state, memory=Lost()))
    assert state.left_out == ("Far", "the memory of Euler")
    assert torch.isnan(state.evaluation.gradient).all()
    with pytest.raises(ConfigError, match="Far, the memory of Euler"):
        wgf.solve(wgf.Quadratic(), None, wgf.solvers.Euler(), dt=0.1, t_end=1.0, state=state)
