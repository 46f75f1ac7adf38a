"""The measurement of a case: bodies take turns in rounds, and ratios of their medians are compared with the targets."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .case import Case, Floor, Target, process_of
from .machine import WORK
from .processes import Worker, spinning

ROUNDS, MANY_ROUNDS, QUICK_ROUNDS = 7, 25, 2
TURN, QUICK_TURN = 0.04, 0.005  # seconds that a body runs in a round; at least one call
SLOW, VERY_SLOW = 0.6, 3.0  # seconds per call; slower bodies take part in only 3 rounds, or in 1
BUDGET = 5.0  # seconds for a case; if the first ROUNDS took less, more rounds follow
FIRST, LATER = 300.0, 120.0  # time limits in seconds: for a first call, which may compile, and for a turn
RESAMPLES = 400

Row = dict[str, Any]


class Hall:
    """The worker processes of a benchmark, kept from case to case, and a temporary folder for oracles.

    A process whose name ends with ", one thread" has one thread. The others have as many as this process.
    """

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Hall:
        self._folder = tempfile.TemporaryDirectory(prefix="wgf-bench-")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._folder.cleanup()

    def worker(self, process: str) -> Worker:
        """The process of that name; it starts with its first request."""
        return self._workers.setdefault(process, Worker(process))

    def measure(self, module: str, case: Case) -> Row:
        """Measure one case of a module: prepare every body, time them in turns, and compare with the targets.

        Returns the row for the results: times, errors, memory, floors and verdicts.
        """
        address = {"module": module, "name": case.name, "quick": self.quick}
        bodies: dict[str, dict[str, Any]] = {name: {} for name in _bodies(case)}
        path = Path(self._folder.name) / "oracle.npy"
        start = time.monotonic()
        known = self.worker("oracle").ask(FIRST, do="oracle", path=str(path), **address)
        self.worker("oracle").ask(LATER, do="close")
        oracle = str(path) if known.get("stored") else None
        self._prepare(address, oracle, known.get("digest"), bodies)
        with spinning(case.busy):
            times = self._rounds(bodies)
        row: Row = {"name": case.name, "family": case.family, "bound": case.bound, "gap": case.gap}
        row |= {"unit": case.unit, "steps": case.steps, "busy": case.busy}
        if "failed" in known:
            row["oracle"] = known["failed"]
        if times.get(case.checked):
            ours = self.worker(process_of(case.checked))
            row["memory"] = ours.ask(LATER, do="memory", body=case.checked).get("bytes")
            row["same_bits"] = ours.ask(LATER, do="bits", body=case.checked).get("same")
        for process in {process_of(name) for name in bodies}:
            self.worker(process).ask(LATER, do="close")
        for name, seconds in times.items():
            bodies[name] |= spread(seconds)
        row["bodies"] = bodies
        row["floors"] = {name: floor_seconds(floor, bodies) for name, floor in case.floors.items()}
        row["targets"] = judge(
            case,
            times,
            {name: body.get("error") for name, body in bodies.items()},
            {name: body["beyond"] for name, body in bodies.items() if "beyond" in body},
        )
        row["took"] = time.monotonic() - start
        return row

    def _prepare(
        self, address: Mapping[str, Any], oracle: str | None, digest: str | None, bodies: dict[str, dict[str, Any]]
    ) -> None:
        """Make the first call of every body, all processes at once. These calls may compile and are not timed."""
        queues: dict[str, list[str]] = {}
        for name in bodies:
            queues.setdefault(process_of(name), []).append(name)
        while queues:
            for process, names in queues.items():
                self.worker(process).send(do="prepare", body=names[0], oracle=oracle, **address)
            for process, names in queues.items():
                answer = self.worker(process).receive(FIRST)
                seen = answer.pop("digest", None)
                if digest is not None and seen not in (None, digest):
                    answer = {"failed": "its arrays are not those of the oracle"}
                bodies[names.pop(0)] |= answer
            queues = {process: names for process, names in queues.items() if names}

    def _rounds(self, bodies: dict[str, dict[str, Any]]) -> dict[str, list[float]]:
        """Seconds per call of every body that runs, round by round."""
        times: dict[str, list[float]] = {name: [] for name in bodies if "first" in bodies[name]}
        end, turn = time.monotonic() + BUDGET, QUICK_TURN if self.quick else TURN
        for number in range(QUICK_ROUNDS if self.quick else MANY_ROUNDS):
            if number >= ROUNDS and time.monotonic() > end:
                break
            order = list(times)
            shift = number % max(1, len(order))  # so that no body always runs after the same one
            for name in order[shift:] + order[:shift]:
                if len(times[name]) >= _wanted(times[name]):
                    continue
                answer = self.worker(process_of(name)).ask(LATER, do="turn", body=name, seconds=turn)
                if "seconds" in answer:
                    times[name].append(answer["seconds"])
                else:
                    bodies[name] |= answer
                    del times[name]
        return times


def told(
    case: Case, times: Mapping[str, Sequence[float]], errors: Mapping[str, float | None] | None = None, **more: Any
) -> Row:
    """The row of a case whose seconds, and perhaps errors, were measured elsewhere, as in programs of their own."""
    known = errors or {}
    return {
        "name": case.name, "family": case.family, "bound": case.bound if known else None, "gap": case.gap, "floors": {},
        "unit": case.unit,
        "bodies": {name: spread(seconds) | {"error": known.get(name)} for name, seconds in times.items()},
        "targets": judge(case, times, known), **more,
    }  # fmt: skip


def _bodies(case: Case) -> list[str]:
    """The names of all bodies: ours, the peers, and the machine bodies that the floors refer to."""
    rates = {floor.rate: None for floor in case.floors.values()}
    return [*case.bodies, *(rate for rate in rates if rate not in case.bodies)]


def _wanted(seen: Sequence[float]) -> int:
    """In how many rounds a body takes part, by its slowest call so far."""
    slowest = max(seen, default=0.0)
    return 1 if slowest > VERY_SLOW else 3 if slowest > SLOW else MANY_ROUNDS


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Median, quartiles and number of times in seconds."""
    low, high = np.percentile(seconds, [25, 75])
    return {"seconds": statistics.median(seconds), "quartiles": [float(low), float(high)], "rounds": len(seconds)}


def floor_seconds(floor: Floor, bodies: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The shortest possible time of the work at the measured rate of the machine, in seconds; None if not measured."""
    seconds = bodies.get(floor.rate, {}).get("seconds")
    return None if seconds is None else float(floor.amount / WORK[floor.rate] * seconds)


def judge(
    case: Case,
    times: Mapping[str, Sequence[float]],
    errors: Mapping[str, float | None],
    beyond: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Compare the times of a case with its targets.

    Parameters
    ----------
    case : Case
        The case with its targets.
    times : mapping of str to sequence of float
        Seconds per call of each body, one for each round.
    errors : mapping of str to float or None
        The error of the result of each body.
    beyond : mapping of str to float, optional
        Seconds that bodies take at least which were too slow to be timed. Where such a body is the fastest of a target,
        the measured value is a lower bound ("beyond"), and the verdict is "not measured" if that does not decide.

    Returns
    -------
    list of dict
        For each target the measured value (a ratio of medians), a 90 % interval from resampled rounds ("low", "high"),
        and the verdict: "stretch", "met", "not met", "failed" (the error is beyond its bound), "not measured", or
        "short" (a stretch target without a `least` is not reached).
    """
    verdicts = []
    for target in case.targets:
        entry: dict[str, Any] = {
            "kind": target.kind,
            "ours": target.ours,
            "against": list(target.against),
            "least": target.least,
            "stretch": target.stretch,
            "verdict": "not measured",
        }
        known: dict[str, Sequence[float]] = {**{name: [least] for name, least in (beyond or {}).items()}, **times}
        figures = _figures(target, known, case)
        if figures is not None:
            value, low, high = figures
            entry |= {"value": value, "low": low, "high": high, "fastest": _fastest(target, known)}
            wrong = (errors.get(target.ours) or 0.0) > case.bound
            entry["verdict"] = "failed" if wrong else _verdict(target, value)
            if entry["fastest"] in (beyond or {}):
                entry["beyond"] = True
                entry["verdict"] = "not measured" if entry["verdict"] in ("not met", "short") else entry["verdict"]
        verdicts.append(entry)
    return verdicts


def _verdict(target: Target, value: float) -> str:
    def reached(limit: float) -> bool:
        return value >= limit if target.kind in ("faster", "floor") else value <= limit

    if target.stretch is not None and reached(target.stretch):
        return "stretch"
    if target.least is None:
        return "short"
    return "met" if reached(target.least) else "not met"


def _fastest(target: Target, times: Mapping[str, Sequence[float]]) -> str | None:
    there = [name for name in target.against if name in times]
    return min(there, key=lambda name: statistics.median(times[name])) if there else None


def _figures(target: Target, times: Mapping[str, Sequence[float]], case: Case) -> tuple[float, float, float] | None:
    """The measured value of a target and its 90 % interval; None where a body that it needs did not run."""
    ours: Sequence[float] | None = times.get(target.ours)
    scale, other = 1.0, _fastest(target, times)
    if target.kind == "floor":
        floor = case.floors[target.against[0]]
        scale, other = floor.amount / WORK[floor.rate], floor.rate
    if target.kind == "seconds" and target.against:
        ours = times.get(target.against[0])
    theirs: Sequence[float] | None = times.get(other or "")
    if target.kind in ("seconds", "step"):
        theirs, scale = [1.0], float(case.steps) if target.kind == "step" else 1.0
    if not ours or not theirs:
        return None
    rng = np.random.default_rng(0)
    samples = [_medians(values, rng) for values in (theirs, ours)]
    ratios = scale * samples[0] / samples[1]
    if target.kind in ("slower", "seconds", "step"):
        ratios = 1.0 / ratios
    low, high = np.percentile(ratios[1:], [5, 95])
    return float(ratios[0]), float(low), float(high)


def _medians(values: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """The median, followed by the medians of bootstrap resamples."""
    data = np.asarray(values)
    return np.concatenate([[np.median(data)], np.median(rng.choice(data, (RESAMPLES, len(data))), axis=1)])
