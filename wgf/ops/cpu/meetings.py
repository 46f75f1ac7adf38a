"""Which blocks of particles meet when, so that every two meet once and additions have a fixed order."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK, LEAST = 512, 128  # most and fewest particles in a block
BLOCKS = 4  # blocks of a small ensemble
GROUPS = 2  # groups of the meetings of so few blocks


def meetings(blocks: int) -> Iterator[list[tuple[int, int]]]:
    """Rounds in which every two blocks meet once, and no block twice in a round: the circle method of tournaments."""
    others = blocks - 1 + blocks % 2
    for turn in range(others):
        pairs = [(turn, others), *(((turn - k) % others, (turn + k) % others) for k in range(1, (others + 1) // 2))]
        yield [(min(pair), max(pair)) for pair in pairs if max(pair) < blocks]


def rounds(blocks: int) -> Iterator[list[list[tuple[int, int]]]]:
    """Rounds of tasks. Each block also meets itself: in the first round, or in the round in which it has no partner."""
    for turn, pairs in enumerate(meetings(blocks)):
        tasks = [[pair] for pair in pairs]
        if blocks % 2:
            tasks.append([(turn, turn)])
        elif turn == 0:
            tasks = [[(i, i), (i, j), (j, j)] for i, j in pairs]
        yield tasks


def groups(blocks: int) -> list[list[tuple[int, int]]]:
    """All meetings of few blocks in groups of about the same work. Two blocks that meet need 3/2 of one by itself."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(GROUPS)]
    work = [0] * GROUPS
    for apart in range(blocks - 1, -1, -1):
        for i in range(blocks - apart):
            least = work.index(min(work))
            found[least].append((i, i + apart))
            work[least] += 3 if apart else 2
    return found


def blocks_of(n: int) -> list[tuple[int, int]]:
    """Blocks (first, last) of n particles, of a size that depends on n alone."""
    size = min(BLOCK, max(LEAST, -(-n // BLOCKS // 32) * 32))
    return [(first, min(first + size, n)) for first in range(0, n, size)]
