"""Terms and schemes as plain numbers, for compiled stretches of steps: what a body is, without the code that runs it.

A *body* is a named tuple. Its class names the compiled function (`wgf.ops.cpu.gradients`, `wgf.ops.cpu.stretch`), its
fields are the numbers of one run. A term or a scheme that has no compiled form has no body.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SUMMED = 8
"""Up to this dimension the sums of one particle have one order of additions on every path."""
BLOCK = 2048
"""Particles in one sum; a stretch of terms in which particles meet has at most so many."""

# ------------------------------------------------------------------------------------------------ terms


class Quadratic(NamedTuple):
    """∇V = k(x − c), with numbers k and c in the dtype of the particles."""

    stiffness: Any
    center: Any

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 0.5 * n * d


class Diagonal(NamedTuple):
    """∇V = k(x − c) in every coordinate, with arrays k and c (d,) in the dtype of the particles."""

    stiffness: Any
    center: Any

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return 1.5 * n * d


class Rows(NamedTuple):
    """∇V by a compiled function of the user, at this address."""

    address: Any

    @property
    def separable(self) -> bool:
        """Whether particles do not meet in this term."""
        return True

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one gradient, roughly."""
        return n * (10.0 + 5.0 * d)


# ------------------------------------------------------------------------------------------------ schemes


class RungeKutta(NamedTuple):
    """An explicit Runge–Kutta step: h aᵢⱼ (s, s) and h bᵢ (s,) in the dtype of the particles, and bᵢ in float64."""

    a: Any
    b: Any
    quadrature: Any

    @property
    def stages(self) -> int:
        """How often a step evaluates ∇F."""
        return len(self.b)

    def nanoseconds(self, n: int, d: int) -> float:
        """The time of one step without ∇F, roughly."""
        return 2.0 * n * d * self.stages


class Langevin(NamedTuple):
    """x' = x − h ∇E + scale·ξ, with h and scale in the dtype of the particles and ξ by `law`."""

    law: Any
    h: Any
    scale: Any

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
