"""The page of `wgf bench solvers`: for each problem the cost of each error and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..frame.facts import BUSY, busy_note
from ..frame.page import seconds, table
from .work_precision import TOP

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
"""The errors for which the page names the cheapest run."""


def page(result: Mapping[str, Any], figures: Sequence[str]) -> str:
    """The whole page in Markdown."""
    parts = [_head(result), *(f"![work and precision]({name})" for name in figures)]
    parts += [_problem(problem) for problem in result["problems"]]
    return "\n\n".join(part for part in [*parts, _method(result)] if part) + "\n"


def _head(result: Mapping[str, Any]) -> str:
    note = "\n\n**Small sizes (`--quick`).**" if result["quick"] else ""
    note += busy_note(result)
    versions = ", ".join(f"{name} {result[name]}" for name in ("wgf", "torch", "numba", "numpy"))
    return (
        "# Solvers: work and precision\n\n"
        f"{result['cpu']}, {result['threads']} threads, {result['date']}; {versions}. Written by `wgf bench solvers` "
        f"in {result.get('seconds', 0)} s; not edited by hand. What follows from it for the choice of a solver is in "
        f"`benchmarks/README.md`.{note}"
    )


def _problem(problem: Mapping[str, Any]) -> str:
    floors = "; ".join(f"by {kind} {value:.1e}" for kind, value in problem["floors"].items())
    ran = [curve for curve in problem["curves"] if "left_out" not in curve]
    out = [curve for curve in problem["curves"] if "left_out" in curve]
    levels = [f"≤ {level:g}" for level in LEVELS]
    head = ("solver", "order", "particles", "best error", "at", "evaluations", "time", "warm-up", *levels, "not usable")
    text = (
        f"## {problem['title']}\n\n{problem['equation']}. Answer: {problem['answer']}. Error: {problem['unit']}."
        f"{f' Floor of the error: {floors}.' if floors else ''}\n\n" + table(head, [_row(curve) for curve in ran])
    )
    reasons: dict[str, list[str]] = {}
    for curve in out:
        reasons.setdefault(curve["left_out"], []).append(curve["solver"])
    lines = [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return text + ("\n\nLeft out:\n\n" + "\n".join(lines) if lines else "")


def _row(curve: Mapping[str, Any]) -> list[Any]:
    done = [p for p in curve["points"] if p.get("error") is not None and p["error"] < TOP]
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


def _method(result: Mapping[str, Any]) -> str:
    return f"""## How it was measured

Every scheme of the registry is tried on every problem; what does not fit is left out with its reason. The first step
of a scheme on a problem may compile. It is the warm-up and is not counted otherwise. Then come
{result["rounds"]} rounds through all schemes. Each round has another order and its own seed of the
noise. In a round a scheme goes from coarse to fine steps until its seconds are used up. The error is the root mean
square over rounds. The time is the least over rounds, without the records of the ledger at both ends. Evaluations are
those of ∇F on the whole ensemble. Schemes that realise the Shannon entropy by noise have that entropy. The others have
an entropy with a force (log-det or a blob), or the problem has none. Stein and Underdamped have a time scale of their
own: 5 and 4 times the h and t_end of the others. The columns ≤ 0.1 to ≤ 0.0001 hold the time of the cheapest run with
at most that error.

Other libraries are in `wgf bench flows` (whole runs) and `wgf bench kernels` (operations). {BUSY.capitalize()}:
{result.get(BUSY, "unknown")}."""
