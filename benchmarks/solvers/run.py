"""The command `wgf bench solvers`: runs every scheme on every problem that it fits, at several steps."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from ... import solvers
from ...errors import ConfigError, closest
from ...runs import store
from ..frame.facts import machine_facts, machine_name
from . import work_precision
from .page import page
from .problems import PROBLEMS, Problem
from .trials import Trial, trial

ROUNDS = 2
"""Number of rounds through all schemes of a problem. Each has another seed, and the state of the machine differs."""
BUDGET, QUICK_BUDGET = 1.5, 0.4
"""Seconds for a curve in a round. Finer steps that are predicted to take longer are left out."""
PATIENCE, QUICK_PATIENCE = 6.0, 2.0
"""Seconds after which a run, or a first step with its compilation, is stopped."""

Say = Callable[[str], None]


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
    figures = work_precision.write(result["problems"], folder, stem)
    path = folder / f"{stem}.md"
    path.write_text(page(result, figures), encoding="utf-8")
    return path


def on_problem(problem: Problem, quick: bool, say: Say) -> dict[str, Any]:
    """All curves of one problem. Each scheme is warmed up; then all are measured in rounds."""
    say(f"\n{problem.title}: {problem.equation}")
    began = time.monotonic()
    limits = (QUICK_BUDGET, QUICK_PATIENCE) if quick else (BUDGET, PATIENCE)
    budget, patience = (problem.allowance * limit for limit in limits)
    curves: list[dict[str, Any]] = []
    trials: list[tuple[Trial, dict[str, Any]]] = []
    for name in solvers.REGISTRY:
        entered = trial(name, problem)
        curve: dict[str, Any] = {"solver": name}
        curves.append(curve)
        if not entered.reason:
            curve |= _entered(entered)
            reason = _warmed(entered, curve, patience)
            if reason is None:
                trials.append((entered, curve))
                continue
            curve["left_out"] = reason
        curve.setdefault("left_out", entered.reason)
        say(f"  {name:<20} left out: {curve['left_out']}")
    for number in range(1 if quick else ROUNDS):
        shift = number % max(1, len(trials))  # so that no scheme always runs after the same one
        for entered, curve in trials[shift:] + trials[:shift]:
            _measure(entered, curve["points"], number, budget, patience)
    for _, curve in trials:
        for point in curve["points"]:
            _summarise(point)
        say(_said(curve))
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


def _entered(entered: Trial) -> dict[str, Any]:
    assert entered.solver is not None
    return {
        "settings": repr(entered.solver),
        "order": entered.solver.order,
        "effort": "rtol" if entered.solver.adaptive else "h",
        "entropy": "Shannon" if entered.noisy else "force or none",
        "particles": entered.particles,
        "points": [{"effort": effort} for effort in entered.efforts],
    }


def _warmed(entered: Trial, curve: dict[str, Any], patience: float) -> str | None:
    """Take the first step, which may compile. Returns the reason if the scheme must be left out, else None."""
    try:
        curve["warm_up"] = entered.warm_up(patience)
    except ConfigError as error:
        return f"refused: {error}"
    except Exception as error:  # an error of a scheme is a result; the benchmark goes on
        return f"{type(error).__name__}: {error}"
    return None


def _measure(entered: Trial, points: list[dict[str, Any]], number: int, budget: float, patience: float) -> None:
    """One round of a curve, from coarse to fine steps, until the budget is used up."""
    spent, last = 0.0, 0.0
    for point in points:
        if spent + 2 * last > budget:  # the next point (half the step, or a tenth of the tolerance) needs about twice
            point.setdefault("skipped", f"beyond the {budget:g} s that a curve has")
        if "skipped" in point or "failed" in point:
            continue
        try:
            found = entered.run(point["effort"], number, patience)
        except Exception as error:  # an error of a scheme is a result, as above
            found = {"failed": f"{type(error).__name__}: {error}"}
        if "failed" in found:
            point["failed"] = found["failed"]
            continue
        last = found.pop("seconds")
        spent += last
        point.setdefault("times", []).append(last)
        point.setdefault("errors", []).append(found.pop("error"))
        point |= found


def _summarise(point: dict[str, Any]) -> None:
    """Combine the rounds: root mean square of the errors, and the least time, as other load only adds time."""
    if point.get("times"):
        point["error"] = math.sqrt(sum(e * e for e in point["errors"]) / len(point["errors"]))
        point["seconds"] = min(point["times"])


def _said(curve: dict[str, Any]) -> str:
    done = [point for point in curve["points"] if "error" in point]
    if not done:
        reasons = {point.get("failed", point.get("skipped", "")) for point in curve["points"]}
        return f"  {curve['solver']:<20} no run ended: {'; '.join(sorted(reasons))}"
    best = min(done, key=lambda point: point["error"])
    return (
        f"  {curve['solver']:<20} error {best['error']:.1e} at {curve['effort']} = {best['effort']:g}, "
        f"{best['evaluations']} evaluations, {best['seconds']:.2g} s; {len(done)} of {len(curve['points'])} runs"
    )
