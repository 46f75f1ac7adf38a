"""The command line: what it prints, where it writes, and one line for each mistake."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import CONTENTS, rows, wgf_command

import wgf
from wgf.runs import DEFAULT, dump, load_config, store

# ------------------------------------------------------------------------------------------ the command


def test_run_says_what_came_out_and_where_the_report_is(place, undrawn):
    result = wgf_command("run", "small.toml", "--set", "solver.t_end=1.0", "--out", "here/and/there")
    assert result.exit_code == 0, result.output
    for text in (
        "free energy F",
        "energy E",
        "entropy S",
        "test loss",
        "closure",
        "force ratio",
        "W₂",
        "time",
        "steps to",
    ):
        assert text in result.stdout
    assert re.search(r"information force +effective, 0\.\d+ ≤ I/G ≤ ", result.stdout)
    assert "report: here/and/there/report.html" in result.stdout
    assert rows(Path("here/and/there"))[-1]["t"] == 1.0


def test_run_without_a_directory_makes_one_under_runs_and_never_takes_the_same_twice(place, undrawn):
    for _ in range(2):
        assert wgf_command("run", "small.toml", "-q", "--set", "solver.t_end=0.5").exit_code == 0
    made = sorted(path.name for path in Path("runs").iterdir())
    assert len(made) == 2
    assert all(re.fullmatch(r"diabetes-\d{8}-\d{6}(-2)?", name) for name in made)


def test_quiet_prints_the_report_alone(place, undrawn):
    result = wgf_command("run", "small.toml", "-q", "--out", "out")
    assert result.output == "report: out/report.html\n"


def test_new_writes_the_commented_default_and_overwrites_nothing(place):
    result = wgf_command("new", "mine.toml")
    assert result.exit_code == 0, result.output
    assert Path("mine.toml").read_text(encoding="utf-8") == DEFAULT.read_text(encoding="utf-8")
    assert dump(load_config("mine.toml")) == dump(load_config())
    Path("mine.toml").write_text("# precious")
    again = wgf_command("new", "mine.toml")
    assert again.exit_code == 2
    assert "is not overwritten" in again.stderr
    assert Path("mine.toml").read_text() == "# precious"
    assert wgf_command("new", "absent/mine.toml").exit_code == 2


def test_info_version_and_help(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    info = wgf_command("info")
    assert info.exit_code == 0
    for text in ("torch", "threads", "BLAS in numpy", "OPENBLAS_CORETYPE=Haswell", "halves the speed"):
        assert text in info.stdout
    assert wgf_command("--version").stdout == f"wgf {wgf.__version__}\n"
    bare = wgf_command()
    assert bare.exit_code == 0
    for command in ("run", "new", "report", "info"):
        assert command in bare.stdout


# ------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.toml"], "absent.toml: cannot be read"),
        (["small.toml", "--set", "solver.dt=-1"], "solver.dt = -1: wanted a number > 0"),
        (["small.toml", "--set", "solver.dtt=1"], "did you mean 'dt'?"),
        (["small.toml", "--set", "data.source=digitz"], "did you mean 'digits'?"),
        (["small.toml", "--set", "data.source=absent.csv"], "absent.csv: no such file"),
        (["small.toml", "--set", "data.source=ragged.csv"], "ragged.csv, line 3"),
        (["small.toml", "--set", "data.source=holes.csv"], "holes.csv, line 2, column"),
        (["small.toml", "--set", "network.loss=logistic"], "diabetes is a regression"),
        (["small.toml", "--set", "network.batch=1000"], "at most the 353 training samples"),
        (["small.toml", "--set", "entropy.0.term=Shannon"], "Heun is deterministic and cannot realise the Shannon"),
        (["small.toml", "--set", "network.neurons=5"], "singular"),
        (["small.toml", "--set", "network.neurons=1000000000000"], "here: take fewer of them"),
        (["small.toml", "--set", "energy.0.stiffness=[1, 2]"], "stiffness"),
        (["small.toml", "--out", "full"], "is not empty"),
        (["small.toml", "--out", "small.toml"], "there is a file of that name"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_leaves_nothing(arguments, message, place):
    Path("ragged.csv").write_text("a,b,c\n1,2,3\n1,2\n")
    Path("holes.csv").write_text("a,b,c\n1,,3\n1,2,3\n")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    before = sorted(place.rglob("*"))
    result = wgf_command("run", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(place.rglob("*")) == before


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_computed_and_exits_130(place):
    command = [sys.executable, "-m", "wgf.cli", "run", "small.toml", "--out", "out", "--set", "solver.t_end=10000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a process started in the background, as a worker of pytest-xdist is, ignores SIGINT, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    metrics, patience = Path("out.partial/metrics.jsonl"), time.monotonic() + 30
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < patience:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted at t = " in errors
    assert "Traceback" not in errors
    assert {path.name for path in Path("out").iterdir()} == CONTENTS
    assert not Path("out.partial").exists()
    assert store.read_json(Path("out/summary.json"))["status"] == "INTERRUPTED"
