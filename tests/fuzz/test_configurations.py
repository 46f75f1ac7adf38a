"""A short run of the fuzzer of configurations with a fixed seed; the file itself runs as a command for a long one."""

from __future__ import annotations

import random

import pytest
from fuzz.configurations import damaged, fuzz, strange
from fuzz.plausible import plausible

from wgf.errors import WgfError
from wgf.runs.config import validate


@pytest.mark.slow
def test_configurations_end_in_a_result_or_in_one_short_message():
    report = fuzz(300, seed=0)
    assert not report.faults, "\n".join(report.faults)
    assert report.counts["refused"] > 60
    assert report.counts["completed"] > 5  # the more settings the registered classes have, the more are refused
    assert sum(report.counts.values()) == 300


class Uncut(WgfError):
    """An error that forgets to keep its message short."""

    def __str__(self):
        return Exception.__str__(self)


def test_the_fuzzer_can_fail(monkeypatch):
    """An exception of another type, a message that is too long, and a configuration that takes too long are faults."""
    for raised, said in (
        (ValueError("own"), "ValueError"),
        (Uncut("a" * 400), "a line of 400 characters"),
        (Uncut("a\n" * 40), "40 lines"),
        (TimeoutError("took more than 20 s"), "TimeoutError"),
    ):

        def check(table, raised=raised):
            raise raised

        monkeypatch.setattr("fuzz.configurations.validate", check)
        monkeypatch.setattr("fuzz.configurations.require_exit_2", lambda table, folder: None)
        report = fuzz(2, seed=0)
        assert len(report.faults) == 2
        assert said in report.faults[0]


def test_configurations_depend_on_the_seed_alone_and_most_undamaged_ones_are_accepted():
    made = [plausible(random.Random(f"0-{k}")) for k in range(60)]
    assert made == [plausible(random.Random(f"0-{k}")) for k in range(60)]
    accepted = 0
    for table in made:
        try:
            validate(table)
            accepted += 1
        except WgfError:
            pass
    assert accepted > 30
    rng = random.Random(0)
    assert all(damaged(table, rng) != table for table in made)
    assert len({repr(strange(rng))[:50] for _ in range(400)}) > 30


def test_text_that_no_file_can_store_is_refused_by_python_as_by_a_file():
    table = plausible(random.Random(0))
    with pytest.raises(WgfError, match="without NUL"):
        validate({**table, "data": {"source": "a\0b"}})
