"""The curves of work and precision: every scheme is warmed up, then all are measured in rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigError
from .entry import Entry, LeftOut

Say = Callable[[str], None]
Curve = dict[str, Any]


def measured(
    entries: Sequence[Entry | LeftOut], *, rounds: int, budget: float, patience: float, say: Say
) -> list[Curve]:
    """Measure all curves of a problem.

    Parameters
    ----------
    entries : sequence of Entry or LeftOut
        The schemes, in the order of the result.
    rounds : int
        Number of rounds through all schemes. Each has another seed and another order, and the state of the machine
        differs.
    budget : float
        Seconds for a curve in a round. Finer steps that are predicted to take longer are left out.
    patience : float
        Seconds after which a run, or a first step with its compilation, is stopped.
    say : callable
        Called with a line about each scheme.

    Returns
    -------
    list of dict
        For each scheme its curve: "solver", and "left_out" with the reason, or "points". A point has "effort", and
        "error", "seconds", "steps", "evaluations", or "failed" or "skipped" with the reason.
    """
    curves: list[Curve] = []
    running: list[tuple[Entry, Curve]] = []
    for entry in entries:
        curve: Curve = {"solver": entry.name}
        curves.append(curve)
        if isinstance(entry, LeftOut):
            curve["left_out"] = entry.reason
        else:
            curve |= entry.curve()
            reason = _warmed(entry, curve, patience)
            if reason is None:
                running.append((entry, curve))
                continue
            curve["left_out"] = reason
        say(f"  {entry.name:<20} left out: {curve['left_out']}")
    for number in range(rounds):
        shift = number % max(1, len(running))  # so that no scheme always runs after the same one
        for entry, curve in running[shift:] + running[:shift]:
            _measure(entry, curve["points"], number, budget, patience)
    for _, curve in running:
        for point in curve["points"]:
            _summarise(point)
        say(_said(curve))
    return curves


def _warmed(entry: Entry, curve: Curve, patience: float) -> str | None:
    """Take the first step, which may compile. Returns the reason if the scheme must be left out, else None."""
    try:
        curve["warm_up"] = entry.warm_up(patience)
    except ConfigError as error:
        return f"refused: {error}"
    except Exception as error:  # an error of a scheme is a result; the benchmark goes on
        return f"{type(error).__name__}: {error}"
    return None


def _measure(entry: Entry, points: list[dict[str, Any]], number: int, budget: float, patience: float) -> None:
    """One round of a curve, from coarse to fine steps, until the budget is used up."""
    spent, last = 0.0, 0.0
    for point in points:
        if spent + 2 * last > budget:  # the next point (half the step, or a tenth of the tolerance) needs about twice
            point.setdefault("skipped", f"beyond the {budget:g} s that a curve has")
        if "skipped" in point or "failed" in point:
            continue
        try:
            found = entry.run(point["effort"], number, patience)
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


def _said(curve: Curve) -> str:
    done = [point for point in curve["points"] if "error" in point]
    if not done:
        reasons = {point.get("failed", point.get("skipped", "")) for point in curve["points"]}
        return f"  {curve['solver']:<20} no run ended: {'; '.join(sorted(reasons))}"
    best = min(done, key=lambda point: point["error"])
    return (
        f"  {curve['solver']:<20} error {best['error']:.1e} at {curve['effort']} = {best['effort']:g}, "
        f"{best['evaluations']} evaluations, {best['seconds']:.2g} s; {len(done)} of {len(curve['points'])} runs"
    )
