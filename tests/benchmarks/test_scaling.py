"""The scaling benchmark: its model against its own formula, its page, and the measurement in one process."""

from __future__ import annotations

import pytest
from wgf.benchmarks.scaling.model import PROCESSES, Model
from wgf.benchmarks.scaling.page import page
from wgf.benchmarks.scaling.work import WORK, drawn, measure, moments

MODEL = Model(
    particle=1e-7, step=1e-4, shared=1.25, latency=5e-5, rate=1e9, sums=(1, 14_370), collectives=4.0
)  # fmt: skip


def test_the_model_is_its_formula():
    """Two processes send a sum of k numbers as 8k bytes; four sums and flags, each with one latency."""
    arithmetic = (1e-7 * 10**6 / 2 + 1e-4) * 1.25
    assert MODEL.seconds(10**6, 2) == pytest.approx(arithmetic + 4 * 5e-5 + 8 * 14_371 / 1e9)
    assert MODEL.seconds(10**6, 1) == pytest.approx(0.1001)
    assert MODEL.messages(10**6, 4) < MODEL.messages(10**9, 1024)


def test_more_processes_stop_paying_where_messages_outweigh_arithmetic():
    most = [MODEL.most(n) for n in (10**6, 10**7, 10**8)]
    assert most == sorted(most)
    assert 1 < most[0] < PROCESSES[-1]


@pytest.mark.parametrize("name", ["moments", "noise"])
def test_one_process_measures_without_messages(name):
    found = measure(name, 2000, 4)
    assert found["seconds"] > 0
    assert found["formula"] == 0
    assert not any(found["sent"].values())
    assert found["link"] == {}


def test_particles_are_drawn_by_their_ids():
    assert drawn(100, 3).x[:20].equal(drawn(40, 3).x[:20])
    assert moments(2) == 6


def test_the_page_has_every_kind_of_work():
    two = {"seconds": 0.012, "n": 4000, "steps": 4, "sent": {"sums": 64, "checks": 32}, "formula": 16}
    rows = [
        {"name": name, "small": {}, "large": {"seconds": 0.01, "n": 2000}, "apart": 0.011, "two": two,
         "model": vars(MODEL)} for name in WORK
    ]  # fmt: skip
    told = page({"rows": rows, "date": "2026-01-01", "cpu": "a CPU"})
    assert all(f"## {name}: predicted" in told for name in WORK)
    assert "| network on digits | 16 | 16 | 8 |" in told
    assert "| 1024 |" in told
