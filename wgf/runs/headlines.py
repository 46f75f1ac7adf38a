"""The main numbers of a run, and the sentence that says how it went."""

from __future__ import annotations

import math
from typing import Any

from ..errors import with_minus
from ..flow.timing import told
from ..ledger.balance import CLOSURE_LIMIT


def number(value: float | None, digits: int = 4) -> str:
    """A number as text for people; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return with_minus(f"{value:.{digits}g}")


def percent(value: float | None, signed: bool = False) -> str:
    """A fraction as text in per cent; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{100 * value:{'+' if signed else ''}.1f} %"
    return "0.0 %" if text in ("-0.0 %", "+0.0 %") else with_minus(text)


def headlines(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The main numbers of a run: tuples (name, number, a remark on it)."""
    start, final = summary["start"], summary["final"]
    cards = [("free energy F", number(final["free_energy"]), f"from {number(start['free_energy'])} at the start")]
    task = summary.get("task")  # none where there is no network
    if task == "classification":
        cards.append(("test accuracy", percent(final["test_accuracy"]), f"train {percent(final['train_accuracy'])}"))
    elif task is not None:
        r2 = f"R² {number(final['test_r2'], 3)}; train {number(final['train_loss'], 3)}"
        cards.append(("test loss", number(final["test_loss"], 3), r2))
    closure, error = final.get("closure_total"), final.get("closure_error")
    beside = (
        "released over dissipated, less 1"
        if error is None
        else f"± {percent(error)} (errors of the estimates, and records between which D is not known)"
    )
    cards.append(("closure", percent(closure, signed=True), beside))
    ratio = summary["force_ratio"]
    ends = ["–"] if ratio is None else list(dict.fromkeys(number(end, 2) for end in ratio))
    beside = "force of the entropy over that of the loss; " + (
        "smallest and largest" if len(ends) == 2 else "throughout"
    )
    cards.append(("force ratio I / G", " … ".join(ends), beside))
    distance = summary["wasserstein"] or {}
    meaning = {"emd": "exact", "1d": "exact", "sliced": "a lower bound, by slices"}
    beside = f"how far the particles moved; {meaning.get(distance.get('method', ''), 'not known')}"
    cards.append(("W₂ from the start", number(distance.get("distance")), beside))
    beside = f"{summary['steps']} steps to t = {number(summary['t'])}{_spent(summary)}"
    cards.append(("time", f"{number(summary['seconds'], 3)} s", beside))
    return cards


def _spent(summary: dict[str, Any]) -> str:
    """Where the time of the run went; empty where the summary does not know it."""
    parts = summary.get("timing")
    if parts is None:
        return ""
    others = {"data and files": max(summary["seconds"] - sum(parts.values()), 0.0)}
    return f": {told(parts | others)}"


def answer(summary: dict[str, Any]) -> str:
    """How the run went, in one sentence: where it ended, what it reached, and whether the time step resolved it."""
    start, final = summary["start"], summary["final"]
    reached = "reached" if summary["ok"] else "stopped at"
    parts = [f"The run {reached} t = {number(summary['t'])}"]
    task = summary.get("task")
    if task == "classification":
        parts.append(f"it classifies {percent(final['test_accuracy'])} of the test samples rightly")
    elif task is not None:
        parts.append(f"it explains {percent(final['test_r2'])} of the variance of the test samples")
    for column, name in (("free_energy", "the free energy F"), ("energy", "the energy E")):
        before, after = start.get(column), final.get(column)
        if before is not None and after is not None and math.isfinite(before) and math.isfinite(after):
            went = "fell" if after < before else "rose" if after > before else "stayed"
            ends = f"at {number(after)}" if went == "stayed" else f"from {number(before)} to {number(after)}"
            parts.append(f"{name} {went} {ends}")
            break
    closure = final.get("closure_total")
    if closure is not None and math.isfinite(closure) and "closure_error" not in final:
        fine = abs(closure) <= CLOSURE_LIMIT
        does = "resolves the flow" if fine else "does not resolve the flow: take a smaller dt"
        parts.append(f"the time step {does} (closure {percent(closure, signed=True)})")
    return "; ".join(parts) + "."
