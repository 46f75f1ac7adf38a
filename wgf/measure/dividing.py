"""How an ensemble that every process has is divided among them: `Ensemble.shard`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ..wire import Group, Layout
from .ensemble import Ensemble
from .sharded import ShardedEnsemble


def shard(mu: Ensemble, blocks: int | None, timeout: float, processes: Sequence[int] | None) -> ShardedEnsemble:
    """The part of `mu` that belongs to this process; see `Ensemble.shard`."""
    group = Group(timeout, processes)
    layout = group.together(lambda: Layout.of(mu.n, group.rank, group.size, blocks))
    if group.size > 1:
        parts = (mu.x, mu.weights, mu.ids)
        number = 0
        for part in parts:
            number = zlib.crc32(part.detach().cpu().numpy().tobytes(), number)
        group.require_same("the ensembles", number, "Draw them with the same seed, or load the same file.")
    first, last = layout.span(group.rank)
    rows = mu._same()
    rows._x, rows._weights, rows._ids = (part[first:last].clone() for part in (mu.x, mu.weights, mu.ids))
    return ShardedEnsemble.of(rows, group, layout)


Ensemble._divide = shard
