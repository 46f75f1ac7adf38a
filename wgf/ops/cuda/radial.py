"""The radial kernel formulas for Triton: (k, g) at q = |u|², with K(u) = a·k and ∇K(u) = b·g·u.

The numbers of a formula, and the constants a and b that are multiplied at the end of a sum, are those of the CPU code.
Tests compare every formula with `forms.evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import triton
import triton.language as tl

from ..cpu.radial import compiled_form


def numbers(form: int, parameters: Sequence[float]) -> tuple[str, list[float]]:
    """The name of a formula, and (a, b, c0, c1, c2, c3) with its own numbers c."""
    made, a, b = compiled_form(form, parameters, np.dtype(np.float64))
    own: list[Any] = [float(number) for number in made]
    return type(made).__name__, [a, b, *own, *[0.0] * (4 - len(own))]


@triton.jit
def _inverse_root(q):
    """1/√q, and 0 at q = 0: by symmetry a point exerts no force on itself."""
    return tl.where(q == 0.0, 0.0, tl.rsqrt(q))


@triton.jit
def radial(q, c0, c1, c2, c3, FORM: tl.constexpr):
    """(k, g) at q, in the type of q; the numbers c are scalars of that type."""
    if FORM == "Gaussian":
        k = tl.exp2(-c0 * q)
        g = k
    elif FORM == "Matern12":
        inverse = _inverse_root(q)
        k = tl.exp2(-c0 * (q * inverse))
        g = k * inverse
    elif FORM == "Matern32":
        s = c0 * (q * _inverse_root(q))
        g = tl.exp(-s)
        k = g + s * g
    elif FORM == "Matern52":
        s = c0 * (q * _inverse_root(q))
        e = tl.exp(-s)
        g = e + s * e
        k = g + (s * s * (1.0 / 3.0)) * e
    elif FORM == "InverseRoot":
        k = tl.rsqrt(c0 * q + 1.0)
        g = k * k * k
    elif FORM == "InverseMultiquadric":
        base = c0 * q + 1.0
        k = tl.exp2(-c1 * tl.log2(base))
        g = k / base
    elif FORM == "Morse":
        inverse = _inverse_root(q)
        r = q * inverse
        repel = c0 * tl.exp2(-c1 * r)
        attract = c2 * tl.exp2(-c3 * r)
        k = repel - attract
        g = (c3 * attract - c1 * repel) * inverse
    elif FORM == "Log":
        k = tl.log2(q)
        g = 1.0 / q
    elif FORM == "Coulomb":
        k = tl.rsqrt(q)
        g = k * k * k
    elif FORM == "Riesz":
        k = tl.exp2(-c0 * tl.log2(q))
        g = k / q
    else:
        tl.static_assert(FORM == "Distance")
        g = _inverse_root(q)
        k = q * g
    return k, g
