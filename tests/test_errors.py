"""Messages of errors: short and printable whatever was given, and never an error of their own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import LONGEST, CheckpointError, ConfigError, WgfError, closest, printable, shown, with_minus


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


def nested(depth):
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


HUGE = {
    "text": "x" * 100_000,
    "number": 10**5000,
    "list": list(range(100_000)),
    "table": {f"key{i}": i for i in range(10_000)},
    "deep": nested(5000),
    "array": np.zeros((500, 500)),
    "tensor": torch.zeros(500, 500, dtype=torch.complex64),
    "two arrays": (np.zeros((500, 500)), np.zeros(500)),
    "rude": Rude(),
    "unprintable": "a\0b\udcff\n" * 1000,
}


@pytest.mark.parametrize("given", HUGE.values(), ids=HUGE.keys())
def test_a_value_is_shown_in_one_short_line_that_can_be_written(given):
    text = shown(given)
    assert len(text) <= 100
    assert text.isprintable()
    text.encode("utf-8")


def test_small_values_are_shown_as_they_are():
    for value in (1, 0.1, -3, "a name", True, None, [1.0, 2.0], {"h": 1.0}, (1, "b")):
        assert shown(value) == repr(value)
    assert shown(np.zeros((3, 2))) == "ndarray of shape (3, 2)"


@pytest.mark.parametrize("given", HUGE.values(), ids=HUGE.keys())
@pytest.mark.parametrize(
    "refused",
    [
        lambda v: wgf.data.load(v),
        lambda v: wgf.data.load("digits", test_fraction=v),
        lambda v: wgf.data.teacher_student(v, 2),
        lambda v: wgf.Ensemble.gaussian(v, 2),
        lambda v: wgf.Ensemble.gaussian(2, 2, cov=v),
        lambda v: wgf.Ensemble([[0.0]]).to(v if isinstance(v, str) else str(type(v))),
        lambda v: wgf.Interaction(v),
        lambda v: wgf.kernels.Gaussian(v),
        lambda v: wgf.LeastSquares(v, [1.0]),
        lambda v: wgf.Potential(v),
        lambda v: wgf.NetworkRisk([[0.0]], [0.0], unit=v),
        lambda v: wgf.solve(v, wgf.Ensemble([[0.0]]), wgf.solvers.Euler(), dt=0.1, t_end=1.0),
        lambda v: wgf.solve(wgf.Quadratic(), wgf.Ensemble([[0.0]]), v, dt=0.1, t_end=1.0),
        lambda v: wgf.solve(wgf.Quadratic(), wgf.Ensemble([[0.0]]), wgf.solvers.Euler(), dt=v, t_end=1.0),
        lambda v: wgf.solvers.Grid(v),
        lambda v: wgf.solvers.BirthDeath(ess_threshold=v),
    ],
)
def test_messages_are_short_whatever_is_given(refused, given):
    with pytest.raises(WgfError) as caught:
        refused(given)
    text = str(caught.value)
    assert len(text) <= LONGEST
    assert text.isprintable()


def test_a_long_message_keeps_both_ends_and_the_whole_is_in_args():
    whole = "first word " + "x" * 10_000 + " last word"
    for error in (ConfigError(whole), CheckpointError(whole)):
        assert str(error).startswith("first word")
        assert str(error).endswith("last word")
        assert len(str(error)) == LONGEST
        assert error.args == (whole,)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    many = str(ConfigError("\n".join(map(str, range(1000)))))
    assert many.splitlines()[-1] == "... and 993 more lines."


def test_text_is_left_alone_where_it_can_be():
    for text in ("", "∇_W F = −0.5·μ, naïve", "two\nlines", "x" * LONGEST):
        assert printable(text) == text


def test_the_nearest_name_is_found_among_many():
    names = [f"column{i}" for i in range(10_000)]
    hint = closest("colum77", names)
    assert "did you mean 'column77'" in hint
    assert len(hint) < LONGEST
    assert hint.endswith("more.")
    assert "did you mean" not in closest("x" * 10_000, names)


def test_numbers_for_readers_have_a_minus_sign():
    assert with_minus("-1.5 to 2e-05") == "−1.5 to 2e−05"
