"""The compiled gradients of terms, for stretches of steps. Every operation rounds as the same one in torch does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .. import bodies
from . import coupled
from .coupled import entries
from .jit import address_of, call_at, compiled, is_built
from .moments import moved_rows
from .softmax import softmax_rows
from .user import call_rows

EXACT: Any = {"error_model": "numpy", "fastmath": False}


@compiled(exact=True)
def _quadratic(term, x, weights, out):
    flat, result = x.reshape(x.size), out.reshape(x.size)
    for k in range(flat.size):
        result[k] = term.stiffness * (flat[k] - term.center)


@compiled(exact=True)
def _diagonal(term, x, weights, out):
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[i, c] = term.stiffness[c] * (x[i, c] - term.center[c])


@compiled(exact=True)
def _matrix(term, x, weights, out):
    offset = np.empty_like(x)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            offset[i, c] = x[i, c] - term.center[c]
    moved_rows(offset, term.zeros, entries(term.stiffness, term.zeros), out)


@compiled(exact=True)
def _rows(term, x, weights, out):
    call_rows(term.address, x, out)


@compiled(exact=True)
def _softmax(term, x, weights, out):
    softmax_rows(x, term.tau, np.empty(x.shape[0], x.dtype), out)


_GRADIENTS = {
    bodies.Quadratic: _quadratic,
    bodies.Diagonal: _diagonal,
    bodies.Matrix: _matrix,
    bodies.Rows: _rows,
    bodies.Softmax: _softmax,
    bodies.Pairs: coupled.pairs,
    bodies.Blob: coupled.blob,
    bodies.LogDet: coupled.log_det,
    bodies.LogVariance: coupled.log_variance,
    bodies.Variance: coupled.variance,
}


class _Elsewhere(NamedTuple):
    """A term whose compiled gradient is called by its address. It is then compiled once, and not for every scheme."""

    address: int
    term: Any


def ready(term: Any, x: np.ndarray, weights: np.ndarray) -> Any:
    """A term as compiled steps take it. Where particles meet, its gradient is loaded or compiled here."""
    if term.separable:
        return term
    return _Elsewhere(address_of(_GRADIENTS[type(term)], term, x, weights, x), term)


def is_ready(term: Any, x: np.ndarray, weights: np.ndarray, loaded: bool) -> bool:
    """Whether `ready` compiles nothing and, with `loaded`, reads nothing from disk."""
    return term.separable or is_built(_GRADIENTS[type(term)], (term, x, weights, x), loaded)


def _gradient(term, x, weights, out):
    """Write the gradient of one term, without its coefficient, to `out`. For compiled code only."""
    raise NotImplementedError


@overload(_gradient, jit_options=EXACT)
def _gradient_of(term, x, weights, out):
    if isinstance(term, (types.NamedTuple, types.NamedUniTuple)):
        if term.instance_class is _Elsewhere:
            return lambda term, x, weights, out: call_at(term.address, (term.term, x, weights, out))
        body = _GRADIENTS[term.instance_class]
        return lambda term, x, weights, out: body(term, x, weights, out)
    return None


@compiled(exact=True)
def _first(number, part, out):
    flat, result = part.reshape(part.size), out.reshape(out.size)
    for k in range(flat.size):
        result[k] = number * flat[k]


@compiled(exact=True)
def _further(number, part, out):
    flat, result = part.reshape(part.size), out.reshape(out.size)
    for k in range(flat.size):
        result[k] = result[k] + number * flat[k]


def add_gradients(terms, numbers, at, x, weights, part, out):
    """Add the gradients of terms, times their coefficients `numbers`, to `out`. For compiled code only."""
    raise NotImplementedError


@overload(add_gradients, jit_options=EXACT)
def _add_gradients_of(terms, numbers, at, x, weights, part, out):
    if len(terms) == 0:

        def nothing(terms, numbers, at, x, weights, part, out):
            pass

        return nothing

    def following(terms, numbers, at, x, weights, part, out):
        _gradient(terms[0], x, weights, part)
        _further(numbers[at], part, out)
        add_gradients(terms[1:], numbers, at + 1, x, weights, part, out)

    return following


def total_gradient(terms, numbers, x, weights, part, out):
    """Write ∇F = Σ c ∇𝓕 to `out`, added in the order of the terms; `part` is scratch. For compiled code only."""
    raise NotImplementedError


@overload(total_gradient, jit_options=EXACT)
def _total_gradient_of(terms, numbers, x, weights, part, out):
    if len(terms) == 0:

        def zero(terms, numbers, x, weights, part, out):
            out[:] = 0

        return zero

    def total(terms, numbers, x, weights, part, out):
        _gradient(terms[0], x, weights, part)
        _first(numbers[0], part, out)
        add_gradients(terms[1:], numbers, 1, x, weights, part, out)

    return total
