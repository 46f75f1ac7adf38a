"""`wgf run` with its defaults as a program of its own: the time by its own clock, closure and accuracy."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...runs.store import read_json
from ..frame.case import Case, Target
from ..frame.measure import Row, told
from ..frame.processes import environment

RUN = "wgf run"
ROUNDS = 3
CLOSURE, ACCURACY = 0.03, 0.96
"""The closure may be off by so much, and the accuracy on the test set is at least this."""
QUICK = ("--set", "network.neurons=200", "--set", "solver.t_end=2")

_RUN = "from wgf.cli import main; main()"

CASE = Case(
    name="wgf run with its defaults",
    family="default run",
    arrays=dict,
    bodies={},
    bound=1.0,
    targets=[Target("seconds", (RUN,), 15.0, 10.0, ours=RUN)],
    unit=f"the larger of |closure|/{CLOSURE:g} and (share that is wrong in the test set)/{1 - ACCURACY:.2g}",
)


def rows(quick: bool) -> Iterator[Row]:
    """One row: the seconds that the summary of each run states, and how far the run may be trusted."""
    runs = [_summary(QUICK if quick else ()) for _ in range(1 if quick else ROUNDS)]
    last = runs[-1]
    closure, accuracy = last["final"]["closure_total"], last["final"]["test_accuracy"]
    gap = (
        f"The run ends with a closure of {closure:+.1%} and is right in {accuracy:.1%} of the test set. Its last "
        f"repetition took {last['seconds']:.1f} s: "
        + ", ".join(f"{name} {spent:.1f} s" for name, spent in last["timing"].items())
        + "; the rest is data and files."
    )
    error = max(abs(closure) / CLOSURE, (1 - accuracy) / (1 - ACCURACY))
    yield told(replace(CASE, gap=gap), {RUN: [run["seconds"] for run in runs]}, {RUN: error})


def _summary(settings: tuple[str, ...]) -> dict[str, Any]:
    """The summary of one run in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="wgf-bench-") as folder:
        out = str(Path(folder) / "run")
        done = subprocess.run(
            [sys.executable, "-P", "-c", _RUN, "run", "--quiet", "--out", out, *settings],
            env=environment(), capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"wgf run failed: {done.stderr.strip().splitlines()[-1:]}")
        return read_json(Path(out) / "summary.json")
