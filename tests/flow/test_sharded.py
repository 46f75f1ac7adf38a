"""Runs whose particles are divided among 1, 2 and 3 processes: the same bits, what is sent, and what is refused."""

from __future__ import annotations

import pytest
import torch
from shards import KEPT, OTHER_DRAWS, REFUSED, SIZES, cases, kept, result, solved, start

import wgf

CASES = {name: (F, mu, scheme) for name, F, mu, scheme in cases()}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return start(tmp_path_factory.mktemp("shards"))


@pytest.mark.parametrize("name", CASES)
def test_any_number_of_processes_gives_the_same_bits(found, name):
    one = found[1, 0][name]
    for size in SIZES:
        for rank in range(size):
            other = found[size, rank][name]
            assert torch.equal(other["x"], one["x"])
            assert torch.equal(other["weights"], one["weights"])
            assert str(other["table"]) == str(one["table"])  # as text: NaN is NaN


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHER_DRAWS])
def test_a_plain_run_agrees_to_rounding(found, name):
    one, plain = found[1, 0][name], result(solved(*CASES[name]))
    near = 1e-12 if plain["x"].dtype == torch.float64 else 1e-6
    assert (one["x"] - plain["x"]).abs().max() <= near * plain["x"].abs().max()
    assert one["table"]["free_energy"] == pytest.approx(plain["table"]["free_energy"], rel=near)
    assert one["table"].keys() == plain["table"].keys()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_divided_is_refused_by_name(found, name):
    for size in SIZES:
        for rank in range(size):
            kind, message = found[size, rank]["refused"][name]
            assert kind == "ConfigError"
            assert message.startswith(name)
            assert "divided among processes" in message


def test_an_error_in_one_process_is_raised_in_all(found):
    for size in SIZES:
        for rank in range(size):
            for name, step in (("lost", "step 0,"), ("lost later", "step 3,")):
                kind, message = found[size, rank][name]
                assert kind == "DivergenceError"
                assert message.startswith(step)
                assert "(id 900)" in message


def test_a_step_between_records_takes_one_message_at_most_and_the_bytes_of_the_formula(found):
    for size in SIZES:
        for rank in range(size):
            for name, (messages, sent, formula) in found[size, rank]["by step"].items():
                assert sent == formula
                assert size == 1 or messages == (0 if name == "noise" else 1)


def test_both_gears_give_the_same_bits(found):
    one = found[1, 0]["geared"]
    for size in SIZES:
        for rank in range(size):
            for (name, _), other in found[size, rank]["geared"].items():
                assert torch.equal(other["x"], one[name, True]["x"])
                assert str(other["table"]) == str(one[name, True]["table"])


def test_ensembles_that_differ_are_refused(found):
    for rank in range(3):
        kind, message = found["apart", rank]["differ"]
        assert kind == "ConfigError"
        assert message.startswith("the ensembles of processes 0 and 2 differ")


def test_a_collective_that_hangs_ends_in_a_typed_error_in_time(found):
    for rank in range(2):
        kind, message = found["apart", rank]["silent"]
        assert kind == "CommunicationError"
        assert "timeout = 1.5 s" in message
        assert found["apart", rank]["waited"] < 3.0


def test_a_run_goes_on_with_another_number_of_processes(found):
    for rank in range(3):
        broken, unbroken = found["stored", rank]["broken"], found["stored", rank]["unbroken"]
        assert torch.equal(broken["x"], unbroken["x"])
        assert str(broken["table"]) == str(unbroken["table"])


def test_one_process_reads_all_of_it_and_goes_on(found):
    folder = found["folder"] / "run"
    here = wgf.load(folder)
    assert here.ensemble.whole
    assert here.state.step == 13
    assert torch.equal(here.ensemble.x, found["stored", 0]["broken"]["x"])
    done, (F, mu, scheme) = result(wgf.resume(folder, max_steps=100)), kept()
    straight = result(solved(F, mu.shard(), scheme, **KEPT))
    assert torch.equal(done["x"], straight["x"])
    assert str(done["table"]) == str(straight["table"])
    assert len(list((folder / "checkpoints").glob("part-*"))) <= 4


def test_bytes_sent_are_those_of_the_formula_and_do_not_grow_but_in_the_ring(found):
    for size in SIZES:
        for rank in range(size):
            few, many = found[size, rank]["bytes"].values()
            for name, (sent, formula) in few.items():
                assert sent == formula
                assert many[name][0] == many[name][1]
                assert many[name][0] == (4 * sent if name == "ring" else sent)
