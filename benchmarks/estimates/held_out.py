"""Laws on which no constant of the estimates was chosen: skewed, heavy-tailed, bent, mixed, in one to six dimensions.

Their entropy and dissipation are means of the exact log density and score over a large sample, or exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .laws import Law, double_well, gaussian, line, ring

LARGE, PIECE = 1_000_000, 50_000
"""Particles for the truths, and so many at once."""

LogDensity = Callable[[Tensor], Tensor]
Sample = Callable[[Any, int], np.ndarray]


def by_density(name: str, sample: Sample, log_density: LogDensity) -> Law:
    """A law with S = −∫ log ρ dμ and D = ∫ |x + ∇log ρ|² dμ by means over LARGE particles."""
    x = sample(np.random.default_rng(987), LARGE)
    entropy = rate = 0.0
    for piece in np.array_split(x, LARGE // PIECE):
        points = torch.from_numpy(np.ascontiguousarray(piece)).requires_grad_()
        values = log_density(points)
        (score,) = torch.autograd.grad(values.sum(), points)
        entropy -= float(values.detach().sum()) / LARGE
        rate += float(((points.detach() + score) ** 2).sum()) / LARGE
    return Law(name, sample, entropy, rate)


def _turn(d: int, angle: float) -> np.ndarray:
    turn = np.eye(d)
    for axis in range(d - 1):
        one = np.eye(d)
        one[axis : axis + 2, axis : axis + 2] = [
            [math.cos(angle), -math.sin(angle)],
            [math.sin(angle), math.cos(angle)],
        ]
        turn = turn @ one
    return turn


def turned(law: tuple[str, Sample, LogDensity], d: int, angle: float) -> Law:
    """A law turned in each plane of neighbouring axes."""
    name, sample, log_density = law
    turn = _turn(d, angle)
    back = torch.from_numpy(turn)
    return by_density(name, lambda rng, n: sample(rng, n) @ turn.T, lambda x: log_density(x @ back))


def _normal(x: Tensor) -> Tensor:
    return -0.5 * x * x - 0.5 * math.log(2 * math.pi)


def skewed(*shapes: float) -> Law:
    """A product of skew normal laws 2 φ(x) Φ(αx), turned."""
    alpha = np.array(shapes)
    delta = alpha / np.sqrt(1 + alpha * alpha)

    def sample(rng: Any, n: int) -> np.ndarray:
        a, b = rng.normal(size=(2, n, len(alpha)))
        return delta * np.abs(a) + np.sqrt(1 - delta * delta) * b

    def log_density(x: Tensor) -> Tensor:
        return (_normal(x) + math.log(2) + torch.special.log_ndtr(torch.from_numpy(alpha) * x)).sum(1)

    return turned((f"skew normal d = {len(shapes)}", sample, log_density), len(shapes), 0.7)


def peaked(*widths: float) -> Law:
    """A product of sech(πx/2w)/2w: tails like Laplace's law, with a smooth top."""
    w = np.array(widths)

    def sample(rng: Any, n: int) -> np.ndarray:
        return w * 2 / math.pi * np.arcsinh(np.tan(math.pi * (rng.random((n, len(w))) - 0.5)))

    def log_density(x: Tensor) -> Tensor:
        y = math.pi / 2 * x / torch.from_numpy(w)
        return (-(y.abs() + torch.log1p(torch.exp(-2 * y.abs()))) - torch.from_numpy(np.log(w))).sum(1)

    return turned((f"sech d = {len(widths)}", sample, log_density), len(widths), 0.5)


def gumbel(*widths: float) -> Law:
    """A product of Gumbel laws."""
    w = np.array(widths)

    def log_density(x: Tensor) -> Tensor:
        y = x / torch.from_numpy(w)
        return (-y - torch.exp(-y) - torch.from_numpy(np.log(w))).sum(1)

    sample = lambda rng, n: w * rng.gumbel(size=(n, len(w)))  # noqa: E731
    return turned((f"Gumbel d = {len(widths)}", sample, log_density), len(widths), 0.4)


def mixture(name: str, weights: Sequence[float], means: Any, covariances: Any) -> Law:
    """A mixture of Gaussians."""
    m, c, w = np.array(means, float), np.array(covariances, float), np.array(weights)
    factors = np.linalg.cholesky(c)
    inverse = torch.from_numpy(np.linalg.inv(factors))
    d = m.shape[1]
    constants = torch.from_numpy(np.log(w) - np.linalg.slogdet(factors)[1] - 0.5 * d * math.log(2 * math.pi))

    def sample(rng: Any, n: int) -> np.ndarray:
        k = rng.choice(len(w), size=n, p=w)
        return m[k] + np.einsum("nij,nj->ni", factors[k], rng.normal(size=(n, d)))

    def log_density(x: Tensor) -> Tensor:
        z = torch.einsum("kij,nkj->nki", inverse, x[:, None] - torch.from_numpy(m))
        return torch.logsumexp(constants - 0.5 * (z * z).sum(2), dim=1)

    return by_density(name, sample, log_density)


def tails(freedom: float, *widths: float) -> Law:
    """Student's t in d dimensions, turned."""
    w, d = np.array(widths), len(widths)
    constant = math.lgamma((freedom + d) / 2) - math.lgamma(freedom / 2) - d / 2 * math.log(freedom * math.pi)
    constant -= float(np.log(w).sum())

    def sample(rng: Any, n: int) -> np.ndarray:
        return w * rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(freedom, size=(n, 1)) / freedom)

    def log_density(x: Tensor) -> Tensor:
        y = x / torch.from_numpy(w)
        return constant - (freedom + d) / 2 * torch.log1p((y * y).sum(1) / freedom)

    return turned((f"t{freedom:g} d = {d}", sample, log_density), d, 0.8)


def warped(name: str, law: Law, log_density: LogDensity, shift: Callable[[Any], Any]) -> Law:
    """(x, y + shift(x)) for (x, y) of a law; the map keeps volumes."""

    def sample(rng: Any, n: int) -> np.ndarray:
        x = law.sample(rng, n)
        x[:, 1] += shift(x[:, 0])
        return x

    def moved(x: Tensor) -> Tensor:
        return log_density(torch.cat([x[:, :1], (x[:, 1] - shift(x[:, 0]))[:, None], x[:, 2:]], dim=1))

    return turned((name, sample, moved), len(law.sample(np.random.default_rng(0), 1)[0]), 0.9)


def warped_gaussian(name: str, widths: Sequence[float], shift: Callable[[Any], Any]) -> Law:
    """A Gaussian with these standard deviations, warped."""
    w = torch.tensor(widths, dtype=torch.float64)
    start = gaussian(*(a * a for a in widths), angle=0.0)
    return warped(name, start, lambda x: (_normal(x / w) - w.log()).sum(1), shift)


def _wave(x: Any) -> Any:
    return 0.8 * (torch.sin(2 * x) if isinstance(x, Tensor) else np.sin(2 * x))


def warped_double_well(temperature: float, bend: float) -> Law:
    """The double well × parabola with y + b x²."""
    start = double_well(temperature, flat=True)
    x = torch.linspace(-4, 4, 40_001, dtype=torch.float64)
    mass = torch.trapezoid(torch.exp(-(x**4 / 4 - x**2 / 2) / temperature), x).log()
    height = mass + 0.5 * math.log(2 * math.pi * temperature)

    def log_density(x: Tensor) -> Tensor:
        a, b = x.unbind(1)
        return -(a**4 / 4 - a**2 / 2 + b**2 / 2) / temperature - height

    return warped("warped double well", start, log_density, lambda x: bend * x * x)


def arcs(name: str, centres: Any, starts: Sequence[float], spread: float, radius: float, width: float) -> Law:
    """Parts of rings, of equal weights: the angle is Gaussian around `starts`, the radius around `radius`."""
    m, angles = np.array(centres, float), np.array(starts)

    def sample(rng: Any, n: int) -> np.ndarray:
        k = rng.integers(len(m), size=n)
        angle, r = angles[k] + spread * rng.normal(size=n), np.abs(radius + width * rng.normal(size=n))
        return m[k] + np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)

    def log_density(x: Tensor) -> Tensor:
        parts = []
        for centre, start in zip(m, angles, strict=True):
            y = x - torch.from_numpy(centre)
            r = torch.linalg.vector_norm(y, dim=1)
            away = torch.atan2(y[:, 1], y[:, 0]) - start
            away = away - 2 * math.pi * torch.round(away / (2 * math.pi))
            around = torch.logsumexp(torch.stack([_normal((away + 2 * math.pi * j) / spread) for j in (-1, 0, 1)]), 0)
            along = torch.logsumexp(torch.stack([_normal((r - radius) / width), _normal((r + radius) / width)]), 0)
            parts.append(around + along - r.log() - math.log(spread * width * len(m)))
        return torch.logsumexp(torch.stack(parts), 0)

    return by_density(name, sample, log_density)


def shell(radius: float, width: float) -> Law:
    """A shell in three dimensions: the density is a Gaussian of |x| around `radius`."""
    r = np.linspace(1e-9, radius + 10 * width, 40_001)
    mass = math.log(float((4 * math.pi * r * r * np.exp(-((r - radius) ** 2) / (2 * width**2))).sum() * (r[1] - r[0])))
    along = line(lambda s: 2 * np.log(s) - (s - radius) ** 2 / (2 * width**2), 1e-9, radius + 10 * width)[0]

    def sample(rng: Any, n: int) -> np.ndarray:
        v = rng.normal(size=(n, 3))
        return v / np.linalg.norm(v, axis=1, keepdims=True) * along(rng, n)[:, None]

    def log_density(x: Tensor) -> Tensor:
        return -((torch.linalg.vector_norm(x, dim=1) - radius) ** 2) / (2 * width**2) - mass

    return by_density(f"shell {radius:g}, {width:g}", sample, log_density)


def box(side: float, soft: float, d: int) -> Law:
    """A uniform law on a cube plus Gaussian noise: flat inside, steep at its sides."""

    def sample(rng: Any, n: int) -> np.ndarray:
        return side * (rng.random((n, d)) - 0.5) + soft * rng.normal(size=(n, d))

    def log_density(x: Tensor) -> Tensor:
        a = x.abs()  # both tails small: no cancellation on the outer side
        top, bottom = (torch.special.log_ndtr((sign * side / 2 - a) / soft) for sign in (1, -1))
        return (top + torch.log1p(-torch.exp(bottom - top)) - math.log(side)).sum(1)

    return by_density(f"soft box d = {d}", sample, log_density)


def renamed(name: str, law: Law) -> Law:
    """The same law with another name."""
    return Law(name, law.sample, law.entropy, law.dissipation)


@cache
def held_out() -> tuple[Law, ...]:
    """The laws; their truths take some seconds."""
    return (
        gaussian(3.0), gaussian(2, 2), gaussian(10, 0.1, angle=-0.35), gaussian(4, 0.25, 0.25),
        gaussian(10, 0.1, 0.1, angle=1.1), gaussian(3, 1, 0.3, 2, 0.5, 1),
        renamed("double well × parabola, T = 0.3", double_well(0.3, flat=True)),
        renamed("double well × parabola, T = 1", double_well(1.0, flat=True)),
        renamed("ring 3, 0.3", ring(3, 0.3)), renamed("ring 1, 0.25", ring(1, 0.25)),
        warped_gaussian("banana 0.6, 1.2, 0.4, turned", (1.2, 0.4), lambda x: 0.6 * (x * x - 1.44)),
        warped_gaussian("banana d = 3", (1.2, 0.5, 0.7), lambda x: 0.5 * (x * x - 1.44)),
        warped_gaussian("wave", (1.5, 0.3), _wave),
        warped_double_well(0.4, 0.5),
        arcs("arc", [[0, 0]], [0.5], 0.8, 2.0, 0.25),
        arcs("two arcs", [[0, 0], [1, 0.6]], [math.pi / 2, -math.pi / 2], 0.7, 1.2, 0.2),
        shell(1.5, 0.4),
        skewed(4.0), skewed(5.0, -3.0), skewed(4.0, 2.0, -6.0), peaked(0.6, 1.5),
        peaked(0.5, 1.0, 2.0), gumbel(0.5, 1.0),
        tails(5, 1.0), tails(5, 1.0, 0.4), tails(5, 1.0, 0.5, 2.0),
        mixture("mixture d = 1", [0.25, 0.6, 0.15], [[-1.5], [0.5], [2.5]], [[[0.04]], [[0.4]], [[0.1]]]),
        mixture("mixture d = 2", [0.5, 0.3, 0.2], [[-1, 0], [1.5, 1], [1, -1.5]],
                [[[0.5, 0.3], [0.3, 0.4]], [[0.1, 0], [0, 0.6]], [[0.3, -0.2], [-0.2, 0.2]]]),
        mixture("mixture d = 3", [0.6, 0.4], [[-1, 0, 0], [1.2, 1, 0.5]],
                [[[0.5, 0.2, 0], [0.2, 0.4, 0], [0, 0, 0.8]], np.diag([0.2, 0.6, 0.2])]),
        mixture("mixture d = 5", [0.5, 0.5], [[-1.2, 0, 0, 0, 0], [1.2, 0.5, 0, 0, 0]],
                [np.diag([0.4, 1, 0.6, 1, 0.5]), np.diag([0.5, 0.5, 1, 0.6, 1])]),
        box(3.0, 0.3, 1), box(3.0, 0.4, 2),
    )  # fmt: skip
