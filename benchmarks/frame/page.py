"""The results page in Markdown: targets first, then errors, memory, floors, reasons for gaps, and every peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...precision.words import seconds, table
from .case import OURS
from .facts import BUSY, busy_note
from .machine import TRIAD, WORK
from .measure import ROUNDS, SLOW, TURN, VERY_SLOW

MARKS = {
    "stretch": "✅ stretch",
    "met": "✅ met",
    "not met": "❌ not met",
    "short": "short of the stretch",
    "failed": "❌ error too large",
    "not measured": "– not measured",
}
MANY = 3  # of more bodies than these only their number is said
INSTALL = "`pip install 'wgflow[bench]'` installs the peers."


def line(row: Mapping[str, Any]) -> str:
    """One row of the results as text for the terminal."""
    ours = row["bodies"].get(OURS, {})
    said = seconds(ours.get("seconds")) if "seconds" in ours else ours.get("failed") or ours.get("absent") or ""
    parts = [f"{row['name']:<46} {said:>9}"]
    if row["family"] == "machine":
        parts += [f"{name.removeprefix('machine: ')} {_rate(name, body)}" for name, body in row["bodies"].items()]
    for target in row.get("targets", ()):
        parts.append(
            f"{_measured(target)} {_against(target)}{_which(target)} ({_asked(target)}) {MARKS[target['verdict']]}"
        )
    for name, body in row["bodies"].items():
        if "failed" in body and name != OURS:
            parts.append(f"{name}: {body['failed']}")
    return "\n    ".join(parts)


def page(result: Mapping[str, Any]) -> str:
    """The whole page in Markdown, from the stored results."""
    rows: Sequence[Mapping[str, Any]] = result["rows"]
    works = [row for row in rows if row["family"] != "machine"]
    parts = [heading(result, "Speed compared with peers", "kernels"), summary(works), verdicts(works), _figures(works)]
    parts += [gaps(works), peers(works), machine(result), _method(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(result: Mapping[str, Any], title: str, command: str) -> str:
    """The title, with the machine, the versions, and what spoils the figures."""
    model = f" (family {result['cpu family']}, model {result['cpu model']})" if "cpu family" in result else ""
    note = "\n\n**Small sizes (`--quick`): these figures say nothing about the targets.**" if result["quick"] else ""
    note += busy_note(result)
    wide = {True: ", AVX-512", False: ", no AVX-512", None: ""}[result.get("AVX-512")]
    return (
        f"# {title}\n\n"
        f"{result['cpu']}{model}{wide}, {result['threads']} threads, {result['date']}; wgf {result['wgf']}, torch "
        f"{result['torch']}, numba {result['numba']}, numpy {result['numpy']}. Written by `wgf bench {command}` in "
        f"{result.get('seconds', 0)} s; not edited by hand.{note}"
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many targets are met, and a list of those that are not."""
    verdicts = [target["verdict"] for row in rows for target in row.get("targets", ()) if target["least"] is not None]
    met, missed = (sum(v in names for v in verdicts) for names in (("met", "stretch"), ("not met", "failed")))
    text = f"**{met} of {len(verdicts)} targets met**, {missed} not met, {verdicts.count('not measured')} not measured."
    lines = []
    for row in rows:
        short = [_sentence(t) for t in row.get("targets", ()) if t["verdict"] in ("not met", "failed")]
        if short:
            lines.append(f"- {row['name']}: {'; '.join(short)}")
    return text + ("\n\nNot met:\n\n" + "\n".join(lines) if lines else "")


def _sentence(target: Mapping[str, Any]) -> str:
    reason = " (the error is beyond its bound)" if target["verdict"] == "failed" else ""
    return f"{_measured(target)} {_against(target)}{_which(target)}, {_asked(target)}{reason}"


def verdicts(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table of all targets with the measured values."""
    cells = [
        (
            MARKS[target["verdict"]],
            f"{row['name']}{_which(target)}",
            time(row["bodies"].get(target.get("ours", OURS), {})),
            _against(target),
            _limit(target, "least"),
            _limit(target, "stretch"),
            f"**{_measured(target)}**{_interval(target)}",
        )
        for row in rows
        for target in row.get("targets", ())
    ]
    head = ("", "work", "ours", "figure", "asked", "stretch", "measured (90 % interval)")
    return "## What was asked\n\n" + table(head, cells)


def _figures(rows: Iterable[Mapping[str, Any]]) -> str:
    cells = []
    for row in rows:
        ours = row["bodies"].get(OURS, {})
        cells.append(
            (
                row["name"],
                time(ours),
                error_text(ours.get("error"), row.get("bound")),
                {True: "yes", False: "**no**", None: ""}[row.get("same_bits")],
                _bytes(row.get("memory")),
                ", ".join(_fraction(name, floor, ours) for name, floor in row.get("floors", {}).items()),
            )
        )
    head = ("work", "ours", "error (bound)", "1 thread, same bits", "memory beyond the arrays", "floor / ours")
    return "## Error, memory and the floor\n\n" + table(head, cells)


def gaps(rows: Iterable[Mapping[str, Any]]) -> str:
    """Why there are gaps to the floor. Rows with the same reason share a paragraph."""
    by_text: dict[str, list[str]] = {}
    for row in rows:
        if row.get("gap"):
            by_text.setdefault(row["gap"], []).append(row["name"])
    paragraphs = [f"**{'; '.join(names)}.** {text}" for text, names in by_text.items()]
    return "## Where the gap to the floor is\n\n" + "\n\n".join(paragraphs) if paragraphs else ""


def peers(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table of all peers, with their times and the ratio to ours."""
    cells = []
    for row in rows:
        ours = row["bodies"].get(OURS, {}).get("seconds")
        for name, body in row["bodies"].items():
            if name == OURS or name.startswith("machine"):
                continue
            ratio = f"{body['seconds'] / ours:.3g}×" if ours and "seconds" in body else ""
            cells.append(
                (row["name"], name, time(body), ratio, error_text(body.get("error"), None), body.get("rounds", ""))
            )
    return "## Every peer\n\n" + table(("work", "peer", "time", "its time / ours", "its error", "rounds"), cells)


def machine(result: Mapping[str, Any]) -> str:
    """The table of the rates of the machine."""
    for row in result["rows"]:
        if row["family"] == "machine" and "failed" not in row["bodies"].get(OURS, {}):
            cells = [(name.removeprefix("machine: "), _rate(name, body)) for name, body in row["bodies"].items()]
            return "## What this machine can do\n\n" + table(("", "measured in this run"), cells)
    return ""


def _method(result: Mapping[str, Any]) -> str:
    peers = ", ".join(f"{name} {known or 'not installed'}" for name, known in result["peers"].items())
    return f"""## How it was measured

Each peer runs in a process of its own, on arrays made from the same seeds (their digests are compared). The first call
may compile and is not counted. Then the bodies of a row take turns: {ROUNDS} rounds, and more while time is left;
3 rounds for a call beyond {SLOW} s and 1 beyond {VERY_SLOW:.0f} s. In a round a body runs for at least {TURN * 1e3:.0f}
ms, after one call to warm up. A measured value is a ratio of medians; its interval holds 90 % of the ratios of
resampled rounds. The rates of the machine are measured in turn with the rows whose floors they give.

The error is max |result − oracle| / max |oracle| on up to 200 rows (1000 for moments and noise). The oracle is a plain
formula in float64. Memory is the peak of the process in one call minus what it held before, the result included
(Linux's VmHWM, reset before the call). "1 thread, same bits" repeats the call with one thread.

Every peer is in the form that was fastest here. numpy and torch use matrix products over chunks (|x|² + |y|² − 2x·y,
which loses digits). Compiled torch works on one array for each coordinate; a fallback to eager mode is an error. KeOps
runs as it comes, and with `CXXFLAGS="-march=native -ffast-math"` in a cache folder of its own. JAX runs under jit.

{peers}; OPENBLAS_CORETYPE {result["OPENBLAS_CORETYPE"]}; KeOps compiles with {result["C++ compiler of KeOps"]};
{BUSY} {result.get(BUSY, "unknown")}. {INSTALL}"""


# ------------------------------------------------------------------------------------------- figures as text


def time(body: Mapping[str, Any]) -> str:
    """The time of a body, or why it has none."""
    if "seconds" in body:
        return seconds(body["seconds"])
    return f"failed: {body['failed']}" if "failed" in body else str(body.get("absent", ""))


def _against(target: Mapping[str, Any]) -> str:
    names = target["against"]
    if target["kind"] == "faster":
        if len(names) == 1:
            return f"the speed of {names[0]}"
        best = f" ({target['fastest']})" if target.get("fastest") else ""
        several = ", ".join(names) if len(names) <= MANY else f"{len(names)} peers"
        return f"the speed of the fastest of {several}{best}"
    if target["kind"] == "slower":
        return f"the time of {names[0]}"
    if target["kind"] == "floor":
        return f"of the floor by {names[0]}"
    if target["kind"] == "step":
        return "per step"
    return names[0].removeprefix("wgf: ") if names else "seconds"


def _which(target: Mapping[str, Any]) -> str:
    """Which body of ours a target judges, where a case has several."""
    ours = target.get("ours", OURS)
    return "" if ours == OURS else f" ({ours})"


def _asked(target: Mapping[str, Any]) -> str:
    return f"asked {_limit(target, 'least')}" if target["least"] is not None else f"stretch {_limit(target, 'stretch')}"


def _limit(target: Mapping[str, Any], which: str) -> str:
    value = target[which]
    if value is None:
        return ""
    sign = "≥" if target["kind"] in ("faster", "floor") else "≤"
    return f"{sign} {_figure(target, value)}"


def _measured(target: Mapping[str, Any]) -> str:
    if target.get("value") is None:
        return "–"
    return f"{'≥ ' if target.get('beyond') else ''}{_figure(target, target['value'])}"


def _interval(target: Mapping[str, Any]) -> str:
    if target.get("low") is None or target["low"] == target["high"]:
        return ""
    return f" ({_figure(target, target['low'])} to {_figure(target, target['high'])})"


def _figure(target: Mapping[str, Any], value: float) -> str:
    if target["kind"] == "floor":
        return f"{value:.0%}"
    return seconds(value) if target["kind"] in ("seconds", "step") else f"{value:.3g}×"


def error_text(error: float | None, bound: float | None) -> str:
    """An error with its bound; bold where it is beyond."""
    if error is None:
        return ""
    text = f"{error:.1e}"
    if bound is None:
        return text
    return f"{text} ({bound:.0e})" if error <= bound else f"**{text}** ({bound:.0e})"


def _bytes(count: int | None) -> str:
    return "" if count is None else f"{count / 2**20:.3g} MiB"


def _fraction(name: str, floor: float | None, ours: Mapping[str, Any]) -> str:
    if floor is None or "seconds" not in ours:
        return name
    return f"{name} {floor / ours['seconds']:.0%}"


def _rate(name: str, body: Mapping[str, Any]) -> str:
    if "seconds" not in body:
        return time(body)
    unit = "GB/s" if name == TRIAD else "GF/s"
    return f"{WORK[name] / body['seconds'] / 1e9:.4g} {unit}"
