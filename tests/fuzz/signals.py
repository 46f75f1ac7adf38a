"""Fuzzing by signals: small runs of `wgf` get SIGINT, SIGTERM or SIGHUP, once or twice, at random times.

    python tests/fuzz/signals.py --count 200 --seed 0

Every run must end soon, with the exit code of the first signal (or 0 where it was over before), without a traceback and
without leftovers; and what was finished when the signal came must be there, whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from wgf.storage import Checkpoints

RUN = """
seed = 3
[data]
source = "diabetes"
[network]
neurons = 40
[[energy]]
term = "Quadratic"
coefficient = 0.03
[[entropy]]
term = "LogDet"
temperature = 0.01
[solver]
name = "Heun"
dt = 0.25
t_end = {t_end}
"""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESULTS = {
    "config.toml", "final.safetensors", "frames.safetensors", "metrics.jsonl", "summary.json", "versions.json",
    "run.safetensors", "checkpoints",
}  # fmt: skip
STARTED = 0.1
"""Signals come at least so many seconds after Python itself started; before, no program has them in its hands."""
LONG = 60.0
"""After so many seconds a process that was asked to stop counts as hanging."""


@dataclass(frozen=True)
class Case:
    """One try: the end time of the run, and signals with the moment at which each is sent.

    `moment` is "start" (so many seconds after the start), or the name of a file whose appearance is waited for.
    """

    t_end: float
    numbers: tuple[signal.Signals, ...]
    moment: str
    delays: tuple[float, ...]

    @staticmethod
    def drawn(rng: random.Random) -> Case:
        """A case at random: during imports, in the run, while it is saved, and while its report is drawn."""
        moment = rng.choice(["start", "start", "metrics.jsonl", "final.safetensors", "summary.json", "report"])
        t_end = 100_000.0 if moment == "metrics.jsonl" else rng.choice([0.5, 50.0])
        numbers = tuple(rng.choice(STOPS) for _ in range(rng.choice([1, 1, 2])))
        width = {"start": 5.0, "metrics.jsonl": 1.0, "report": 1.0}.get(moment, 0.02)
        first = rng.uniform(STARTED if moment == "start" else 0.0, width)
        return Case(t_end, numbers, moment, (first, *(rng.choice([0.0, 0.01, 0.3, 1.0]) for _ in numbers[1:])))


def wait_for(path_pattern: str, folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file appears, or the process ends."""
    patience = time.monotonic() + LONG
    while process.poll() is None and time.monotonic() < patience and not any(folder.glob(path_pattern)):
        time.sleep(0.002)


def faults(case: Case, folder: Path) -> list[str]:
    """Carry out a case in an empty folder; everything that went wrong, in words."""
    (folder / "run.toml").write_text(RUN.format(t_end=case.t_end))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wgf.cli", "run", "run.toml", "--out", "made/out"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in STOPS],
    )  # fmt: skip
    if case.moment == "report":
        wait_for("made/out", folder, process)
    elif case.moment != "start":
        wait_for(f"made/out.partial/{case.moment}", folder, process)
    finished = (folder / "made/out.partial/summary.json").exists() or (folder / "made/out").exists()
    for number, delay in zip(case.numbers, case.delays, strict=True):
        time.sleep(delay)
        if process.poll() is None:
            finished = finished or (folder / "made/out").exists()
            process.send_signal(number)
    try:
        _, said = process.communicate(timeout=LONG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [f"hung for {LONG:g} s"]
    return list(_wrong(case, folder, process.returncode, said, finished))


def _wrong(case: Case, folder: Path, code: int, said: str, finished: bool):
    if "Traceback" in said or "Exception ignored" in said:
        yield f"a traceback: {said[-600:]}"
    if code not in {0, *(128 + number for number in case.numbers)}:
        yield f"exit code {code}: {said[-300:]}"
    out = folder / "made" / "out"
    present = {path.name for path in folder.rglob("*") if path.parent.name != "checkpoints"}
    if not out.exists():
        if finished:
            yield f"a finished run is lost: {said[-300:]}"
        if present != {"run.toml"}:
            yield f"leftovers {sorted(present)}: {said[-300:]}"
        if code == 0:
            yield "exit code 0 without a result"
        return
    files = {path.name for path in out.iterdir()}
    if not RESULTS <= files <= RESULTS | {"report.html"}:
        yield f"files {sorted(files)}"
        return
    if present != {"run.toml", "made", "out"} | files:
        yield f"leftovers {sorted(present)}"
    summary = json.loads((out / "summary.json").read_text())
    head = Checkpoints(out / "checkpoints").newest().head
    if not summary["steps"] - 1 <= head["step"] <= summary["steps"]:
        yield f"the last checkpoint is of step {head['step']}, the run ended at {summary['steps']}"
    if summary["status"] == "INTERRUPTED" and "`wgf resume made/out` goes on" not in said:
        yield f"it is not said how to go on: {said[-300:]}"
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    if len(records) != summary["records"]:
        yield f"{len(records)} records, and {summary['records']} in the summary"
    if summary["status"] == "COMPLETED" and records[-1]["t"] != case.t_end:
        yield f"completed at t = {records[-1]['t']}"
    if summary["status"] not in ("COMPLETED", "INTERRUPTED") or (summary["status"] == "INTERRUPTED" and code == 0):
        yield f"status {summary['status']} with exit code {code}"
    if code == 0 and "report.html" not in files:
        yield "exit code 0 without a report"
    if code and not re.search("interrupted", said):
        yield f"nothing is said of the interruption: {said[-300:]}"


def run(count: int, seed: int, say=lambda text: None, seconds: float = float("inf")) -> list[str]:
    """Draw and carry out up to `count` cases, within so many seconds; what went wrong, with the case."""
    rng, wrong, begun = random.Random(seed), [], time.monotonic()
    for index in range(count):
        if time.monotonic() - begun > seconds:
            break
        case, folder = Case.drawn(rng), Path(tempfile.mkdtemp(prefix="wgf-signals-"))
        try:
            found = faults(case, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        wrong += [f"case {index} of seed {seed}, {case}: {fault}" for fault in found]
        say(f"{index + 1}/{count}  {len(wrong)} faults" + "".join(f"\n  {fault}" for fault in found))
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.exit(1 if run(options.count, options.seed, print) else 0)
