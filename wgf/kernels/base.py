"""What a kernel is, and the algebra of kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import ShapeError, require_number


class Exponential(NamedTuple):
    """A term p(s) e^(−s), or p(s) where it does not decay, with s = rate · |u| and p(s) = p₀ + p₁s + p₂s²."""

    polynomial: tuple[float, float, float]
    rate: float
    decays: bool = True

    def times(self, factor: float) -> Exponential:
        """The term multiplied by a number."""
        p0, p1, p2 = self.polynomial
        return self._replace(polynomial=(factor * p0, factor * p1, factor * p2))


class Kernel(ABC):
    """A function K(x, y), most often of the difference u = x − y.

    `2 * Gaussian(1.0) - Gaussian(0.5)` is a kernel again.
    """

    __array_ufunc__ = None  # numpy scalars on the left leave the product to us
    by_moments: ClassVar[bool] = False
    """Whether `sums` is O(n·d) by itself."""
    radial: ClassVar[bool] = False
    """Whether K(x, y) is a function of |x − y|, which `profile` gives."""
    positive_definite: ClassVar[bool] = False
    """Whether ∬ K dν dν ≥ 0 for every signed ν; False where that is not known."""

    @property
    def singular(self) -> bool:
        """Whether K is infinite at u = 0; then the self pair is left out of sums."""
        return False

    @property
    def kinked(self) -> bool:
        """Whether ∇K jumps at u = 0, so that no Fourier series of it converges."""
        return False

    @property
    def family(self) -> str:
        """The name of the formula, by which a table of costs knows how long a pair takes."""
        return type(self).__name__

    @abstractmethod
    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        """Σⱼ wⱼ K(xᵢ, yⱼ) (m,) float64 and its gradient in xᵢ (m, d), for x (m, d), y (n, d), weights (n,).

        `same` says that x and y are the same particles row by row, so that a singular kernel can leave out i = j.
        Memory is O((m + n)·d); the bits do not depend on the number of threads.
        """

    @abstractmethod
    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        """K(x, y) (...) for x and y of shape (..., d), which broadcast."""

    def __call__(self, x: Any, y: Any = 0.0) -> Tensor:
        """K(x, y) (...) row by row, for points x and y of shape (..., d); y = 0 gives K of the difference x."""
        points = torch.as_tensor(x)
        if not points.ndim:
            raise ShapeError(f"{type(self).__name__}: x has no axes; wanted points of shape (..., d).")
        return self._value(points, torch.as_tensor(y, dtype=points.dtype, device=points.device))

    def profile(self, q: Tensor) -> Tensor:
        """K as a function of q = |u|² (float64, any shape), where the kernel is radial."""
        raise NotImplementedError(f"{self!r} is no function of the distance")

    def exponentials(self) -> tuple[Exponential, ...] | None:
        """On a line, K as a sum of polynomials times exponentials of |u|; None where it is none."""
        return None

    def __add__(self, other: Kernel) -> Kernel:
        return KernelSum((*_parts(self), *_parts(other))) if isinstance(other, Kernel) else NotImplemented

    def __sub__(self, other: Kernel) -> Kernel:
        return self + -1.0 * other if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, factor: float) -> Kernel:
        scale = require_number("kernel factor", factor)
        return KernelSum(tuple((scale * c, k) for c, k in _parts(self)))

    __rmul__ = __mul__

    def __neg__(self) -> Kernel:
        return -1.0 * self


def _parts(kernel: Kernel) -> tuple[tuple[float, Kernel], ...]:
    return kernel.parts if isinstance(kernel, KernelSum) else ((1.0, kernel),)


@dataclass(frozen=True)
class KernelSum(Kernel):
    """Σ cₖ Kₖ."""

    parts: tuple[tuple[float, Kernel], ...]

    @property
    def singular(self) -> bool:
        return any(kernel.singular for _, kernel in self.parts)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        value, gradient = torch.zeros(len(x), dtype=torch.float64, device=x.device), torch.zeros_like(x)
        for factor, kernel in self.parts:
            v, g = kernel.sums(x, y, weights, same)
            value, gradient = value + factor * v, gradient + factor * g
        return value, gradient

    @property
    def kinked(self) -> bool:
        return any(kernel.kinked for _, kernel in self.parts)

    @property
    def by_moments(self) -> bool:  # type: ignore[override]
        return all(kernel.by_moments for _, kernel in self.parts)

    @property
    def radial(self) -> bool:  # type: ignore[override]
        return all(kernel.radial for _, kernel in self.parts)

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return all(factor >= 0 and kernel.positive_definite for factor, kernel in self.parts)

    def profile(self, q: Tensor) -> Tensor:
        total = torch.zeros_like(q)
        for factor, kernel in self.parts:
            total = total + factor * kernel.profile(q)
        return total

    def exponentials(self) -> tuple[Exponential, ...] | None:
        terms: list[Exponential] = []
        for factor, kernel in self.parts:
            own = kernel.exponentials()
            if own is None:
                return None
            terms += [term.times(factor) for term in own]
        return tuple(terms)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([factor * kernel._value(x, y) for factor, kernel in self.parts]).sum(0)

    def __repr__(self) -> str:
        return " + ".join(f"{factor:g} * {kernel!r}" for factor, kernel in self.parts)
