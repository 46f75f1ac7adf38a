"""Grids of settings: what they hold, and how bad ones are refused before anything is made."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from wgf.errors import ConfigError, ResourceError
from wgf.sweeps import Grid, identity


def test_keys_are_crossed_and_the_last_one_varies_fastest():
    grid = Grid.of({"a": [1, 2], "b": ["x", "y"]})
    assert list(grid.points()) == [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]
    assert len(grid) == 4


def test_zipped_keys_go_together_at_the_place_of_the_first():
    grid = Grid.of({"a": [1, 2], "b": [0], "c": [10, 20]}, [["a", "c"]])
    assert [(p["a"], p["b"], p["c"]) for p in grid.points()] == [(1, 0, 10), (2, 0, 20)]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"from": 0.0, "to": 1.0, "count": 5}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"from": 0.1, "to": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"from": 1e-3, "to": 1e-1, "count": 3, "log": True}, [1e-3, 1e-2, 1e-1]),
        ({"from": 64, "to": 1024, "count": 5, "log": True}, [64, 128, 256, 512, 1024]),
        ({"from": 10, "to": 100, "count": 3, "log": True, "round": True}, [10, 32, 100]),
        ({"from": 0, "to": 7, "step": 1}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"from": 3, "to": 0, "step": -1}, [3, 2, 1, 0]),
        ({"from": 2, "to": 2, "count": 1}, [2]),
        ({"from": 1e-300, "to": 1e300, "count": 3, "log": True}, [1e-300, 1.0, 1e300]),
    ],
)
def test_ranges_hold_both_ends_and_plain_numbers(given, wanted):
    found = Grid.of({"a": given}).groups[0][0].values
    assert found == wanted
    assert [type(value) for value in found] == [type(value) for value in wanted]


@pytest.mark.parametrize(
    ("table", "zipped", "said"),
    [
        ({}, (), "nothing is varied"),
        ({"a": []}, (), "the list is empty"),
        ({"a": 3}, (), "wanted a list of values, or a range"),
        ({"a": "text"}, (), "wanted a list of values, or a range"),
        ({"a": [1, 2], "b": [1, 2, 3]}, [["a", "b"]], "a has 2, b has 3"),
        ({"a": [1, 2]}, [["a", "bee"]], "zip names the key 'bee'"),
        ({"a": [1], "b": [1], "c": [1]}, [["a", "b"], ["a", "c"]], "'a' twice"),
        ({"a": [1]}, [["a"]], "lists of two keys"),
        ({"a": [1]}, ["a"], "lists of two keys"),
        ({"a": {"from": 0, "to": 1}}, (), "either count or step"),
        ({"a": {"from": 0, "to": 1, "count": 2, "step": 1}}, (), "either count or step"),
        ({"a": {"from": 0, "to": 1, "number": 2}}, (), "a range has no 'number'"),
        ({"a": {"from": 0, "to": 1, "count": 3, "log": True}}, (), "positive ends"),
        ({"a": {"from": 1, "to": 2, "step": 1, "log": True}}, (), "count in place of step"),
        ({"a": {"from": 1, "to": 2, "count": 1}}, (), "an integer of 2 or more"),
        ({"a": {"from": 1, "to": 2, "count": 2.0}}, (), "an integer of 2 or more"),
        ({"a": {"from": 1, "to": 2, "step": -1}}, (), "does not lead"),
        ({"a": {"from": 1, "to": 2, "step": 0}}, (), "does not lead"),
        ({"a": {"from": "1", "to": 2, "step": 1}}, (), "finite numbers"),
        ({"a": {"from": 1, "to": float("inf"), "count": 3}}, (), "finite numbers"),
        ({"a": {"from": 1, "to": 2, "count": 2, "log": "yes"}}, (), "true or false"),
    ],
)
def test_bad_grids_are_refused_with_a_reason(table, zipped, said):
    with pytest.raises(ConfigError, match=said):
        Grid.of(table, zipped)


def test_combinations_are_counted_before_any_is_made():
    with pytest.raises(ResourceError, match=r"1000 × 1000 × 1000 = 1e\+09 runs; wanted at most 100000"):
        Grid.of({name: range(1000) for name in "abc"})
    with pytest.raises(ResourceError, match=r"1e\+12"):
        Grid.of({"a": {"from": 0, "to": 1, "count": 10**12}})


class Colour(enum.Enum):
    RED = 1


@dataclass
class Setting:
    x: float
    colour: Colour


def test_an_id_depends_on_values_and_their_names_alone():
    one = identity({"a": 1.0, "b": [1, "x", None, True]}, Setting(0.1, Colour.RED), np.arange(3), torch.ones(2))
    two = identity({"b": (1, "x", None, True), "a": 1.0}, Setting(0.1, Colour.RED), np.arange(3), torch.ones(2))
    assert one == two
    assert len(one) == 16
    assert one != identity({"a": 1.0, "b": [1, "x", None, 1]}, Setting(0.1, Colour.RED), np.arange(3), torch.ones(2))
    different = [0, 0.5, "0", None, False, [0], {}, {"a": 0}, np.zeros(1), np.zeros(2), np.zeros(1, np.float32), Colour]
    assert len({identity(value) for value in different}) == len(different)
    assert identity(np.float64(0.1)) == identity(0.1)
    assert identity(float("nan")) == identity(float("nan"))


def test_what_has_no_lasting_name_is_refused():
    with pytest.raises(ConfigError, match="no lasting name"):
        identity(object())
    with pytest.raises(ConfigError, match=r"\['f'\]"):
        identity({"f": lambda x: x})
