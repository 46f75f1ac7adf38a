"""The page of `wgf bench flows`: targets, every body with its error, and where the time of our runs goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..frame.case import OURS
from ..frame.facts import BUSY
from ..frame.measure import ROUNDS, SLOW, TURN, VERY_SLOW
from ..frame.page import INSTALL, error_text, gaps, heading, machine, seconds, summary, table, time, verdicts
from ..frame.processes import ALONE
from .ours import ENDS, PIECES

Row = Mapping[str, Any]


def page(result: Mapping[str, Any], figure: str) -> str:
    """The whole page in Markdown, from the stored results and the name of the figure."""
    rows: Sequence[Row] = [row for row in result["rows"] if row["family"] != "machine"]
    parts = [heading(result, "Whole runs compared with peers", "flows"), summary(rows)]
    parts += [f"![whole runs]({figure})" if figure else "", verdicts(rows), _every(rows), _where(rows), gaps(rows)]
    parts += [machine(result), _method(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def fastest(row: Row) -> tuple[str, float] | None:
    """The fastest peer of a row and its seconds. Bodies of ours and those with one thread are no peers."""
    times = {name: body["seconds"] for name, body in row["bodies"].items() if "seconds" in body and _is_peer(name)}
    return min(times.items(), key=lambda entry: entry[1]) if times else None


def _is_peer(name: str) -> bool:
    return not name.startswith((OURS, "machine")) and not name.endswith(ALONE)


def _every(rows: Iterable[Row]) -> str:
    """The table of all bodies: time, time per step, ratio to the fastest peer, and error."""
    cells = []
    for row in rows:
        best, title = fastest(row), row["name"]
        for name, body in row["bodies"].items():
            if name.startswith("machine"):
                continue
            taken = body.get("seconds")
            per_step = _micro(taken / row["steps"]) if taken and row.get("steps") else ""
            ratio = f"{best[1] / taken:.3g}×" if best and taken else ""
            bound = row.get("bound") if name.startswith(OURS) else None
            cells.append(
                (title, name, time(body), per_step, ratio, error_text(body.get("error"), bound), body.get("rounds", ""))
            )
            title = ""
    head = ("run", "body", "time", "µs a step", "speed over the fastest peer's", "error (bound)", "rounds")
    units: dict[str, list[str]] = {}
    for row in rows:
        if row.get("unit"):
            units.setdefault(row["unit"], []).append(row["family"])
    told = "\n".join(f"- {', '.join(dict.fromkeys(families))}: {unit}." for unit, families in units.items())
    return f"## Every body\n\n{table(head, cells)}\n\nThe errors:\n\n{told}"


def _micro(value: float) -> str:
    """Seconds as microseconds, with three digits or all that are before the point."""
    return f"{value * 1e6:.3g}" if value < 1e-3 else f"{value * 1e6:.0f}"


def _where(rows: Iterable[Row]) -> str:
    """Our time taken apart, by differences of measured times."""
    cells = []
    for row in rows:
        taken = {name: row["bodies"].get(name, {}).get("seconds") for name in (OURS, ENDS, PIECES)}
        if not row.get("steps") or taken[ENDS] is None:
            continue
        floors = [value for value in row.get("floors", {}).values() if value is not None]
        floor = max(floors) if floors else None
        records = taken[OURS] - taken[ENDS] if taken[OURS] is not None else None
        around = taken[ENDS] - taken[PIECES] if taken[PIECES] is not None else None
        above = taken[PIECES] - floor if taken[PIECES] is not None and floor is not None else None
        cells.append(
            (
                row["name"],
                seconds(taken[OURS]),
                *(_share(part, taken[OURS]) for part in (records, around, above, floor)),
            )
        )
    if not cells:
        return ""
    head = ("run", "default call", "its records", "around the operations", "operations above the floor", "the floor")
    return f"""## Where the time of a default call is

"Its records" is what the default call takes more than the run with records at both ends. "Around the operations" is
what that run takes more than the same operations called one by one: checks, booking, the two records. A figure below
zero is a step that does less than its operations one by one. "The floor" is the least time of the arithmetic or the
memory traffic at the rates of this machine.

{table(head, cells)}"""


def _share(part: float | None, whole: float | None) -> str:
    if part is None:
        return ""
    text = f"−{seconds(-part)}" if part < 0 else seconds(part)
    return f"{text} ({part / whole:.0%})" if whole else text


def _method(result: Mapping[str, Any]) -> str:
    peers = ", ".join(f"{name} {known or 'not installed'}" for name, known in result["peers"].items())
    return f"""## How it was measured

A body does the whole run: it begins with the particles in memory and ends with the final ones. All take the same steps
of the same scheme in the same dtype, from the same particles. Noise comes from the generator of each library.
Minibatches are the same for all; the peers get them ready made, ours draws them in the run. Compilation is outside the
timing: each body is called once before. Ours too has its compiled steps on the disk by then, as after the first long
run of a session. The double well is a potential that the user compiles, `Potential(fn, grad)` by numba.

- **{OURS}** is `solve()` with its defaults: records of the ledger from the first step to the last. **{ENDS}** has
  `record_every` equal to the number of steps. **{PIECES}** calls the operations of the steps one by one.
- **torch by hand** and **JAX by hand** are written for the case, in the form that was fastest here. JAX is one jitted
  `lax.scan` for the whole run. Two forms are shown where each is faster at some size: noise inside the loop or all of
  it before, pairs by coordinates or by matrix products.
- diffrax and torchsde take Euler steps, BlackJAX its `sgld` and `svgd` steps. KeOps sums pairs, numpy does the rest.
- scikit-learn trains `MLPClassifier` with plain gradient steps: the same products, but other weights at the start, a
  last batch of an epoch that is smaller, and no log-det. It has no error.
- GeomLoss, POT and scikit-learn have no particle flows of the other kinds.

A body whose name ends with "{ALONE}" runs in a process with one thread. The others have {result["threads"]}: OpenMP's
for torch, numpy and ours, and XLA's own pool. In rows with busy programs, so many others compute without pause while
the bodies take their turns.

Each library runs in a process of its own. The bodies of a row take turns: {ROUNDS} rounds, and more while time is left;
3 rounds for a call beyond {SLOW} s and 1 beyond {VERY_SLOW:.0f} s. In a round a body runs for at least {TURN * 1e3:.0f}
ms, after one call to warm up. A time is a median; a measured value is a ratio of medians, and its interval holds 90 %
of the ratios of resampled rounds.

{peers}; {BUSY} {result.get(BUSY, "unknown")}. {INSTALL}"""
