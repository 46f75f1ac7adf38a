"""The command `wgf bench solvers`: runs every scheme on every problem that it fits, at several steps."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from ... import solvers
from ...errors import ConfigError, closest
from ...precision import figure
from ...precision.curves import Say, measured
from ...runs import store
from ..frame.facts import machine_facts, machine_name
from .page import page
from .problems import PROBLEMS, Problem
from .trials import trial

ROUNDS = 2
"""Number of rounds through all schemes of a problem. Each has another seed, and the state of the machine differs."""
BUDGET, QUICK_BUDGET = 1.5, 0.4
"""Seconds for a curve in a round. Finer steps that are predicted to take longer are left out."""
PATIENCE, QUICK_PATIENCE = 6.0, 2.0
"""Seconds after which a run, or a first step with its compilation, is stopped."""


def run(folder: Path, *, quick: bool = False, only: str | None = None) -> Path:
    """Measure the solvers and write the results as JSON, figures (PNG and SVG) and a page.

    Parameters
    ----------
    folder : Path
        Where the files go; it is created if needed.
    quick : bool
        Small sizes, to test that everything works.
    only : str, optional
        One problem; by default all.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        For an unknown problem.
    """
    problems = {make(quick).name: make for make in PROBLEMS}
    if only is not None and only not in problems:
        raise ConfigError(f"--only {only}{closest(only, problems)}")
    name = "-".join(["solvers", machine_name(), *(["quick"] if quick else []), *([only] if only else [])])
    console, begun = Console(highlight=False), time.monotonic()
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        **machine_facts(),
        "rounds": 1 if quick else ROUNDS,
        "problems": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    stem = "solvers" if not quick and only is None else name

    def keep() -> None:
        result["seconds"] = round(time.monotonic() - begun)
        store.write_json(folder / f"{name}.json", result)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    for make in [make for key, make in problems.items() if only in (None, key)]:
        result["problems"].append(on_problem(make(quick), quick, say))
        keep()
    names = figure.write(result["problems"], folder, stem)
    path = folder / f"{stem}.md"
    path.write_text(page(result, names), encoding="utf-8")
    return path


def on_problem(problem: Problem, quick: bool, say: Say) -> dict[str, Any]:
    """All curves of one problem. Each scheme is warmed up; then all are measured in rounds."""
    say(f"\n{problem.title}: {problem.equation}")
    began = time.monotonic()
    limits = (QUICK_BUDGET, QUICK_PATIENCE) if quick else (BUDGET, PATIENCE)
    budget, patience = (problem.allowance * limit for limit in limits)
    entries = [trial(name, problem).entry for name in solvers.REGISTRY]
    curves = measured(entries, rounds=1 if quick else ROUNDS, budget=budget, patience=patience, say=say)
    floors = {}
    if problem.noisy_floor is not None:
        floors["sampling"] = problem.noisy_floor(problem.n_noisy)
    if problem.smooth_floor is not None:
        floors["bandwidth"] = problem.smooth_floor()
    return {
        "name": problem.name, "title": problem.title, "equation": problem.equation, "answer": problem.answer,
        "unit": problem.unit, "t_end": problem.t_end, "transient": problem.transient, "floors": floors,
        "curves": curves, "took": round(time.monotonic() - began, 1),
    }  # fmt: skip
