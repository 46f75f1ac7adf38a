"""Pair sums by non-uniform fast Fourier transforms, in O(n + M log M) time for M Fourier modes.

With K(u) = Σ_k c_k exp(i k·u), as `spectrum.py` finds it, a transform of type 1 takes the particles to
F_k = Σⱼ wⱼ exp(−i k·yⱼ). Transforms of type 2 then give Σ_k c_k F_k exp(i k·x) and its gradient at the points. The
transforms are those of finufft. Each runs in one thread on a fixed chunk of the particles.

References: Greengard & Lee (2004), Accelerating the nonuniform fast Fourier transform, SIAM Review 46. Barnett, Magland
& af Klinteberg (2019), A parallel nonuniform fast Fourier transform library, SIAM Journal on Scientific Computing 41.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..threads import run_blocks
from .spectrum import MODES, Axis, Profile, Refused, Tolerance, coefficients, plan_axis

CLOSEST = 1e-14
"""The smallest tolerance of a transform; below it rounding errors are larger."""
_ROUNDING = 1e-15  # rounding error of the phases in a transform, for each mode along an axis
_CHUNK, _CHUNKS = 2**15, 16  # fewest particles in a chunk, and most chunks
_SORTED = 2**21  # a fine grid with more points does not fit in caches; particles are then taken in its order
_COARSE = 2**24  # with more points than this, the fine grid has 1.25 instead of 2 points per mode …
_COARSEST = 2e-9  # … if the tolerance is at least this, the smallest that finufft then reaches
GRID = 2**26
"""The most points of a fine grid (1 GiB). Two or more grids are in memory at a time."""


Added = Callable[[Callable[[slice], np.ndarray]], np.ndarray]
"""Adds up the modes of all particles, given the function that gives those of some rows."""


def available() -> bool:
    """Whether finufft is installed."""
    return importlib.util.find_spec("finufft") is not None


@dataclass(frozen=True)
class Plan:
    """A Fourier series of a kernel that holds for the differences between given clouds of points.

    Attributes
    ----------
    centre : tuple of float
        The middle of both clouds, in the units of x.
    axes : tuple of Axis
        Period and modes along each axis.
    tolerance : Tolerance
        The errors that remain allowed to the transforms.
    """

    centre: tuple[float, ...]
    axes: tuple[Axis, ...]
    tolerance: Tolerance

    @property
    def modes(self) -> tuple[int, ...]:
        """The number of modes 2K + 1 of each axis."""
        return tuple(axis.modes for axis in self.axes)

    def refinement(self, eps: float) -> float:
        """Points of the fine grid per mode along an axis: 1.25 to save memory where that is accurate enough, else 2."""
        return 1.25 if eps >= _COARSEST and math.prod(2 * modes for modes in self.modes) > _COARSE else 2.0

    def grid(self, eps: float) -> int:
        """The number of points of the fine grid of one transform of tolerance `eps`."""
        return round(math.prod(self.refinement(eps) * modes for modes in self.modes))

    def chunks(self, n: int) -> int:
        """The number of chunks for n particles. It depends on the sizes alone, never on the number of threads."""
        return max(min(2, n // _CHUNK), min(_CHUNKS, n // max(_CHUNK, math.prod(self.modes))), 1)


def plan(profile: Profile, x: np.ndarray, y: np.ndarray, tolerance: Tolerance) -> Plan:
    """Plan a Fourier series for sums over y at x.

    Parameters
    ----------
    profile : callable
        The kernel as a function of q = |u|², for float64 arrays.
    x, y : ndarray
        Points (d, m) and particles (d, n), one coordinate a row, d ≤ 3.
    tolerance : Tolerance
        Errors of value and gradient allowed for each unit of Σ|w|.

    Returns
    -------
    Plan
        The series.

    Raises
    ------
    Refused
        If all points coincide, or the series would need too many modes.

    Notes
    -----
    Extents are rounded up in steps of an eighth of an octave, so that the plan stays the same while the cloud changes
    little from step to step.
    """
    low, high = (np.stack([f(x, axis=1), f(y, axis=1)]) for f in (np.min, np.max))
    centre = 0.5 * (low.min(0) + high.max(0))
    extents = np.maximum(high[0] - low[1], high[1] - low[0])
    largest = float(extents.max())
    if not largest > 0.0:
        raise Refused("all particles coincide")
    # rounded up to 1/8 octave: a cloud that changes little keeps its plan. An axis without extent needs a period too.
    rounded = [2.0 ** (math.ceil(8 * math.log2(max(float(e), 1e-2 * largest))) / 8) for e in extents]
    made = {e: plan_axis(profile, e, (tolerance * 0.25).rounded(), MODES[len(x)]) for e in set(rounded)}
    return Plan(tuple(map(float, centre)), tuple(made[e] for e in rounded), tolerance * 0.75)


def fourier_sums(
    profile: Profile,
    plan: Plan,
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    mass: float | None = None,
    added: Added | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Take the sums by a planned series: Σⱼ wⱼ K(xᵢ − yⱼ) and its gradient in xᵢ.

    Parameters
    ----------
    profile : callable
        The kernel as a function of q = |u|².
    plan : Plan
        The series, from `plan`.
    x, y : ndarray
        Points (d, m) and particles (d, n), float64 and finite, d ≤ 3.
    weights : ndarray
        Weights (n,), float64.
    mass : float, optional
        Σ|w| of all particles, where y are only some of them.
    added : callable, optional
        What adds up the modes of all particles then: it takes the function that gives those of some rows of y.

    Returns
    -------
    value : ndarray
        The sums (m,), float64.
    gradient : ndarray
        Their gradients (m, d), float64.

    Raises
    ------
    Refused
        If the sums cancel so far that no transform is accurate enough, or a grid is too large.
    """
    c = coefficients(profile, plan.axes)
    mass = float(np.abs(weights).sum()) if mass is None else mass
    frequencies = np.meshgrid(*(axis.frequencies() for axis in plan.axes), indexing="ij", sparse=True)
    norm = np.sqrt(sum(k * k for k in frequencies))
    eps = _closeness(plan, mass, np.abs(c), norm, mass)
    if added is None:
        spectrum = _type1(plan, y, weights, eps)
    else:
        spectrum = added(lambda rows: _type1(plan, y[:, rows], weights[rows], eps))
    spectrum *= c
    size = np.abs(spectrum)
    middle = tuple(axis.K for axis in plan.axes)
    constant = float(spectrum[middle].real)  # the mode k = 0 is a constant and needs no transform
    spectrum[middle] = size[middle] = 0.0
    steepness = float((size * norm).sum())
    balance = steepness / max(float(size.sum()), 1e-300) or 1.0
    accuracy = _closeness(plan, mass, size, norm, 1.0)
    parts = _type2(plan, x, _packed(spectrum, balance, frequencies), accuracy)
    real = np.empty((2 * len(parts), x.shape[1]))
    real[0::2], real[1::2] = parts.real, parts.imag
    return constant + real[0] / balance, np.ascontiguousarray(real[1 : 1 + len(x)].T)


def _closeness(plan: Plan, mass: float, size: np.ndarray, norm: np.ndarray, factor: float) -> float:
    """The tolerance of a transform.

    Its error is at most the tolerance times the sum of the moduli of its coefficients. Refused below `CLOSEST`.
    """
    allowed = (0.5 * mass * t for t in (plan.tolerance.value, plan.tolerance.gradient))
    sums = (factor * float(part.sum()) for part in (size, size * norm))
    eps = min(a / max(s, 1e-300) for a, s in zip(allowed, sums, strict=True)) - _ROUNDING * max(plan.modes)
    if eps < CLOSEST:
        raise Refused(f"the sums cancel so far that transforms would have to be right to {max(eps, 0.0):.1e}")
    return min(eps, 1e-2)


def _packed(spectrum: np.ndarray, balance: float, frequencies: Sequence[np.ndarray]) -> np.ndarray:
    """Pack two real sums into each complex transform: b·value + i·∂₁, and ∂₂ + i·∂₃.

    The factor b makes the first two alike in size. The series of ∂ₐ has the coefficients i kₐ c F, so that the two
    transforms have (b − k₁) cF and (i k₂ − k₃) cF.
    """
    rows = [spectrum * (balance - frequencies[0])]
    if len(frequencies) > 1:
        rows.append(spectrum * (1j * frequencies[1] - (frequencies[2] if len(frequencies) > 2 else 0.0)))
    return np.stack(rows)


def _transform(plan: Plan, kind: int, count: int, eps: float, points: np.ndarray) -> Any:
    """A finufft plan for these points, in one thread."""
    import finufft

    if plan.grid(eps) > GRID:
        raise Refused(f"a grid of {plan.grid(eps):.2g} points")
    # all choices that finufft would make by itself are fixed here, so that they do not depend on machine or threads
    made = finufft.Plan(
        kind, plan.modes, n_trans=count, eps=eps, isign=-1 if kind == 1 else 1, dtype="complex128", nthreads=1,
        maxbatchsize=1, upsampfac=plan.refinement(eps), spread_sort=int(plan.grid(eps) > _SORTED), showwarn=0,
    )  # fmt: skip
    made.setpts(*((points[a] - plan.centre[a]) * axis.h for a, axis in enumerate(plan.axes)))
    return made


def _parts(plan: Plan, n: int) -> list[slice]:
    """The slices of n particles, one for each chunk."""
    bounds = [n * i // plan.chunks(n) for i in range(plan.chunks(n) + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _type1(plan: Plan, y: np.ndarray, weights: np.ndarray, eps: float) -> np.ndarray:
    """F_k = Σⱼ wⱼ exp(−i k·yⱼ) by chunks of particles, added in a fixed order."""
    parts = _parts(plan, len(weights))
    partial: list[Any] = [None] * len(parts)

    def worker(blocks: Iterator[int]) -> None:
        for i in blocks:
            partial[i] = _transform(plan, 1, 1, eps, y[:, parts[i]]).execute(weights[parts[i]].astype(np.complex128))

    run_blocks(worker, len(parts))
    total: np.ndarray = partial[0]
    for part in partial[1:]:
        total += part
    return total


def _type2(plan: Plan, x: np.ndarray, modes: np.ndarray, eps: float) -> np.ndarray:
    """Σ_k modes_k exp(i k·xᵢ) at every point, by chunks of points, for each row of `modes`."""
    parts = _parts(plan, x.shape[1])
    out = np.empty((len(modes), x.shape[1]), dtype=np.complex128)

    def worker(blocks: Iterator[int]) -> None:
        for i in blocks:
            made = _transform(plan, 2, len(modes), eps, x[:, parts[i]])
            out[:, parts[i]] = made.execute(modes if len(modes) > 1 else modes[0])

    run_blocks(worker, len(parts))
    return out
