"""A ball with a reflecting wall, at which paths are reflected as a billiard ball is."""

from __future__ import annotations

import torch
from torch import Tensor

from ..extension import Numbers
from ..measure import checks
from ..ops import linalg
from .base import TINY, Domain, as_radius, bounds_row, reflected

BOUNCES, FEW_BOUNCES = 32, 4
"""Reflections of one step at a curved wall that are followed: on the CPU, and where checks are deferred."""


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

    See Also
    --------
    wgf.domains.Box, wgf.domains.PeriodicBox, wgf.domains.Domain, wgf.solve

    Notes
    -----
    A step that leaves the ball is reflected where its straight path meets the wall, as a billiard ball is, and so are
    velocities. A Gaussian step keeps the uniform law, at every step size. Without a path, `fold(x)` reflects a point
    along the ray from the centre; a point far outside then goes to and fro along the diameter.

    Examples
    --------
    >>> Ball(1.0).fold([[1.25, 0.0], [0.0, 2.5], [0.1, 0.2]]).tolist()
    [[0.75, 0.0], [0.0, -0.5], [0.1, 0.2]]
    """

    stated = ("radius",)

    def __init__(self, radius: float = 1.0, center: Numbers = 0.0) -> None:
        self.radius, self.center = as_radius(radius), bounds_row("center", center)

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"radius": torch.tensor(self.radius, dtype=torch.float64), "center": self.center}

    def _lengths(self) -> Tensor:
        return self._parameters["radius"]

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

    def _fold(self, x: Tensor, velocity: Tensor | None, start: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if start is not None:
            x, velocity = self._billiard(start, x, velocity)
        offset, r = self._ray(x)
        folded, odd = reflected(r, -self.radius, 2 * self.radius)
        most = self._most(x)
        unit = offset / r.clamp_min(TINY)
        inside = r <= self.radius
        back = (self.center.to(x, non_blocking=True) + unit * folded.clamp(-most, most)).to(x.dtype)
        points = torch.where(inside, x, back)
        if velocity is None:
            return points, None
        flipped = (velocity - 2 * linalg.row_dot(velocity, unit)[:, None] * unit).to(velocity.dtype)
        return points, torch.where(odd & ~inside, flipped, velocity)

    def _billiard(self, start: Tensor, end: Tensor, velocity: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Reflect straight paths at the wall up to BOUNCES times; what is still outside is left to the ray."""
        centre, square = self.center.to(end, non_blocking=True), self.radius**2
        place, left = start - centre, end - start
        turned = velocity
        waits = checks.deferred_on(end.device)  # a GPU would have to wait to know whether any path is left
        for _ in range(FEW_BOUNCES if waits else BOUNCES):
            reach = linalg.row_dot(place + left, place + left)
            out = (reach > square)[:, None]
            if not waits and not bool(out.any()):
                break
            length = linalg.row_dot(left, left).clamp_min(TINY)
            along = linalg.row_dot(place, left)
            gap = (square - linalg.row_dot(place, place)).clamp_min(0.0)
            # the far root of |place + s·left| = radius, without cancellation
            root = (along.square() + length * gap).sqrt()
            share = torch.where(along > 0, gap / (along + root).clamp_min(TINY), (root - along) / length)
            share = share.clamp(0.0, 1.0).to(end.dtype)[:, None]
            wall = place + share * left
            normal = wall / linalg.row_dot(wall, wall).sqrt().clamp_min(TINY).to(end.dtype)[:, None]
            rest = (1 - share) * left
            rest = rest - 2 * linalg.row_dot(rest, normal).to(end.dtype)[:, None] * normal
            place, left = torch.where(out, wall, place), torch.where(out, rest, left)
            if turned is not None:
                flipped = turned - 2 * linalg.row_dot(turned, normal).to(end.dtype)[:, None] * normal
                turned = torch.where(out, flipped, turned)
        untouched = linalg.row_dot(end - centre, end - centre) <= square
        return torch.where(untouched[:, None], end, centre + (place + left)), turned
