"""The cells of a box for schemes on a grid: centres, faces, deposition of particles, and entropies of their density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgf.domains import Box
from wgf.entropies import Power
from wgf.entropies.base import Entropy
from wgf.errors import ConfigError
from wgf.functional import FreeEnergy, Term
from wgf.measure import Ensemble

Cells = NDArray[np.float64]
"""One number per cell (or face of one axis), shaped like the grid."""

_ON_CENTRE = 1e-9  # a particle this close to a centre, in cells, is on it


@dataclass(frozen=True)
class Lattice:
    """The cells of equal size of a box in one or two dimensions: `low`, edge lengths and numbers per axis."""

    low: tuple[float, ...]
    spacing: tuple[float, ...]
    cells: tuple[int, ...]

    @staticmethod
    def of(box: Box, cells: tuple[int, ...]) -> Lattice:
        """The box cut into `cells` per axis."""
        low, high = (part.expand(len(cells)).tolist() for part in (box.low, box.high))
        spacing = tuple((b - a) / n for a, b, n in zip(low, high, cells, strict=True))
        return Lattice(tuple(low), spacing, cells)

    @property
    def volume(self) -> float:
        """The volume of a cell."""
        return math.prod(self.spacing)

    def centres(self) -> Tensor:
        """The centres (n, d) in float64, the last axis running fastest."""
        axes = [a + h * (np.arange(n) + 0.5) for a, h, n in zip(self.low, self.spacing, self.cells, strict=True)]
        mesh = np.meshgrid(*axes, indexing="ij")
        return torch.from_numpy(np.stack([part.ravel() for part in mesh], axis=1))

    def density(self, mu: Ensemble) -> Cells:
        """ρ of an ensemble of these cells; ConfigError where it is one of others."""
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
        """Cloud in cell: a particle's mass goes to the 2ᵈ nearest centres, linearly in the distance along each axis.

        Mass is conserved to rounding, and the mean but for particles within half a cell of a wall, which have no centre
        beyond them. (Birdsall & Fuss 1969.)
        """
        x = mu.x.double().cpu().numpy()
        masses = mu.weights.cpu().numpy()
        index, weight = np.zeros((1, mu.n), dtype=np.int64), masses[None]
        for axis, (low, h, n) in enumerate(zip(self.low, self.spacing, self.cells, strict=True)):
            place = np.clip((x[:, axis] - low) / h - 0.5, 0.0, n - 1.0)
            place = np.where(np.abs(place - np.rint(place)) < _ON_CENTRE, np.rint(place), place)
            left = np.minimum(place.astype(np.int64), max(n - 2, 0))
            share = place - left
            index = np.concatenate([index * n + left, index * n + np.minimum(left + 1, n - 1)])
            weight = np.concatenate([weight * (1 - share), weight * share])
        total = np.bincount(index.ravel(), weight.ravel(), math.prod(self.cells))
        return Ensemble(self.centres().to(mu.x), torch.from_numpy(total / total.sum()), copy=False)

    def with_density(self, mu: Ensemble, density: Cells) -> Ensemble:
        """The ensemble of these cells with another density; what rounding left below 0 is 0."""
        return mu.reweighted(torch.from_numpy(np.maximum(density, 0.0).ravel()).to(mu.device))


class PowerOnCells(Entropy):
    """S = −(1/(m−1)) ∫ ρᵐ dx for the density of cells, δS/δμ = −m ρ^{m−1}/(m−1): `Power` at bandwidth 0.

    The gradient at the centres is that of the values there, by central differences.
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
        parts = [torch.gradient(values, spacing=h, dim=axis)[0].flatten() for axis, h in enumerate(spacing)]
        return torch.stack(parts, 1).to(mu.dtype)


def on_cells(free_energy: FreeEnergy, cells: int | tuple[int, ...]) -> FreeEnergy:
    """The free energy with every `Power` taken of the density of the cells."""

    def change(term: Term) -> Term:
        m = term.functional.density_power
        return term if m is None else Term(term.name, term.coefficient, PowerOnCells(m, cells))

    return FreeEnergy(tuple(change(term) for term in free_energy.terms))
