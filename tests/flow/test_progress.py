"""The bar of a run on a narrow terminal."""

from __future__ import annotations

import io

import pytest
import rich.console

from wgf.flow.progress import BarProgress


@pytest.mark.parametrize(("width", "steps"), [(60, 123456), (40, 123456), (60, None)])
def test_a_narrow_terminal_keeps_count_and_estimate(monkeypatch, width, steps):
    out, console = io.StringIO(), rich.console.Console
    monkeypatch.setattr(
        rich.console, "Console", lambda stderr: console(file=out, width=width, force_terminal=True, color_system=None)
    )
    bar = BarProgress()
    count = f"45678/{steps}" if steps else "45678 steps"
    with bar.running(steps, 10.0):
        bar.advance(0, 0.0, None)
        bar.advance(45678, 3.7, {"free_energy": -123.4567, "test_accuracy": 0.91234, "test_loss": 0.123})
        bar._bar.refresh()
    lines = [line for line in out.getvalue().splitlines() if "45678" in line]
    assert lines
    assert all(count in line and ":--" in line and "t = 3.7" in line for line in lines)
