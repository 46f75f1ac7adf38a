"""Fuzzing by SIGKILL: small stored runs are killed at random moments, again and again, until they end.

    python tests/fuzz/kills.py --kills 1000 --seed 0

There are five runs for each of no noise, noise, minibatches, drives and adaptive steps, each with a trajectory. After
every kill the store must open, with every checkpoint that was reported as written. A run that reaches its end must have
the particles, the ledger and the trajectory of the unbroken run, to the last bit.

Processes are forked from one that has wgf in memory, so a kill costs a fraction of a second.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parent.parent))

from stored import CASES, Case, same

import wgf
from wgf.flow.store import CHECKPOINTS, RunStore
from wgf.storage import Checkpoints

PACES = (0.0, 0.01, 0.1)
"""Seconds between two checkpoints; 0 is one after every step."""
LONG = 120.0
"""After so many seconds a process counts as hanging."""


class Unbroken:
    """The run that was not killed, with the time that it takes in a process that has everything in memory."""

    def __init__(self, case: Case, folder: Path) -> None:
        case.begin(folder)
        shutil.rmtree(folder)
        begun = time.perf_counter()
        self.solution = case.begin(folder)
        self.folder, self.seconds = folder, time.perf_counter() - begun


def child(case: Case, folder: Path, pace: float, whole: Unbroken, pipe: int) -> None:
    """Begin or go on, report every checkpoint that was written, and compare the end with the unbroken run."""
    written = RunStore.checkpoint

    def telling(store: RunStore, state: wgf.protocol.State, *arguments: object, **said: object) -> Path:
        path = written(store, state, *arguments, **said)
        os.write(pipe, f"step {state.step}\n".encode())
        return path

    RunStore.checkpoint = telling  # type: ignore[method-assign,assignment]
    begun = bool(Checkpoints(folder / CHECKPOINTS).paths())
    sol = (case.go_on if begun else case.begin)(folder, checkpoint_every=pace)
    same(whole.solution, sol, (whole.folder, folder))
    os.write(pipe, b"end\n")


def forked(case: Case, folder: Path, pace: float, whole: Unbroken, delay: float | None) -> tuple[bool, list[str]]:
    """Carry out a part of a run in a process of its own, which is killed after so many seconds.

    Gives whether it was killed, and the lines that it reported.
    """
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(reading)
        try:
            child(case, folder, pace, whole, writing)
        except BaseException:
            os.write(writing, ("fault\n" + traceback.format_exc()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    patience = time.monotonic() + (LONG if delay is None else delay)
    done, status = 0, 0
    while not done and time.monotonic() < patience:
        time.sleep(0.001)
        done, status = os.waitpid(number, os.WNOHANG)
    if not done:
        os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
    with open(reading, "rb") as told:
        lines = told.read().decode().splitlines()
    if delay is None and not done:
        lines = ["fault", f"it hung for {LONG:g} s"]
    return os.WIFSIGNALED(status), lines


def lost(folder: Path, lines: list[str]) -> str:
    """What is wrong with the store of a process that was killed; empty if nothing is."""
    steps = [int(line.partition(" ")[2]) for line in lines if line.startswith("step ")]
    if not steps:
        return ""
    try:
        found = wgf.load(folder)
    except Exception:
        return f"the store does not open:\n{traceback.format_exc()}"
    if found.state.step < steps[-1]:
        return f"step {steps[-1]} was reported as written, and step {found.state.step} is there"
    if found.trajectory is not None:
        for part in (found.trajectory, found.trajectory_weights, found.trajectory_ids):
            assert part is not None
            part[:]
    return ""


def run(kills: int, seed: int, say=lambda text: None, seconds: float = float("inf"), only: str = "") -> list[str]:
    """Kill so many times, within so many seconds; what went wrong, with the case."""
    clock, wrong, begun, killed, ended = random.Random(seed), [], time.monotonic(), 0, 0
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    names = [name for name in CASES if only in name]
    clock.shuffle(names)
    with tempfile.TemporaryDirectory(prefix="wgf-kills-", dir=place) as base, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wholes: dict[str, Unbroken] = {}
        while killed < kills and time.monotonic() - begun < seconds:
            name = names[ended % len(names)]
            case, folder = CASES[name], Path(base) / "killed"
            if name not in wholes:
                wholes[name] = Unbroken(case, Path(base) / name.replace(" ", "-"))
            whole, here = wholes[name], 0
            while True:
                last = here >= 8 or killed >= kills
                delay = None if last else clock.uniform(0.0, 1.2 * whole.seconds)
                was, lines = forked(case, folder, clock.choice(PACES), whole, delay)
                fault = "\n".join(lines[lines.index("fault") + 1 :]) if "fault" in lines else lost(folder, lines)
                here, killed = here + was, killed + was
                if fault:
                    wrong.append(f"seed {seed}, kill {killed}, {name}: {fault}")
                if fault or not was:
                    break
            shutil.rmtree(folder, ignore_errors=True)
            ended += 1
            say(f"{killed} kills, {ended} runs, {len(wrong)} faults  ({name})" + (f"\n{fault}" if fault else ""))
    return wrong


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="how many times to kill")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the moments")
    parser.add_argument("--only", default="", help="a part of the names of the runs")
    given = parser.parse_args()
    begun = time.monotonic()
    faults = run(given.kills, given.seed, lambda text: print(text, flush=True), only=given.only)
    print(f"{given.kills} kills, {len(faults)} faults, {time.monotonic() - begun:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
