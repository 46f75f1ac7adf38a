"""The page of `wgf bench solvers`: for each problem the cost of each error and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...precision.page import section
from ..frame.facts import BUSY, busy_note


def page(result: Mapping[str, Any], figures: Sequence[str]) -> str:
    """The whole page in Markdown."""
    parts = [_head(result), *(f"![work and precision]({name})" for name in figures)]
    parts += [section(problem) for problem in result["problems"]]
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
