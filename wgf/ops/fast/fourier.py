"""Pair sums by non-uniform fast Fourier transforms: O(n + M log M) for M modes (Greengard & Lee 2004).

With K(u) = Σ_k c_k exp(i k·u) (see `spectrum.py`), the sources give F_k = Σⱼ wⱼ exp(−i k·yⱼ) by a transform of type 1,
and the targets get Σ_k c_k F_k exp(i k·x) and its gradient by transforms of type 2. The transforms are those of finufft
(Barnett, Magland & af Klinteberg 2019), each in one thread on a fixed chunk of the particles.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..threads import run_blocks
from .spectrum import MODES, Axis, Profile, Refused, Tolerance, coefficients, plan_axis

CLOSEST = 1e-14
"""The smallest tolerance asked of a transform: below it rounding is what is left."""
_ROUNDING = 1e-15  # of the phases of a transform, for each of its modes along an axis
_CHUNK, _CHUNKS = 2**15, 16  # particles at least in a chunk, and chunks at most
_SORTED = 2**21  # beyond so many points, a fine grid leaves the caches, and particles are taken in its order
_COARSE = 2**24  # beyond so many points the fine grid is finer than the modes by 1.25 instead of 2 …
_COARSEST = 2e-9  # … down to the tolerance that finufft reaches with it
GRID = 2**26
"""The largest fine grid of a transform, 1 GiB; two or more are in use at a time."""


def available() -> bool:
    """Whether finufft is installed."""
    return importlib.util.find_spec("finufft") is not None


@dataclass(frozen=True)
class Plan:
    """A Fourier series for the differences between given clouds, and the tolerance of its transforms."""

    centre: tuple[float, ...]
    axes: tuple[Axis, ...]
    tolerance: Tolerance

    @property
    def modes(self) -> tuple[int, ...]:
        """2K + 1 of each axis."""
        return tuple(axis.modes for axis in self.axes)

    def refinement(self, eps: float) -> float:
        """How much finer than the modes the grid of a transform is: 1.25 saves memory, where it can be accurate."""
        return 1.25 if eps >= _COARSEST and math.prod(2 * modes for modes in self.modes) > _COARSE else 2.0

    def grid(self, eps: float) -> int:
        """Points of the fine grid of one transform."""
        return round(math.prod(self.refinement(eps) * modes for modes in self.modes))

    def chunks(self, n: int) -> int:
        """Chunks of n particles: a function of the sums alone, never of the threads."""
        return max(min(2, n // _CHUNK), min(_CHUNKS, n // max(_CHUNK, math.prod(self.modes))), 1)


def plan(profile: Profile, x: np.ndarray, y: np.ndarray, tolerance: Tolerance) -> Plan:
    """A series for sums over y (d, n) at x (d, m), with errors per unit of Σ|w| within `tolerance`; else Refused."""
    low, high = (np.stack([f(x, axis=1), f(y, axis=1)]) for f in (np.min, np.max))
    centre = 0.5 * (low.min(0) + high.max(0))
    extents = np.maximum(high[0] - low[1], high[1] - low[0])
    largest = float(extents.max())
    if not largest > 0.0:
        raise Refused("all particles coincide")
    # steps of 1/8 octave: a cloud that breathes keeps its grid; an axis without extent still needs a period
    rounded = [2.0 ** (math.ceil(8 * math.log2(max(float(e), 1e-2 * largest))) / 8) for e in extents]
    made = {e: plan_axis(profile, e, (tolerance * 0.25).rounded(), MODES[len(x)]) for e in set(rounded)}
    return Plan(tuple(map(float, centre)), tuple(made[e] for e in rounded), tolerance * 0.75)


def fourier_sums(
    profile: Profile, plan: Plan, x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and its gradient (m, d) in xᵢ, for finite columns x (d, m), y (d, n), d ≤ 3, weights (n,)."""
    c = coefficients(profile, plan.axes)
    mass = float(np.abs(weights).sum())
    frequencies = np.meshgrid(*(axis.frequencies() for axis in plan.axes), indexing="ij", sparse=True)
    norm = np.sqrt(sum(k * k for k in frequencies))
    spectrum = _type1(plan, y, weights, _closeness(plan, mass, np.abs(c), norm, mass))
    spectrum *= c
    size = np.abs(spectrum)
    middle = tuple(axis.K for axis in plan.axes)
    constant = float(spectrum[middle].real)  # the mean of the periodic sum is exact: no transform needed
    spectrum[middle] = size[middle] = 0.0
    steepness = float((size * norm).sum())
    balance = steepness / max(float(size.sum()), 1e-300) or 1.0
    accuracy = _closeness(plan, mass, size, norm, 1.0)
    parts = _type2(plan, x, _packed(spectrum, balance, frequencies), accuracy)
    real = np.empty((2 * len(parts), x.shape[1]))
    real[0::2], real[1::2] = parts.real, parts.imag
    return constant + real[0] / balance, np.ascontiguousarray(real[1 : 1 + len(x)].T)


def _closeness(plan: Plan, mass: float, size: np.ndarray, norm: np.ndarray, factor: float) -> float:
    """The tolerance of a transform: its error is at most so many times the sum of the moduli of what it sums."""
    allowed = (0.5 * mass * t for t in (plan.tolerance.value, plan.tolerance.gradient))
    sums = (factor * float(part.sum()) for part in (size, size * norm))
    eps = min(a / max(s, 1e-300) for a, s in zip(allowed, sums, strict=True)) - _ROUNDING * max(plan.modes)
    if eps < CLOSEST:
        raise Refused(f"the sums cancel so far that transforms would have to be right to {max(eps, 0.0):.1e}")
    return min(eps, 1e-2)


def _packed(spectrum: np.ndarray, balance: float, frequencies: Sequence[np.ndarray]) -> np.ndarray:
    """Two real sums in each complex transform: b·value + i·∂₁, then ∂₂ + i·∂₃; b makes the first pair alike in size.

    The series of ∂ₐ has the coefficients i kₐ c F, and those of p + i·q are p's + i·q's: (b − k₁) cF, (i k₂ − k₃) cF.
    """
    rows = [spectrum * (balance - frequencies[0])]
    if len(frequencies) > 1:
        rows.append(spectrum * (1j * frequencies[1] - (frequencies[2] if len(frequencies) > 2 else 0.0)))
    return np.stack(rows)


def _transform(plan: Plan, kind: int, count: int, eps: float, points: np.ndarray) -> Any:
    import finufft

    if plan.grid(eps) > GRID:
        raise Refused(f"a grid of {plan.grid(eps):.2g} points")
    # everything that finufft would choose by itself is fixed here, so that no machine and no thread count decides it
    made = finufft.Plan(
        kind, plan.modes, n_trans=count, eps=eps, isign=-1 if kind == 1 else 1, dtype="complex128", nthreads=1,
        maxbatchsize=1, upsampfac=plan.refinement(eps), spread_sort=int(plan.grid(eps) > _SORTED), showwarn=0,
    )  # fmt: skip
    made.setpts(*((points[a] - plan.centre[a]) * axis.h for a, axis in enumerate(plan.axes)))
    return made


def _parts(plan: Plan, n: int) -> list[slice]:
    bounds = [n * i // plan.chunks(n) for i in range(plan.chunks(n) + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _type1(plan: Plan, y: np.ndarray, weights: np.ndarray, eps: float) -> np.ndarray:
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
    parts = _parts(plan, x.shape[1])
    out = np.empty((len(modes), x.shape[1]), dtype=np.complex128)

    def worker(blocks: Iterator[int]) -> None:
        for i in blocks:
            made = _transform(plan, 2, len(modes), eps, x[:, parts[i]])
            out[:, parts[i]] = made.execute(modes if len(modes) > 1 else modes[0])

    run_blocks(worker, len(parts))
    return out
