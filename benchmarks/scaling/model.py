"""A model of the seconds of a step on R processes: arithmetic divided by R, and what the processes say to each other.

    T(n, R) = (a n/R + b) · s + Σ_k c(k, R) + (collectives − sums) · c(1, R)

a and b are fitted to one process at two sizes. s ≥ 1 is how much slower a process is while all cores of its machine
compute, without any message; it is measured. c(k, R) is the time of a sum of k numbers: (R − 1) λ + bytes/β, with the
bytes of `wgf.wire.Tree`, λ and β from messages of two processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...wire import Group, Layout, Tree
from .work import LARGE, SMALL

PROCESSES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIZES = (10**6, 10**7, 10**8, 10**9)
BLOCKS = 64
"""A block for each process is wanted: from 128 processes on a run is divided by `shard(blocks=processes)`."""
WORTH = 0.5
"""More processes pay while they keep this share of their speed."""


@dataclass(frozen=True)
class Model:
    """The constants of one kind of run on one kind of machine.

    Attributes
    ----------
    particle, step : float
        a and b: seconds for each particle, and for each step besides, in one process with one thread.
    shared : float
        s: the slowdown where all cores compute.
    latency, rate : float
        λ, seconds of a message without content; β, bytes in a second.
    sums : tuple of int
        The numbers in each sum of a step.
    collectives : float
        How many collectives a step makes, sums among them.
    """

    particle: float
    step: float
    shared: float
    latency: float
    rate: float
    sums: tuple[int, ...]
    collectives: float

    @staticmethod
    def of(small: Mapping[str, Any], large: Mapping[str, Any], two: Mapping[str, Any], both: float, sums: Any) -> Model:
        """Fit the constants to runs in one process (two sizes), in two, and in two at once that do not speak."""
        particle = (large["seconds"] - small["seconds"]) / (large["n"] - small["n"])
        step = max(0.0, small["seconds"] - particle * small["n"])
        latency, long = two["link"][str(SMALL)], two["link"][str(LARGE)]
        calls = sum(count for kind, count in two["calls"].items() if kind in ("sums", "checks"))
        return Model(
            particle, step, max(1.0, both / large["seconds"]), latency, 8 * LARGE / max(long - latency, 1e-9),
            tuple(sums), calls / two["steps"],
        )  # fmt: skip

    def arithmetic(self, n: int, processes: int) -> float:
        """Seconds of a step without messages."""
        return (self.particle * n / processes + self.step) * (self.shared if processes > 1 else 1.0)

    def messages(self, n: int, processes: int) -> float:
        """Seconds of the messages of a step."""
        if processes == 1:
            return 0.0
        tree = Tree(Group(), Layout.of(n, 0, processes, max(BLOCKS, processes)))
        rounds = (processes - 1) * self.latency
        sums = sum(rounds + tree.sent(count) / self.rate for count in self.sums)
        return sums + max(0.0, self.collectives - len(self.sums)) * rounds

    def seconds(self, n: int, processes: int) -> float:
        """Seconds of a step."""
        return self.arithmetic(n, processes) + self.messages(n, processes)

    def most(self, n: int) -> int:
        """The largest of PROCESSES that keep the share WORTH of their speed."""
        return max(r for r in PROCESSES if self.seconds(n, 1) / (r * self.seconds(n, r)) >= WORTH or r == 1)
