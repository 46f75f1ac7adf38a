"""The runs that are measured: a network on digits, a term of moments, and noise.

The command `python -m wgf.benchmarks.scaling.work THREADS` makes them at request, alone or as one of the processes of a
launcher: it reads requests as lines of JSON, and answers each with one.
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

from ... import data
from ...energies import NetworkRisk, Quadratic
from ...entropies import LogDet, Shannon
from ...flow import solve
from ...measure import Ensemble, ShardedEnsemble
from ...measure.noise import INITIAL, Noise
from ...solvers import Euler, Langevin
from ...wire import joined

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
    sizes : tuple of int
        Particles of one process in the measurements: few, some and many.
    steps : tuple of int
        Steps of one measured run of each size.
    sums : tuple of int
        How many numbers each sum over all particles has, in one step.
    """

    make: Callable[[], tuple[Any, Any]]
    dim: int
    sizes: tuple[int, int, int]
    steps: tuple[int, int, int]
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


# the least sizes are beyond the caches, or a prediction would lie between two kinds of memory
WORK: dict[str, Work] = {
    "network on digits": Work(_network, 75, (512, 2048, 8192), (40, 16, 5), (1, 1437 * 10, moments(75))),
    "moments": Work(_moments, 8, (200_000, 800_000, 1_600_000), (16, 5, 3), (1, 1, moments(8))),
    "noise": Work(_noise, 3, (200_000, 400_000, 800_000), (320, 160, 80), (1,)),
}


def drawn(n: int, dim: int) -> ShardedEnsemble:
    """Particles of N(0, 1), made by each process for itself."""
    return ShardedEnsemble.made(n, lambda ids: Noise(0).normal(ids, 0, dim, INITIAL))


class Runs:
    """Makes runs of the kinds of work, and keeps the particles of the last one.

    Attributes
    ----------
    whole : bool
        Whether the particles are not divided, as in a run of one process.
    """

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self._made: tuple[Any, Any] = (None, None)

    def _prepared(self, name: str, n: int) -> tuple[Ensemble, Any, Any]:
        if self._made[0] != (name, n):
            mu = drawn(n, WORK[name].dim)
            self._made = (name, n), (mu.gathered() if self.whole else mu, *WORK[name].make())
        found: tuple[Ensemble, Any, Any] = self._made[1]
        return found

    def measure(self, name: str, n: int, steps: int) -> dict[str, Any]:
        """Seconds of one step, and the bytes and messages of the whole run."""
        mu, F, scheme = self._prepared(name, n)
        if isinstance(mu, ShardedEnsemble):
            sent, made = dict(mu.group.sent), sum(mu.group.calls.values())
            mu.group.any(False)  # the processes begin together
        sol = solve(F, mu, scheme, dt=1e-3, t_end=1e-3 * steps, record_every=NEVER, seed=0)
        found: dict[str, Any] = {"seconds": sol.timing.steps / steps, "steps": steps, "n": n}
        if isinstance(mu, ShardedEnsemble):
            group = mu.group
            found |= {
                "sent": {kind: count - sent.get(kind, 0) for kind, count in group.sent.items()},
                "messages": sum(group.calls.values()) - made,
                "formula": sum(mu.tree.sent(count) for count in WORK[name].sums),
            }
        return found

    def link(self) -> dict[str, float]:
        """Seconds of a message to the other processes: of eight bytes, and of eight megabytes. Empty in one process."""
        mu, found = drawn(64, 1), {}
        for count, rounds in ((SMALL, 200), (LARGE, 10)) if mu.group.size > 1 else ():
            part, times = torch.ones(count, dtype=torch.float64), []
            for _ in range(rounds):
                begun = time.perf_counter()
                mu.group.gather(part, "measurement")
                times.append(time.perf_counter() - begun)
            found[str(count)] = statistics.median(times)
        return found


def main() -> None:
    """Answer requests until there are no more."""
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    with joined():
        runs = Runs(whole=threads > 1)
        for line in sys.stdin:
            request = json.loads(line)
            call = runs.link if request.pop("link", False) else runs.measure
            print(json.dumps(call(**request)), flush=True)


if __name__ == "__main__":
    main()
