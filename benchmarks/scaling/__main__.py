"""The command `python -m wgf.benchmarks.scaling`: runs on one and two processes, and a model up to 1024, as a page."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from ...runs import store
from ..frame.facts import default_folder, machine_facts
from .model import Model
from .page import page
from .processes import Team, median, teams
from .work import WORK

ROUNDS = 5
"""How often each run is measured, in turn with those that it is compared with."""


def in_turn(rounds: int, runs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The medians of some runs, which are made in turn; the first round compiles and does not count."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            answers[name].append(run())
    return {name: median(found[1:]) for name, found in answers.items()}


def weak(rounds: int, shrink: int, apart: Team, two: Team) -> list[dict[str, Any]]:
    """Runs of one process, of two that do not speak, and of two with as many particles each; for three sizes."""
    rows, link = [], two.ask(link=True)
    for name, work in WORK.items():
        sizes = []
        for n, steps in zip(work.sizes, work.steps, strict=True):
            asked = {"name": name, "n": n // shrink, "steps": steps}
            pair = asked | {"n": 2 * n // shrink}
            runs = {
                "one": lambda asked=asked: apart.ask(1, **asked),
                "apart": lambda asked=asked: apart.ask(**asked),
                "two": lambda pair=pair: two.ask(**pair),
            }
            sizes.append(in_turn(rounds, runs))
        rows.append({"name": name, "sizes": sizes, "model": vars(Model.of(sizes[0], sizes[2], link, work.sums))})
    return rows


def strong(rounds: int, shrink: int, threads: Team, two: Team) -> list[dict[str, Any]]:
    """The same run in one process with two threads, and in two with one each."""
    rows = []
    for name, work in WORK.items():
        asked = {"name": name, "n": 2 * work.sizes[1] // shrink, "steps": work.steps[1]}
        runs = {"threads": lambda asked=asked: threads.ask(**asked), "two": lambda asked=asked: two.ask(**asked)}
        rows.append({"name": name, **in_turn(rounds, runs)})
    return rows


def main() -> None:
    """Make the runs, and write `scaling.json` and `scaling.md`. With `--only` the other part stays as it was."""
    parser = argparse.ArgumentParser(prog="python -m wgf.benchmarks.scaling", description=__doc__)
    parser.add_argument("--only", choices=("weak", "strong"), help="one part: n per process fixed, or n fixed")
    parser.add_argument("--quick", action="store_true", help="small sizes: a test that everything works")
    parser.add_argument("--out", type=Path, default=None, help="folder; by default benchmarks/results in a clone")
    options = parser.parse_args()
    folder = options.out or default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path, rounds, shrink = folder / "scaling.json", 2 if options.quick else ROUNDS, 4 if options.quick else 1
    before = json.loads(path.read_text(encoding="utf-8")) if options.only and path.exists() else {}
    result = (
        {part: before[part] for part in ("weak", "strong") if part in before}
        | {"date": datetime.date.today().isoformat()}
        | machine_facts()
    )
    two = Team(2, speak=True)
    with teams(two):
        if options.only != "strong":
            apart = Team(2)
            with teams(apart):
                result["weak"] = weak(rounds, shrink, apart, two)
        if options.only != "weak":
            threads = Team(1, threads=2)
            with teams(threads):
                result["strong"] = strong(rounds, shrink, threads, two)
    store.write_json(path, result)
    (folder / "scaling.md").write_text(page(result), encoding="utf-8")
    print(page(result))


if __name__ == "__main__":
    main()
