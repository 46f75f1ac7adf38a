"""Terms and schemes as plain numbers, for compiled stretches of steps: what a body is, without the code that runs it.

A *body* is a named tuple. Its class names the compiled function (`wgf.ops.cpu.gradients`, `wgf.ops.cpu.stretch`), its
fields are the numbers of one run. A term or a scheme that has no compiled form has no body.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .steps import (
    ENDING,
    MEETING,
    REMEMBERING,
    AdaptiveRungeKutta,
    Damped,
    ExponentialEuler,
    Langevin,
    LeimkuhlerMatthews,
    RungeKutta,
    Stein,
    TurnedExponentialEuler,
    Underdamped,
)

__all__ = [
    "BLOCK",
    "ENDING",
    "MEETING",
    "REMEMBERING",
    "SUMMED",
    "AdaptiveRungeKutta",
    "Blob",
    "Damped",
    "Diagonal",
    "ExponentialEuler",
    "Langevin",
    "LeimkuhlerMatthews",
    "LogDet",
    "LogVariance",
    "Matrix",
    "Moments",
    "Pair",
    "Pairs",
    "Quadratic",
    "Rows",
    "RungeKutta",
    "Softmax",
    "Stein",
    "TurnedExponentialEuler",
    "Underdamped",
    "Variance",
    "shareable",
]

SUMMED = 8
"""Up to this dimension the sums of one particle have one order of additions on every path."""
BLOCK = 2048
"""Particles in one sum; a stretch of terms in which particles meet has at most so many."""

# ------------------------------------------------------------------------------------------------ terms


class Quadratic(NamedTuple):
    """∇V = k(x − c), with numbers k and c in the dtype of the particles."""

    stiffness: Any
    center: Any

    @property
    def integral(self) -> float | None:
        """What a sum of `wgf.ops.cpu.values` is multiplied by to be the value; None where there is no such sum."""
        return 0.5

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 0.5 * n * d


class Diagonal(NamedTuple):
    """∇V = k(x − c) in every coordinate, with arrays k and c (d,) in the dtype of the particles."""

    stiffness: Any
    center: Any

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return 0.5

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 1.5 * n * d


class Matrix(NamedTuple):
    """∇V = K(x − c), with a matrix K (1, d²) in float64 and an array c (d,) in the dtype of the particles."""

    stiffness: Any
    center: Any
    zeros: tuple[float, ...]  # d

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return 0.5

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return n * d * (1.0 + 0.5 * d)


class Rows(NamedTuple):
    """∇V and V by compiled functions of the user, at these addresses."""

    address: Any
    value: Any

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return 1.0

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return n * (10.0 + 5.0 * d)


class Softmax(NamedTuple):
    """∇H of the entropy of a softmax over the coordinates of each particle."""

    tau: float

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return 1.0

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 200.0 + 3.0 * n * d


def _each_pair(n: int, d: int) -> float:
    """The time of one pair, roughly; from some particles on each pair is visited once for both."""
    return (0.25 if n < 128 else 0.15) * (1.0 + 0.5 * d)


class Pair(NamedTuple):
    """One radial formula in a sum over pairs; `wgf.ops.pairwise.pair_body` makes it."""

    form: Any  # the formula of `wgf.ops.cpu.radial`
    a: float  # K(u) = a·k and ∇K(u) = b·g·u
    b: float
    total: float  # what both sums are multiplied by, in float64, where weights are relative
    scale: Any  # and then these two, in the dtype of the particles
    factor: Any
    softening: Any  # δ², in the dtype of the particles
    exclude: bool  # whether self pairs are left out
    low: float  # the extents at which the dtype holds the sum
    high: float
    loops: tuple[int, int]  # where the compiled loops over pairs are, for equal weights and for others
    weighted_loops: tuple[int, int]


class Pairs(NamedTuple):
    """Forces between all pairs of particles: the sum of some formulas."""

    parts: tuple[Pair, ...]
    weights: Any  # relative weights in the dtype of the particles, or None where they are equal
    dims: tuple[int, ...]  # zeros, one for each dimension
    team: Any = None  # memory that two threads share, or None for one thread
    kept: Any = None  # memory for the sums (d + 1, n) where the value is needed after them

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`. One formula has such a sum, unless its factors are rounded."""
        pair = self.parts[0]
        plain = len(self.parts) == 1 and pair.factor == 1 and (pair.scale == 1 or pair.scale.dtype.itemsize == 8)
        return 0.5 if plain else None

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return False

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 200.0 + n * (20.0 + n * _each_pair(n, d) * len(self.parts))


def shareable(terms: tuple[Any, ...]) -> int | None:
    """The place of the term whose pairs two threads may share in a stretch: a single sum that visits each pair once."""
    places = [k for k, term in enumerate(terms) if isinstance(term, Pairs)]
    if len(places) != 1 or len(terms[places[0]].parts) != 1:
        return None
    (pair,) = terms[places[0]].parts
    return places[0] if pair.loops[1] or pair.weighted_loops[1] else None


class Blob(NamedTuple):
    """∇S of the entropy of a Gaussian blob on each particle: two sums over pairs."""

    pair: Pair
    weights: Any
    dims: tuple[int, ...]

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return None

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return False

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 2.0 * (200.0 + n * (20.0 + n * _each_pair(n, d)))


class Moments(NamedTuple):
    """∇S of an entropy of the mean and the covariance of the particles."""

    ridge: float
    rounding: float  # coordinates are known up to this part of their mean
    zeros: tuple[float, ...]  # d
    pairs: tuple[float, ...]  # d(d + 1)/2

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return None

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return False

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 500.0 + 20.0 * d**3 + n * d * (3.0 + d)


class LogDet(Moments):
    """(C + εI)⁻¹(x − m)."""

    @property
    def integral(self) -> float | None:
        """As in `Quadratic`."""
        return 0.5


class LogVariance(Moments):
    """(x − m)/(Cⱼⱼ + ε) in every coordinate j."""


class Variance(Moments):
    """x − m."""
