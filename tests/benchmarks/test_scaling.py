"""The scaling benchmark: its model against its own formula, its page, and the measurement in one process."""

from __future__ import annotations

import pytest
from wgf.benchmarks.scaling.model import PROCESSES, Model
from wgf.benchmarks.scaling.page import page
from wgf.benchmarks.scaling.work import WORK, Runs, drawn, moments

MODEL = Model(
    particle=1e-7, step=1e-4, shared=1.25, waiting=0.1, latency=5e-5, rate=1e9, sums=(1, 14_370), messages=1.0
)  # fmt: skip
LINK = {"1": 5e-5, str(2**20): 5e-5 + 8 * 2**20 / 1e9}


def sizes(model):
    """What runs of two sizes measure on a machine that the model describes."""
    for n, steps in ((1000, 50), (100_000, 5)):
        seconds = {"one": model.seconds(n, 1), "apart": model.shared * model.seconds(n, 1)}
        two = {"seconds": model.seconds(2 * n, 2), "n": 2 * n, "steps": steps, "messages": steps + 20}
        found = {name: {"seconds": value, "n": n} for name, value in seconds.items()}
        yield found | {"two": two | {"formula": 8 * sum(model.sums), "sent": {"sums": steps * 8 * sum(model.sums)}}}


def test_the_model_is_its_formula():
    """Two processes send a sum of k numbers as 8k bytes, and wait once in a step."""
    arithmetic = (1e-7 * 10**6 / 2 + 1e-4) * 1.25 * 1.1
    assert MODEL.seconds(10**6, 2) == pytest.approx(arithmetic + 5e-5 + 8 * 14_371 / 1e9)
    assert MODEL.seconds(10**6, 1) == pytest.approx(0.1001)
    assert MODEL.speaking(10**6, 4) < MODEL.speaking(10**9, 1024)


def test_constants_are_found_again_from_runs_of_two_sizes():
    small, large = sizes(MODEL)
    found, wanted = vars(Model.of(small, large, LINK, MODEL.sums)), vars(MODEL)
    assert {**found, "sums": 0} == pytest.approx({**wanted, "sums": 0})


def test_the_least_number_of_particles_for_an_efficiency():
    assert MODEL.enough(0.9) is None  # two processes wait for each other, whatever their particles
    found = MODEL.enough(0.7)
    assert MODEL.weak(found) >= 0.7 > MODEL.weak(found - found // 50)


def test_more_processes_stop_paying_where_messages_outweigh_arithmetic():
    most = [MODEL.most(n) for n in (10**6, 10**7, 10**8)]
    assert most == sorted(most)
    assert 1 < most[0] < PROCESSES[-1]


@pytest.mark.parametrize(("name", "whole"), [("moments", False), ("noise", False), ("noise", True)])
def test_one_process_measures_without_messages(name, whole):
    found = Runs(whole).measure(name, 2000, 4)
    assert found["seconds"] > 0
    assert whole or found["formula"] == 0
    assert whole or not any(found["sent"].values())
    assert Runs().link() == {}


def test_particles_are_drawn_by_their_ids():
    assert drawn(100, 3).x[:20].equal(drawn(40, 3).x[:20])
    assert moments(2) == 6


def test_the_page_has_every_kind_of_work():
    few, many = sizes(MODEL)
    rows = [{"name": name, "sizes": [few, few, many], "model": vars(MODEL)} for name in WORK]
    both = [{"name": name, "two": {"seconds": 0.011, "n": 4000}, "threads": {"seconds": 0.01}} for name in WORK]
    told = page({"weak": rows, "strong": both, "date": "2026-01-01", "cpu": "a CPU"})
    assert all(f"## {name}: predicted" in told for name in WORK)
    assert "| network on digits | 114968 | 114968 |" in told
    assert "| noise | 4000 | 10.00 | 11.00 | 1.10 |" in told
    assert "| 1024 |" in told
    assert "| 1024 |" not in page({"strong": both, "date": "2026-01-01"})
