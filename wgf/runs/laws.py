"""The laws from which a configuration draws its first particles: `initial = { law = "gaussian", cov = 4.0 }`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from ..domains import Sphere as OnSphere
from ..errors import ConfigError, ShapeError
from ..extension import Numbers, Registry
from ..measure import Ensemble, as_numbers


class Law(ABC):
    """A law of the first particles. To add another, write a dataclass here; its fields are its settings."""

    @abstractmethod
    def draw(self, n: int, dim: int, seed: int) -> Ensemble:
        """n particles of dimension `dim`, float64; ConfigError or ShapeError where settings do not fit."""

    @property
    def count(self) -> int | None:
        """The number of particles that the settings fix; None where they fix none."""
        return None

    @property
    def dim(self) -> int | None:
        """The dimension that the settings fix; None where they fix none."""
        lengths = [len(value) for value in vars(self).values() if isinstance(value, (list, tuple))]
        return max(lengths, default=None)


@dataclass(frozen=True)
class Gaussian(Law):
    """Independent samples of N(mean, cov): a number or one per dimension; cov may also be a matrix."""

    mean: Numbers = 0.0
    cov: Numbers = 1.0

    def draw(self, n: int, dim: int, seed: int) -> Ensemble:
        return Ensemble.gaussian(n, dim, self.mean, self.cov, seed)


@dataclass(frozen=True)
class Uniform(Law):
    """Independent samples of the uniform law on a box; its bounds are numbers or one per dimension."""

    low: Numbers = 0.0
    high: Numbers = 1.0

    def draw(self, n: int, dim: int, seed: int) -> Ensemble:
        return Ensemble.uniform(n, dim, self.low, self.high, seed)


@dataclass(frozen=True)
class Sphere(Law):
    """Independent samples of the uniform law on the sphere |x| = radius."""

    radius: float = 1.0

    def draw(self, n: int, dim: int, seed: int) -> Ensemble:
        return OnSphere(self.radius).uniform(n, dim, seed)


@dataclass(frozen=True)
class Given(Law):
    """The particles themselves, one row each, with weights by choice."""

    x: Numbers
    weights: Numbers = None

    def __post_init__(self) -> None:
        rows = as_numbers("given: x", self.x)
        if rows.ndim != 2 or not rows.numel():
            raise ShapeError(f"given: x has shape {tuple(rows.shape)}; wanted a list of particles, each a list.")

    @property
    def count(self) -> int:
        return len(self.x)

    @property
    def dim(self) -> int:
        return len(self.x[0])

    def draw(self, n: int, dim: int, seed: int) -> Ensemble:
        x = as_numbers("given: x", self.x)
        if n != len(x):
            raise ConfigError(f"problem.particles = {n}, and initial.x has {len(x)} points; leave `particles` out.")
        weights = None if self.weights is None else as_numbers("given: weights", self.weights)
        return Ensemble(x.to(torch.float64), weights)


def _lower(cls: Any) -> str:
    return str(cls.__name__).lower()


REGISTRY: Registry[Law] = Registry("initial law", Law, globals(), name=_lower)
"""The laws by the names that a file gives them."""
