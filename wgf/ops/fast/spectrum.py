"""How a radial kernel becomes a short Fourier series on a box: K(u) = Σ_k c_k exp(i Σₐ hₐ kₐ uₐ) for |uₐ| ≤ Dₐ.

The series needs a smooth periodic function. Along each axis u² is replaced by a smooth function of period P that equals
u² up to D and is mirrored about P/2,

    ψ(u) = v² + P²/4 − P·s·E(v/s),   v = |u| − P/2,   E(z) = z erf z + exp(−z²)/√π  (a smooth |z|),

and the kernel is taken at q = Σ ψ(uₐ): its values stay in the range that it has on the box, whatever its growth. Where
the kernel has died away before P − D, the box is repeated as it is (s = 0) with a shorter period.
Coefficients come from samples by a cosine transform; their number is chosen on axial sections of the kernel so that
what is cut off is below the tolerances for value and gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.special import erfc

Profile = Callable[[np.ndarray], np.ndarray]
"""K as a function of q = |u|², vectorised, in float64."""

MODES = {1: 2**16, 2: 2**12, 3: 2**8}
"""The most modes along an axis, by dimension; in two and three dimensions a spectrum takes 256 MiB at most."""
_FIRST = 512  # samples of the first attempt at an axial section
_STRETCHES = (1.25, 1.5, 2.0, 3.0)  # candidates for P/2D of a smooth continuation


class Refused(Exception):
    """The series would need more than is allowed; the message says what."""


@dataclass(frozen=True)
class Tolerance:
    """Absolute errors of K and of ∇K that a series may have on the box."""

    value: float
    gradient: float

    def rounded(self) -> Tolerance:
        """Down to the next powers of √2."""
        return Tolerance(*(2.0 ** (math.floor(2.0 * math.log2(t)) / 2.0) for t in (self.value, self.gradient)))

    def __mul__(self, factor: float) -> Tolerance:
        return Tolerance(self.value * factor, self.gradient * factor)


@dataclass(frozen=True)
class Axis:
    """One axis: period P, width s of the turn at P/2 (0 for a plain repetition), modes −K … K."""

    period: float
    turn: float
    K: int

    @property
    def h(self) -> float:
        """The lowest frequency."""
        return 2.0 * math.pi / self.period

    @property
    def modes(self) -> int:
        """2K + 1."""
        return 2 * self.K + 1

    def frequencies(self) -> np.ndarray:
        """h·k for k = −K … K."""
        return self.h * np.arange(-self.K, self.K + 1)


def smooth_excess(z: np.ndarray) -> np.ndarray:
    """E(z) − |z| = exp(−z²)/√π − |z| erfc|z|, positive and decaying like exp(−z²)."""
    z = np.abs(z)
    return np.exp(-z * z) / math.sqrt(math.pi) - z * erfc(z)


def periodic_square(period: float, turn: float, samples: int) -> np.ndarray:
    """ψ at u = P·m/(2(samples − 1)) for m = 0 … samples − 1: half a period, ends included."""
    u = np.linspace(0.0, 0.5 * period, samples)
    if turn == 0.0:
        return u * u
    return np.maximum(u * u - period * turn * smooth_excess((u - 0.5 * period) / turn), 0.0)


def _half_series(values: np.ndarray) -> np.ndarray:
    """c₀ … c_m of the even periodic function with these samples over half a period, along every axis."""
    coefficients = values
    for axis, size in enumerate(values.shape):
        coefficients = fft.dct(coefficients, type=1, axis=axis) / (2 * (size - 1))
    return coefficients


def plan_axis(profile: Profile, extent: float, tolerance: Tolerance, most: int) -> Axis:
    """The cheapest axis for differences up to `extent`; Refused where `most` modes do not reach the tolerance."""
    axis = _plan_axis(profile, extent, tolerance, most)
    if axis is None:
        raise Refused(f"more than {most} modes along an axis of length {extent:.3g}")
    return axis


@lru_cache(maxsize=512)  # of a pure function: a run asks the same from step to step
def _plan_axis(profile: Profile, extent: float, tolerance: Tolerance, most: int) -> Axis | None:
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
    k = profile(r * r)
    return k, np.gradient(k, r)


def _reach(profile: Profile, extent: float, tolerance: Tolerance) -> float:
    """The radius beyond which the kernel and its slope are below the tolerance, as far as 2·extent; else infinite."""
    r = np.geomspace(1e-4 * extent, 2.2 * extent, 600)
    k, slope = _slopes(profile, r)
    heard = (np.abs(k) > tolerance.value) | (np.abs(slope) > tolerance.gradient)
    if not np.isfinite(k).all() or heard[-8:].any():
        return math.inf
    last = np.flatnonzero(heard)
    return float(r[last[-1] + 1]) if len(last) else float(r[0])


def _turn(profile: Profile, extent: float, period: float, tolerance: Tolerance) -> float:
    """The widest s that leaves K and its slope alone up to `extent`."""
    r = np.linspace(0.05 * extent, 0.5 * period, 200)
    k, slope = _slopes(profile, r)
    spread = max(float(np.ptp(k)), 1e-300)
    steepest = max(float(np.abs(slope).max()), 1e-300)
    relative = 0.1 * min(tolerance.value / spread, tolerance.gradient / steepest, 1e-2)
    return (0.5 * period - extent) / math.sqrt(math.log(1.0 / relative) if relative > 0 else math.inf)


def _cut(profile: Profile, period: float, turn: float, tolerance: Tolerance, most: int) -> int | None:
    """The fewest modes K ≤ most whose tail, on the axial section, is below the tolerance; None where there are none."""
    samples = _FIRST
    while True:
        values = profile(periodic_square(period, turn, samples))
        if not np.isfinite(values).all():
            return None
        # where coefficients are rounding, they are left out of the tail: cutting them changes nothing
        noise = 8.0 * np.finfo(float).eps * float(np.abs(values).max()) / math.sqrt(samples)
        size = 2.0 * np.maximum(np.abs(_half_series(values)) - noise, 0.0)
        k = 2.0 * math.pi / period * np.arange(samples)
        tails = [np.cumsum((part)[::-1])[::-1] for part in (size, size * k)]
        fits = (tails[0] <= 0.5 * tolerance.value) & (tails[1] <= 0.5 * tolerance.gradient)
        first = int(np.argmax(fits)) if fits.any() else samples
        if first <= samples // 2:  # resolved: of a tail that falls like a power at least three quarters were seen
            return max(first, 1) if first <= most else None
        if samples > 4 * most:
            return None
        samples *= 2


def coefficients(profile: Profile, axes: tuple[Axis, ...]) -> np.ndarray:
    """c over the modes −K … K of every axis, real and even, shape (2K₁ + 1, …)."""
    squares = []
    for axis in axes:
        samples = fft.next_fast_len(2 * axis.K + 2) // 2 + 1
        squares.append(periodic_square(axis.period, axis.turn, samples))
    q = squares[0]
    for square in squares[1:]:
        q = q[..., None] + square
    half = _half_series(profile(q))
    return half[np.ix_(*(np.abs(np.arange(-axis.K, axis.K + 1)) for axis in axes))]
