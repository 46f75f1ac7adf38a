"""Small matrix products whose result stays in vector registers: the inner loops of sums over pairs in many dimensions.

A call computes a block of ROWS rows and a few vectors of columns, C = Σₜ A[·, t] B[t, ·]. A number of A multiplies
whole vectors of B, so that each number that is loaded takes part in several products. The vectors are as wide as the
registers of the machine.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types

from .intrinsics import SUM_FLAGS, fmuladd, intrinsic
from .jit import compiled


def _register() -> tuple[int, int]:
    """The bytes of a vector register of this machine, and the rows for which there are enough of them."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 8
    return (32, 4) if features.get("avx2") else (16, 4)


_BYTES, COUNT = _register()
ROWS, ONE_ROW = (0,) * COUNT, (0,)
"""Tuples whose lengths tell the compiler the number of rows of a block: as many as fit, and one."""
ONE, TWO, THREE = (0,), (0, 0), (0, 0, 0)
"""Tuples whose lengths tell the compiler the number of vectors of a block."""
PANEL = 2
"""Vectors in a panel of packed columns."""


_DEPTH, _TERMS = 256, 128  # terms in one part of `dot_products` and `multiply`, whose factors stay in cache


def lanes(dtype: np.dtype) -> int:
    """Numbers in a vector."""
    return _BYTES // dtype.itemsize


def padded(width: int, dtype: np.dtype) -> int:
    """The width in numbers, rounded up to whole vectors."""
    return -(-width // lanes(dtype)) * lanes(dtype)


def panels(x: np.ndarray) -> np.ndarray:
    """The transpose of x (n, d) in panels (·, d, 2 vectors), with zeros after the last row: the B of a product x xᵀ."""
    n, d = x.shape
    width = PANEL * lanes(x.dtype)
    packed = np.zeros((-(-n // width), d, width), x.dtype)
    whole = n // width
    packed[:whole] = x[: whole * width].reshape(whole, width, d).transpose(0, 2, 1)
    if whole < len(packed):
        packed[whole, :, : n - whole * width] = x[whole * width :].T
    return packed


def tile_of(rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    """Memory for a tile, with room for whole blocks. Its rows begin at different places in a page, for the cache."""
    return np.empty((rows + COUNT, columns + 2 * PANEL * lanes(dtype)), dtype)


def _block(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, Any, list[list[Any]]]:
    """The loop over t. Returns the address of the result, the distance of its rows, and its vectors row by row."""
    kinds = dict(zip(_NAMES, signature.args, strict=True))
    given = dict(zip(_NAMES, args, strict=True))
    data = {name: context.make_array(kinds[name])(context, builder, given[name]).data for name in ("out", "a", "b")}
    number = {
        name: context.cast(builder, given[name], kinds[name], types.intp)
        for name in ("at", "row", "a_at", "a_row", "a_step", "b_at", "b_step", "steps")
    }
    rows, vectors = kinds["rows"].count, kinds["vectors"].count
    element = context.get_value_type(kinds["a"].dtype)
    size = kinds["a"].dtype.bitwidth // 8
    vector = ir.VectorType(element, _BYTES // size)
    index = number["at"].type
    fused = fmuladd(builder.module, vector)
    first, here = ir.Constant(ir.IntType(32), 0), ir.Constant(ir.VectorType(ir.IntType(32), _BYTES // size), None)
    zero = ir.Constant(vector, None)
    starts = [
        builder.gep(data["a"], [builder.add(number["a_at"], builder.mul(number["a_row"], ir.Constant(index, r)))])
        for r in range(rows)
    ]
    across = builder.gep(data["b"], [number["b_at"]])
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    t = builder.phi(index)
    t.add_incoming(ir.Constant(index, 0), before)
    sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    place = builder.mul(t, number["b_step"])
    right = [
        builder.load(
            _vector_at(builder, across, builder.add(place, ir.Constant(index, v * (_BYTES // size))), vector),
            align=size,
        )
        for v in range(vectors)
    ]
    step = builder.mul(t, number["a_step"])
    for r in range(rows):
        left = builder.insert_element(
            ir.Constant(vector, ir.Undefined), builder.load(builder.gep(starts[r], [step])), first
        )
        left = builder.shuffle_vector(left, ir.Constant(vector, ir.Undefined), here)
        for v in range(vectors):
            total = builder.call(fused, [left, right[v], sums[r][v]], fastmath=SUM_FLAGS)
            sums[r][v].add_incoming(zero, before)
            sums[r][v].add_incoming(total, loop)
            sums[r][v] = total
    following = builder.add(t, ir.Constant(index, 1))
    t.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, number["steps"]), loop, after)
    builder.position_at_end(after)
    return builder.gep(data["out"], [number["at"]]), number["row"], sums


_NAMES = ("out", "at", "row", "a", "a_at", "a_row", "a_step", "b", "b_at", "b_step", "steps", "rows", "vectors")


def _vector_at(builder: Any, start: Any, offset: Any, vector: Any) -> Any:
    """The address of a vector, so many numbers after the start."""
    return builder.bitcast(builder.gep(start, [offset]), vector.as_pointer())


@intrinsic
def set_block(_typing, out, at, row, a, a_at, a_row, a_step, b, b_at, b_step, steps, rows, vectors):
    """out[at + r·row + c] = Σₜ a[a_at + r·a_row + t·a_step] b[b_at + t·b_step + c] for all r and c of a block; t ≥ 1.

    The arrays are C-contiguous and indexed as flat ones.
    """

    def code(context, builder, signature, args):
        start, distance, sums = _block(context, builder, signature, args)
        for r, row_sums in enumerate(sums):
            for v, total in enumerate(row_sums):
                offset = builder.add(
                    builder.mul(distance, ir.Constant(distance.type, r)),
                    ir.Constant(distance.type, v * total.type.count),
                )
                builder.store(total, _vector_at(builder, start, offset, total.type), align=a.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(out, at, row, a, a_at, a_row, a_step, b, b_at, b_step, steps, rows, vectors), code


@intrinsic
def add_block(_typing, out, at, row, a, a_at, a_row, a_step, b, b_at, b_step, steps, rows, vectors):
    """The same as `set_block`, but added to what is in `out`, which may be float64 for float32 factors."""

    def code(context, builder, signature, args):
        start, distance, sums = _block(context, builder, signature, args)
        element, size = context.get_value_type(out.dtype), out.dtype.bitwidth // 8
        most = _BYTES // size  # numbers of `out` in a register
        kind = ir.VectorType(element, most)
        for r, row_sums in enumerate(sums):
            for v, total in enumerate(row_sums):
                for part in range(0, total.type.count, most):
                    piece = total
                    if total.type != kind:
                        chosen = ir.Constant(ir.VectorType(ir.IntType(32), most), list(range(part, part + most)))
                        nothing = ir.Constant(total.type, ir.Undefined)
                        piece = builder.fpext(builder.shuffle_vector(total, nothing, chosen), kind)
                    offset = builder.add(
                        builder.mul(distance, ir.Constant(distance.type, r)),
                        ir.Constant(distance.type, v * total.type.count + part),
                    )
                    place = _vector_at(builder, start, offset, kind)
                    builder.store(builder.fadd(builder.load(place, align=size), piece), place, align=size)
        return context.get_dummy_value()

    return types.void(out, at, row, a, a_at, a_row, a_step, b, b_at, b_step, steps, rows, vectors), code


@intrinsic
def add_deviations(_typing, x, weights, at, like, centre, first, second):
    """Add Σᵢ wᵢ u to `first` and Σᵢ wᵢ u² to `second`, u = xᵢ − c, in the columns from `at` on, as many as `like` has.

    x is C-contiguous (n, d), the others are float64. Rows are added one after the other.
    """

    def code(context, builder, signature, args):
        kinds = signature.args
        rows, factors, middle, one, two = (
            context.make_array(kinds[k])(context, builder, args[k]) for k in (0, 1, 4, 5, 6)
        )
        index, size, width = builder.extract_value(rows.shape, 1), x.dtype.bitwidth // 8, like.count
        kind, loaded = (ir.VectorType(context.get_value_type(t), width) for t in (types.float64, x.dtype))
        column, fused = context.cast(builder, args[2], kinds[2], types.intp), fmuladd(builder.module, kind)
        places = [_vector_at(builder, a.data, column, kind) for a in (middle, one, two)]
        c, *begun = (builder.load(place, align=8) for place in places)
        lane, here = ir.Constant(ir.IntType(32), 0), ir.Constant(ir.VectorType(ir.IntType(32), width), None)
        count, before = builder.extract_value(factors.shape, 0), builder.block
        loop, after = builder.append_basic_block("rows"), builder.append_basic_block("summed")
        zero = ir.Constant(count.type, 0)
        builder.cbranch(builder.icmp_signed(">", count, zero), loop, after)
        builder.position_at_end(loop)
        i = builder.phi(count.type)
        i.add_incoming(zero, before)
        sums = [builder.phi(kind) for _ in begun]
        place = _vector_at(builder, rows.data, builder.add(builder.mul(i, index), column), loaded)
        u = builder.load(place, align=size)
        u = builder.fsub(u if loaded == kind else builder.fpext(u, kind), c)
        w = builder.insert_element(ir.Constant(kind, ir.Undefined), builder.load(builder.gep(factors.data, [i])), lane)
        w = builder.shuffle_vector(w, ir.Constant(kind, ir.Undefined), here)
        scaled = builder.fmul(w, u)
        totals = [builder.call(fused, [w, u, sums[0]]), builder.call(fused, [scaled, u, sums[1]])]
        following = builder.add(i, ir.Constant(count.type, 1))
        i.add_incoming(following, loop)
        for phi, start, total in zip(sums, begun, totals, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(total, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)
        ends = [builder.phi(kind) for _ in begun]
        for end, start, total, where in zip(ends, begun, totals, places[1:], strict=True):
            end.add_incoming(start, before)
            end.add_incoming(total, loop)
            builder.store(end, where, align=8)
        return context.get_dummy_value()

    return types.void(x, weights, at, like, centre, first, second), code


@compiled
def dot_products(tile, x, first, last, packed, left, right):
    """tile[i − first, j − left] = Σ_c x[i, c] y[j, c] for rows first ≤ i < last and columns left ≤ j < right.

    `packed` is `panels(y)`, and `left` begins a panel. Some numbers after the last row and column are written too, and
    x has COUNT more rows.
    """
    d, width, stride = x.shape[1], packed.shape[2], tile.shape[1]
    for low in range(0, d, _DEPTH):
        depth = min(_DEPTH, d - low)
        for panel in range(left // width, (right + width - 1) // width):
            for i in range(0, last - first, COUNT):
                at, a_at, b_at = i * stride + panel * width - left, (first + i) * d + low, (panel * d + low) * width
                if low == 0:
                    set_block(tile, at, stride, x, a_at, d, 1, packed, b_at, width, depth, ROWS, TWO)
                else:
                    add_block(tile, at, stride, x, a_at, d, 1, packed, b_at, width, depth, ROWS, TWO)


@compiled
def _strip(sums, at, count, a, a_at, row, step, b, b_at, steps, vectors):
    """`multiply` for a few vectors of columns."""
    width, i = sums.shape[1], 0
    while i + COUNT <= count:
        add_block(sums, at + i * width, width, a, a_at + i * row, row, step, b, b_at, width, steps, ROWS, vectors)
        i += COUNT
    while i < count:
        add_block(sums, at + i * width, width, a, a_at + i * row, row, step, b, b_at, width, steps, ONE_ROW, vectors)
        i += 1


@compiled
def add_columns(sums, at, count, a, a_at, row, step, b, b_at, steps, columns):
    """sums[at + i·width + c] += Σₜ a[a_at + i·row + t·step] b[b_at + t·width + c] for i < count and c < columns.

    All arrays are indexed as flat ones; `sums` and b have rows of one width, and the columns are whole vectors.
    """
    size = _BYTES // b.itemsize
    rest = columns // size
    while rest > 0:
        if rest == 1:
            _strip(sums, at, count, a, a_at, row, step, b, b_at, steps, ONE)
            done = 1
        elif rest == 2 or rest == 4:
            _strip(sums, at, count, a, a_at, row, step, b, b_at, steps, TWO)
            done = 2
        else:
            _strip(sums, at, count, a, a_at, row, step, b, b_at, steps, THREE)
            done = 3
        at, b_at, rest = at + done * size, b_at + done * size, rest - done


@compiled
def multiply(sums, first, count, a, row, step, b, start, steps):
    """sums[first + i, c] += Σₜ a[i·row + t·step] b[start + t, c] for i < count and t < steps, the sums in float64.

    The columns of `sums` and b are whole vectors, and a is indexed as a flat array. Up to _TERMS terms are summed in
    the dtype of a.
    """
    width = b.shape[1]
    for low in range(0, steps, _TERMS):
        terms = min(_TERMS, steps - low)
        add_columns(sums, first * width, count, a, low * step, row, step, b, (start + low) * width, terms, width)


@compiled
def set_products(out, first, count, a, at, row, b, size):
    """out[first + i, c] = Σₜ a[at + i·row + t] b[t, c] for i < count; a and out are indexed as flat arrays."""
    steps, width, stride = b.shape[0], b.shape[1], out.shape[1]
    for c in range(0, width, size):
        i = 0
        while i + COUNT <= count:
            set_block(out, (first + i) * stride + c, stride, a, at + i * row, row, 1, b, c, width, steps, ROWS, TWO)
            i += COUNT
        while i < count:
            set_block(out, (first + i) * stride + c, stride, a, at + i * row, row, 1, b, c, width, steps, ONE_ROW, TWO)
            i += 1
