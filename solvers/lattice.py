"""The cells of a box, for `Grid`: their centres, the deposition of particles, and power entropies of their density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgf.domains import Box, PeriodicBox
from wgf.entropies import Power
from wgf.entropies.base import Entropy
from wgf.errors import ConfigError
from wgf.functional import FreeEnergy, Term
from wgf.measure import Ensemble

Cells = NDArray[np.float64]
"""One number per cell (or per face along one axis), as an array shaped like the grid."""

_ON_CENTRE = 1e-9  # a particle closer to a centre than this part of a cell counts as on it


@dataclass(frozen=True)
class Lattice:
    """The cells of a box in one or two dimensions, all of the same size.

    Parameters
    ----------
    low : tuple of float
        The lower corner of the box.
    spacing : tuple of float
        The edge lengths Δ of a cell, in the units of x.
    cells : tuple of int
        The number of cells along each axis.
    wraps : bool
        Whether the last cell of an axis is a neighbour of the first: the cells of a torus.

    Examples
    --------
    >>> lattice = Lattice.of(Box(0.0, 1.0), (2, 4))
    >>> lattice.spacing, lattice.volume, lattice.centres()[1].tolist()
    ((0.5, 0.25), 0.125, [0.25, 0.375])
    """

    low: tuple[float, ...]
    spacing: tuple[float, ...]
    cells: tuple[int, ...]
    wraps: bool = False

    @staticmethod
    def of(box: Box | PeriodicBox, cells: tuple[int, ...]) -> Lattice:
        """Cut a box into cells.

        Parameters
        ----------
        box : Box or PeriodicBox
            The box; its bounds are numbers or one per axis.
        cells : tuple of int
            The number of cells along each axis.

        Returns
        -------
        Lattice
            The cells.
        """
        low, high = (part.expand(len(cells)).tolist() for part in (box.low, box.high))
        spacing = tuple((b - a) / n for a, b, n in zip(low, high, cells, strict=True))
        return Lattice(tuple(low), spacing, cells, isinstance(box, PeriodicBox))

    @property
    def volume(self) -> float:
        """The volume of a cell."""
        return math.prod(self.spacing)

    def centres(self) -> Tensor:
        """The centres (n, d), float64. The last axis runs fastest."""
        axes = [a + h * (np.arange(n) + 0.5) for a, h, n in zip(self.low, self.spacing, self.cells, strict=True)]
        mesh = np.meshgrid(*axes, indexing="ij")
        return torch.from_numpy(np.stack([part.ravel() for part in mesh], axis=1))

    def density(self, mu: Ensemble) -> Cells:
        """The density of an ensemble whose particles are these cells.

        Parameters
        ----------
        mu : Ensemble
            The centres of the cells with their masses.

        Returns
        -------
        ndarray
            Mass over volume, float64, shaped like the grid.

        Raises
        ------
        ConfigError
            If the ensemble belongs to other cells.
        """
        if mu.n != math.prod(self.cells) or not torch.allclose(
            mu.x[[0, -1]].double().cpu(), self.centres()[[0, -1]], rtol=1e-5, atol=1e-3 * min(self.spacing)
        ):
            raise ConfigError(
                f"an ensemble of {mu.n} particles; wanted the {self.cells} cells of this grid and domain. Continue "
                "with the grid and the domain of the run, or start anew from sol.ensemble."
            )
        masses: Cells = mu.weights.cpu().numpy().reshape(self.cells)
        return masses / self.volume

    def deposit(self, mu: Ensemble) -> Ensemble:
        """Deposit particles on the cells (cloud in cell).

        The mass of a particle goes to the 2ᵈ nearest centres, by linear interpolation along each axis.

        Parameters
        ----------
        mu : Ensemble
            Particles (n, d) inside the box.

        Returns
        -------
        Ensemble
            The centres with their masses, in the dtype of the particles.

        Notes
        -----
        The mass is conserved to rounding. So is the mean, except for particles within half a cell of a wall: they have
        no centre on the far side.

        References
        ----------
        Birdsall & Fuss (1969), Clouds-in-clouds, clouds-in-cells physics for many-body plasma simulation, J. Comput.
        Phys. 3, 494–511.
        """
        x = mu.x.double().cpu().numpy()
        masses = mu.weights.cpu().numpy()
        index, weight = np.zeros((1, mu.n), dtype=np.int64), masses[None]
        for axis, (low, h, n) in enumerate(zip(self.low, self.spacing, self.cells, strict=True)):
            place = (x[:, axis] - low) / h - 0.5
            place = place if self.wraps else np.clip(place, 0.0, n - 1.0)
            place = np.where(np.abs(place - np.rint(place)) < _ON_CENTRE, np.rint(place), place)
            left = np.floor(place).astype(np.int64)
            left = left if self.wraps else np.minimum(left, max(n - 2, 0))
            share = place - left
            right = left + 1 if self.wraps else np.minimum(left + 1, n - 1)
            index = np.concatenate([index * n + left % n, index * n + right % n])
            weight = np.concatenate([weight * (1 - share), weight * share])
        total = np.bincount(index.ravel(), weight.ravel(), math.prod(self.cells))
        cells = Ensemble(self.centres().to(mu.x), torch.from_numpy(total / total.sum()), copy=False)
        return cells.on(mu.period)

    def with_density(self, mu: Ensemble, density: Cells) -> Ensemble:
        """The ensemble of these cells with another density; values below 0, from rounding, become 0.

        Parameters
        ----------
        mu : Ensemble
            The cells.
        density : ndarray
            The density, shaped like the grid.

        Returns
        -------
        Ensemble
            The same cells with new masses, scaled to 1.
        """
        return mu.reweighted(torch.from_numpy(np.maximum(density, 0.0).ravel()).to(mu.device))


class PowerOnCells(Entropy):
    """The power entropy of the density of the cells: `Power` without a bandwidth.

        S = −(1/(m − 1)) ∫ ρᵐ dx,   δS/δμ = −m ρ^{m−1}/(m − 1)

    Parameters
    ----------
    m : float
        The power, m ≠ 1, without unit.
    cells : int or tuple of int
        The number of cells along each axis.

    Raises
    ------
    ConfigError
        If the ensemble has another number of particles than there are cells, or if values are wanted elsewhere than at
        the centres.

    Notes
    -----
    The gradient at the centres is taken by central differences of δS/δμ.
    """

    def __init__(self, m: float, cells: int | tuple[int, ...]) -> None:
        self.m, self.cells = m, cells

    @property
    def name(self) -> str:
        return Power.__name__

    def _density(self, mu: Ensemble) -> tuple[Tensor, list[float]]:
        cells = self.cells if isinstance(self.cells, tuple) else (self.cells,) * mu.dim
        if mu.n != math.prod(cells) or len(cells) != mu.dim:
            raise ConfigError(f"Power on a grid of {self.cells} cells: got an ensemble of {mu.n} particles.")
        span = (mu.x[-1] - mu.x[0]).double().tolist()
        spacing = [part / (n - 1) for part, n in zip(span, cells, strict=True)]
        return mu.weights.reshape(cells) / math.prod(spacing), spacing

    def _value(self, mu: Ensemble) -> Tensor:
        density, _ = self._density(mu)
        return -mu.expect(density.flatten().pow(self.m - 1).where(mu.weights > 0, 0.0)) / (self.m - 1)

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if at is not None:
            raise ConfigError("Power on a grid: the first variation is known at the centres of cells; leave `at` out.")
        density, _ = self._density(mu)
        return (-self.m / (self.m - 1) * density.flatten().pow(self.m - 1)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if at is not None:
            raise ConfigError("Power on a grid: the gradient is known at the centres of cells; leave `at` out.")
        density, spacing = self._density(mu)
        values = -self.m / (self.m - 1) * density.pow(self.m - 1)
        parts = [_central(values, axis, h, mu.period is not None).flatten() for axis, h in enumerate(spacing)]
        return torch.stack(parts, 1).to(mu.dtype)


def _central(values: Tensor, axis: int, h: float, wraps: bool) -> Tensor:
    """The derivative along an axis by central differences; one-sided at walls."""
    if wraps:
        return (values.roll(-1, axis) - values.roll(1, axis)) / (2 * h)
    derivative: Tensor = torch.gradient(values, spacing=h, dim=axis)[0]
    return derivative


def on_cells(free_energy: FreeEnergy, cells: int | tuple[int, ...]) -> FreeEnergy:
    """Replace every `Power` of a free energy by `PowerOnCells`; the other terms stay.

    Parameters
    ----------
    free_energy : FreeEnergy
        The terms with their coefficients.
    cells : int or tuple of int
        The number of cells along each axis.

    Returns
    -------
    FreeEnergy
        The new terms, under their names.
    """

    def change(term: Term) -> Term:
        m = term.functional.density_power
        return term if m is None else Term(term.name, term.coefficient, PowerOnCells(m, cells))

    return FreeEnergy(tuple(change(term) for term in free_energy.terms))
