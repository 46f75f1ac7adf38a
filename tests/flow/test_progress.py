"""The bar of a run on a narrow terminal, and what is shown while code is compiled."""

from __future__ import annotations

import io

import numba
import pytest
import rich.console

import wgf
from wgf.flow.progress import COMPILING, BarProgress, LineProgress


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


def run(progress):
    """A run along a potential that is compiled for the first time."""

    @numba.njit
    def slope(x, out):
        out[0] = x[0]

    F = wgf.Potential(numba.njit(lambda x: 0.5 * x[0] ** 2), slope)
    wgf.solve(F, wgf.Ensemble([[1.0], [2.0]]), wgf.solvers.Euler(), dt=0.1, t_end=0.3, progress=progress)


def test_lines_say_once_that_code_is_compiled():
    out = io.StringIO()
    run(LineProgress(stream=out))
    assert out.getvalue().splitlines() == [COMPILING]
    again = io.StringIO()
    wgf.solve(
        wgf.Quadratic(), wgf.Ensemble([[1.0], [2.0]]), wgf.solvers.Euler(), dt=0.1, t_end=0.3,
        progress=LineProgress(stream=again),
    )  # fmt: skip
    assert again.getvalue() == ""  # nobody is told after the end of a run, and nothing was compiled here


def test_the_bar_says_that_code_is_compiled(capsys):
    bar = BarProgress()
    bar.compiling()
    bar.compiling()
    assert capsys.readouterr().err.splitlines() == [COMPILING]
    with bar.running(3, 1.0):
        bar.compiling()
        assert bar._bar.tasks[0].description == COMPILING
        bar.advance(1, 0.1, None)
        assert bar._bar.tasks[0].description == "t = 0.1"
