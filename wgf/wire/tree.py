"""Sums over all blocks of all processes, added along one binary tree: the same bits for any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .group import Group
from .layout import Layout

SCATTERED = 2**17
"""Each process adds one part of a sum only, and the parts are gathered afterwards, where that saves so many bytes."""

Join = Callable[[Tensor, Tensor], Tensor]
"""How two branches are joined: for sums by addition."""


class Tree:
    """Adds what blocks give. Each process joins its own branches, and sends one sum for each.

    A sum of k numbers takes (size − 1)·m·k numbers sent by each process, with m the number of its branches
    (`Layout.widest`: 1 for a power of two of processes, at most 2 log₂ B). Where that is 128 KiB more, it takes
    (size − 1)/size·(m + 1)·k: each process then adds one part of the numbers.

    Parameters
    ----------
    group : Group
        The processes.
    layout : Layout
        The blocks.
    """

    def __init__(self, group: Group, layout: Layout) -> None:
        self.group, self.layout = group, layout

    def total(self, leaves: Tensor, join: Join = torch.add) -> Tensor:
        """Join what the blocks of all processes give.

        Parameters
        ----------
        leaves : Tensor (b, k)
            k numbers of each block of this process.
        join : callable, default torch.add
            Joins two branches (k,). Only sums may be added in parts.

        Returns
        -------
        Tensor (k,)
            The same bits in every process. Inside `Group.postponing` its numbers may come later.
        """
        layout, first = self.layout, self.layout.owned(self.layout.rank).start
        below = {(0, first + k): leaf for k, leaf in enumerate(leaves)}
        mine = [_value(level, index, below, join) for level, index in layout.nodes[layout.rank]]
        if layout.size == 1:
            self.group.gather(mine[0][:0], "sums")
            return mine[0]
        sent = torch.stack(mine + [torch.zeros_like(mine[0])] * (layout.widest - len(mine)))
        if join is not torch.add or not self._in_parts(sent[0].numel(), sent.element_size()):
            if self.group.outbox.open:
                return self.group.outbox.add(sent, lambda sums: self._joined(sums, join), sent[0])
            return self._joined(self.group.gather(sent, "sums"), join)
        count = sent.shape[1]
        part = -(-count // layout.size)
        padded = torch.nn.functional.pad(sent, (0, part * layout.size - count))
        parts = padded.view(layout.widest, layout.size, part).transpose(0, 1).contiguous()
        own = self._joined(self.group.exchange(parts, "sums"), join)
        return self.group.gather(own, "sums").reshape(-1)[:count]

    def sent(self, count: int, size: int = 8) -> int:
        """The bytes that this process sends for a sum of `count` numbers of `size` bytes: the formula of the class."""
        layout = self.layout
        if layout.size == 1:
            return 0
        if not self._in_parts(count, size):
            return (layout.size - 1) * layout.widest * count * size
        return (layout.size - 1) * (layout.widest + 1) * -(-count // layout.size) * size

    def _in_parts(self, count: int, size: int) -> bool:
        """Whether each process adds one part of a sum: where it saves SCATTERED bytes, for two more messages."""
        layout = self.layout
        saved = layout.widest * count - (layout.widest + 1) * -(-count // layout.size)
        return (layout.size - 1) * saved * size >= SCATTERED

    def _joined(self, sums: Tensor, join: Join) -> Tensor:
        """The whole of the sums of all branches (size, m, k)."""
        found = {
            node: sums[rank, place] for rank, nodes in enumerate(self.layout.nodes) for place, node in enumerate(nodes)
        }
        return _value(self.layout.blocks.bit_length() - 1, 0, found, join)


def _value(level: int, index: int, found: Mapping[tuple[int, int], Tensor], join: Join) -> Tensor:
    """The sum of a branch, from those that are found."""
    here = found.get((level, index))
    if here is not None:
        return here
    return join(_value(level - 1, 2 * index, found, join), _value(level - 1, 2 * index + 1, found, join))
