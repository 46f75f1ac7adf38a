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
from .values import VALUES

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


class Course(NamedTuple):
    """The coefficients of the terms over the steps of a stretch, and the values of those whose coefficient changes.

    Attributes
    ----------
    numbers : ndarray
        One row (terms,) for every evaluation, in the dtype of the particles; a single one where nothing changes.
    driven : ndarray or None
        Which terms have a coefficient that changes (terms,), bool. None where none has.
    values : ndarray or None
        Gets the sums of the values of these terms over the particles at the start of every step (steps, terms).
    """

    numbers: Any
    driven: Any
    values: Any


class _Elsewhere(NamedTuple):
    """A term whose compiled code is called by its address. It is then compiled once, and not for every scheme."""

    address: int  # of the gradient
    value: int  # 0 where the value is not needed
    term: Any


def ready(term: Any, driven: bool, x: np.ndarray, weights: np.ndarray) -> Any:
    """A term as compiled steps take it. Where particles meet, its code is loaded or compiled here."""
    if term.separable:
        return term
    arguments = term, x, weights, x
    value = address_of(VALUES[type(term)], *arguments, weights) if driven else 0
    return _Elsewhere(address_of(_GRADIENTS[type(term)], *arguments), value, term)


def is_ready(term: Any, driven: bool, x: np.ndarray, weights: np.ndarray, loaded: bool) -> bool:
    """Whether `ready` compiles nothing and, with `loaded`, reads nothing from disk."""
    arguments = term, x, weights, x
    return term.separable or (
        is_built(_GRADIENTS[type(term)], arguments, loaded)
        and not (driven and not is_built(VALUES[type(term)], (*arguments, weights), loaded))
    )


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


def _note_value(term, at, x, weights, slope, driven, values):
    """Write the value of term number `at` to `values`, if that is wanted; `slope` is its gradient. Compiled only."""
    raise NotImplementedError


@overload(_note_value, jit_options=EXACT)
def _note_value_of(term, at, x, weights, slope, driven, values):
    if isinstance(values, types.NoneType):
        return lambda term, at, x, weights, slope, driven, values: None
    if term.instance_class is _Elsewhere:

        def called(term, at, x, weights, slope, driven, values):
            if driven[at]:
                call_at(term.value, (term.term, x, weights, slope, values[at : at + 1]))

        return called
    body = VALUES.get(term.instance_class)
    if body is None:
        return lambda term, at, x, weights, slope, driven, values: None

    def noted(term, at, x, weights, slope, driven, values):
        if driven[at]:
            body(term, x, weights, slope, values[at : at + 1])

    return noted


def _add_gradients(terms, numbers, at, x, weights, part, out, driven, values):
    """Add the gradients of terms, times their coefficients `numbers`, to `out`. For compiled code only."""
    raise NotImplementedError


@overload(_add_gradients, jit_options=EXACT)
def _add_gradients_of(terms, numbers, at, x, weights, part, out, driven, values):
    if len(terms) == 0:
        return lambda terms, numbers, at, x, weights, part, out, driven, values: None

    def following(terms, numbers, at, x, weights, part, out, driven, values):
        _gradient(terms[0], x, weights, part)
        _note_value(terms[0], at, x, weights, part, driven, values)
        _further(numbers[at], part, out)
        _add_gradients(terms[1:], numbers, at + 1, x, weights, part, out, driven, values)

    return following


def _total(terms, numbers, x, weights, part, out, driven, values):
    """Write ∇F = Σ c ∇𝓕 to `out`, added in the order of the terms. For compiled code only."""
    raise NotImplementedError


@overload(_total, jit_options=EXACT)
def _total_of(terms, numbers, x, weights, part, out, driven, values):
    if len(terms) == 0:

        def zero(terms, numbers, x, weights, part, out, driven, values):
            out[:] = 0

        return zero

    def total(terms, numbers, x, weights, part, out, driven, values):
        _gradient(terms[0], x, weights, part)
        _note_value(terms[0], 0, x, weights, part, driven, values)
        _first(numbers[0], part, out)
        _add_gradients(terms[1:], numbers, 1, x, weights, part, out, driven, values)

    return total


@compiled(exact=True)
def at_row(numbers, row):
    """The entry of an array over the evaluations or steps of a stretch; a single one holds for all."""
    return numbers[row if numbers.shape[0] > 1 else 0]


@compiled(exact=True)
def total_gradient(terms, course, row, x, weights, part, out):
    """Write ∇F = Σ c ∇𝓕 with a row of coefficients to `out`; `part` is scratch."""
    _total(terms, at_row(course.numbers, row), x, weights, part, out, None, None)


@compiled(exact=True)
def _started(terms, numbers, step, x, weights, part, out, driven, values):
    if values is None:
        _total(terms, numbers, x, weights, part, out, None, None)
    else:
        _total(terms, numbers, x, weights, part, out, driven, values[step])


@compiled(exact=True)
def gradient_at_start(terms, course, row, step, x, weights, part, out):
    """`total_gradient` at the start of a step, which also notes the values that the books need."""
    _started(terms, at_row(course.numbers, row), step, x, weights, part, out, course.driven, course.values)
