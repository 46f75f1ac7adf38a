"""Random numbers on the CPU, and the Langevin update that uses them in the same pass over memory.

A number is a function of its counter; there is no state. Each chunk of numbers goes through the vector loops of `lanes`
in the first-level cache: counters, words, numbers, and then the update.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .. import memory
from ..threads import run_blocks
from .elementary import inlined
from .jit import compiled
from .lanes import (
    SINGLE,
    VECTOR,
    Normal,
    NormalSingle,
    Uniform,
    above_half_bits,
    close_up_numbers,
    close_up_pairs,
    consecutive,
    count,
    extend_tails,
    lanes_of_numbers,
    lanes_of_particles,
    normals,
    normals_single,
    uniforms,
    words_of_lanes,
    words_of_run,
)

_CHUNK = 256  # numbers in a chunk: few, so that memory is read while the next ones are made
_LEAST, _MOST = 2**14, 2**18  # fewest and most numbers in one piece of work
_NANOSECONDS = 3.0  # about what one number takes
_TASKS = 8  # pieces of work at least, where the sizes allow


@inlined
def _groups(lanes):
    """Groups of VECTOR lanes that hold these lanes."""
    return (lanes + VECTOR - 1) // VECTOR


def _double_chunk(turn):
    """The body of `_chunk` for float64 numbers that `turn` makes from words."""

    def body(law, ids, dim, counters, words, z):
        groups = _groups(lanes_of_particles(law, ids, dim, counters))
        words_of_lanes(law, counters, groups, words)
        turn(words, groups, z)
        if dim % 2:
            close_up_pairs(ids, dim, z)
        return 0

    return body


def _single_chunk(law, ids, dim, counters, words, z):
    """The body of `_chunk` for float32 normals. Consecutive ids share lanes; others have lanes of their own."""
    first = np.uint64(ids[0]) * np.uint64(dim)
    start, offset = first >> np.uint64(2), np.int64(first & np.uint64(3))
    groups = _groups((offset + ids.size * dim + 3) >> 2)
    run = consecutive(ids) and (start ^ (start + np.uint64(VECTOR * groups))) >> np.uint64(32) == 0
    if run:
        words_of_run(law, start, groups, words)
    else:
        groups = _groups(lanes_of_numbers(law, ids, dim, counters))
        words_of_lanes(law, counters, groups, words)
    if normals_single(words, groups, z):
        if run:
            count(law, start, counters[:, : VECTOR * groups])
        extend_tails(law, counters, words, groups, z)
    if run:
        return offset
    close_up_numbers(ids, dim, z)
    return 0


_CHUNKS = {Uniform: _double_chunk(uniforms), Normal: _double_chunk(normals), NormalSingle: _single_chunk}


def _chunk(law, ids, dim, counters, words, z):
    """Fill z with the numbers of the particles `ids`, row by row. Returns where they begin. For compiled code only."""
    raise NotImplementedError


@overload(_chunk, jit_options={"error_model": "numpy", "fastmath": False})
def _chunk_of_law(law, ids, dim, counters, words, z):
    if isinstance(law, (types.NamedTuple, types.NamedUniTuple)):
        return _CHUNKS[law.instance_class]
    return None


@compiled
def draw(law, ids, rows, counters, words, z, out):
    """Write the numbers of all particles to `out`, chunk by chunk."""
    n, dim = out.shape
    flat = out.reshape(n * dim)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        offset = _chunk(law, ids[start:stop], dim, counters, words, z)
        part, xi = flat[start * dim : stop * dim], z[offset:]
        for k in range(part.size):
            part[k] = xi[k]


@compiled
def move(law, ids, rows, counters, words, z, x, gradient, h, scale, out):
    """out = x − h·gradient + scale·ξ, chunk by chunk."""
    n, dim = out.shape
    flat_x, flat_g, flat = x.reshape(n * dim), gradient.reshape(n * dim), out.reshape(n * dim)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        first, last = start * dim, stop * dim
        here, force, part = flat_x[first:last], flat_g[first:last], flat[first:last]
        xi = z[_chunk(law, ids[start:stop], dim, counters, words, z) :]
        for k in range(part.size):
            part[k] = here[k] - h * force[k] + scale * xi[k]


class Scratch(NamedTuple):
    """Memory for one chunk of numbers: rows in a chunk, counters and words of its lanes, and the numbers."""

    rows: int
    counters: np.ndarray
    words: np.ndarray
    z: np.ndarray

    @staticmethod
    def of(dim: int, dtype: np.dtype) -> Scratch:
        """The memory for numbers of a dtype, `dim` for each particle."""
        rows, single = max(1, _CHUNK // dim), dtype == np.float32
        lanes = -(-rows * ((dim + 6) // 4 if single else (dim + 1) // 2) // VECTOR) * VECTOR
        counters, words = np.zeros((3, lanes), np.uint32), np.empty((4, lanes), np.uint32)
        return Scratch(rows, counters, words, np.empty(lanes * (4 if single else 2), dtype))


def _in_blocks(n: int, dim: int, dtype: np.dtype, body: Any) -> None:
    """Call `body(rows of a block, rows of a chunk, counters, words, z)` in threads, each with scratch of its own."""
    block = max(1, min(_MOST, max(_LEAST, n * dim // _TASKS)) // dim)

    def worker(blocks: Iterator[int]) -> None:
        scratch = Scratch.of(dim, dtype)
        for index in blocks:
            body(slice(index * block, min((index + 1) * block, n)), *scratch)

    run_blocks(worker, -(-n // block), _NANOSECONDS * n * dim)


def law_of(dtype: np.dtype, key: Sequence[int], step: int, stream: int) -> Any:
    """The normals of one step for a dtype, as compiled code takes them."""
    return _law(NormalSingle if dtype == np.float32 else Normal, key, step, stream)


def _law(kind: Any, key: Sequence[int], step: int, stream: int) -> Any:
    """The named tuple of a kind of numbers: key, and the words of the counter that all particles share."""
    tag = (stream << 24) | ((step >> 32) << 12) | (SINGLE if kind is NormalSingle else 0)
    return kind(np.uint64(key[0]), np.uint64(key[1]), np.uint64(step & 0xFFFFFFFF), np.uint64(tag))


def _drawn(law: Any, ids: np.ndarray, dim: int, dtype: Any) -> np.ndarray:
    """An array of numbers (n, dim) by one law."""
    out = memory.empty((len(ids), dim), dtype)
    _in_blocks(len(ids), dim, out.dtype, lambda rows, *scratch: draw(law, ids[rows], *scratch, out[rows]))
    return out


def uniform(ids: np.ndarray, key: Sequence[int], step: int, stream: int, dim: int) -> np.ndarray:
    """Uniform numbers on (0, 1] (n, dim), float64."""
    return _drawn(_law(Uniform, key, step, stream), ids, dim, np.float64)


def above_half(ids: np.ndarray, key: Sequence[int], step: int, stream: int) -> np.ndarray:
    """Whether the first number of `uniform` is above ½ (n,). The particles are divided in two by a short loop."""
    out = np.empty(len(ids), np.bool_)
    above_half_bits(_law(Uniform, key, step, stream), ids, out)
    return out


def normal(ids: np.ndarray, key: Sequence[int], step: int, stream: int, dim: int, dtype: Any) -> np.ndarray:
    """Standard normal numbers (n, dim)."""
    return _drawn(law_of(np.dtype(dtype), key, step, stream), ids, dim, dtype)


def langevin(
    x: np.ndarray,
    gradient: np.ndarray,
    ids: np.ndarray,
    key: Sequence[int],
    step: int,
    stream: int,
    h: float,
    scale: float,
) -> np.ndarray:
    """x − h·gradient + scale·ξ (n, d) in the dtype of x, in one pass over memory."""
    number, out = x.dtype.type, memory.empty(x.shape, x.dtype)
    law, numbers = law_of(x.dtype, key, step, stream), (number(h), number(scale))

    def body(rows: slice, *scratch: Any) -> None:
        move(law, ids[rows], *scratch, x[rows], gradient[rows], *numbers, out[rows])

    rows, dim = x.shape
    _in_blocks(rows, dim, x.dtype, body)
    return out
