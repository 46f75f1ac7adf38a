"""Domains: the part of space in which particles may be. A particle that leaves is folded back into it.

`Box` and `Ball` have reflecting walls; `PeriodicBox` is a torus.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from .errors import ConfigError, ShapeError, require_number
from .extension import Numbers, Registry
from .measure import ArrayLike, Ensemble, to_tensor
from .ops import linalg


class Domain(ABC):
    """A part of ℝᵈ, and the fold: a map of all of ℝᵈ into it that keeps the points inside.

    Users pass a domain as `solve(..., domain=...)`. The ensemble is folded after every step of every scheme, and at the
    stages of a step before F is evaluated, so F is only evaluated inside. Schemes with momenta use `carry`. Schemes
    that minimise use `nearest`.

    Notes
    -----
    A subclass defines `_fold`, `_contains` and `_parameters`, and `nearest` if it has walls.

    Examples
    --------
    >>> import wgf
    >>> mu, box = wgf.Ensemble(torch.full((100, 1), 0.5)), Box(0.0, 1.0)
    >>> sol = wgf.solve(-1.0 * wgf.Shannon(), mu, wgf.solvers.Langevin(), dt=0.1, t_end=1.0, domain=box)
    >>> bool(box.contains(sol.ensemble.x).all())
    True
    """

    stated: ClassVar[tuple[str, ...]] = ()
    """The settings that give the size. A configuration file must state them, even if the constructor has defaults."""
    walls: ClassVar[bool] = True
    """Whether the domain has walls; a torus has none."""

    @abstractmethod
    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Fold points (n, d), and reflect their velocities (n, d) if given."""

    @abstractmethod
    def _contains(self, x: Tensor) -> Tensor:
        """Whether each of the points (n, d) is inside: (n,) booleans."""

    @property
    @abstractmethod
    def _parameters(self) -> dict[str, Tensor]:
        """The settings as float64 tensors, a number or one per dimension."""

    def fold(self, x: ArrayLike) -> Tensor:
        """Bring points into the domain, from any distance.

        Parameters
        ----------
        x : array_like
            Points (n, d).

        Returns
        -------
        Tensor
            Points (n, d) inside, in the dtype of x. NaN stays NaN, infinity becomes NaN.

        Raises
        ------
        ShapeError
            If x is not (n, d), or d does not fit the domain.
        """
        return self._fold(self._points(x), None)[0]

    def carry(self, x: ArrayLike, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """Fold points together with their velocities.

        Parameters
        ----------
        x : array_like
            Points (n, d).
        velocity : Tensor
            Velocities (n, d).

        Returns
        -------
        points, velocities : Tensor
            Points inside (n, d), and velocities (n, d): each reflection turns the component across the wall.
        """
        points, turned = self._fold(self._points(x), velocity)
        assert turned is not None
        return points, turned

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
        outside = ~self._contains(mu.x)
        if bool(outside.any()):
            row = int(torch.nonzero(outside)[0])
            raise ConfigError(
                f"domain = {self!r}: particle {row} (id {int(mu.ids[row])}) is at {mu.x[row].tolist()}, outside; "
                "start with all particles inside, domain.fold(x) brings them there."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v.tolist()}' for k, v in self._parameters.items())})"


def _numbers(name: str, value: ArrayLike) -> Tensor:
    """Check a number or one number per dimension, and make it a float64 tensor."""
    if isinstance(value, (int, float, str, bool)):
        return torch.tensor(require_number(name, value), dtype=torch.float64)
    try:
        tensor = to_tensor(value).to(torch.float64, copy=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name} = {value!r}: wanted a number or one per dimension.") from error
    if tensor.ndim > 1 or not bool(torch.isfinite(tensor).all()):
        raise ConfigError(f"{name} of shape {tuple(tensor.shape)}: wanted finite numbers, one or one per dimension.")
    return tensor


def _triangle(x: Tensor, low: Tensor | float, width: Tensor | float) -> tuple[Tensor, Tensor]:
    """Reflect x into [low, low + width] as often as needed. Returns x and whether that was an odd number of times."""
    y = torch.remainder(x - low, 2 * width)
    return low + (width - (y - width).abs()), y > width


class _Bounds(Domain, ABC):
    """A domain with the bounds low ≤ x ≤ high in every component."""

    stated = ("low", "high")

    def __init__(self, low: Numbers = 0.0, high: Numbers = 1.0) -> None:
        self.low, self.high = _numbers("low", low), _numbers("high", high)
        if self.low.ndim and self.high.ndim and len(self.low) != len(self.high):
            raise ShapeError(f"low has {len(self.low)} entries and high {len(self.high)}; wanted as many.")
        if not bool((self.low < self.high).all()):
            raise ConfigError(f"low = {self.low.tolist()}, high = {self.high.tolist()}: wanted low < high.")

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"low": self.low, "high": self.high}

    def _at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The bounds on the device and in the dtype of x."""
        return self.low.to(x, non_blocking=True), self.high.to(x, non_blocking=True)

    def _contains(self, x: Tensor) -> Tensor:
        low, high = self._at(x)
        return ((x >= low) & (x <= high)).all(1)


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

    Notes
    -----
    A component is reflected as often as needed. A Gaussian step keeps the uniform law, at every step size. For a drift
    into a wall every scheme has order 1 in h.

    Examples
    --------
    >>> Box(0.0, 1.0).fold([[1.25], [-7.25], [0.5]]).flatten().tolist()
    [0.75, 0.75, 0.5]
    """

    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        low, high = self._at(x)
        inside = (x >= low) & (x <= high)
        folded, odd = _triangle(x, low, high - low)
        folded = torch.where(inside, x, torch.minimum(torch.maximum(folded, low), high))
        return folded, velocity if velocity is None else torch.where(odd & ~inside, -velocity, velocity)

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

    Notes
    -----
    F should be periodic too. This is not checked.

    Examples
    --------
    >>> PeriodicBox(-1.0, 1.0).fold([[1.5], [-9.25], [1.0]]).flatten().tolist()
    [-0.5, 0.75, -1.0]
    """

    walls = False

    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        low, high = self._at(x)
        folded = low + torch.remainder(x - low, high - low)
        folded = torch.where(folded >= high, low, folded)  # a point just below low is rounded to high
        return torch.where((x >= low) & (x < high), x, folded), velocity


class Ball(Domain):
    """A ball |x − center| ≤ radius with a reflecting wall.

    Parameters
    ----------
    radius : float, default 1.0
        The radius, in the units of x, > 0.
    center : float or array_like, default 0.0
        The centre: a number for all components, or one per dimension (d,).

    Raises
    ------
    ConfigError
        Unless the radius is from 1e-150 to 1e150, so that its square is in the range of float64.

    Notes
    -----
    A point outside is reflected along the ray from the centre; a point far outside goes to and fro along the diameter.
    Under diffusion the uniform law has an error of O(h T/radius²), since the wall is curved over the length of a step.

    Examples
    --------
    >>> Ball(1.0).fold([[1.25, 0.0], [0.0, 2.5], [0.1, 0.2]]).tolist()
    [[0.75, 0.0], [0.0, -0.5], [0.1, 0.2]]
    """

    stated = ("radius",)

    def __init__(self, radius: float = 1.0, center: Numbers = 0.0) -> None:
        self.radius, self.center = require_number("radius", radius, positive=True), _numbers("center", center)
        if not 1e-150 <= self.radius <= 1e150:
            raise ConfigError(f"radius = {radius!r}: wanted a length from 1e-150 to 1e+150.")

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"radius": torch.tensor(self.radius, dtype=torch.float64), "center": self.center}

    def _ray(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors from the centre (n, d) and their lengths (n, 1), which are float64 for any radius."""
        offset = x - self.center.to(x, non_blocking=True)
        return offset, linalg.row_dot(offset, offset).sqrt()[:, None]

    def _most(self, x: Tensor) -> float:
        """The radius less a margin for rounding, so that a folded point passes `contains`."""
        return self.radius - 16 * torch.finfo(x.dtype).eps * (self.radius + float(self.center.abs().max()))

    def nearest(self, x: Tensor) -> Tensor:
        offset, r = self._ray(x)
        shrunk = self.center.to(x, non_blocking=True) + offset * (self._most(x) / r.clamp_min(self._most(x)))
        return torch.where(r <= self.radius, x, shrunk.to(x.dtype))

    def _contains(self, x: Tensor) -> Tensor:
        return (self._ray(x)[1] <= self.radius)[:, 0]

    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        offset, r = self._ray(x)
        folded, odd = _triangle(r, -self.radius, 2 * self.radius)
        most = self._most(x)
        unit = offset / r.clamp_min(torch.finfo(r.dtype).tiny)
        inside = r <= self.radius
        back = (self.center.to(x, non_blocking=True) + unit * folded.clamp(-most, most)).to(x.dtype)
        points = torch.where(inside, x, back)
        if velocity is None:
            return points, None
        turned = (velocity - 2 * linalg.row_dot(velocity, unit)[:, None] * unit).to(velocity.dtype)
        return points, torch.where(odd & ~inside, turned, velocity)


REGISTRY: Registry[Domain] = Registry("domain", Domain, globals())
"""Every domain by its name."""
