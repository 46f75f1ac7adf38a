"""Functions of one particle that the user compiled by numba, called for all particles.

They are compiled once more without fast arithmetic, so that the result for a particle does not depend on the others.
Compiled stretches call them by their address.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types

from .jit import intrinsic


@dataclass(frozen=True)
class RowFunctions:
    """Two functions of one particle: fn(x) returns V(x), and grad(x, out) writes ∇V(x) to `out`.

    Attributes
    ----------
    fn, grad : dispatcher
        What `numba.njit` made. x and out are arrays (d,) in the dtype of the particles.
    """

    fn: Any
    grad: Any

    def values(self, x: np.ndarray) -> np.ndarray:
        """V at every row of x (n, d), C-contiguous; in its dtype."""
        out = np.empty(len(x), x.dtype)
        self._call(_value_of_rows, self.fn, x, out)
        return out

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """∇V at every row of x (n, d), C-contiguous; in its dtype."""
        out = np.empty_like(x)
        self._call(_slope_of_rows, self.grad, x, out)
        return out

    def addresses(self, dtype: np.dtype) -> tuple[int, int]:
        """Where code for `call_rows` is that writes ∇V, and NaN at particles at which V is not finite; and V."""
        made = _checked_slope_of_rows(self.fn, self.grad, dtype), _value_of_rows(self.fn, dtype)
        return int(made[0].address), int(made[1].address)

    def _call(self, made: Any, function: Any, x: np.ndarray, out: np.ndarray) -> None:
        made(function, x.dtype).ctypes(_pointer(x), *x.shape, _pointer(out))


def _pointer(array: np.ndarray) -> Any:
    """The data of an array, for ctypes."""
    return np.ctypeslib.as_ctypes(array.reshape(-1))


def _signature(dtype: np.dtype) -> Any:
    """(x, n, d, out) as C has it."""
    pointer = types.CPointer(numba.from_dtype(dtype))
    return types.void(pointer, types.intp, types.intp, pointer)


@lru_cache(maxsize=256)
def _value_of_rows(function: Any, dtype: np.dtype) -> Any:
    """The C function that calls V for all rows."""
    body = numba.njit(error_model="numpy")(function.py_func)

    def rows(x, n, d, out):
        points, values = numba.carray(x, (n, d)).copy(), numba.carray(out, (n,))
        for i in range(n):
            values[i] = body(points[i])

    return numba.cfunc(_signature(dtype), error_model="numpy")(rows)


@lru_cache(maxsize=256)
def _slope_of_rows(function: Any, dtype: np.dtype) -> Any:
    """The C function that calls ∇V for all rows. What it does not write stays NaN."""
    body = numba.njit(error_model="numpy")(function.py_func)

    def rows(x, n, d, out):
        points, slopes = numba.carray(x, (n, d)).copy(), numba.carray(out, (n, d))
        slopes[:] = np.nan
        for i in range(n):
            body(points[i], slopes[i])

    return numba.cfunc(_signature(dtype), error_model="numpy")(rows)


@lru_cache(maxsize=256)
def _checked_slope_of_rows(function: Any, gradient: Any, dtype: np.dtype) -> Any:
    """`_slope_of_rows`, with NaN where V is not finite, so that a stretch of steps ends there as a single step does."""
    value, body = (numba.njit(error_model="numpy")(given.py_func) for given in (function, gradient))

    def rows(x, n, d, out):
        points, slopes = numba.carray(x, (n, d)).copy(), numba.carray(out, (n, d))
        slopes[:] = np.nan
        for i in range(n):
            body(points[i], slopes[i])
        points = numba.carray(x, (n, d)).copy()
        for i in range(n):
            if not np.isfinite(value(points[i])):
                slopes[i, :] = np.nan

    return numba.cfunc(_signature(dtype), error_model="numpy")(rows)


@intrinsic
def call_rows(_typing, address, x, out):
    """Call the C function at an address for the rows of C-contiguous arrays x and out (n, d)."""

    def code(context, builder, _signature, args):
        kinds = zip((x, out), args[1:], strict=True)
        rows, results = (context.make_array(kind)(context, builder, value) for kind, value in kinds)
        size = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [rows.data.type, size, size, rows.data.type])
        n, d = (builder.extract_value(rows.shape, c) for c in range(2))
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [rows.data, n, d, results.data])
        return context.get_dummy_value()

    return types.void(address, x, out), code
