"""Whether float32 holds a sum over pairs with all its parts. Where it does not, the sum is taken in float64.

Squared distances, their powers, and products with rates leave the range of float32 (1e±38) long before the points and
the sums do. The test takes one pass over the points on the CPU. On a GPU, where it would make the CPU wait, only the
lengths of the kernel are tested. Sums inside the range have the bits that they have without the test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from . import forms
from .registry import later, native

_bodies = later("extent")

_POWER = 36.0  # powers of a length may be from 1e−36 to 1e36
_LEAST_REACH = 1e3  # for high powers sums at larger distances are below the range themselves
_LENGTH = 1e8  # bandwidths may be from 1e−8 to 1e8
_EXTENT = 1e15  # squares of differences up to this leave room for sums
_FACTOR = 1e20  # strengths may be from 1e−20 to 1e20
_KINKED = (forms.MATERN12, forms.MORSE)


def within(number: float, bound: float) -> bool:
    """Whether a number is 0, or its modulus is from 1/bound to bound."""
    return number == 0.0 or 1.0 / bound <= abs(number) <= bound


def all_within(numbers: Tensor, bound: float) -> Tensor:
    """Whether each number is 0, or its modulus is from 1/bound to bound; a 0-d boolean tensor."""
    sizes = numbers.detach().abs()
    return ((sizes == 0.0) | (sizes >= 1.0 / bound) & (sizes <= bound)).all()


def factor_fits(factor: float) -> bool:
    """Whether float32 holds products with this factor."""
    return within(factor, _FACTOR)


def _power(form: int, p: Sequence[float]) -> float | None:
    """The power s of a form with K ~ |u|^(−s) and no length; None for the others."""
    if form == forms.RIESZ:
        return p[0]
    return {forms.LOG: 0.0, forms.DISTANCE: -1.0}.get(form)


def without_length(form: int) -> bool:
    """Whether a formula has no length of its own, so that the points alone decide its range."""
    return form in (forms.LOG, forms.RIESZ, forms.DISTANCE)


def _reach(power: float) -> float:
    """The largest length whose powers in K and in ∇K/|u| float32 holds."""
    return min(_EXTENT, max(_LEAST_REACH, 10.0 ** (_POWER / max(power + 2.0, 2.0))))


class Extents(NamedTuple):
    """The extents of a cloud, in the units of x, at which float32 holds a sum; all other extents but 0 need float64."""

    low: float
    high: float

    def hold(self, size: float | None) -> bool:
        """Whether this extent is among them. True where it is not known (None), 0 or not finite."""
        return size is None or self.low <= size <= self.high or size in (0.0, math.inf, -math.inf)


NOWHERE, SQUARES = Extents(math.inf, 0.0), Extents(1.0 / _EXTENT, _EXTENT)
"""No extent at all, and the extents at which float32 holds squared distances."""


def extents(form: int, p: Sequence[float], softening: float) -> Extents:
    """The extents at which float32 holds a sum of a kernel over pairs.

    Parameters
    ----------
    form : int
        Number of the formula, in `wgf.ops.forms`.
    p : sequence of float
        Its parameters.
    softening : float
        Length δ ≥ 0 in the units of x.

    Returns
    -------
    Extents
        `NOWHERE` if the lengths or strengths of the kernel do not fit.

    Examples
    --------
    >>> extents(forms.GAUSSIAN, (1.0,), 0.0).hold(10.0), extents(forms.GAUSSIAN, (1e19,), 0.0).hold(1e19)
    (True, False)
    """
    return _extents(form, tuple(p), softening)


@lru_cache(maxsize=256)
def _extents(form: int, p: tuple[float, ...], softening: float) -> Extents:
    power = _power(form, p)
    if power is not None:
        reach = _reach(power)
        return Extents(1.0 / reach, reach) if within(softening, reach) else NOWHERE
    lengths, strengths = ((p[1], p[3]), (p[0], p[2])) if form == forms.MORSE else (p[:1], ())
    if not all(within(length, _LENGTH) for length in lengths) or not all(map(factor_fits, strengths)):
        return NOWHERE
    high = min(_EXTENT, p[0] * _reach(2.0 * p[1])) if form == forms.MULTIQUADRIC else _EXTENT
    return Extents(1.0 / _EXTENT if form in _KINKED else 0.0, high)


def extent(x: Tensor, y: Tensor) -> float | None:
    """The largest difference of two points in one coordinate, over x (m, d) and y (n, d); None on a GPU."""
    return _bodies.extent(native(x), native(y)) if x.device.type == "cpu" else None
