"""The loop over the columns of a row of pairs, and the parts of it that other loops over pairs share.

The compiler knows the dimension and the formula, and whether columns carry a vector p (for the Stein direction) or not
(for value and gradient).
"""

from __future__ import annotations

from numba import types
from numba.extending import overload

from .elementary import INLINED
from .intrinsics import (
    add_at,
    cast,
    difference,
    nearest_image,
    plus,
    plus_pair,
    point,
    square,
    together,
    with_last,
    zeros,
)
from .jit import compiled
from .radial import Gaussian, evaluate

_LONG = 2048  # columns in one partial sum of `_against`


def nothing(here, payload):
    """The zero of a sum of (Σ g u, Σ k) or, with a payload p, of Σ (k p + g u). For compiled code only."""
    raise NotImplementedError


def plus_one(form, sums, k, g, u, payload, j, dims):
    """The sums plus one pair, of column j. For compiled code only."""
    raise NotImplementedError


def minus_one(form, sums, k, g, u, payload, j, dims):
    """`plus_one` for −u: the sums of the other particle of the pair. For compiled code only."""
    raise NotImplementedError


def apart(here, there, dims):
    """here − there; where `dims` holds the lengths of a period and not zeros, the nearest image. Compiled code only."""
    raise NotImplementedError


@overload(apart, jit_options=INLINED)
def _apart_of(here, there, dims):
    if isinstance(dims.dtype, types.Integer):
        return lambda here, there, dims: difference(here, there)
    return lambda here, there, dims: nearest_image(difference(here, there), dims)


@overload(nothing, jit_options=INLINED)
def _nothing_of(here, payload):
    if isinstance(payload, types.NoneType):
        return lambda here, payload: with_last(zeros(here), cast(0.0, here[0]))
    return lambda here, payload: zeros(here)


@overload(plus_one, jit_options=INLINED)
def _plus_of(form, sums, k, g, u, payload, j, dims):
    if isinstance(payload, types.NoneType):
        return lambda form, sums, k, g, u, payload, j, dims: plus_pair(sums, g, u, k)
    if form.instance_class is Gaussian:  # k = g: one product and one sum instead of two products
        return lambda form, sums, k, g, u, payload, j, dims: plus(sums, k, together(point(payload, j, dims), u))
    return lambda form, sums, k, g, u, payload, j, dims: plus(plus(sums, k, point(payload, j, dims)), g, u)


@overload(minus_one, jit_options=INLINED)
def _minus_of(form, sums, k, g, u, payload, j, dims):
    if isinstance(payload, types.NoneType):
        return lambda form, sums, k, g, u, payload, j, dims: plus_pair(sums, -g, u, k)
    if form.instance_class is Gaussian:
        return lambda form, sums, k, g, u, payload, j, dims: plus(sums, k, difference(point(payload, j, dims), u))
    return lambda form, sums, k, g, u, payload, j, dims: plus(plus(sums, k, point(payload, j, dims)), -g, u)


@compiled(sums=True)
def _against(form, x, y, payload, weights, dims, softening, i, first, last, out):
    """Add the sums of row i over the columns first ≤ j < last to column i of `out`. Weights None are ones."""
    here = point(x, i, dims)
    sums = nothing(here, payload)
    columns = range(last - first)
    if weights is None:
        for j in columns:
            u = apart(here, point(y, first + j, dims), dims)
            k, g = evaluate(form, square(u, softening))
            sums = plus_one(form, sums, k, g, u, payload, first + j, dims)
    else:
        part = weights[first:last]  # sliced, so that j counts from 0: numba then does not test for negative indices
        for j in columns:
            u = apart(here, point(y, first + j, dims), dims)
            k, g = evaluate(form, square(u, softening))
            sums = plus_one(form, sums, k * part[j], g * part[j], u, payload, first + j, dims)
    add_at(out, i, sums)


@compiled
def pair_rows(form, x, y, payload, weights, dims, softening, exclude, start, stop, first_column, last_column, out):
    """`_against` for a block of rows, in parts of _LONG columns; with `exclude` the self pairs are left out."""
    for first in range(first_column, last_column, _LONG):
        last = min(first + _LONG, last_column)
        for i in range(start, stop):
            if exclude and first <= i < last:  # the self pair of a singular kernel
                _against(form, x, y, payload, weights, dims, softening, i, first, i, out)
                _against(form, x, y, payload, weights, dims, softening, i, i + 1, last, out)
            else:
                _against(form, x, y, payload, weights, dims, softening, i, first, last, out)
