"""Systematic resampling of particles that are divided among processes: copies go to the process that owns their row."""

from __future__ import annotations

import torch
from torch import Tensor

from ..wire import Group, Layout


class Draw:
    """n rows drawn by weight: row i is taken ⌊n wᵢ⌋ or ⌈n wᵢ⌉ times, in the order of the rows.

    Row i has the new rows k for which (k + u)/n lies in its part of the cumulative weights. A process sends the copies
    that another one owns, and nothing else.

    Parameters
    ----------
    weights : Tensor (rows,)
        The weights of this process, float64.
    uniform : float
        u in (0, 1], the same in all processes.
    group, layout : Group, Layout
        The processes and the blocks.
    """

    def __init__(self, weights: Tensor, uniform: float, group: Group, layout: Layout) -> None:
        self._group, self._layout = group, layout
        offsets, total = self._offsets(weights)
        upto = torch.cat(
            [weights[rows].cumsum(0) + offset for rows, offset in zip(layout.slices, offsets, strict=True)]
        )
        before = torch.cat([torch.tensor([offsets[0]], dtype=torch.float64), upto[:-1].cpu()])
        last, first = self._places(upto.cpu(), uniform, total), self._places(before, uniform, total)
        if layout.rank == layout.size - 1:
            last[-1] = layout.n  # rounding loses no particle
        ends = group.gather(torch.stack([first[0], last[-1]]), "checks").tolist()
        self._begins = [ends[0][0], *(end for _, end in ends)]
        self._rows = torch.repeat_interleave(torch.arange(len(weights)), (last - first).clamp(min=0)).to(weights.device)

    def _offsets(self, weights: Tensor) -> tuple[list[float], float]:
        """The sum of all weights before each block of this process, and of all."""
        layout = self._layout
        most = max(len(layout.owned(rank)) for rank in range(layout.size))
        own = torch.zeros(most, dtype=torch.float64)
        for index, rows in enumerate(layout.slices):
            own[index] = weights[rows].cumsum(0)[-1]
        found = self._group.gather(own, "sums")
        sums = [float(found[rank, index]) for rank in range(layout.size) for index in range(len(layout.owned(rank)))]
        before = [0.0]
        for part in sums:
            before.append(before[-1] + part)
        first = layout.owned(layout.rank).start
        return before[first : first + len(layout.slices)], before[-1]

    def _places(self, upto: Tensor, uniform: float, total: float) -> Tensor:
        """How many of the places (k + u)/n · total are at most `upto`."""
        n = self._layout.n
        near = torch.floor(upto / total * n - uniform).clamp(min=-2.0, max=n + 1.0)
        count = near - 1.0
        for more in range(4):  # the division rounds; the comparison is that of `searchsorted`
            count += ((near - 1.0 + more + uniform) / n * total <= upto).double()
        return count.clamp(min=0.0, max=n).long()

    def take(self, part: Tensor) -> Tensor:
        """The drawn rows of an array (rows, ...) that this process owns."""
        return self._sent(part[self._rows])

    def ids(self, ids: Tensor) -> Tensor:
        """The ids of the drawn rows: the first copy keeps that of its particle, others get new ones."""
        rows, group = self._rows, self._group
        again = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        again[1:] = rows[1:] == rows[:-1]
        repeated = group.counts(int(again.sum()))
        largest = max(group.counts(int(ids[rows].max()) if len(rows) else 0))
        new, start = ids[rows], largest + 1 + sum(repeated[: self._layout.rank])
        new[again] = start + torch.arange(int(again.sum()), device=ids.device)
        return self._sent(new)

    def _sent(self, copies: Tensor) -> Tensor:
        """The rows of this process, from copies made in all processes."""
        layout, group, copies = self._layout, self._group, copies.contiguous()
        out = copies.new_empty((layout.rows, *copies.shape[1:]))
        waiting = []
        for rank in range(layout.size):
            mine, theirs = self._shared(layout.rank, rank), self._shared(rank, layout.rank)
            piece = copies[mine[0] - self._begins[layout.rank] : mine[1] - self._begins[layout.rank]]
            place = out[theirs[0] - layout.first : theirs[1] - layout.first]
            if rank == layout.rank:
                place.copy_(piece)
                continue
            if len(piece):
                waiting.append(group.send(piece, rank, "resampling"))
            if len(place):
                waiting.append(group.receive(place, rank, "resampling"))
        for finish in waiting:
            finish()
        return out

    def _shared(self, source: int, owner: int) -> tuple[int, int]:
        """The new rows that process `source` makes and process `owner` owns: the first, and the one after the last."""
        begin, end = self._layout.span(owner)
        begin, end = max(begin, self._begins[source]), min(end, self._begins[source + 1])
        return begin, max(begin, end)
