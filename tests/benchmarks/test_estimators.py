"""The bench of the estimators: it runs, and its verdict is what it says."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner
from wgf.benchmarks.estimators.page import page, within
from wgf.benchmarks.estimators.scores import MLP, MLP_STOPPED
from wgf.benchmarks.frame.case import OURS

from wgf.cli import app


def test_the_verdict_is_against_the_better_peer():
    def row(ours: float, one: float, other: float) -> dict:
        return {
            "bodies": {
                OURS: {"mean": ours},
                MLP: {"mean": one, "error": 0.01},
                MLP_STOPPED: {"mean": other, "error": 1.0},
            }
        }

    assert within(row(0.95, 0.955, 0.5))
    assert not within(row(0.94, 0.955, 0.5))
    assert within(row(0.94, 0.955, 0.96))


@pytest.mark.slow
def test_the_quick_version(tmp_path):
    done = CliRunner().invoke(app, ["bench", "estimators", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (stored,) = tmp_path.glob("*.json")
    result = json.loads(stored.read_text())
    (row,) = result["rows"]
    assert set(row["bodies"]) == {OURS, MLP, MLP_STOPPED}
    assert len(row["bodies"][OURS]["scores"]) == 5
    assert row["bodies"][OURS]["mean"] > 0.9
    assert row["bodies"][OURS]["warned"] == 0
    (text,) = (path.read_text() for path in tmp_path.glob("*.md"))
    assert text == page(result)
    assert "wine, 178 × 13: accuracy" in text
