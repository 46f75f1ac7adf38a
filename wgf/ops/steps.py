"""Schemes as plain numbers, for compiled stretches of steps: bodies, which `wgf.ops.bodies` has too.

What depends on the temperature of the noise is an array with one row for every step, or a single one: see `heated`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from .linalg import of_spectrum


class RungeKutta(NamedTuple):
    """An explicit Runge–Kutta step: h aᵢⱼ (s, s) and h bᵢ (s,) in the dtype of the particles, and bᵢ, cᵢ in float64."""

    a: Any
    b: Any
    quadrature: Any
    nodes: Any  # when a step evaluates ∇F, in fractions of its length
    ending: bool = False  # whether a single step evaluates ∇F at its end too

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return len(self.b)

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 2.0 * n * d * self.stages


class AdaptiveRungeKutta(NamedTuple):
    """An explicit Runge–Kutta pair of three stages that chooses its steps; `wgf.solvers.BogackiShampine` says how.

    `control` is read at the start of a stretch and written at its end: the time t, the proposed length, the error
    before, how many steps were taken, how many were tried. A stretch ends where the number of the step and the time
    have reached both numbers of a row of `marks`, and before a step that needs a closer look.
    """

    a: Any  # aᵢⱼ (3, 3), bᵢ (3,), the weights of the error (4,), all in float64
    b: Any
    error: Any
    tolerances: Any  # relative, absolute
    controller: Any  # safety, least and largest factor, exponents of the error now and before
    quadrature: Any  # bᵢ
    end: float  # t_end, and the length of which rounding is a part
    unit: float
    control: Any
    marks: Any  # (m, 2)
    lengths: Any  # of the steps taken (count,)

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length: F does not depend on t."""
        return (0.0,)

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 3

    def between(self, t: float, memory: tuple[float, float], end: float, marks: Any, most: int) -> AdaptiveRungeKutta:
        """The body of a stretch of at most so many steps from t on, with the proposal and the error of its memory."""
        control, limits = np.array([t, *memory, 0.0, 0.0]), np.array(marks, np.float64).reshape(-1, 2)
        return self._replace(end=end, control=control, marks=limits, lengths=np.empty(most))

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 200.0 + 12.0 * n * d


class Langevin(NamedTuple):
    """x' = x − h ∇E + scale·ξ, with h and scale (k,) in the dtype of the particles and ξ by `law`."""

    law: Any
    h: Any
    heat: float  # what T is multiplied by to give scale²
    scale: Any = None

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0,)

    def heated(self, temperatures: np.ndarray) -> Langevin:
        """The body at these temperatures (k,)."""
        return self._replace(scale=np.sqrt(temperatures * self.heat).astype(self.h.dtype))

    @property
    def quadrature(self) -> None:
        """None: the ledger estimates the dissipation."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 100.0 + 6.0 * n * d


class ExponentialEuler(NamedTuple):
    """x' = x − pull·∇E + spread·ξ, with arrays pull (d,) and spread (k, d) in the dtype of the particles."""

    law: Any
    pull: Any
    heat: float  # √(T·heat) times `shape` (d,), float64, is the spread
    shape: Any
    spread: Any = None

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0,)

    def heated(self, temperatures: np.ndarray) -> ExponentialEuler:
        """The body at these temperatures (k,)."""
        spread = np.sqrt(temperatures * self.heat)[:, None] * self.shape
        return self._replace(spread=spread.astype(self.pull.dtype))

    @property
    def quadrature(self) -> None:
        """None: the ledger estimates the dissipation."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 100.0 + 8.0 * n * d


class TurnedExponentialEuler(NamedTuple):
    """`ExponentialEuler` with matrices pull (1, d²) and spread (k, d²), in the dtype of the particles."""

    law: Any
    pull: Any
    zeros: tuple[float, ...]  # d
    heat: float  # √(T·heat) times `shape` (d,) are the eigenvalues of the spread, `vectors` (d, d) its eigenvectors
    shape: Any
    vectors: Any
    spread: Any = None

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0,)

    def heated(self, temperatures: np.ndarray) -> TurnedExponentialEuler:
        """The body at these temperatures (k,)."""
        sizes = torch.from_numpy(np.sqrt(temperatures * self.heat)[:, None] * self.shape)
        made = [of_spectrum(size, torch.from_numpy(self.vectors)).numpy().ravel() for size in sizes]
        return self._replace(spread=np.stack(made).astype(self.pull.dtype))

    @property
    def quadrature(self) -> None:
        """None: the ledger estimates the dissipation."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 100.0 + n * d * (8.0 + d)


class LeimkuhlerMatthews(NamedTuple):
    """x' = x − h ∇E + half·(ξ_k + ξ_{k+1}), with h and half (k,) in the dtype of the particles. ξ_k is the memory."""

    law: Any
    h: Any
    heat: float  # what T is multiplied by to give half²
    half: Any = None

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0,)

    def heated(self, temperatures: np.ndarray) -> LeimkuhlerMatthews:
        """The body at these temperatures (k,)."""
        return self._replace(half=np.sqrt(temperatures * self.heat).astype(self.h.dtype))

    @property
    def quadrature(self) -> None:
        """None: the ledger estimates the dissipation."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 100.0 + 8.0 * n * d


class Underdamped(NamedTuple):
    """Half a kick, half a drift, friction with noise, half a drift, half a kick. Momenta are the memory.

    Numbers are in the dtype of the particles: h/2, the part of the momenta that is kept, the size of the noise (k,).
    """

    law: Any
    half: Any
    kept: Any
    heat: float  # what T, in the middle of the step, is multiplied by to give spread²
    spread: Any = None

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0, 1.0)

    def heated(self, temperatures: np.ndarray) -> Underdamped:
        """The body at these temperatures (k,)."""
        return self._replace(spread=np.sqrt(temperatures * self.heat).astype(self.half.dtype))

    @property
    def quadrature(self) -> None:
        """None: the ledger estimates the dissipation."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 100.0 + 9.0 * n * d


class Damped(NamedTuple):
    """`Underdamped` without noise. `quadrature` (1,) is the weight of ∫|p|² before the friction in the dissipation."""

    half: Any
    kept: Any
    quadrature: Any

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0, 1.0)

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 3.0 * n * d


class Stein(NamedTuple):
    """x' = x + h·(Stein direction), for a radial kernel and scores −∇E/T. `wgf.ops.stein_body` makes it."""

    pair: Any  # the formula, a `wgf.ops.bodies.Pair`; its sums are multiplied by T times the scale of the kernel
    weights: Any  # relative weights in the dtype of the particles, or None where they are equal
    dims: tuple[int, ...]  # zeros, one for each dimension
    temperature: Any  # T and h, in the dtype of the particles
    h: Any
    median: Any = None  # a `wgf.ops.distances.MedianRule` that renews the Gaussian at every step
    team: Any = None  # memory that two threads share, or None for one thread

    @property
    def nodes(self) -> tuple[float, ...]:
        """When a step evaluates ∇F, in fractions of its length."""
        return (0.0,)

    @property
    def quadrature(self) -> None:
        """None: the ledger takes the dissipation at records."""
        return None

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return 1

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        renewing = 0.0 if self.median is None else len(self.median.rows) ** 2 * (1.5 + 0.05 * d)
        return 1000.0 + renewing + n * (20.0 + n * (0.03 + 0.05 * d) * (1.0 if self.h.dtype.itemsize == 4 else 3.0))


MEETING = (Stein, AdaptiveRungeKutta)
"""Schemes in which particles meet."""
ENDING = (Underdamped, Damped)
"""Schemes that evaluate ∇F at their end."""
REMEMBERING = (LeimkuhlerMatthews, Underdamped, Damped)
"""Schemes with a memory (n, d), in the dtype of the particles."""
