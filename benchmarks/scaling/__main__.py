"""The command `python -m wgf.benchmarks.scaling`: runs on one and two processes, and a model up to 1024, as a page."""

from __future__ import annotations

import argparse
import datetime
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from ...runs import store
from ..frame.facts import default_folder, machine_facts
from ..frame.processes import environment
from .model import Model
from .page import page
from .work import WORK

LIMIT = 600.0


def started(name: str, n: int, steps: int, **variables: str) -> subprocess.Popen[str]:
    """One process that runs a kind of work with one thread."""
    command = [sys.executable, "-P", "-m", "wgf.benchmarks.scaling.work", name, str(n), str(steps)]
    env = environment(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", **variables)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process printed."""
    said, _ = process.communicate(timeout=LIMIT)
    if process.returncode:
        raise RuntimeError(f"a process of the measurement ended with code {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def together(name: str, n: int, steps: int, processes: int) -> dict[str, Any]:
    """One run on several processes of this machine, over loopback; what process 0 found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    all_of_them = [started(name, n, steps, RANK=str(r), LOCAL_RANK=str(r), **where) for r in range(processes)]
    found = answer(all_of_them[0])
    for other in all_of_them[1:]:
        other.wait(timeout=LIMIT)
    return found


def measured(name: str, shrink: int = 1) -> dict[str, Any]:
    """The runs of one kind of work, and the model that is fitted to them."""
    work = WORK[name]
    n, steps = work.n // shrink, max(4, work.steps // shrink)
    small, large = answer(started(name, n // 4, steps)), answer(started(name, n, steps))
    pair = [started(name, n, steps) for _ in range(2)]
    both = max(answer(one)["seconds"] for one in pair)
    two = together(name, 2 * n, steps, 2)
    model = Model.of(small, large, two, both, work.sums)
    return {"name": name, "small": small, "large": large, "apart": both, "two": two, "model": vars(model)}


def main() -> None:
    """Make the runs, and write `scaling.json` and `scaling.md`."""
    parser = argparse.ArgumentParser(prog="python -m wgf.benchmarks.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a test that everything works")
    parser.add_argument("--out", type=Path, default=None, help="folder; by default benchmarks/results in a clone")
    options = parser.parse_args()
    rows = [measured(name, 4 if options.quick else 1) for name in WORK]
    folder = options.out or default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    result = {"date": datetime.date.today().isoformat(), "rows": rows} | machine_facts()
    store.write_json(folder / "scaling.json", result)
    (folder / "scaling.md").write_text(page(result), encoding="utf-8")
    print(page(result))


if __name__ == "__main__":
    main()
