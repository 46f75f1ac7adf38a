"""Fuzzing of stored runs: their files are flipped, cut, swapped and removed at random, and then read and gone on with.

    python tests/fuzz/stores.py --files 10000 --seed 0

Whatever happens to a file of a store: a typed error says so, or it does no harm. That is: what is read is a checkpoint
of the run, and the run that goes on ends with the particles, the ledger and the trajectory of the unbroken one. The log
counts both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from fuzz.damage import DAMAGES
from stored import CASES, same

import wgf
from wgf.errors import LONGEST, WgfError
from wgf.flow.store import CHECKPOINTS
from wgf.storage import Checkpoints

CASE = CASES["noise Langevin"]
STEPS = 23
"""The run was stopped after so many steps."""


class Store:
    """A stopped run, the unbroken run, and another run of the same kind whose files may come in between."""

    def __init__(self, base: Path) -> None:
        self.folder, self.other, self.whole = base / "run", base / "other", base / "whole"
        self.unbroken = CASE.begin(self.whole)
        for folder, seed in ((self.folder, 5), (self.other, 6)):
            CASE.begin(folder, seed=seed, max_steps=STEPS, checkpoint_every=None)
        self.files = sorted(path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        self.contents = {path: (self.folder / path).read_bytes() for path in self.files}
        self.others = {path: (self.other / path).read_bytes() for path in self.files}
        self.states = [found.content["state"] for found in self._checkpoints()]
        self.kept = wgf.load(self.folder)

    def _checkpoints(self) -> list:
        """Every checkpoint of the run, read one by one."""
        found = []
        for path in Checkpoints(self.folder / CHECKPOINTS).paths():
            with tempfile.TemporaryDirectory() as alone:
                shutil.copy(path, alone)
                found.append(Checkpoints(alone).newest())
        return found

    def read(self, folder: Path) -> str:
        """Load a damaged store and go on with it; "error" for a typed error, "harmless", or what is wrong."""
        said = []
        for act in (self._load, self._go_on):
            try:
                said.append(act(folder) or "harmless")
            except WgfError as error:
                bad = any(len(line) > LONGEST or not line.isprintable() for line in str(error).splitlines())
                said.append(f"a message that is too long or cannot be printed: {error!s}" if bad else "error")
            except BaseException:
                said.append(traceback.format_exc())
        wrong = [text for text in said if text not in ("error", "harmless")]
        return wrong[0] if wrong else "error" if "error" in said else "harmless"

    def _load(self, folder: Path) -> str:
        found = wgf.load(folder)
        state = next((state for state in self.states if state.step == found.state.step), None)
        if state is None or not torch.equal(state.mu.x, found.ensemble.x):
            return f"load gives another state, at step {found.state.step}"
        count = found.ledger.rows
        rows = [[value.hex() for k in range(count) for value in ledger.row(k).values()]
                for ledger in (found.ledger, self.unbroken.ledger)]  # fmt: skip
        if rows[0] != rows[1]:
            return "load gives another ledger"
        if found.trajectory is not None and self.kept.trajectory is not None:
            for part in ("trajectory", "trajectory_weights", "trajectory_ids"):
                one, other = getattr(found, part), getattr(self.kept, part)
                if len(one) > len(other) or not all(torch.equal(one[k], other[k]) for k in range(len(one))):
                    return f"load gives another {part}"
        return ""

    def _go_on(self, folder: Path) -> str:
        sol = CASE.go_on(folder, max_steps=10**6)
        if sol.status.name == "FAILED":
            return ""  # a typed error in the middle
        try:
            same(self.unbroken, sol, (self.whole, folder))
        except AssertionError as error:
            return f"the run goes on to another end: {error}"
        return ""


def damaged(store: Store, folder: Path, rng: np.random.Generator) -> str:
    """Copy the store and damage one file, or swap two. Gives what was done."""
    shutil.copytree(store.folder, folder)
    path = store.files[rng.integers(len(store.files))]
    kind = str(rng.choice(["bytes", "bytes", "bytes", "bytes", "swap", "foreign", "remove"]))
    if kind == "bytes":
        damage: Callable[..., bytes] = DAMAGES[rng.integers(len(DAMAGES))]
        content = damage(store.contents[path], rng, list(store.contents.values())) if store.contents[path] else b"x"
        (folder / path).write_bytes(content)
        return f"{damage.__name__} {path}"
    if kind == "swap":
        other = store.files[rng.integers(len(store.files))]
        (folder / path).write_bytes(store.contents[other])
        (folder / other).write_bytes(store.contents[path])
        return f"{path} and {other} swapped"
    if kind == "foreign":
        (folder / path).write_bytes(store.others[path])
        return f"{path} of another run"
    (folder / path).unlink()
    return f"{path} removed"


def run(files: int, seed: int, say: Callable[[str], None] = lambda text: None) -> tuple[list[str], Counter[str]]:
    """Damage so many stores; what went wrong, and how many ended how."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    faults, counts = [], Counter[str]()
    with tempfile.TemporaryDirectory(prefix="wgf-stores-", dir=place) as base, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = Store(Path(base))
        for number in range(files):
            folder = Path(base) / "damaged"
            what = damaged(store, folder, np.random.default_rng([seed, number]))
            said = store.read(folder)
            shutil.rmtree(folder)
            if said not in ("error", "harmless"):
                faults.append(f"number {number} of seed {seed}, {what}: {said}")
                say(faults[-1])
            counts[said if said in ("error", "harmless") else "fault"] += 1
            if (number + 1) % 500 == 0:
                say(f"{number + 1} stores: {dict(counts)}")
    return faults, counts


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="how many stores to damage")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the damage")
    parser.add_argument("--log", type=Path, help="a file for the log")
    given = parser.parse_args()
    log = None if given.log is None else open(given.log, "a", encoding="utf-8")  # noqa: SIM115

    def say(text: str) -> None:
        print(text, flush=True)
        if log is not None:
            print(text, file=log, flush=True)

    faults, counts = run(given.files, given.seed, say)
    say(f"{given.files} damaged stores: {dict(counts)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
