"""The table of a work–precision measurement: for each scheme the cost of each error, and what was not usable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .figure import TOP, limit
from .words import seconds, table

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
"""The errors for which the page names the cheapest run."""


def section(problem: Mapping[str, Any]) -> str:
    """The part of a page that belongs to one problem: its answer, the table, and what was left out."""
    floors = "; ".join(f"by {kind} {value:.1e}" for kind, value in problem["floors"].items())
    ran = [curve for curve in problem["curves"] if "left_out" not in curve]
    out = [curve for curve in problem["curves"] if "left_out" in curve]
    levels = [f"≤ {level:g}" for level in LEVELS]
    head = ("solver", "order", "particles", "best error", "at", "evaluations", "time", "warm-up", *levels, "not usable")
    rows = [_row(curve, limit(problem)) for curve in ran]
    text = (
        f"## {problem['title']}\n\n{problem['equation']}. Answer: {problem['answer']}. Error: {problem['unit']}."
        f"{f' Floor of the error: {floors}.' if floors else ''}\n\n" + table(head, rows)
    )
    reasons: dict[str, list[str]] = {}
    for curve in out:
        reasons.setdefault(curve["left_out"], []).append(curve["solver"])
    lines = [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    text += _too_coarse(problem["floors"], ran)
    return text + ("\n\nLeft out:\n\n" + "\n".join(lines) if lines else "")


def _too_coarse(floors: Mapping[str, float], ran: Iterable[Mapping[str, Any]]) -> str:
    """Why no run has an error of the first level, and what helps; empty where one has."""
    found = [(p["error"], curve["solver"]) for curve in ran for p in curve["points"] if p.get("error") is not None]
    if not found or min(found)[0] <= LEVELS[0]:
        return ""
    (error, solver), floor = min(found), floors.get("sampling", 0.0)
    text = f"\n\nNo run has an error of {LEVELS[0]:g} or less: the smallest is {error:.2g}, by {solver}. "
    if error > 2 * floor:
        return text + "Take smaller steps."
    return text + (
        f"Chance alone makes about {floor:.2g}: so far apart are two clouds of so many particles from the same law. "
        'Take more particles, or a metric that has less chance in it, such as "moments".'
    )


def _row(curve: Mapping[str, Any], top: float) -> list[Any]:
    done = [p for p in curve["points"] if p.get("error") is not None and p["error"] < top]
    bad = [p for p in curve["points"] if p not in done]
    told = _unusable(curve["effort"], bad)
    if not done:
        return [
            curve["solver"],
            curve["order"],
            curve["particles"],
            "",
            "",
            "",
            "",
            _warm(curve),
            *[""] * len(LEVELS),
            told,
        ]
    best = min(done, key=lambda point: point["error"])
    return [
        curve["solver"], curve["order"], curve["particles"], f"{best['error']:.1e}",
        f"{curve['effort']} = {best['effort']:.3g}", best["evaluations"], seconds(best["seconds"]), _warm(curve),
        *(_cheapest(done, level) for level in LEVELS), told,
    ]  # fmt: skip


def _warm(curve: Mapping[str, Any]) -> str:
    return seconds(curve.get("warm_up"))


def _cheapest(done: Sequence[Mapping[str, Any]], level: float) -> str:
    """The time of the fastest run with an error of at most `level`."""
    times = [point["seconds"] for point in done if point["error"] <= level]
    return seconds(min(times)) if times else "–"


def _unusable(effort: str, bad: Iterable[Mapping[str, Any]]) -> str:
    """In words: the runs that failed or have an error beyond TOP, and those for which there was no time."""
    failed = [f"{p['effort']:.3g}" for p in bad if "skipped" not in p]
    skipped = [f"{p['effort']:.3g}" for p in bad if "skipped" in p]
    parts = ([f"unstable or failed at {effort} = {', '.join(failed)}"] if failed else []) + (
        [f"no time for {effort} = {', '.join(skipped)}"] if skipped else []
    )
    return "; ".join(parts)


def unusable(curves: Iterable[Mapping[str, Any]], top: float = TOP) -> dict[str, list[str]]:
    """For each scheme the settings that are not usable, with the reason. Equal reasons are told once."""
    told: dict[str, list[str]] = {}
    for curve in curves:
        reasons: dict[str, list[str]] = {}
        for point in curve.get("points", ()) if "left_out" not in curve else ():
            error = point.get("error")
            reason = point.get("failed") or point.get("skipped")
            if reason is None and error is not None and error >= top:
                reason = f"unstable, with errors above {top:g}"
            if reason is not None:
                reasons.setdefault(reason, []).append(f"{point['effort']:.3g}")
        if reasons:
            lines = (f"{curve['effort']} = {', '.join(efforts)}: {reason}" for reason, efforts in reasons.items())
            told[curve["solver"]] = list(lines)
    return told
