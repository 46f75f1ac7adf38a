"""The radial kernel formulas for compiled loops: (k, g) at q = |u|², with K(u) = a·k and ∇K(u) = b·g·u.

Each formula is a named tuple of its numbers. Its type tells the compiler which formula to put into a loop. The
constants a and b are multiplied at the end of the sum. Tests compare every formula with `forms.evaluate`.

Points closer than the root of the smallest normal number (1e-19 in float32, 1.5e-154 in float64) count as coincident.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .. import forms
from .elementary import INLINED, exp2, exp2_decay, log2, rsqrt_normal
from .intrinsics import cast, pick
from .jit import compiled

_LOG2E, _LN2 = 1.4426950408889634, math.log(2.0)
_INFINITY = math.inf


class Gaussian(NamedTuple):
    rate: Any  # log₂e/(2h²)


class Matern12(NamedTuple):
    rate: Any  # log₂e/h


class Matern32(NamedTuple):
    rate: Any  # √3/h


class Matern52(NamedTuple):
    rate: Any  # √5/h


class InverseRoot(NamedTuple):
    rate: Any  # 1/h², for p = 1/2


class InverseMultiquadric(NamedTuple):
    rate: Any  # 1/h²
    power: Any


class Morse(NamedTuple):
    strength: Any  # Cr
    rate: Any  # log₂e/lr
    attraction: Any  # Ca
    attraction_rate: Any  # log₂e/la


class Log(NamedTuple):
    unused: Any


class Coulomb(NamedTuple):
    unused: Any  # |u|⁻¹


class Riesz(NamedTuple):
    half_power: Any  # s/2


class Distance(NamedTuple):
    unused: Any


def compiled_form(form: int, p: Sequence[float], dtype: np.dtype) -> tuple[NamedTuple, float, float]:
    """A formula with its numbers, ready for a compiled loop.

    Parameters
    ----------
    form : int
        Number of the formula, in `wgf.ops.forms`.
    p : sequence of float
        Its parameters.
    dtype : dtype
        The dtype of the particles.

    Returns
    -------
    form : NamedTuple
        The formula with its numbers in that dtype.
    a, b : float
        The constants of K(u) = a·k and ∇K(u) = b·g·u.
    """
    made, a, b = _numbers(form, p)
    return type(made)(*(dtype.type(number) for number in made)), a, b


@compiled(exact=True)
def gaussian_of(h, like):
    """The Gaussian of bandwidth h with numbers of the type of `like`, and b: the same as `compiled_form` makes."""
    return Gaussian(cast(0.5 * _LOG2E / (h * h), like)), -1.0 / (h * h)


def split_weights(weights: np.ndarray, dtype: np.dtype) -> tuple[float, np.ndarray | None]:
    """Split weights into a scale s and relative weights r, weights = s·r with |r| ≤ 1.

    Parameters
    ----------
    weights : ndarray
        Weights (n,).
    dtype : dtype
        The dtype of r.

    Returns
    -------
    scale : float
        s.
    relative : ndarray or None
        r (n,); None where all weights are equal.
    """
    low, high = float(weights.min()), float(weights.max())
    if low == high:
        return low, None
    largest = max(abs(low), abs(high))
    return largest, (weights / largest).astype(dtype)


def _numbers(form: int, p: Sequence[float]) -> tuple[NamedTuple, float, float]:
    """The named tuple of a formula, with a and b."""
    if form == forms.GAUSSIAN:
        return Gaussian(0.5 * _LOG2E / (p[0] * p[0])), 1.0, -1.0 / (p[0] * p[0])  # as `gaussian_of` has it
    if form == forms.MATERN12:
        return Matern12(_LOG2E / p[0]), 1.0, -1.0 / p[0]
    if form == forms.MATERN32:
        return Matern32(math.sqrt(3.0) / p[0]), 1.0, -3.0 / p[0] ** 2
    if form == forms.MATERN52:
        return Matern52(math.sqrt(5.0) / p[0]), 1.0, -5.0 / (3.0 * p[0] ** 2)
    if form == forms.MULTIQUADRIC:
        rate, power = 1.0 / p[0] ** 2, p[1]
        made = InverseRoot(rate) if power == 0.5 else InverseMultiquadric(rate, power)
        return made, 1.0, -2.0 * power * rate
    if form == forms.MORSE:
        return Morse(p[0], _LOG2E / p[1], p[2], _LOG2E / p[3]), 1.0, _LN2
    if form == forms.LOG:
        return Log(0.0), -0.5 * _LN2, -1.0
    if form == forms.RIESZ:
        return (Coulomb(0.0) if p[0] == 1.0 else Riesz(0.5 * p[0])), 1.0, -p[0]
    if form == forms.DISTANCE:
        return Distance(0.0), 1.0, 1.0
    raise AssertionError(f"unknown form {form}")


def _gaussian(form, q):
    k = exp2_decay(-form.rate * q)
    return k, k


def _matern12(form, q):
    inverse = rsqrt_normal(q)  # finite at q = 0, where u = 0 makes the force zero
    k = exp2_decay(-form.rate * (q * inverse))
    return k, k * inverse


def _matern32(form, q):
    s = form.rate * (q * rsqrt_normal(q))
    e = exp2_decay(-cast(_LOG2E, q) * s)
    return e + s * e, e


def _matern52(form, q):
    s = form.rate * (q * rsqrt_normal(q))
    e = exp2_decay(-cast(_LOG2E, q) * s)
    g = e + s * e
    return g + cast(1.0 / 3.0, q) * (s * s) * e, g


def _inverse_root(form, q):
    k = rsqrt_normal(form.rate * q + cast(1.0, q))
    return k, k * k * k


def _inverse_multiquadric(form, q):
    base = form.rate * q + cast(1.0, q)
    k = exp2_decay(-form.power * log2(base))
    return k, k / base


def _morse(form, q):
    inverse = rsqrt_normal(q)
    r = q * inverse
    repel = form.strength * exp2_decay(-form.rate * r)
    attract = form.attraction * exp2_decay(-form.attraction_rate * r)
    return repel - attract, (form.attraction_rate * attract - form.rate * repel) * inverse


def _log(form, q):
    return log2(q), cast(1.0, q) / q


def _coulomb(form, q):
    k = rsqrt_normal(q)
    k = cast(_INFINITY, q) if q < pick(q, 1.1754943508222875e-38, 2.2250738585072014e-308) else k
    return k, k * k * k


def _riesz(form, q):
    k = exp2(-form.half_power * log2(q))
    return k, k / q


def _distance(form, q):
    inverse = rsqrt_normal(q)
    return q * inverse, inverse


_FORMULAS = {
    Gaussian: _gaussian,
    Matern12: _matern12,
    Matern32: _matern32,
    Matern52: _matern52,
    InverseRoot: _inverse_root,
    InverseMultiquadric: _inverse_multiquadric,
    Morse: _morse,
    Log: _log,
    Coulomb: _coulomb,
    Riesz: _riesz,
    Distance: _distance,
}


def evaluate(form, q):
    """(k, g) at q. For compiled code only."""
    raise NotImplementedError


@overload(evaluate, jit_options=INLINED)
def _evaluate(form, q):
    if isinstance(form, (types.NamedTuple, types.NamedUniTuple)):
        return _FORMULAS[form.instance_class]
    return None
