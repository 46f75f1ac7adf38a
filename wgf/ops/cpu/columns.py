"""Tiles of columns: flat arrays of several rows, whose length the compiler knows.

It can then prove that two tiles do not overlap, and otherwise would not vectorise a loop that writes to one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from .jit import compiled, intrinsic


@compiled(exact=True)
def copy(here, there):
    """Write `here` to `there`, two arrays (n,). As `there[:] = here` it would compile for seconds, for one message."""
    for j in range(there.size):
        there[j] = here[j]


TILE = 512
"""Length of a row of a tile."""
_MOST_ROWS = 16  # in few dimensions pairs are summed by differences: up to 14 of them


def _in_tile(context: Any, builder: Any, tile: Any, value: Any, j: Any, j_type: Any, row: int) -> Any:
    """The address of tile[row, j]."""
    data = context.make_array(tile)(context, builder, value).data
    at = context.cast(builder, j, j_type, types.intp)
    return builder.gep(data, [builder.add(at, ir.Constant(at.type, row * TILE))])


def _apart(builder: Any, instruction: Any, row: int) -> Any:
    """Tell LLVM that other rows of tiles are elsewhere. It then interleaves vectors of a loop, which hides latency."""
    add = builder.module.add_metadata
    domain = add(["rows of tiles"])
    scopes = [add([f"row {c} of a tile", domain]) for c in range(_MOST_ROWS)]
    instruction.set_metadata("alias.scope", add([scopes[row]]))
    instruction.set_metadata("noalias", add([scope for c, scope in enumerate(scopes) if c != row]))
    return instruction


@intrinsic
def from_tile(_typing, tile, j, dims):
    """The point in column j of a tile."""

    def code(context, builder, signature, args):
        places = [_in_tile(context, builder, tile, args[0], args[1], j, c) for c in range(dims.count)]
        loads = [_apart(builder, builder.load(place), c) for c, place in enumerate(places)]
        return context.make_tuple(builder, signature.return_type, loads)

    return types.UniTuple(tile.dtype, dims.count)(tile, j, dims), code


@intrinsic
def to_tile(_typing, tile, j, a):
    """tile[c, j] = a[c]."""

    def code(context, builder, _signature, args):
        for c in range(a.count):
            place = _in_tile(context, builder, tile, args[0], args[1], j, c)
            _apart(builder, builder.store(builder.extract_value(args[2], c), place), c)
        return context.get_dummy_value()

    return types.void(tile, j, a), code
