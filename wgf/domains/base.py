"""What a domain is: a part of space, the fold that keeps particles in it, and images across its walls or seam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, require_number, shown
from ..measure import ArrayLike, Ensemble, as_numbers, to_tensor


class Domain(ABC):
    """A part of ℝᵈ, and the fold: a map of all of ℝᵈ into it that keeps the points inside.

    Users pass a domain as `solve(..., domain=...)`. The ensemble is folded after every step of every scheme, and at the
    stages of a step before F is evaluated, so F is only evaluated inside. Schemes with momenta use `carry`. Schemes
    that minimise use `nearest`.

    See Also
    --------
    wgf.domains.Ball, wgf.domains.Box, wgf.domains.PeriodicBox, wgf.solve

    Notes
    -----
    A subclass defines `_fold`, `_contains` and `_parameters`, and `nearest` if it has walls.

    Examples
    --------
    >>> import wgf
    >>> mu, box = wgf.Ensemble(torch.full((100, 1), 0.5)), wgf.domains.Box(0.0, 1.0)
    >>> sol = wgf.solve(-1.0 * wgf.Shannon(), mu, wgf.solvers.Langevin(), dt=0.1, t_end=1.0, domain=box)
    >>> bool(box.contains(sol.ensemble.x).all())
    True
    """

    stated: ClassVar[tuple[str, ...]] = ()
    """The settings that give the size. A configuration file must state them, even if the constructor has defaults."""
    walls: ClassVar[bool] = True
    """Whether the domain has walls; a torus has none."""
    curved: ClassVar[bool] = False
    """Whether the domain is a curved surface: forces, noise and momenta are tangent to it."""

    @abstractmethod
    def _fold(self, x: Tensor, velocity: Tensor | None, start: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Fold points (n, d), and reflect their velocities (n, d) if given; `start` is where each path began."""

    @abstractmethod
    def _contains(self, x: Tensor) -> Tensor:
        """Whether each of the points (n, d) is inside: (n,) booleans."""

    @property
    @abstractmethod
    def _parameters(self) -> dict[str, Tensor]:
        """The settings as float64 tensors, a number or one per dimension."""

    def period(self, dim: int) -> Tensor | None:
        """Lengths (d,) after which the domain repeats, float64; None where it does not."""
        return None

    def images(self, x: Tensor, reach: float) -> tuple[Tensor, Tensor] | None:
        """Images of points across walls or seam, for densities that do not end there.

        Parameters
        ----------
        x : Tensor
            Points (n, d) inside.
        reach : float
            How far from a wall or seam points are that have an image.

        Returns
        -------
        (Tensor, Tensor) or None
            The images (m, d) and the rows (m,) of x that they are images of; None where a wall has no images.
        """
        return None

    def fold(self, x: ArrayLike, start: Tensor | None = None) -> Tensor:
        """Bring points into the domain, from any distance.

        Parameters
        ----------
        x : array_like
            Points (n, d).
        start : Tensor, optional
            Points (n, d) inside, from which straight paths lead to x. A path is then reflected where it meets the
            wall, as light is. It matters for curved walls only.

        Returns
        -------
        Tensor
            Points (n, d) inside, in the dtype of x. NaN stays NaN, infinity becomes NaN.

        Raises
        ------
        ShapeError
            If x is not (n, d), or d does not fit the domain.
        """
        return self._fold(self._points(x), None, start)[0]

    def carry(self, x: ArrayLike, velocity: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Fold points together with their velocities.

        Parameters
        ----------
        x : array_like
            Points (n, d).
        velocity : Tensor
            Velocities (n, d).
        start : Tensor, optional
            Where the paths to x began, as for `fold`.

        Returns
        -------
        points, velocities : Tensor
            Points inside (n, d), and velocities (n, d): each reflection turns the component across the wall.
        """
        points, turned = self._fold(self._points(x), velocity, start)
        assert turned is not None
        return points, turned

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """The part of vectors v (n, d) that is tangent to the domain at the points x (n, d), in the dtype of v.

        Only a curved domain has another part. Elsewhere this is v itself.
        """
        return v

    def nearest(self, x: Tensor) -> Tensor:
        """The point of the domain nearest to each of the points (n, d); without walls the point itself."""
        return x

    def contains(self, x: ArrayLike) -> Tensor:
        """Whether each of the points (n, d) is inside, as (n,) booleans. The walls belong to the domain."""
        return self._contains(self._points(x))

    def _points(self, x: ArrayLike) -> Tensor:
        """Check the shape of points and make them a tensor (n, d)."""
        points = to_tensor(x)
        if points.ndim != 2:
            raise ShapeError(f"{type(self).__name__}: points of shape {tuple(points.shape)}; wanted (n, d).")
        self.require_dim(points.shape[1])
        return points

    def require_dim(self, dim: int) -> None:
        """Raise a ShapeError if the domain has another dimension. Bounds that are numbers fit every dimension."""
        for name, value in self._parameters.items():
            if value.ndim and len(value) != dim:
                raise ShapeError(
                    f"domain: {name} of {type(self).__name__} has {len(value)} entries, the particles have dimension "
                    f"{dim}; give one number, or one per dimension."
                )

    def require_inside(self, mu: Ensemble) -> None:
        """Raise a ConfigError that names the first particle outside, if there is one."""
        self.require_dim(mu.dim)
        self._require_dtype(mu.dtype)
        outside = ~self._contains(mu.x)
        if bool(outside.any()):
            row = int(torch.nonzero(outside)[0])
            raise ConfigError(
                f"domain = {self!r}: particle {row} (id {int(mu.ids[row])}) is at {mu.x[row].tolist()}, outside; "
                "start with all particles inside, domain.fold(x) brings them there."
            )

    def _lengths(self) -> Tensor | None:
        """The lengths of the domain, float64: a number or one per dimension. None where it has no ends."""
        return None

    def _require_dtype(self, dtype: torch.dtype) -> None:
        """Raise a ConfigError if this dtype cannot hold the domain: its ends would be one point, or too far away."""
        lengths, known = self._lengths(), torch.finfo(dtype)
        if lengths is None:
            return
        rounding = known.eps * max(float(value.abs().max()) for value in self._parameters.values())
        if not (float(lengths.min()) > max(4 * rounding, known.tiny) and float(lengths.max()) < known.max / 4):
            raise ConfigError(
                f"domain = {self!r}: its length {shown(lengths.tolist())} is out of the range of "
                f"{str(dtype).removeprefix('torch.')} at this place; take other units, a place nearer to 0, or float64."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v.tolist()}' for k, v in self._parameters.items())})"


TINY = torch.finfo(torch.float64).tiny
"""The least normal number: lengths are divided by no less, so that 0/0 is 0."""


def as_radius(value: float) -> float:
    """Check a radius, whose square must be in the range of float64."""
    radius = require_number("radius", value, positive=True)
    if not 1e-150 <= radius <= 1e150:
        raise ConfigError(f"radius = {shown(value)}: wanted a length from 1e-150 to 1e+150.")
    return radius


def bounds_row(name: str, value: ArrayLike) -> Tensor:
    """Check a number or one number per dimension, and make it a float64 tensor."""
    if isinstance(value, (int, float, str, bool)):
        return torch.tensor(require_number(name, value), dtype=torch.float64)
    tensor = as_numbers(name, value, "a number or one per dimension")
    if tensor.ndim > 1 or not tensor.numel() or not bool(torch.isfinite(tensor).all()):
        raise ConfigError(f"{name} of shape {tuple(tensor.shape)}: wanted finite numbers, one or one per dimension.")
    return tensor


def reflected(x: Tensor, low: Tensor | float, width: Tensor | float) -> tuple[Tensor, Tensor]:
    """Reflect x into [low, low + width] as often as needed. Returns x and whether that was an odd number of times.

    A point that one reflection brings inside is mirrored at its wall, without the length of the box. So a far wall does
    not round what happens at the near one.
    """
    high = low + width
    below, above = low + (low - x), high + (high - x)
    y = torch.remainder(x - low, 2 * width)
    folded, odd = low + (width - (y - width).abs()), y > width
    at_low, at_high = (x < low) & (below <= high), (x > high) & (above >= low)
    return torch.where(at_low, below, torch.where(at_high, above, folded)), odd | at_low | at_high
