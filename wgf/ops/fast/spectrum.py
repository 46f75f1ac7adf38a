"""Turn a radial kernel into a short Fourier series on a box: K(u) = Σ_k c_k exp(i Σₐ hₐ kₐ uₐ) for |uₐ| ≤ Dₐ.

The series needs a smooth periodic function. Along each axis u² is replaced by a smooth function of period P that equals
u² up to D and is mirrored about P/2,

    ψ(u) = v² + P²/4 − P·s·E(v/s),   v = |u| − P/2,   E(z) = z erf z + exp(−z²)/√π  (a smooth |z|),

and the kernel is taken at q = Σ ψ(uₐ). Its values then stay in the range that it has on the box, however fast it grows.
If the kernel is negligible before P − D, the box is simply repeated (s = 0), with a shorter period.
The coefficients come from samples by a cosine transform. Their number is chosen on sections of the kernel along the
axes, so that the modes that are cut off are below the tolerances for value and gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Profile = Callable[[np.ndarray], np.ndarray]
"""K as a function of q = |u|², vectorised, in float64."""

MODES = {1: 2**16, 2: 2**12, 3: 2**8}
"""The most modes along an axis, by dimension. In two and three dimensions all modes take at most 256 MiB."""
_FIRST = 512  # samples along an axis in the first attempt
_STRETCHES = (1.25, 1.5, 2.0, 3.0)  # values of P/2D that are tried for a smooth continuation


class Refused(Exception):
    """Raised where a fast method cannot take given sums, or not fast enough; the message says why."""


@dataclass(frozen=True)
class Tolerance:
    """Absolute errors of K and of ∇K that a series may have on the box.

    Parameters
    ----------
    value : float
        Error of K, in the units of K.
    gradient : float
        Error of one component of ∇K, in the units of K over those of x.
    """

    value: float
    gradient: float

    def rounded(self) -> Tolerance:
        """Both numbers rounded down to powers of √2, so that equal plans are found in the cache."""
        return Tolerance(*(2.0 ** (math.floor(2.0 * math.log2(t)) / 2.0) for t in (self.value, self.gradient)))

    def __mul__(self, factor: float) -> Tolerance:
        return Tolerance(self.value * factor, self.gradient * factor)


@dataclass(frozen=True)
class Axis:
    """The period and the modes of a series along one axis.

    Attributes
    ----------
    period : float
        Period P, in the units of x.
    turn : float
        Width s over which ψ turns back at P/2, in the units of x; 0 if the box is simply repeated.
    K : int
        Modes run from −K to K.
    """

    period: float
    turn: float
    K: int

    @property
    def h(self) -> float:
        """The lowest frequency 2π/P, in radians per unit of x."""
        return 2.0 * math.pi / self.period

    @property
    def modes(self) -> int:
        """The number of modes, 2K + 1."""
        return 2 * self.K + 1

    def frequencies(self) -> np.ndarray:
        """The frequencies h·k for k = −K … K (2K + 1,)."""
        return self.h * np.arange(-self.K, self.K + 1)


def smooth_excess(z: np.ndarray) -> np.ndarray:
    """E(z) − |z| = exp(−z²)/√π − |z| erfc|z|, which is positive and falls like exp(−z²)."""
    from scipy.special import erfc  # here and below: importing scipy takes a tenth of a second

    z = np.abs(z)
    return np.exp(-z * z) / math.sqrt(math.pi) - z * erfc(z)


def periodic_square(period: float, turn: float, samples: int) -> np.ndarray:
    """The smooth periodic function ψ that replaces u², sampled over half a period.

    Parameters
    ----------
    period : float
        Period P.
    turn : float
        Width s of the turn at P/2; 0 gives u².
    samples : int
        Number of samples, both ends included.

    Returns
    -------
    ndarray
        ψ at u = P·m/(2(samples − 1)) for m = 0 … samples − 1.
    """
    u = np.linspace(0.0, 0.5 * period, samples)
    if turn == 0.0:
        return u * u
    return np.maximum(u * u - period * turn * smooth_excess((u - 0.5 * period) / turn), 0.0)


def _half_series(values: np.ndarray) -> np.ndarray:
    """The coefficients c₀ … c_m of the even periodic function with these samples over half a period, on each axis."""
    from scipy import fft

    coefficients = values
    for axis, size in enumerate(values.shape):
        coefficients = fft.dct(coefficients, type=1, axis=axis) / (2 * (size - 1))
    return coefficients


def plan_axis(profile: Profile, extent: float, tolerance: Tolerance, most: int) -> Axis:
    """The axis with the fewest modes that reaches a tolerance.

    Parameters
    ----------
    profile : callable
        The kernel as a function of q = |u|².
    extent : float
        Largest difference D along the axis, in the units of x.
    tolerance : Tolerance
        Errors allowed.
    most : int
        Most modes allowed.

    Returns
    -------
    Axis
        Period and modes.

    Raises
    ------
    Refused
        If more than `most` modes are needed.
    """
    axis = _plan_axis(profile, extent, tolerance, most)
    if axis is None:
        raise Refused(f"more than {most} modes along an axis of length {extent:.3g}")
    return axis


@lru_cache(maxsize=512)  # a pure function, called with the same arguments from step to step
def _plan_axis(profile: Profile, extent: float, tolerance: Tolerance, most: int) -> Axis | None:
    """The axis with the fewest modes, or None; the search tries a repeated box and several periods."""
    reach = _reach(profile, extent, tolerance * 0.1)
    candidates = []
    if reach <= 2.0 * extent:
        candidates.append((max(extent + reach, 2.0 * reach) if reach > extent else extent + reach, False))
    candidates += [(2.0 * extent * stretch, True) for stretch in _STRETCHES if not reach <= extent]
    best: Axis | None = None
    for period, turns in candidates:
        turn = _turn(profile, extent, period, tolerance) if turns else 0.0
        K = _cut(profile, period, turn, tolerance, best.K if best else (most - 1) // 2)
        if K is not None and (best is None or K < best.K):
            best = Axis(period, turn, K)
    return best


def _slopes(profile: Profile, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel and its derivative in r, by finite differences."""
    k = profile(r * r)
    return k, np.gradient(k, r)


def _reach(profile: Profile, extent: float, tolerance: Tolerance) -> float:
    """The radius beyond which the kernel and its slope are negligible, searched up to 2.2·extent; else infinite."""
    r = np.geomspace(1e-4 * extent, 2.2 * extent, 600)
    k, slope = _slopes(profile, r)
    heard = (np.abs(k) > tolerance.value) | (np.abs(slope) > tolerance.gradient)
    if not np.isfinite(k).all() or heard[-8:].any():
        return math.inf
    last = np.flatnonzero(heard)
    return float(r[last[-1] + 1]) if len(last) else float(r[0])


def _turn(profile: Profile, extent: float, period: float, tolerance: Tolerance) -> float:
    """The widest turn s that leaves K and its slope unchanged up to `extent`, within the tolerance."""
    r = np.linspace(0.05 * extent, 0.5 * period, 200)
    k, slope = _slopes(profile, r)
    spread = max(float(np.ptp(k)), 1e-300)
    steepest = max(float(np.abs(slope).max()), 1e-300)
    relative = 0.1 * min(tolerance.value / spread, tolerance.gradient / steepest, 1e-2)
    return (0.5 * period - extent) / math.sqrt(math.log(1.0 / relative) if relative > 0 else math.inf)


def _cut(profile: Profile, period: float, turn: float, tolerance: Tolerance, most: int) -> int | None:
    """The fewest modes K ≤ most for which the modes cut off are below the tolerance; None if there are none."""
    samples = _FIRST
    while True:
        values = profile(periodic_square(period, turn, samples))
        if not np.isfinite(values).all():
            return None
        # coefficients as small as rounding errors are not counted: to cut them changes nothing
        noise = 8.0 * np.finfo(float).eps * float(np.abs(values).max()) / math.sqrt(samples)
        size = 2.0 * np.maximum(np.abs(_half_series(values)) - noise, 0.0)
        k = 2.0 * math.pi / period * np.arange(samples)
        tails = [np.cumsum((part)[::-1])[::-1] for part in (size, size * k)]
        fits = (tails[0] <= 0.5 * tolerance.value) & (tails[1] <= 0.5 * tolerance.gradient)
        first = int(np.argmax(fits)) if fits.any() else samples
        if first <= samples // 2:  # enough: the samples hold ≥ 3/4 of a power-law tail
            return max(first, 1) if first <= most else None
        if samples > 4 * most:
            return None
        samples *= 2


def coefficients(profile: Profile, axes: tuple[Axis, ...]) -> np.ndarray:
    """The Fourier coefficients of a kernel on the planned axes.

    Parameters
    ----------
    profile : callable
        The kernel as a function of q = |u|².
    axes : tuple of Axis
        One for each dimension.

    Returns
    -------
    ndarray
        c over the modes −K … K of every axis, real and even, shape (2K₁ + 1, …).
    """
    from scipy import fft

    squares = []
    for axis in axes:
        samples = fft.next_fast_len(2 * axis.K + 2) // 2 + 1
        squares.append(periodic_square(axis.period, axis.turn, samples))
    q = squares[0]
    for square in squares[1:]:
        q = q[..., None] + square
    half = _half_series(profile(q))
    return half[np.ix_(*(np.abs(np.arange(-axis.K, axis.K + 1)) for axis in axes))]
