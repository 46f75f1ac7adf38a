"""Signals to `wgf run` at chosen moments: a second while it saves, one while the report is drawn, one in an import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import CONTENTS, wgf_command

from wgf.process import signals
from wgf.runs import store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
RESULTS = CONTENTS - {"report.html"}


@pytest.fixture(autouse=True)
def default_handlers():
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    with signals.during(signals.Mode.RAISE):  # as the command has them in its hands
        yield
    for number, handler in before.items():
        signal.signal(number, handler)


def sending(monkeypatch, target, name, *numbers, after=False):
    """Signals come when a function is called, before or after it does its work."""
    real = getattr(target, name)

    def sent(*arguments, **options):
        result = real(*arguments, **options) if after else None
        for number in numbers:
            signal.raise_signal(number)
        return result if after else real(*arguments, **options)

    monkeypatch.setattr(target, name, sent)


def run(t_end="0.5"):
    return wgf_command("run", "small.toml", "--out", "out", "--set", f"solver.t_end={t_end}")


def contents():
    return {path.name for path in Path("out").iterdir()}


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_while_the_report_is_drawn_the_run_is_kept(place, monkeypatch, number, code):
    sending(monkeypatch, sys.modules["wgf.runs.report"], "_page", getattr(signal, number))
    result = run()
    assert result.exit_code == code, result.output
    assert "the report could not be drawn (interrupted); the results are kept" in result.stderr
    assert "its results are saved" in result.stderr
    assert contents() == RESULTS
    assert store.read_json(Path("out/summary.json"))["status"] == "COMPLETED"
    monkeypatch.undo()
    os.chdir(place)
    assert wgf_command("report", "out").exit_code == 0
    assert contents() == CONTENTS


@pytest.mark.parametrize("name", ["write_json", "write_frames"])
@pytest.mark.parametrize("after", [False, True])
def test_while_files_are_saved_signals_wait_however_many(place, monkeypatch, name, after):
    sending(monkeypatch, store, name, signal.SIGTERM, signal.SIGINT, signal.SIGINT, after=after)
    result = run()
    assert result.exit_code == 143, result.output
    if name == "write_json":  # the first of its files is written before the first step
        assert result.stderr == "interrupted; nothing was saved\n"
        assert sorted(path.name for path in place.iterdir()) == ["small.toml"]
    else:
        assert contents() == RESULTS, "no time is spent on the report"
        assert "its results are saved" in result.stderr
        assert not Path("out.partial").exists()


class Count:
    """Counts the records of a run from 0, by their ensembles: `_Scores.of` is called more than once for each."""

    def __init__(self) -> None:
        self.seen: object = None
        self.record = -1

    def __call__(self, mu: object) -> int:
        self.record += mu is not self.seen
        self.seen = mu
        return self.record


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_in_the_run_what_was_computed_is_saved(place, monkeypatch, undrawn, number, code):
    from wgf.runs.training import _Scores

    real, record = _Scores.of, Count()

    def scores(self, mu, evaluation):
        if record(mu) == 3 and not signals.arrived():
            signal.raise_signal(getattr(signal, number))
        return real(self, mu, evaluation)

    monkeypatch.setattr(_Scores, "of", scores)
    result = run("1000")
    assert result.exit_code == code, result.output
    assert "interrupted at t = " in result.stderr
    assert contents() == CONTENTS
    summary = store.read_json(Path("out/summary.json"))
    assert summary["status"] == "INTERRUPTED"
    lines = Path("out/metrics.jsonl").read_text().splitlines()
    assert len(lines) == summary["records"] == 4
    assert json.loads(lines[-1])["t"] == summary["t"]


def test_a_signal_that_a_callback_loses_ends_the_run_all_the_same(place, monkeypatch, undrawn):
    from wgf.runs.training import _Scores

    real, record = _Scores.of, Count()

    def losing(self, mu, evaluation):
        try:
            if record(mu) == 2:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            pass
        return real(self, mu, evaluation)

    monkeypatch.setattr(_Scores, "of", losing)
    result = run("1000")
    assert result.exit_code == 130, result.output
    assert store.read_json(Path("out/summary.json"))["records"] == 3


def test_a_signal_that_becomes_another_error_is_an_interruption(place, monkeypatch, undrawn):
    from wgf.runs.training import _Scores

    def converting(*_arguments):
        signal.raise_signal(signal.SIGTERM)
        raise ImportError("initialization failed")

    monkeypatch.setattr(sys.modules["wgf.runs.run"], "prepare", converting)
    result = wgf_command("run", "small.toml", "--out", "other")
    assert result.exit_code == 143
    assert result.stderr == "interrupted; nothing was saved\n"
    assert signals.taken()
    monkeypatch.undo()
    os.chdir(place)
    real, record = _Scores.of, Count()
    monkeypatch.setattr(_Scores, "of", lambda self, mu, e: (converting if record(mu) == 2 else real)(self, mu, e))
    assert run("1000").exit_code == 143
    assert store.read_json(Path("out/summary.json"))["status"] == "INTERRUPTED"


def test_before_the_first_record_nothing_is_left(place, monkeypatch):
    from wgf.runs.job import Job

    sending(monkeypatch, Job, "begin", signal.SIGHUP)
    result = wgf_command("run", "small.toml", "--out", "a/b/out")
    assert result.exit_code == 129
    assert result.stderr == "interrupted; nothing was saved\n"
    assert sorted(path.name for path in place.iterdir()) == ["small.toml"]


IMPORTING = """
import builtins, signal, sys
real = builtins.__import__
def importing(name, globals=None, locals=None, fromlist=(), level=0):
    if {wanted!r} in (name, *(fromlist or ())):
        signal.raise_signal(signal.SIGTERM)
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = importing
sys.argv = ["wgf", "run", "--out", "out"]
from wgf.cli import main
main()
"""


@pytest.mark.parametrize(
    ("wanted", "more"),
    # numba comes with the first compiled operation, when the run has begun
    [("typer", ""), ("torch", ""), ("load_config", ""), ("numba", "; nothing was saved")],
)
def test_during_imports_there_is_no_traceback(place, wanted, more):
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTING.format(wanted=wanted)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", f"interrupted{more}\n")
    assert sorted(path.name for path in place.iterdir()) == ["small.toml"]
