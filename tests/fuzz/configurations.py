"""A fuzzer of configurations: random ones from the signatures of what is registered, half of them damaged.

Each is checked as `wgf run` checks a file, and some are run for two steps. Wanted: a result, or a typed error with a
short message. Never another exception, never COMPLETED with numbers that are not finite. The command exits with 2 and
short lines for what is refused.

    python tests/fuzz/configurations.py --count 10000 --seed 0
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import datetime
import math
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fuzz.plausible import Table, plausible
from typer.testing import CliRunner

import wgf
from wgf.cli import app
from wgf.data import SUFFIXES
from wgf.errors import WgfError
from wgf.runs import dump, load_config, toml
from wgf.runs.config import validate
from wgf.runs.jobs import prepare

LIMIT_S = 20
"""Seconds that one configuration may take."""
LONGEST, MOST_LINES = 300, 10
"""Characters of a line, and lines, that a message may have, apart from the path of a file."""
STEPS = 20
"""Most steps of a run."""

# ------------------------------------------------------------------------------------------------- damage


def deep(depth: int, inside: Any, as_list: bool) -> Any:
    for _ in range(depth):
        inside = [inside] if as_list else {"a": inside}
    return inside


def strange(rng: random.Random) -> Any:
    """A value that hardly any setting takes."""
    return rng.choice([
        0, -1, -0.0, 1e308, -1e308, 5e-324, 1e160, 1e-160, 1e19, 1e39, math.nan, math.inf, -math.inf, 2**63, 10**12,
        10**40, 10**400, 2**31 - 1, True, False, "", " ", "nan", "0.5", "Gaussian", "a" * 5000, "ü\U0001f642\x00",
        "../../x.csv", "absent.npy", [], [[]], {}, [1, "a"], [[1.0, 2.0], [3.0]], [0.0] * 5000, [math.nan],
        [[1e300] * 12] * 12,
        {"name": "Gaussian", "h": -1.0}, {"term": "LogDet"}, {"a": {"b": [{"c": 1}]}}, datetime.date(2020, 1, 1),
        deep(40, 1, True), deep(40, 1, False), deep(900, 1, True), deep(900, 1, False), 1e-9, 1e9,
    ])  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in the tables."""
    if path:
        yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*path, key)) if len(path) < 8 else ()
    elif isinstance(node, list):
        for index, value in enumerate(node[:20]):
            yield from places(value, (*path, index)) if len(path) < 8 else ()


def damaged(table: Table, rng: random.Random) -> Table:
    """The table with one to three faults."""
    table = copy.deepcopy(table)
    for _ in range(rng.choice([1, 1, 2, 3])):
        *parents, last = rng.choice(list(places(table)))
        node: Any = table
        for part in parents:
            node = node[part]
        fault = rng.random()
        if fault < 0.6:
            node[last] = strange(rng)
        elif fault < 0.7:
            del node[last]
        elif fault < 0.85 and isinstance(node, dict):
            node[rng.choice(["unknown", "dtt", "", "a" * 3000, "h", "kernel", "name", "term", "costs"])] = strange(rng)
        elif isinstance(node, dict):
            node[str(last) + "x"] = node.pop(last)
        else:
            node.append(strange(rng))
        if not any(True for _ in places(table)):
            break
    return table


# ------------------------------------------------------------------------------------------------- the check


@dataclass
class Report:
    """What came out: how many of each kind, and every fault with its configuration."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, where the system has alarms."""

    def late(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def require_short(message: str) -> None:
    lines = message.splitlines() or [""]
    assert message.strip(), "an empty message"
    assert len(lines) <= MOST_LINES, f"{len(lines)} lines"
    assert max(map(len, lines)) <= LONGEST, f"a line of {max(map(len, lines))} characters: {lines[0][:LONGEST]}"


def require_exit_2(table: Table, folder: Path) -> None:
    """The command line refuses the same file with exit code 2 and short lines. Some values have no place in TOML."""
    try:
        text = toml.write(table)
        if tomllib.loads(text) != table:  # such as an empty list, which is left out
            return
        (folder / "c.toml").write_text(text, encoding="utf-8")
    except (TypeError, ValueError, RecursionError):
        return
    result = CliRunner().invoke(app, ["run", str(folder / "c.toml"), "--out", str(folder / "out"), "-q"])
    left = (folder / "out").exists()
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert not left, "a directory was left"
    assert result.exit_code == 2, f"exit code {result.exit_code}: {result.exception!r}"
    require_short(result.stderr.replace(str(folder), ""))


def try_one(table: Table, run: bool, folder: Path) -> str:
    """Check one configuration, and run it for two steps where `run` is true. Say how it ended."""
    try:
        config: Any = validate(table)
    except WgfError as error:
        require_short(str(error))
        require_exit_2(table, folder)
        return "refused"
    data = getattr(config, "data", None)
    if data is None or Path(data.source).suffix not in SUFFIXES:  # a path is read from the folder of the file
        (folder / "again.toml").write_text(dump(config), encoding="utf-8")
        same = load_config(folder / "again.toml").model_dump() == config.model_dump()
        assert same, "written and read again it differs"
    n = config.network.neurons if hasattr(config, "network") else config.problem.particles or 1000
    if not run or n > 1000:
        return "accepted"
    try:
        job = prepare(config)
        solution = wgf.solve(
            job.free_energy, job.start, job.scheme, dt=config.solver.dt, t_end=config.solver.t_end, seed=config.seed,
            record_every=config.solver.record_every, domain=config.place(), max_steps=STEPS, throw=False,
        )  # fmt: skip
    except WgfError as error:
        require_short(str(error))
        return "refused by the run"
    if solution.status.ok:
        assert bool(torch.isfinite(solution.ensemble.x).all()), "COMPLETED with particles that are not finite"
        known = "free_energy" in solution.ledger.notes or "entropy" in solution.ledger.notes
        assert known or math.isfinite(solution.ledger["free_energy"][-1]), "COMPLETED with an F that is not finite"
        return "completed"
    require_short(solution.status.message)
    return solution.status.name.lower()


def fuzz(count: int, seed: int, share_run: float = 0.3, progress: bool = False) -> Report:
    """Try `count` configurations. Number k depends on the seed and k alone."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(count):
            rng = random.Random(f"{seed}-{k}")
            table = plausible(rng)
            if k % 2:
                table = damaged(table, rng)
            started = time.perf_counter()
            try:
                with at_most(LIMIT_S):
                    report.count(try_one(table, rng.random() < share_run, Path(folder)))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                where = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(where.filename).name}:{where.lineno}"
                said = f"{k}: {type(error).__name__} at {place}: {str(error)[:300]}"
                report.faults.append(f"{said}\n    {str(table)[:900]}")
            report.slowest = max(report.slowest, (time.perf_counter() - started, k))
            if progress and (k + 1) % 100 == 0:
                print(f"{k + 1}/{count} {report.counts} {len(report.faults)} faults", file=sys.stderr, flush=True)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share-run", type=float, default=0.3, help="share of the accepted ones that are run")
    given = parser.parse_args()
    report = fuzz(given.count, given.seed, given.share_run, progress=True)
    print("\n".join(report.faults))
    print(f"{given.count} configurations: {report.counts}; the slowest, number {report.slowest[1]}, took "
          f"{report.slowest[0]:.1f} s; {len(report.faults)} faults")  # fmt: skip
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
