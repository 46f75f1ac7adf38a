"""Two clouds that meet: their cost in coordinates in which they lie on each other, and updates of potentials.

With u and v seen from the centres, Δ the difference of the centres, and a symmetric A,

    ½|x − y|² = ½|A⁻¹u − A v|² + p(u) + q(v),
    p(u) = Δ·u + ½|Δ|² + ½(|u|² − |A⁻¹u|²),   q(v) = −Δ·v + ½(|v|² − |A v|²).

So potentials less p and q are those of the clouds A⁻¹u and A v. Where these lie on each other, the terms of a sum that
matter are near its point. That is what the grid of `fast.plane` needs; elsewhere A = 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import linalg
from .clouds import Cloud, Problem, gaussian_map
from .fast.plane import SPACINGS, Plane
from .softmin import soft_minimum
from .threads import one_torch_thread

ON_GRID = 1e-8
"""The marginal error that sums by a grid may cause."""
PLANAR = 2
"""Up to so many dimensions there are grids."""
_TESTED = 48  # points at which sums by a grid are compared with those over pairs
_TIGHT, _LOOSE = 1e-7, 1e-5  # how much the logarithms of both may differ, for small and for large tolerances
_FARTHEST = {1e-7: (4.5, 7.0), 1e-5: (6.0, 10.0)}  # where they do, by the spacing, in √ε


class Meeting:
    """Two clouds and what updates of their potentials need.

    Parameters
    ----------
    x, y : Cloud
        The clouds, which may be one and the same.
    problem : Problem
        ε and ρ.
    """

    def __init__(self, x: Cloud, y: Cloud, problem: Problem) -> None:
        self.clouds, self.problem = (x, y), problem
        self.plane: Plane | None = None
        shift = x.centre - y.centre
        with one_torch_thread():
            self._shifts = (shift, -shift)
            self._tilts = [x.x @ shift + 0.5 * shift.square().sum(), y.x @ -shift]
        self._points: list[Tensor] = [x.x, y.x]
        self._back: list[Tensor | None] = [None, None]
        self._single: list[Tensor] | None = None
        self._level = -1
        if x.x.shape[1] <= PLANAR and x.x.device.type == "cpu" and len(x.x) * len(y.x) >= 2**20:
            self._to_grid(x, y)

    def _to_grid(self, x: Cloud, y: Cloud) -> None:
        """Take A so that Gaussians with these moments lie on each other, and a grid, where both are worth it."""
        points, back, tilts = list(self._points), list(self._back), list(self._tilts)
        if x is not y:
            blur = self.problem.epsilon * torch.eye(x.x.shape[1], dtype=torch.float64)
            values, vectors = linalg.symmetric_eigen(gaussian_map(y.covariance + blur, x.covariance + blur, 0.0))
            if not bool((values > 0).all()):
                return
            for k, power in ((0, -0.5), (1, 0.5)):
                with one_torch_thread():
                    map_, back[k] = ((vectors * values**sign) @ vectors.T for sign in (power, -power))
                    points[k] = self._points[k] @ map_
                tilts[k] = tilts[k] + 0.5 * (
                    linalg.row_dot(self._points[k], self._points[k]) - linalg.row_dot(points[k], points[k])
                )
        plane = self._finer(points)
        if plane is not None:
            self.plane, self._points, self._back, self._tilts = plane, points, back, tilts

    def _finer(self, points: list[Tensor]) -> Plane | None:
        """The next finer grid; None where there is none, or sums over pairs are faster."""
        self._level += 1
        if self._level >= len(SPACINGS):
            return None
        x, y = (part.numpy() for part in points)
        return Plane.of(x, y, self.problem.epsilon, SPACINGS[self._level])

    def noise(self) -> float:
        """The marginal error that the first iterations may have, by float32 or by the grid."""
        return ON_GRID if self.plane is not None else self.problem.noise(*self.clouds)

    def goal(self, quick: bool) -> float:
        """The marginal error at which iterations end."""
        return max(self.problem.tolerance, self.noise()) if quick else self.problem.tolerance

    def update(
        self, at: int, potential: Tensor, guess: Tensor, quick: bool, slopes: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The update of the potential of one cloud by that of the other: the damped soft minimum, and its slope.

        Parameters
        ----------
        at : int
            The cloud whose potential is found: 0 for x, 1 for y.
        potential : Tensor
            The potential of the other.
        guess : Tensor
            About the potential that is found.
        quick : bool
            Whether float32, or a grid, is exact enough.
        slopes : bool
            Whether the slope is wanted.

        Returns
        -------
        value : Tensor
            The update (n,).
        slope : Tensor
            ∇ of the soft minimum (n, d), empty where it is not wanted.
        """
        damping, tilt = self.problem.damping, self._tilts[at]
        logits = self.clouds[1 - at].logs + (potential - self._tilts[1 - at]) / self.problem.epsilon
        if quick and self.plane is not None:
            value, slope = self._by_grid(self.plane, at, logits, slopes)
            if not bool(torch.isfinite(value).all()):
                self._drop()
        if not quick or self.plane is None:
            value, slope = self._by_pairs(at, logits, guess / damping - tilt, quick, slopes)
        value = damping * (value + tilt)
        if not slopes:
            return value, slope
        back = self._back[1 - at]
        if back is None:
            return value, slope + self._shifts[at]
        with one_torch_thread():
            images = (self._points[at] - slope) @ back
        return value, self.clouds[at].x - images + self._shifts[at]

    def _by_pairs(
        self, at: int, logits: Tensor, guess: Tensor, single: bool, slopes: bool, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The soft minimum over pairs, at all points or at some rows."""
        points = self._points
        if single:
            if self._single is None:
                self._single = [cloud.single for cloud in self.clouds]
            points = self._single
        here = points[at] if rows is None else points[at][rows]
        return soft_minimum(here, points[1 - at], logits, guess, self.problem.epsilon, slopes)

    def _by_grid(self, plane: Plane, at: int, logits: Tensor, slopes: bool) -> tuple[Tensor, Tensor]:
        """The soft minimum by the grid."""
        top = float(logits.max())
        weights = torch.exp(logits - top)[None]
        terms = torch.cat([self._points[1 - at].T * weights, weights]) if slopes else weights
        sums = torch.from_numpy(plane.sums(at, terms.numpy()))
        value = -self.problem.epsilon * (torch.log(sums[-1]) + top)
        return value, self._points[at] - (sums[:-1] / sums[-1]).T if slopes else value[:, None][:, :0]

    def leave_grid(self, potential: Tensor, other: Tensor) -> bool:
        """Whether the grid is not exact at these potentials of x and y; it is finer then, or sums go over pairs.

        Parameters
        ----------
        potential, other : Tensor
            About the potentials of x and y.

        Returns
        -------
        bool
            Whether it was left.

        Notes
        -----
        Every point is to be near the mean of those that matter to it. At some points, the outermost among them, the
        sums are compared with those over pairs.
        """
        if self.plane is None:
            return False
        same = _LOOSE if self.problem.tolerance >= 100.0 * _LOOSE else _TIGHT
        sides = ((0, other), (1, potential)) if self.clouds[0] is not self.clouds[1] else ((0, other),)
        if all(self._is_exact(self.plane, at, given, same) for at, given in sides):
            return False
        self.plane = self._finer(self._points)
        if self.plane is None:
            self._drop()
        return True

    def _is_exact(self, plane: Plane, at: int, given: Tensor, same: float) -> bool:
        """Whether the sums at one cloud are exact enough, by the potential of the other."""
        epsilon, points = self.problem.epsilon, self._points[at]
        logits = self.clouds[1 - at].logs + (given - self._tilts[1 - at]) / epsilon
        value, slope = self._by_grid(plane, at, logits, True)
        if not bool((linalg.row_dot(slope, slope) <= _FARTHEST[same][self._level] ** 2 * epsilon).all()):
            return False
        outer = [found for c in points.T for found in (int(c.argmin()), int(c.argmax()))]
        rows = torch.from_numpy(np.linspace(0, len(points) - 1, _TESTED).astype(np.int64))
        rows = torch.cat([rows, torch.tensor(outer)])
        exact, _ = self._by_pairs(at, logits, value[rows], False, False, rows)
        return bool(((exact - value[rows]).abs() <= same * epsilon).all())

    def _drop(self) -> None:
        """Sums over pairs from now on; A stays."""
        self.plane, self._single = None, [part.float() for part in self._points]
