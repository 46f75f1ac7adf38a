"""The runs that are measured: a network on digits, a term of moments, and noise.

The command `python -m wgf.benchmarks.scaling.work NAME N STEPS` makes one, alone or as one of the processes of a
launcher. Process 0 prints what it found as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from ... import data
from ...energies import NetworkRisk, Quadratic
from ...entropies import LogDet, Shannon
from ...flow import solve
from ...measure import ShardedEnsemble
from ...measure.noise import INITIAL, Noise
from ...solvers import Euler, Langevin
from ...wire import joined

REPEATS = 5
NEVER = 10**9
SMALL, LARGE = 1, 2**20
"""The numbers of float64 in the two messages by which a link is measured."""


@dataclass(frozen=True)
class Work:
    """A kind of run.

    Attributes
    ----------
    make : callable
        Gives the free energy and the scheme.
    dim : int
        The dimension d of a particle.
    n : int
        Particles of one process in the measurement.
    steps : int
        Steps of one measured run.
    sums : tuple of int
        How many numbers each sum over all particles has, in one step.
    """

    make: Callable[[], tuple[Any, Any]]
    dim: int
    n: int
    steps: int
    sums: tuple[int, ...]


def _network() -> tuple[Any, Any]:
    train, _ = data.load("digits")
    return NetworkRisk(train.x, train.y, loss="cross_entropy") - 1e-3 * LogDet(ridge=1e-3), Euler()


def _moments() -> tuple[Any, Any]:
    return Quadratic() - 0.5 * LogDet(), Euler()


def _noise() -> tuple[Any, Any]:
    return Quadratic() - 0.5 * Shannon(), Langevin()


def moments(d: int) -> int:
    """The numbers of the sum for weight, mean and covariance in d dimensions."""
    return 1 + d + d * (d + 1) // 2


WORK: dict[str, Work] = {
    "network on digits": Work(_network, 75, 2048, 20, (1, 1437 * 10, moments(75))),
    "moments": Work(_moments, 8, 200_000, 40, (1, 1, moments(8))),
    "noise": Work(_noise, 3, 200_000, 40, (1,)),
}


def drawn(n: int, dim: int) -> ShardedEnsemble:
    """Particles of N(0, 1), made by each process for itself."""
    return ShardedEnsemble.made(n, lambda ids: Noise(0).normal(ids, 0, dim, INITIAL))


def measure(name: str, n: int, steps: int) -> dict[str, Any]:
    """The median of the seconds of one step, and the bytes that a process sends in one."""
    torch.set_num_threads(1)
    work = WORK[name]
    F, scheme = work.make()
    mu = drawn(n, work.dim)
    seconds, sent, calls = [], {}, {}
    for repeat in range(REPEATS + 1):
        before, made = dict(mu.group.sent), dict(mu.group.calls)
        sol = solve(F, mu, scheme, dt=1e-3, t_end=1e-3 * steps, record_every=NEVER, seed=0)
        if repeat:  # the first compiles
            seconds.append(sol.timing.steps / steps)
        sent = {kind: count - before.get(kind, 0) for kind, count in mu.group.sent.items()}
        calls = {kind: count - made.get(kind, 0) for kind, count in mu.group.calls.items()}
    return {
        "seconds": statistics.median(seconds), "sent": sent, "calls": calls, "steps": steps, "n": n,
        "formula": sum(mu.tree.sent(count) for count in work.sums), "link": link(mu),
    }  # fmt: skip


def link(mu: ShardedEnsemble) -> dict[str, float]:
    """Seconds of a message to the other processes: of eight bytes, and of eight megabytes. Empty in one process."""
    if mu.group.size == 1:
        return {}
    found = {}
    for count, rounds in ((SMALL, 200), (LARGE, 10)):
        part, times = torch.ones(count, dtype=torch.float64), []
        for _ in range(rounds):
            begun = time.perf_counter()
            mu.group.gather(part, "measurement")
            times.append(time.perf_counter() - begun)
        found[str(count)] = statistics.median(times)
    return found


def main() -> None:
    """Run the kind of work that is named, and print what was found."""
    name, n, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with joined():
        found = measure(name, n, steps)
        if not dist.is_initialized() or dist.get_rank() == 0:
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
