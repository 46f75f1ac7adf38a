"""Where particles may be: boxes with reflecting or periodic walls, and balls. What leaves is folded back exactly."""

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
    """A part of ℝᵈ with a map of all of ℝᵈ into it that leaves its points where they are.

    `solve(..., domain=...)` folds the ensemble after every step of every scheme, and the stages inside a step before F
    is evaluated there, so that F is only ever asked inside. Schemes with momenta `carry` them through the fold; schemes
    that minimise go to the `nearest` point instead.
    """

    stated: ClassVar[tuple[str, ...]] = ()
    """Settings that give the size: a configuration file must state them, though the constructor has defaults."""
    walls: ClassVar[bool] = True
    """Whether it ends somewhere; a torus does not."""

    @abstractmethod
    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]: ...

    @abstractmethod
    def _contains(self, x: Tensor) -> Tensor: ...

    @property
    @abstractmethod
    def _parameters(self) -> dict[str, Tensor]: ...

    def fold(self, x: ArrayLike) -> Tensor:
        """The points (n, d) brought into the domain from any distance; NaN stays NaN, infinity becomes NaN."""
        return self._fold(self._points(x), None)[0]

    def carry(self, x: ArrayLike, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """Folded points with their velocities (n, d): each reflection turns the component across the wall."""
        points, turned = self._fold(self._points(x), velocity)
        assert turned is not None
        return points, turned

    def nearest(self, x: Tensor) -> Tensor:
        """The point of the domain closest to each of the points (n, d); a point itself where there are no walls."""
        return x

    def contains(self, x: ArrayLike) -> Tensor:
        """Whether each of the points (n, d) is inside (the walls belong to the domain): (n,) booleans."""
        return self._contains(self._points(x))

    def _points(self, x: ArrayLike) -> Tensor:
        points = to_tensor(x)
        if points.ndim != 2:
            raise ShapeError(f"{type(self).__name__}: points of shape {tuple(points.shape)}; wanted (n, d).")
        self.require_dim(points.shape[1])
        return points

    def require_dim(self, dim: int) -> None:
        """ShapeError where the domain has another dimension; numbers as bounds fit every dimension."""
        for name, value in self._parameters.items():
            if value.ndim and len(value) != dim:
                raise ShapeError(
                    f"domain: {name} of {type(self).__name__} has {len(value)} entries, the particles have dimension "
                    f"{dim}; give one number, or one per dimension."
                )

    def require_inside(self, mu: Ensemble) -> None:
        """ConfigError naming the first particle that is outside."""
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
    """A finite float64 tensor: a number or (d,)."""
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
    """x reflected into [low, low + width] any number of times, and whether an odd number of times."""
    y = torch.remainder(x - low, 2 * width)
    return low + (width - (y - width).abs()), y > width


class _Bounds(Domain, ABC):
    """low ≤ x ≤ high in every component."""

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
        return self.low.to(x, non_blocking=True), self.high.to(x, non_blocking=True)

    def _contains(self, x: Tensor) -> Tensor:
        low, high = self._at(x)
        return ((x >= low) & (x <= high)).all(1)


class Box(_Bounds):
    """[low, high]ᵈ with reflecting walls: the no-flux boundary of the flow. Bounds are numbers or (d,).

    A component is reflected as often as it takes. The reflected Gaussian step leaves the uniform law as it is, at every
    step size; a drift into a wall is resolved to order 1 in h whatever the scheme. ConfigError unless low < high.

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
    """[low, high)ᵈ with opposite walls identified: a torus. F should be periodic too, which is up to its terms.

    >>> PeriodicBox(-1.0, 1.0).fold([[1.5], [-9.25], [1.0]]).flatten().tolist()
    [-0.5, 0.75, -1.0]
    """

    walls = False

    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        low, high = self._at(x)
        folded = low + torch.remainder(x - low, high - low)
        folded = torch.where(folded >= high, low, folded)  # a hair below low is rounded to high
        return torch.where((x >= low) & (x < high), x, folded), velocity


class Ball(Domain):
    """|x − center| ≤ radius with a reflecting wall: an excursion beyond it is reflected along the ray from the centre.

    Far excursions go to and fro along the diameter. Under diffusion the uniform law is kept up to O(h T/radius²), the
    curvature of the wall over a step. ConfigError unless radius > 0.

    >>> Ball(1.0).fold([[1.25, 0.0], [0.0, 2.5], [0.1, 0.2]]).tolist()
    [[0.75, 0.0], [0.0, -0.5], [0.1, 0.2]]
    """

    stated = ("radius",)

    def __init__(self, radius: float = 1.0, center: Numbers = 0.0) -> None:
        self.radius, self.center = require_number("radius", radius, positive=True), _numbers("center", center)

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"radius": torch.tensor(self.radius, dtype=torch.float64), "center": self.center}

    def _ray(self, x: Tensor) -> tuple[Tensor, Tensor]:
        offset = x - self.center.to(x, non_blocking=True)
        return offset, linalg.row_dot(offset, offset).sqrt().to(x.dtype)[:, None]

    def _most(self, x: Tensor) -> float:
        """The radius less a margin of rounding, so that what was brought inside is there when it is looked at again."""
        return self.radius - 16 * torch.finfo(x.dtype).eps * (self.radius + float(self.center.abs().max()))

    def nearest(self, x: Tensor) -> Tensor:
        offset, r = self._ray(x)
        shrunk = self.center.to(x, non_blocking=True) + offset * (self._most(x) / r.clamp_min(self._most(x)))
        return torch.where(r <= self.radius, x, shrunk)

    def _contains(self, x: Tensor) -> Tensor:
        return (self._ray(x)[1] <= self.radius)[:, 0]

    def _fold(self, x: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        offset, r = self._ray(x)
        folded, odd = _triangle(r, -self.radius, 2 * self.radius)
        most = self._most(x)
        unit = offset / r.clamp_min(torch.finfo(x.dtype).tiny)
        inside = r <= self.radius
        points = torch.where(inside, x, self.center.to(x, non_blocking=True) + unit * folded.clamp(-most, most))
        if velocity is None:
            return points, None
        across = linalg.row_dot(velocity, unit).to(x.dtype)[:, None]
        return points, torch.where(odd & ~inside, velocity - 2 * across * unit, velocity)


REGISTRY: Registry[Domain] = Registry("domain", Domain, globals())
"""Every domain by its name."""
