"""Rows of all processes go round a ring, in the order of their blocks, while those before them are worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .group import Group
from .layout import Layout


class Ring:
    """Brings the rows of every block to every process, always in the order of the blocks.

    Process r hands the blocks on to process r + 1. The next block is on its way while this one is worked on. Each
    process sends each block at most once: at most n rows in all, so that the bytes sent do not grow with the number of
    processes. Two blocks are in memory at a time.

    Parameters
    ----------
    group : Group
        The processes.
    layout : Layout
        The blocks.
    """

    def __init__(self, group: Group, layout: Layout) -> None:
        self.group, self.layout = group, layout

    def owner(self, block: int) -> int:
        """The process that owns a block."""
        guess = (block * self.layout.size) // self.layout.blocks
        return next(r for r in (guess, guess + 1, guess - 1) if block in self.layout.owned(r))

    def blocks(self, own: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Go through all blocks.

        Parameters
        ----------
        own : Tensor (rows, k)
            The rows of this process.

        Yields
        ------
        int
            The number of the block.
        Tensor
            Its rows (·, k).
        """
        layout, group = self.layout, self.group
        first = layout.owned(layout.rank).start
        sending: list[Callable[[], None]] = []
        if layout.size > 1:
            own = own.to(group.device).contiguous()
        coming = self._coming(0, own)
        for block in range(layout.blocks):
            buffer, wait = coming
            if wait is not None:
                wait()
            elif buffer is None:
                buffer = own[layout.slices[block - first]]
            assert buffer is not None
            if block + 1 < layout.blocks:
                coming = self._coming(block + 1, own)
            if self._hands_on(block):
                sending.append(group.send(buffer, (layout.rank + 1) % layout.size, "ring", block))
            yield block, buffer
            while len(sending) > 1:
                sending.pop(0)()
        for finish in sending:
            finish()

    def _hands_on(self, block: int) -> bool:
        """Whether this process sends the block on: not to its owner, who has it."""
        return self.layout.size > 1 and (self.layout.rank + 1) % self.layout.size != self.owner(block)

    def _coming(self, block: int, own: Tensor) -> tuple[Tensor | None, Callable[[], None] | None]:
        """A place for the next block, and what waits for it; nothing for an own block."""
        layout, owner = self.layout, self.owner(block)
        if owner == layout.rank:
            return None, None
        rows = layout.start(block + 1) - layout.start(block)
        buffer = torch.empty((rows, *own.shape[1:]), dtype=own.dtype, device=own.device)
        return buffer, self.group.receive(buffer, (layout.rank - 1) % layout.size, "ring", block)
