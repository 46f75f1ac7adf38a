"""Boxes: with reflecting walls, and with opposite sides glued to a torus."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError
from ..extension import Numbers
from .base import Domain, bounds_row, reflected


class _Bounds(Domain, ABC):
    """A domain with the bounds low ≤ x ≤ high in every component."""

    stated = ("low", "high")

    def __init__(self, low: Numbers = 0.0, high: Numbers = 1.0) -> None:
        self.low, self.high = bounds_row("low", low), bounds_row("high", high)
        if self.low.ndim and self.high.ndim and len(self.low) != len(self.high):
            raise ShapeError(f"low has {len(self.low)} entries and high {len(self.high)}; wanted as many.")
        if not bool((self.low < self.high).all()):
            raise ConfigError(f"low = {self.low.tolist()}, high = {self.high.tolist()}: wanted low < high.")

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"low": self.low, "high": self.high}

    def _lengths(self) -> Tensor:
        return self.high - self.low

    def _at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The bounds on the device and in the dtype of x."""
        return self.low.to(x, non_blocking=True), self.high.to(x, non_blocking=True)

    def _contains(self, x: Tensor) -> Tensor:
        low, high = self._at(x)
        return ((x >= low) & (x <= high)).all(1)


def _beyond(x: Tensor, low: Tensor, high: Tensor, reach: float, periodic: bool) -> tuple[Tensor, Tensor]:
    """Points near an end of a box continued across it, axis by axis: mirrored, or moved by the period."""
    points, rows = x, torch.arange(len(x), device=x.device)
    for axis, (bottom, top) in enumerate(zip(low.expand(x.shape[1]), high.expand(x.shape[1]), strict=True)):
        value = points[:, axis]
        for near, image in (
            (value - bottom < reach, value + (top - bottom) if periodic else 2 * bottom - value),
            (top - value < reach, value - (top - bottom) if periodic else 2 * top - value),
        ):
            added = points[: len(near)][near].clone()
            added[:, axis] = image[near]
            points, rows = torch.cat([points, added]), torch.cat([rows, rows[: len(near)][near]])
    return points[len(x) :], rows[len(x) :]


class Box(_Bounds):
    """A box [low, high]ᵈ with reflecting walls: no mass flows out.

    Parameters
    ----------
    low, high : float or array_like, default 0.0 and 1.0
        The bounds, in the units of x: a number, or one per dimension (d,).

    Raises
    ------
    ConfigError
        Unless low < high, both finite.
    ShapeError
        If low and high have different lengths; from `solve`, if they do not fit the dimension of the particles.

    See Also
    --------
    wgf.domains.Ball, wgf.domains.PeriodicBox, wgf.domains.Domain, wgf.solve

    Notes
    -----
    A component is reflected as often as needed. A Gaussian step keeps the uniform law, at every step size. For a drift
    g into a wall, means have order 1 in h. The density at the wall itself is too low by about .6 g √(h/T) of its value,
    in a layer of √(Th).

    Examples
    --------
    >>> Box(0.0, 1.0).fold([[1.25], [-7.25], [0.5]]).flatten().tolist()
    [0.75, 0.75, 0.5]
    """

    def _fold(self, x: Tensor, velocity: Tensor | None, start: Tensor | None) -> tuple[Tensor, Tensor | None]:
        low, high = self._at(x)
        inside = (x >= low) & (x <= high)
        folded, odd = reflected(x, low, high - low)
        folded = torch.where(inside, x, torch.minimum(torch.maximum(folded, low), high))
        return folded, velocity if velocity is None else torch.where(odd & ~inside, -velocity, velocity)

    def images(self, x: Tensor, reach: float) -> tuple[Tensor, Tensor]:
        return _beyond(x, *self._at(x), reach, periodic=False)

    def nearest(self, x: Tensor) -> Tensor:
        low, high = self._at(x)
        return torch.minimum(torch.maximum(x, low), high)


class PeriodicBox(_Bounds):
    """A torus: a box [low, high)ᵈ whose opposite sides are the same place.

    Parameters
    ----------
    low, high : float or array_like, default 0.0 and 1.0
        The bounds, in the units of x: a number, or one per dimension (d,). The period is high − low.

    Raises
    ------
    ConfigError, ShapeError
        As for `Box`.

    See Also
    --------
    wgf.domains.Ball, wgf.domains.Box, wgf.domains.Domain, wgf.solve

    Notes
    -----
    Sums over pairs take the nearest image, so a kernel must fade within half a period; `Cosine` is periodic by itself
    where the period is a multiple of 2π. Kernels that do not fade (Log, Riesz, Newtonian, QuadraticKernel) are refused.
    Potentials should be periodic too, which is not checked. Mean and covariance of the coordinates depend on the place
    of the seam, and so do `LogDet`, `Variance` and `LogVariance`.

    Examples
    --------
    >>> PeriodicBox(-1.0, 1.0).fold([[1.5], [-9.25], [1.0]]).flatten().tolist()
    [-0.5, 0.75, -1.0]
    """

    walls = False

    def period(self, dim: int) -> Tensor:
        self.require_dim(dim)
        return (self.high - self.low).expand(dim)

    def images(self, x: Tensor, reach: float) -> tuple[Tensor, Tensor]:
        return _beyond(x, *self._at(x), reach, periodic=True)

    def centred(self, centre: Tensor) -> PeriodicBox:
        """The same torus with its seam farthest from a point (d,)."""
        half = 0.5 * (self.high - self.low)
        return PeriodicBox(centre.cpu() - half, centre.cpu() + half)

    def _fold(self, x: Tensor, velocity: Tensor | None, start: Tensor | None) -> tuple[Tensor, Tensor | None]:
        low, high = self._at(x)
        folded = low + torch.remainder(x - low, high - low)
        folded = torch.where(folded >= high, low, folded)  # a point just below low is rounded to high
        return torch.where((x >= low) & (x < high), x, folded), velocity
