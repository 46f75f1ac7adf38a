"""A model of the seconds of a step on R processes: arithmetic divided by R, and what the processes say to each other.

    T(n, 1) = a n + b
    T(n, R) = (a n/R + b) · s (1 + w) + m (R − 1) λ + Σ_k bytes(k, R)/β

a and b are fitted to one process at two sizes. s ≥ 1 is how much slower a process is while another one computes beside
it, without any message. Processes that speak also wait for the slowest of them, for a share w of their arithmetic, and
for λ at each of the m messages of a step: both are fitted to two processes at the same two sizes. β is the rate of a
long message, and the bytes of a sum of k numbers are those of `wgf.wire.Tree`. Sizes in between are predictions.
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
MOST = 10**9
"""More particles of one process are not considered."""
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
    waiting : float
        w: the share of the arithmetic for which processes that meet wait for the slowest.
    latency, rate : float
        λ, seconds of a message as a step sees it; β, bytes in a second.
    sums : tuple of int
        The numbers in each sum of a step.
    messages : float
        m: how many messages a step takes. Several sums go in one.
    """

    particle: float
    step: float
    shared: float
    waiting: float
    latency: float
    rate: float
    sums: tuple[int, ...]
    messages: float

    @staticmethod
    def of(small: Mapping[str, Any], large: Mapping[str, Any], link: Mapping[str, float], sums: Any) -> Model:
        """Fit the constants to runs of two sizes: of one process, of two that do not speak, and of two that do."""
        ones, twos = [(size["one"], size["two"]) for size in (small, large)], [small["two"], large["two"]]
        (one, _), (more, _) = ones
        particle = (more["seconds"] - one["seconds"]) / (more["n"] - one["n"])
        step = max(0.0, one["seconds"] - particle * one["n"])
        shared = max(1.0, large["apart"]["seconds"] / more["seconds"])
        rate = 8 * LARGE / max(link[str(LARGE)] - link[str(SMALL)], 1e-9)
        messages = max(0.0, (twos[0]["messages"] - twos[1]["messages"]) / (twos[0]["steps"] - twos[1]["steps"]))
        alone = [particle * run["n"] / 2 + step for run in twos]
        rest = [run["seconds"] - run["formula"] / rate for run in twos]
        latency = link[str(SMALL)]
        if messages > 0.0:
            slope = max(1.0, (rest[1] - rest[0]) / (alone[1] - alone[0]))
            latency = max(latency, (rest[0] - slope * alone[0]) / messages)
        waiting = max(0.0, (rest[1] - messages * latency) / (alone[1] * shared) - 1.0)
        return Model(particle, step, shared, waiting, latency, rate, tuple(sums), messages)

    def arithmetic(self, n: int, processes: int) -> float:
        """Seconds of a step without messages; with the waiting where there are several processes."""
        slower = self.shared * (1.0 + self.waiting) if processes > 1 else 1.0
        return (self.particle * n / processes + self.step) * slower

    def speaking(self, n: int, processes: int) -> float:
        """Seconds of the messages of a step."""
        if processes == 1:
            return 0.0
        tree = Tree(Group(), Layout.of(n, 0, processes, max(BLOCKS, processes)))
        sent = sum(map(tree.sent, self.sums)) / self.rate
        return self.messages * (processes - 1) * self.latency + (sent if self.messages else 0.0)

    def seconds(self, n: int, processes: int) -> float:
        """Seconds of a step."""
        return self.arithmetic(n, processes) + self.speaking(n, processes)

    def weak(self, n: int) -> float:
        """The efficiency of two processes with n particles each."""
        return self.seconds(n, 1) / self.seconds(2 * n, 2)

    def enough(self, share: float) -> int | None:
        """The particles of a process from which two keep this share of their speed; None where no number does."""
        if self.weak(MOST) < share:
            return None
        low, high = BLOCKS, MOST
        while high - low > max(1, low // 100):
            middle = (low + high) // 2
            low, high = (low, middle) if self.weak(middle) >= share else (middle, high)
        return high

    def most(self, n: int) -> int:
        """The largest of PROCESSES that keep the share WORTH of their speed."""
        return max(r for r in PROCESSES if self.seconds(n, 1) / (r * self.seconds(n, r)) >= WORTH or r == 1)
