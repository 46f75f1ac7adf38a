"""Fluxes between cells, for `Grid`, and explicit and implicit steps in time: masses stay positive and F falls.

In all functions `lattice` is the cells, `diffusion` is Shannon and the powers, `energy` is δE/δμ of all other terms at
the centres, and `density` is ρ. Arrays are float64 and shaped like the grid. h is a time of the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .lattice import Cells, Lattice

NEWTON, TOLERANCE = 60, 1e-12
"""The largest number of Newton steps of one implicit step, and the mass that the last of them may still move."""
EMPTY = 1e-300
"""The density of an empty cell in the log ρ of the dissipation."""


@dataclass(frozen=True)
class Diffusion:
    """What Shannon and the powers add to δF/δμ in a cell: T log ρ and Q(ρ) = Σ T m/(m − 1) ρ^{m−1}.

    Parameters
    ----------
    temperature : float
        T of Shannon, in units of F, ≥ 0.
    powers : tuple of (float, float)
        T and m of each power.
    """

    temperature: float
    powers: tuple[tuple[float, float], ...] = ()  # (T, m)

    def pressure(self, density: Cells) -> Cells:
        """Q(ρ)."""
        total = np.zeros_like(density)
        for temperature, m in self.powers:
            total += temperature * m / (m - 1) * _positive(density, m - 1) ** (m - 1)
        return total

    def slope(self, density: Cells) -> Cells:
        """Q'(ρ) ≥ 0."""
        total = np.zeros_like(density)
        for temperature, m in self.powers:
            total += temperature * m * _positive(density, m - 2) ** (m - 2)
        return total

    def potential(self, density: Cells) -> Cells:
        """T log ρ + Q(ρ)."""
        total = self.pressure(density)
        return total + self.temperature * np.log(np.maximum(density, EMPTY)) if self.temperature > 0 else total


def _positive(density: Cells, exponent: float) -> Cells:
    """ρ, at least 0; for a negative power, at least slightly above 0."""
    floor = 1e-14 * float(density.max()) if exponent < 0 else 0.0
    return np.maximum(density, floor)


def bernoulli(s: Cells) -> Cells:
    """The Bernoulli function B(s) = s/(eˢ − 1), with B(0) = 1."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.where(np.abs(s) < 1e-8, 1.0 - 0.5 * s, s / np.expm1(s))


def bernoulli_slope(s: Cells) -> Cells:
    """The derivative B'(s) = B(s)(1 − B(s) − s)/s, with B'(0) = −1/2."""
    b, small = bernoulli(s), np.abs(s) < 1e-3
    return np.where(small, -0.5 + s / 6, b * (1 - b - s) / np.where(small, 1.0, s))


def minmod_shares(density: Cells, axis: int, wraps: bool = False) -> tuple[Cells, Cells]:
    """Reconstruct ρ at the two faces of each cell along an axis, by minmod slopes.

    Returns
    -------
    upper, lower : ndarray
        ρ at the upper and at the lower face of each cell, divided by ρ of the cell, in [0, 2]; 1 at walls.
    """
    if wraps:
        right = np.roll(density, -1, axis) - density
        left = np.roll(right, 1, axis)
    else:
        left, right = _faces(np.diff(density, axis=axis), axis)
    limited = np.where(left * right > 0, np.where(np.abs(left) < np.abs(right), left, right), 0.0)
    edges = [(1, 1) if k == axis and not wraps else (0, 0) for k in range(density.ndim)]
    half = 0.5 * np.pad(limited, edges)
    ratio = np.divide(half, density, out=np.zeros_like(density), where=density > 0)
    return 1 + ratio, 1 - ratio


def _faces(values: Any, axis: int, wraps: bool = False) -> tuple[Any, Any]:
    """The values below and above each face of an axis; where space wraps, the last face leads to the first cell."""
    if wraps:
        return values, np.roll(values, -1, axis)
    n = values.shape[axis]
    return np.take(values, range(n - 1), axis), np.take(values, range(1, n), axis)


@dataclass(frozen=True, eq=False)
class Flux:
    """The flux J = α a − β b through the inner faces of one axis, with α, β ≥ 0.

    Attributes
    ----------
    axis : int
        The axis.
    spacing : float
        The edge length Δ along it.
    a, b : ndarray
        The densities below and above each face.
    alpha, beta : ndarray
        The coefficients α and β, velocities.
    response : ndarray
        ∂J/∂U ≥ 0, with U = −∂(δE/δμ + Q), the velocity at the face of all terms but Shannon.
    """

    axis: int
    spacing: float
    a: Cells
    b: Cells
    alpha: Cells
    beta: Cells
    response: Cells

    @property
    def value(self) -> Cells:
        return self.alpha * self.a - self.beta * self.b


def fluxes(
    lattice: Lattice, diffusion: Diffusion, energy: Cells, density: Cells, shares: list[tuple[Cells, Cells]]
) -> Iterator[Flux]:
    """Yield the flux along each axis.

    For T > 0 it is that of Scharfetter and Gummel, J = (T/Δ)(B(−s) a − B(s) b) with s = UΔ/T. It vanishes exactly where
    T log ρ balances U. For T = 0 it is upwind with the densities at the faces, J = U⁺ a_E − U⁻ b_W. In both cases J has
    the sign of −Δ(δF/δμ). `shares` is the result of `minmod_shares` for each axis, or empty for T > 0.
    """
    total = energy + diffusion.pressure(density)
    for axis, spacing in enumerate(lattice.spacing):
        wraps = lattice.wraps
        (a, b), (low, high) = _faces(density, axis, wraps), _faces(total, axis, wraps)
        speed = (low - high) / spacing
        if diffusion.temperature > 0:
            rate = diffusion.temperature / spacing
            s = speed / rate
            alpha, beta = rate * bernoulli(-s), rate * bernoulli(s)
            response = -bernoulli_slope(-s) * a - bernoulli_slope(s) * b
        else:
            upper, lower = _faces(shares[axis][0], axis, wraps)[0], _faces(shares[axis][1], axis, wraps)[1]
            alpha, beta = np.maximum(speed, 0) * upper, np.maximum(-speed, 0) * lower
            response = np.where(speed > 0, upper * a, lower * b)
        yield Flux(axis, spacing, a, b, alpha, beta, response)


def _shares(lattice: Lattice, diffusion: Diffusion, density: Cells) -> list[tuple[Cells, Cells]]:
    """The shares of `minmod_shares` for each axis; empty for T > 0, where the flux does not use them."""
    if diffusion.temperature > 0:
        return []
    return [minmod_shares(density, axis, lattice.wraps) for axis in range(density.ndim)]


def _spread(values: Cells, axis: int, lattice: Lattice, upper: bool) -> Cells:
    """Assign values of the inner faces to the cells below them, or with `upper` above them; 0 to the last cells."""
    if lattice.wraps:
        return np.roll(values, 1, axis) if upper else values
    edges = [((1, 0) if upper else (0, 1)) if k == axis else (0, 0) for k in range(values.ndim)]
    return np.pad(values, edges)


def dissipation(lattice: Lattice, diffusion: Diffusion, energy: Cells, density: Cells) -> float:
    """The dissipation −dF/dt = Σ J (−Δ(δF/δμ)) over the faces, in units of F over time."""
    potential, total = energy + diffusion.potential(density), 0.0
    for flux in fluxes(lattice, diffusion, energy, density, _shares(lattice, diffusion, density)):
        low, high = _faces(potential, flux.axis, lattice.wraps)
        total += float((flux.value * (low - high)).sum()) * lattice.volume / flux.spacing
    return total


# ------------------------------------------------------------------------------------------------- explicit


def explicit_limit(lattice: Lattice, diffusion: Diffusion, energy: Cells, density: Cells) -> tuple[float, Cells]:
    """Compute the longest explicit step allowed, and dρ/dt.

    Returns
    -------
    limit : float
        Half of the h that would empty a cell; powers count as diffusion with the coefficient ρ Q'(ρ). It is 0 or NaN if
        a velocity overflows.
    change : ndarray
        dρ/dt.
    """
    rate, change = np.zeros_like(density), np.zeros_like(density)
    stiffness = density * diffusion.slope(density)
    for flux in fluxes(lattice, diffusion, energy, density, _shares(lattice, diffusion, density)):
        axis, spacing = flux.axis, flux.spacing
        rate += (_spread(flux.alpha, axis, lattice, False) + _spread(flux.beta, axis, lattice, True)) / spacing
        rate += 2 * stiffness / spacing**2
        change += (_spread(flux.value, axis, lattice, True) - _spread(flux.value, axis, lattice, False)) / spacing
    fastest = float(rate[density > 0].max(initial=0.0))
    return (np.inf if fastest == 0 else 0.5 / fastest), change


# ------------------------------------------------------------------------------------------------- implicit


def implicit(lattice: Lattice, diffusion: Diffusion, energy: Cells, density: Cells, h: float) -> Cells | None:
    """Take an implicit step: solve ρ' = ρ − h div J(ρ') by Newton's method.

    Returns
    -------
    ndarray or None
        The density ρ' after the step; None if the iteration does not converge.

    Notes
    -----
    Without powers the equation is linear and one step suffices. J rises in a and falls in b, so every matrix is an
    M-matrix whose columns sum to 1. Masses therefore stay positive and keep their sum, for any h. The ratio of the
    density at an upwind face to that of its cell is frozen at the start of the step.
    """
    shares, new = _shares(lattice, diffusion, density), density.copy()
    for _ in range(NEWTON):
        residual, matrix = _linearised(lattice, diffusion, energy, density, new, shares, h)
        if not all(np.isfinite(part).all() for part in (residual, *(p for entry in matrix for p in entry[1:3]))):
            return None  # differences of first variations overflow
        if not diffusion.powers:  # linear: solve for ρ' itself, which keeps it positive
            return _solve(lattice, matrix, density)
        change = _solve(lattice, matrix, -residual)
        if not np.isfinite(change).all():
            return None
        new = new + change
        if float(np.abs(change).sum()) * lattice.volume <= TOLERANCE:
            return new
        new = np.maximum(new, 0.0)
    return None


Entries = list[tuple[int, Cells, Cells, float]]
"""For each axis: its number, ∂J/∂a, −∂J/∂b, and h/Δ."""


def _linearised(
    lattice: Lattice, diffusion: Diffusion, energy: Cells, old: Cells, new: Cells,
    shares: list[tuple[Cells, Cells]], h: float,
) -> tuple[Cells, Entries]:  # fmt: skip
    """The residual ρ' − ρ + h div J(ρ') and the entries of its derivative."""
    residual, entries = new - old, []
    slope = diffusion.slope(new)
    for flux in fluxes(lattice, diffusion, energy, new, shares):
        below, above = _faces(slope, flux.axis, lattice.wraps)
        factor = h / flux.spacing
        value = _spread(flux.value, flux.axis, lattice, False) - _spread(flux.value, flux.axis, lattice, True)
        residual = residual + factor * value
        from_a = flux.alpha + flux.response * below / flux.spacing
        from_b = flux.beta + flux.response * above / flux.spacing
        entries.append((flux.axis, from_a, from_b, factor))
    return residual, entries


def _solve(lattice: Lattice, entries: Entries, right: Cells) -> Cells:
    """Solve (1 + h ∂div J/∂ρ) δ = right: tridiagonal on a line, by sparse LU else."""
    from scipy import linalg, sparse  # imported here, since they take a tenth of a second
    from scipy.sparse import linalg as sparse_linalg

    shape = lattice.cells
    diagonal = np.ones(shape)
    for axis, from_a, from_b, factor in entries:
        diagonal += factor * (_spread(from_a, axis, lattice, False) + _spread(from_b, axis, lattice, True))
    if len(shape) == 1 and not lattice.wraps:
        _, from_a, from_b, factor = entries[0]
        bands = np.stack([np.pad(-factor * from_b, (1, 0)), diagonal, np.pad(-factor * from_a, (0, 1))])
        line: Cells = linalg.solve_banded((1, 1), bands, right)
        return line
    number = np.arange(diagonal.size).reshape(shape)
    rows, columns, values = [number.ravel()], [number.ravel()], [diagonal.ravel()]
    for axis, from_a, from_b, factor in entries:
        below, above = (part.ravel() for part in _faces(number, axis, lattice.wraps))
        rows += [below, above]
        columns += [above, below]
        values += [-factor * from_b.ravel(), -factor * from_a.ravel()]
    where = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csc_matrix((np.concatenate(values), where), shape=(diagonal.size,) * 2)
    plane: Cells = sparse_linalg.splu(matrix).solve(right.ravel()).reshape(shape)
    return plane


def self_consistent(
    lattice: Lattice, diffusion: Diffusion, energy_at: Callable[[Cells], Cells], linear: bool, density: Cells, h: float
) -> tuple[Cells, Cells] | None:
    """Take an implicit step with δE/δμ at the mean of both ends, by iteration.

    `energy_at` maps a density to δE/δμ. With `linear`, δE/δμ does not depend on μ and no iteration is needed.

    Returns
    -------
    tuple of ndarray, or None
        The density after the step and the first variation used; None if the iteration does not converge.

    Notes
    -----
    For E quadratic in μ, E' − E = Σ δE/δμ(mean) (m' − m) exactly, so F falls for any h.
    """
    before = None
    new = density
    for _ in range(NEWTON):
        energy = energy_at(0.5 * (density + np.maximum(new, 0.0)))
        found = implicit(lattice, diffusion, energy, density, h)
        if found is None:
            return None
        new = found
        if linear or (before is not None and float(np.abs(new - before).sum()) * lattice.volume <= 10 * TOLERANCE):
            return new, energy
        before = new
    return None
