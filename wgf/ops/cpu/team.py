"""A second thread for the sums over pairs inside a stretch of steps.

The slots of `once` lie open on a *board*. Both threads take the next one until none is left, so that a thread that has
to wait for its turn on a busy machine does less. The bits do not depend on who takes a slot. The helper never holds up
the steps but for a slot that it has begun. If it fails there, the other thread takes all slots anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import overload

from .. import bodies
from ..threads import beside, count
from .jit import call_at, compiled, intrinsic, is_built
from .radial import Gaussian
from .visits import slots_of, visits_once

_TAKEN, _DONE, _OVER, _ENDED, _WORDS = 0, 16, 32, 48, 64  # places on a board, in different lines of the cache
_LEAST = 1e5  # nanoseconds of a sum from which two threads pay, also where other programs use the cores
_TURNS = 300  # turns of waiting, some ten microseconds
_NONE = 2**62  # slots that are taken where none is open


class Team(NamedTuple):
    """Memory that two threads share: the board, the columns (d, n), what they carry, all sums, and those of slots.

    Where the formula is a Gaussian that changes from step to step, `rate` has its number, else it is None.
    """

    board: np.ndarray
    columns: np.ndarray
    payload: np.ndarray | None
    rate: np.ndarray | None
    sums: np.ndarray
    products: np.ndarray

    @staticmethod
    def of(n: int, d: int, carried: bool, changing: bool, dtype: np.dtype) -> Team:
        """The memory for n particles of dimension d, which may carry a vector; `changing` means a `rate`."""
        board, width = np.zeros(_WORDS, np.int64), _width(d, carried)
        board[_TAKEN] = _NONE
        columns, payload = np.empty((d, n), dtype), np.empty((d, n), dtype) if carried else None
        rate, products = np.empty(1, dtype) if changing else None, np.empty((slots_of(n, width), width, n))
        return Team(board, columns, payload, rate, np.empty((width, n)), products)


def _width(d: int, carried: bool) -> int:
    """Numbers that are summed for each particle."""
    return d if carried else d + 1


def _word(context: Any, builder: Any, kind: Any, board: Any, place: Any) -> Any:
    """The address of a word of a board."""
    return builder.gep(context.make_array(kind)(context, builder, board).data, [place])


@intrinsic
def _read(_typing, board, place):
    """The word, after all that another thread wrote before it."""

    def code(context, builder, signature, args):
        at = context.cast(builder, args[1], signature.args[1], types.intp)
        return builder.load_atomic(_word(context, builder, board, args[0], at), "seq_cst", 8)

    return types.int64(board, place), code


@intrinsic
def _write(_typing, board, place, number):
    """Write a word, after all that this thread wrote before."""

    def code(context, builder, signature, args):
        at, value = (context.cast(builder, args[k], signature.args[k], types.intp) for k in (1, 2))
        builder.store_atomic(value, _word(context, builder, board, args[0], at), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(board, place, number), code


@intrinsic
def _next(_typing, board, place):
    """The word, which becomes one larger."""

    def code(context, builder, signature, args):
        at = context.cast(builder, args[1], signature.args[1], types.intp)
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", _word(context, builder, board, args[0], at), one, "seq_cst")

    return types.int64(board, place), code


@intrinsic
def _pause(_typing, waited):
    """Wait a little; after some turns, let other threads have the core."""

    def code(context, builder, _signature, args):
        if binding.get_process_triple().startswith(("x86_64", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        if sys.platform != "win32":
            kind = ir.FunctionType(ir.IntType(32), [])
            with builder.if_then(builder.icmp_signed(">", args[0], ir.Constant(args[0].type, _TURNS))):
                builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(types.intp), code


def tell(team, form):
    """Tell the other thread, which may be None, a formula that changes. For compiled code only."""
    raise NotImplementedError


def _now(form, rate):
    """The formula that the other thread was told, or `form`. For compiled code only."""
    raise NotImplementedError


@overload(tell, jit_options={"error_model": "numpy", "fastmath": False})
def _tell_of(team, form):
    if isinstance(team, types.NoneType) or isinstance(team.types[team.fields.index("rate")], types.NoneType):
        return lambda team, form: None

    def told(team, form):
        team.rate[0] = form.rate

    return told


@overload(_now, jit_options={"error_model": "numpy", "fastmath": False})
def _now_of(form, rate):
    if isinstance(rate, types.NoneType):
        return lambda form, rate: form
    return lambda form, rate: Gaussian(rate[0])


@compiled(exact=True)
def take_slots(board, loop, form, x, payload, weights, dims, softening, exclude, products, out):
    """Take slots, and return when all are done: those of the other thread too. `out` is 0 before."""
    slots = products.shape[0]
    products[:] = 0.0
    _write(board, _DONE, 0)
    _write(board, _TAKEN, 0)  # from here on the helper takes some
    while True:
        slot = _next(board, _TAKEN)
        if slot >= slots:
            break
        call_at(loop, (form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out))
        _next(board, _DONE)
    waited = 0
    while _read(board, _DONE) < slots:
        if _read(board, _ENDED) != 0:  # the helper failed in a slot that it had begun
            products[:] = 0.0
            out[:] = 0.0
            for slot in range(slots):
                call_at(loop, (form, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out))
            break
        _pause(waited)
        waited += 1
    _write(board, _TAKEN, _NONE)


@compiled(exact=True)
def help_with_slots(board, loop, form, rate, x, payload, weights, dims, softening, exclude, products, out):
    """Take slots whenever some are open, until all is over."""
    slots, waited = products.shape[0], 0
    while _read(board, _OVER) == 0:
        if _read(board, _TAKEN) >= slots:
            _pause(waited)
            waited += 1
            continue
        waited = 0
        slot = _next(board, _TAKEN)
        if slot < slots:
            now = _now(form, rate)
            call_at(loop, (now, x, payload, weights, dims, softening, exclude, slot, slots, products[slot], out))
            _next(board, _DONE)


def help_arguments(body: Any) -> tuple[Any, ...]:
    """The arguments of `help_with_slots` for a body with a team."""
    pair, team = body.pair if isinstance(body, bodies.Stein) else body.parts[0], body.team
    loops = pair.loops if body.weights is None else pair.weighted_loops
    return (
        team.board, loops[1], pair.form, team.rate, team.columns, team.payload, body.weights, body.dims,
        pair.softening, pair.exclude, team.products, team.sums,
    )  # fmt: skip


def with_team(step: Any, terms: tuple[Any, ...], n: int, d: int, dtype: np.dtype) -> tuple[Any, tuple[Any, ...]]:
    """The scheme and the terms, one with a team where two threads pay: one sum over many pairs, each visited once."""
    if count() == 1:
        return step, terms
    if isinstance(step, bodies.Stein) and _pays(step, n, d, True):
        return step._replace(team=Team.of(n, d, True, step.median is not None, dtype)), terms
    place = bodies.shareable(terms)
    if place is None or not _pays(terms[place], n, d, False):
        return step, terms
    term = terms[place]._replace(team=Team.of(n, d, False, False, dtype))
    return step, (*terms[:place], term, *terms[place + 1 :])


def _pays(body: Any, n: int, d: int, carried: bool) -> bool:
    """Whether the sum of a body takes slots, and so long that two threads pay."""
    return body.nanoseconds(n, d) >= _LEAST and visits_once(n, d, _width(d, carried), body.weights, carried)


def shared(*bodies: Any) -> Any:
    """The body with a team, or None."""
    return next((body for body in bodies if getattr(body, "team", None) is not None), None)


def helper_built(body: Any, loaded: bool) -> bool:
    """Whether the code of the helper is there, or the body, which may be None, needs none; as `is_built`."""
    return body is None or is_built(help_with_slots, help_arguments(body), loaded)


def _help(board: np.ndarray, *arguments: Any) -> None:
    """`help_with_slots`. Where it fails, the board says so, and the other thread does all the work."""
    with suppress(Exception):
        help_with_slots(board, *arguments)
    board[_ENDED] = 1


@contextmanager
def helped(body: Any) -> Iterator[None]:
    """A second thread takes slots of this body, which may be None, inside a `with` block."""
    if body is None:
        yield
        return
    body.team.board[_OVER] = body.team.board[_ENDED] = 0
    with beside(_help, *help_arguments(body)):
        try:
            yield
        finally:
            body.team.board[_OVER] = 1
