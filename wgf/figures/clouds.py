"""Clouds of particles in one common view: histograms in one dimension, a plane in more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .canvas import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FARTHEST = 1e12
"""The largest coordinate that is drawn. A run that diverges has larger ones."""
BINS = 60
"""Bars of a histogram."""
FINE = 8
"""The density is computed on so many points for each bar."""


@dataclass(frozen=True)
class View:
    """Clouds in common coordinates.

    Attributes
    ----------
    clouds : list of arrays (m, 1) or (m, 2)
        The particles that are near enough to be drawn, in the coordinates of the view.
    masses : list of arrays (m,) or None
        Their weights with mean 1; None where all count alike.
    labels : (str, str)
        The names of the two axes.
    x, y : (float, float)
        The limits of the two axes, common to all clouds.

    See Also
    --------
    wgf.figures.particles, wgf.figures.Movie

    Examples
    --------
    >>> import wgf
    >>> view = wgf.figures.View.of([wgf.Ensemble([[0.0, 0.0], [2.0, 1.0]])])
    >>> view.labels, view.line
    (('x₁', 'x₂'), False)
    """

    clouds: list[np.ndarray]
    masses: list[np.ndarray | None]
    labels: tuple[str, str]
    x: tuple[float, float]
    y: tuple[float, float]

    @staticmethod
    def of(clouds: Sequence[Any], weights: Sequence[Any] | None = None) -> View:
        """Find the common view of some clouds: ensembles or arrays (n, d), with weights as for `particles`."""
        given = [getattr(cloud, "weights", None) for cloud in clouds] if weights is None else weights
        near = [_within_reach(getattr(cloud, "x", cloud), mass) for cloud, mass in zip(clouds, given, strict=True)]
        arrays, masses = [x for x, _ in near], [mass for _, mass in near]
        if not any(len(x) for x in arrays):
            return View(arrays, masses, ("", ""), (0.0, 1.0), (0.0, 1.0))
        if arrays[0].shape[1] == 1:
            pooled = np.concatenate(arrays)
            low, high = float(pooled.min()), float(pooled.max())
            least = 1e-9 * max(abs(low), abs(high)) or 0.5  # a single point has a width as well
            room = max(0.0, least - (high - low))
            view = View(arrays, masses, ("x", "density"), (low - room, high + room), (0.0, 1.0))
            highest = max(float(part.max()) for k in range(len(arrays)) for part in (view.bars(k), view.density(k)))
            return View(arrays, masses, view.labels, view.x, (0.0, 1.05 * highest or 1.0))
        planes, labels = _project(arrays, masses)
        least, most = np.concatenate(planes).min(0), np.concatenate(planes).max(0)
        middle, half = (least + most) / 2, 0.53 * float((most - least).max()) or 1.0
        x, y = ((float(m - half), float(m + half)) for m in middle)
        return View(planes, masses, labels, x, y)

    def at(self, picked: Sequence[int]) -> View:
        """Some of the clouds, in the coordinates of all of them."""
        return replace(self, clouds=[self.clouds[k] for k in picked], masses=[self.masses[k] for k in picked])

    @property
    def line(self) -> bool:
        """Whether the particles are in one dimension, so that histograms show them."""
        return self.labels[1] == "density"

    @property
    def edges(self) -> np.ndarray:
        """The edges (BINS + 1,) of the bars."""
        return np.linspace(*self.x, BINS + 1)

    @property
    def grid(self) -> np.ndarray:
        """The points (BINS·FINE,) of `density`."""
        edges = np.linspace(*self.x, BINS * FINE + 1)
        return (edges[1:] + edges[:-1]) / 2

    def bars(self, k: int) -> np.ndarray:
        """The histogram (BINS,) of a cloud in one dimension, as a density."""
        return self._histogram(k, BINS)

    def density(self, k: int) -> np.ndarray:
        """The density (BINS·FINE,) of a cloud in one dimension: its histogram, smoothed by a Gaussian.

        The width is that of Silverman, 1.06 σ n^(−1/5), for n weighted particles.
        """
        x, mass = self.clouds[k], self.masses[k]
        if not len(x):
            return np.zeros(BINS * FINE)
        share = np.full(len(x), 1 / len(x)) if mass is None else mass / mass.sum()
        spread = np.sqrt(np.average((x[:, 0] - np.average(x[:, 0], weights=share)) ** 2, weights=share))
        width = 1.06 * spread * float((share**2).sum()) ** 0.2
        cell = (self.x[1] - self.x[0]) / (BINS * FINE)
        return np.asarray(gaussian_filter1d(self._histogram(k, BINS * FINE), max(width / cell, 1.0), mode="constant"))

    def _histogram(self, k: int, bins: int) -> np.ndarray:
        x, mass = self.clouds[k], self.masses[k]
        if not len(x):
            return np.zeros(bins)
        return np.histogram(x[:, 0], bins=bins, range=self.x, density=True, weights=mass)[0]

    def sizes(self, k: int) -> np.ndarray:
        """The area (m,) of each dot in points²; proportional to the weight."""
        mass = self.masses[k]
        return np.full(len(self.clouds[k]), 9.0) if mass is None else 9 * mass

    def alpha(self, k: int) -> float:
        """The opacity of a dot: the more dots, the less."""
        return float(np.clip(250.0 / max(len(self.clouds[k]), 1), 0.1, 0.9))

    def draw(self, axis: Axes, k: int) -> list[Any]:
        """Draw a cloud into a panel; returns what `redraw` changes."""
        if self.line:
            bars = axis.stairs(self.bars(k), self.edges, fill=True, color=BLUE, alpha=0.75)
            (line,) = axis.plot(self.grid, self.density(k), color=ORANGE, lw=1.4)
            parts: list[Any] = [bars, line]
        else:
            x = self.clouds[k]
            x = x if x.shape[1] == 2 else np.zeros((0, 2))
            parts = [axis.scatter(x[:, 0], x[:, 1], s=self.sizes(k), color=BLUE, alpha=self.alpha(k), linewidths=0,
                                  rasterized=True)]  # fmt: skip
            axis.set_aspect("equal")
        axis.set_xlim(self.x)
        axis.set_ylim(self.y)
        return parts

    def redraw(self, parts: list[Any], k: int) -> None:
        """Change what `draw` gave to another cloud."""
        if self.line:
            parts[0].set_data(self.bars(k))
            parts[1].set_ydata(self.density(k))
        else:
            parts[0].set_offsets(self.clouds[k] if len(self.clouds[k]) else np.zeros((0, 2)))
            parts[0].set_sizes(self.sizes(k))
            parts[0].set_alpha(self.alpha(k))


def _numbers(array: Any) -> np.ndarray:
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array, dtype=np.float64)


def _within_reach(x: Any, weights: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows (m, d) near enough to be drawn, and their weights (m,) with mean 1; None where all are alike."""
    array = _numbers(x)
    near = (np.abs(array) < FARTHEST).all(1)
    mass = None if weights is None else _numbers(weights)[near]
    if mass is None or not mass.sum() > 0 or (mass == mass[0]).all():
        return array[near], None
    return array[near], mass / mass.mean()


def _project(
    arrays: Sequence[np.ndarray], masses: Sequence[np.ndarray | None]
) -> tuple[list[np.ndarray], tuple[str, str]]:
    """Project all clouds on one plane; return their coordinates (n, 2) and the names of its axes."""
    if arrays[0].shape[1] == 2:
        return list(arrays), ("x₁", "x₂")
    pooled, mass = np.concatenate(arrays), None
    if any(part is not None for part in masses):
        mass = np.concatenate([np.ones(len(x)) if m is None else m for x, m in zip(arrays, masses, strict=True)])
    centre = np.average(pooled, axis=0, weights=mass)
    values, vectors = np.linalg.eigh(np.cov(pooled.T, bias=True, aweights=mass))
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)  # eigenvectors have no sign; fix one
    share = 100 * values[::-1][:2] / max(values.sum(), np.finfo(float).tiny)
    names = [f"{which} principal direction, {part:.0f} %" for which, part in zip(("1st", "2nd"), share, strict=True)]
    return [(x - centre) @ axes for x in arrays], (names[0], names[1])
