"""How particles are divided: into blocks that depend on their number only, and processes own whole blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import ConfigError, require_integer

FEW, MANY, FROM = 8, 64, 2**14
"""Blocks by default: FEW for fewer than FROM particles, else MANY."""


@dataclass(frozen=True)
class Layout:
    """The blocks of n particles, and the processes that own them.

    Block b has the rows from n·b/B to n·(b + 1)/B. Process r of R has the blocks from B·r/R to B·(r + 1)/R.

    Attributes
    ----------
    n : int
        The number of all particles.
    blocks : int
        B, a power of two. It does not depend on the number of processes, so that sums do not either.
    rank, size : int
        The number of this process, and of all processes.
    """

    n: int
    blocks: int
    rank: int
    size: int

    @staticmethod
    def of(n: int, rank: int, size: int, blocks: int | None = None) -> Layout:
        """Divide n particles.

        Parameters
        ----------
        n, rank, size : int
            As the attributes.
        blocks : int, optional
            The number of blocks: a power of two. By default 64, and 8 for fewer than 16384 particles.

        Raises
        ------
        ConfigError
            If there are fewer blocks than processes, or fewer particles than blocks.
        """
        wanted = (MANY if n >= FROM else FEW) if blocks is None else require_integer("blocks", blocks, low=1)
        if wanted & (wanted - 1):
            raise ConfigError(f"blocks = {wanted}: wanted a power of two.")
        if blocks is None:
            while wanted > n:
                wanted //= 2
        if wanted > n:
            raise ConfigError(f"blocks = {wanted} of {n} particles: wanted a particle in each block.")
        if size > wanted:
            raise ConfigError(
                f"{size} processes and {wanted} blocks of {n} particles: wanted a block for each process. Give more "
                f"blocks, shard(blocks={1 << (size - 1).bit_length()}), or take fewer processes."
            )
        return Layout(n, wanted, rank, size)

    def start(self, block: int) -> int:
        """The first row of a block, among all particles."""
        return self.n * block // self.blocks

    def owned(self, rank: int) -> range:
        """The blocks of a process."""
        return range(self.blocks * rank // self.size, self.blocks * (rank + 1) // self.size)

    def span(self, rank: int) -> tuple[int, int]:
        """The first row of a process among all particles, and the one after its last."""
        blocks = self.owned(rank)
        return self.start(blocks.start), self.start(blocks.stop)

    @cached_property
    def first(self) -> int:
        """The first row of this process, among all particles."""
        return self.span(self.rank)[0]

    @cached_property
    def rows(self) -> int:
        """The number of particles of this process."""
        first, last = self.span(self.rank)
        return last - first

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The rows of each block of this process, counted from its own first row."""
        return tuple(
            slice(self.start(block) - self.first, self.start(block + 1) - self.first) for block in self.owned(self.rank)
        )

    @cached_property
    def nodes(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each process the largest whole branches of the binary tree over all blocks that it owns.

        A branch is (level, index): the blocks from index·2^level to (index + 1)·2^level.
        """
        return tuple(tuple(_branches(self.owned(rank))) for rank in range(self.size))

    @cached_property
    def widest(self) -> int:
        """The largest number of branches of a process: so many sums it sends."""
        return max(map(len, self.nodes))


def _branches(blocks: range) -> list[tuple[int, int]]:
    found, start = [], blocks.start
    while start < blocks.stop:
        level = 0
        while start % (2 << level) == 0 and start + (2 << level) <= blocks.stop:
            level += 1
        found.append((level, start >> level))
        start += 1 << level
    return found
