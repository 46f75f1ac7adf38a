"""A random permutation of particles that are divided among processes, and back: each row has a place by arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor

from ..wire import Group, Layout

ROUNDS = 6
_MIX = (0x9E3779B1, 0x85EBCA6B)  # odd, so that multiplication by them is one to one
_WORD = 0xFFFFFFFF


def places(rows: Tensor, n: int, keys: list[int]) -> Tensor:
    """The places of rows (m,) under a permutation of 0 … n − 1 (m,): a Feistel network, repeated until below n.

    `keys` are `ROUNDS` random numbers below 2³². Nothing but the rows themselves is looked at, so that no process needs
    the others'.
    """
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    found, moving = rows.clone(), torch.arange(len(rows), device=rows.device)
    while len(moving):
        left, right = found[moving] >> half, found[moving] & mask
        for key in keys:
            mixed = (right ^ key) * _MIX[0] & _WORD
            mixed = (mixed ^ (mixed >> 15)) * _MIX[1] & _WORD
            left, right = right, left ^ ((mixed ^ (mixed >> 13)) & mask)
        found[moving] = (left << half) | right
        moving = moving[found[moving] >= n]
    return found


class Shuffle:
    """Rows of all processes in a random order, and values for them back to where they belong.

    Parameters
    ----------
    keys : list of int
        `ROUNDS` random numbers below 2³², the same in all processes.
    group, layout : Group, Layout
        The processes and the blocks.
    device : torch.device
        Where the rows are.
    """

    def __init__(self, keys: list[int], group: Group, layout: Layout, device: torch.device) -> None:
        self._group, self._layout = group, layout
        found = places(torch.arange(layout.rows, device=device) + layout.first, layout.n, keys)
        self._order = torch.argsort(found)
        ends = torch.tensor([layout.span(rank)[1] for rank in range(layout.size)], device=device)
        upto = torch.searchsorted(found[self._order], ends).tolist()
        self._sent = [b - a for a, b in zip([0, *upto], upto, strict=False)]
        table = group.gather(torch.tensor(self._sent), "checks")
        self._taken = [int(row[layout.rank]) for row in table]
        self._into = torch.argsort(self._moved(found[self._order], self._sent, self._taken))

    def there(self, part: Tensor) -> Tensor:
        """The rows at the places of this process, in the order of the places."""
        return self._moved(part[self._order], self._sent, self._taken)[self._into]

    def back(self, part: Tensor) -> Tensor:
        """The rows of this process, of values at its places."""
        came = torch.empty_like(part)
        came[self._into] = part
        out = torch.empty_like(part)
        out[self._order] = self._moved(came, self._taken, self._sent)
        return out

    def _moved(self, part: Tensor, sent: list[int], taken: list[int]) -> Tensor:
        """Rows of which so many go to each process, and so many come from each."""
        group, pieces = self._group, part.contiguous().split(sent)
        out = part.new_empty((sum(taken), *part.shape[1:]))
        waiting = []
        for rank, (piece, place) in enumerate(zip(pieces, out.split(taken), strict=True)):
            if rank == self._layout.rank:
                place.copy_(piece)
                continue
            if len(piece):
                waiting.append(group.send(piece.contiguous(), rank, "shuffling"))
            if len(place):
                waiting.append(group.receive(place, rank, "shuffling"))
        for finish in waiting:
            finish()
        return out
