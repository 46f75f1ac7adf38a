"""Kernels W(x − y) as users name them: closed forms, scaled and added like terms, summed over particles."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from . import ops
from .errors import ConfigError, ShapeError, require_integer, require_number
from .ops import forms, reference


class Kernel(ABC):
    """A function K(x, y), most often of the difference u = x − y.

    `2 * Gaussian(1.0) - Gaussian(0.5)` is a kernel again.
    """

    __array_ufunc__ = None  # numpy scalars on the left leave the product to us

    @property
    def singular(self) -> bool:
        """Whether K is infinite at u = 0; then the self pair is left out of sums."""
        return False

    @abstractmethod
    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        """Σⱼ wⱼ K(xᵢ, yⱼ) (m,) float64 and its gradient in xᵢ (m, d), for x (m, d), y (n, d), weights (n,).

        `same` says that x and y are the same particles row by row, so that a singular kernel can leave out i = j.
        Memory is O((m + n)·d); the bits do not depend on the number of threads.
        """

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        """K(x, y) row by row for x of shape (..., d)."""

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

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        return torch.stack([factor * kernel(x, y) for factor, kernel in self.parts]).sum(0)

    def __repr__(self) -> str:
        return " + ".join(f"{factor:g} * {kernel!r}" for factor, kernel in self.parts)


class _Radial(Kernel):
    """A closed form of q = |u|² + δ², by its number in `wgf.ops.forms`."""

    form: int
    softening: float = 0.0
    diverges = False  # infinite at q = 0
    scale = 1.0

    def _parameters(self) -> tuple[float, ...]:
        return ()

    def _check_dim(self, dim: int) -> None:
        """Overridden by kernels that belong to one dimension."""

    @property
    def singular(self) -> bool:
        return self.diverges and self.softening == 0.0

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        self._check_dim(x.shape[1])
        leave_out = same and self.singular
        value, gradient = ops.pair_sums(x, y, weights, self.form, self._parameters(), self.softening, leave_out)
        return (value, gradient) if self.scale == 1.0 else (self.scale * value, self.scale * gradient)

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        u = torch.as_tensor(x) - y
        self._check_dim(u.shape[-1])
        return self.scale * forms.evaluate(self.form, self._parameters(), (u * u).sum(-1) + self.softening**2)[0]


@dataclass(frozen=True)
class Gaussian(_Radial):
    """exp(−|u|²/(2h²)); h is the standard deviation, in the units of x."""

    h: float
    form = forms.GAUSSIAN

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.h),)


@dataclass(frozen=True)
class Matern(_Radial):
    """With s = √(2ν)|u|/h: e⁻ˢ, (1 + s)e⁻ˢ or (1 + s + s²/3)e⁻ˢ for ν = 1/2, 3/2, 5/2 (Rasmussen & Williams 2006)."""

    nu: float
    h: float

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)
        if self.nu not in (0.5, 1.5, 2.5):
            raise ConfigError(f"Matern nu = {self.nu!r}: wanted 0.5, 1.5 or 2.5, which have closed forms.")

    @property
    def form(self) -> int:  # type: ignore[override]
        return {0.5: forms.MATERN12, 1.5: forms.MATERN32, 2.5: forms.MATERN52}[self.nu]

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.h),)


def Laplace(h: float) -> Matern:
    """exp(−|u|/h), the Matérn kernel with ν = 1/2."""
    return Matern(0.5, h)


@dataclass(frozen=True)
class InverseMultiquadric(_Radial):
    """(1 + |u|²/h²)^(−p)."""

    h: float
    p: float = 0.5
    form = forms.MULTIQUADRIC

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)
        require_number("p", self.p, positive=True)

    def _parameters(self) -> tuple[float, ...]:
        return float(self.h), float(self.p)


@dataclass(frozen=True)
class Morse(_Radial):
    """Cr exp(−|u|/lr) − Ca exp(−|u|/la): repulsion of range lr, attraction of range la (D'Orsogna et al. 2006)."""

    Cr: float
    lr: float
    Ca: float
    la: float
    form = forms.MORSE

    def __post_init__(self) -> None:
        for name in ("Cr", "Ca"):
            require_number(name, getattr(self, name))
        for name in ("lr", "la"):
            require_number(name, getattr(self, name), positive=True)

    def _parameters(self) -> tuple[float, ...]:
        return float(self.Cr), float(self.lr), float(self.Ca), float(self.la)


@dataclass(frozen=True)
class Log(_Radial):
    """−log|u|: repulsive, singular unless `softening` δ > 0 replaces |u|² by |u|² + δ². `-c * Log()` attracts."""

    softening: float = 0.0
    form = forms.LOG
    diverges = True

    def __post_init__(self) -> None:
        require_number("softening", self.softening, nonnegative=True)


@dataclass(frozen=True)
class Riesz(_Radial):
    """|u|^(−s), s > 0; singular unless softened."""

    s: float
    softening: float = 0.0
    form = forms.RIESZ
    diverges = True

    def __post_init__(self) -> None:
        require_number("s", self.s, positive=True)
        require_number("softening", self.softening, nonnegative=True)

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.s),)


@dataclass(frozen=True)
class Newtonian(_Radial):
    """Fundamental solution of −Δ in d dimensions: −|u|/2, −log|u|/(2π), |u|^(2−d)/((d−2)ω_d).

    ω_d = 2π^(d/2)/Γ(d/2) is the area of the unit sphere. Singular for d ≥ 2 unless softened.
    """

    d: int
    softening: float = 0.0

    def __post_init__(self) -> None:
        require_integer("Newtonian d", self.d, low=1)
        require_number("softening", self.softening, nonnegative=True)

    @property
    def form(self) -> int:  # type: ignore[override]
        return {1: forms.DISTANCE, 2: forms.LOG}.get(self.d, forms.RIESZ)

    @property
    def diverges(self) -> bool:  # type: ignore[override]
        return self.d >= 2

    @property
    def scale(self) -> float:  # type: ignore[override]
        if self.d == 1:
            return -0.5
        sphere = 2.0 * math.pi ** (self.d / 2) / math.gamma(self.d / 2)
        return 1.0 / sphere if self.d == 2 else 1.0 / ((self.d - 2) * sphere)

    def _parameters(self) -> tuple[float, ...]:
        return (self.d - 2.0,) if self.d >= 3 else ()

    def _check_dim(self, dim: int) -> None:
        if dim != self.d:
            raise ShapeError(f"Newtonian({self.d}) was given particles of dimension {dim}; use Newtonian({dim}).")


@dataclass(frozen=True)
class QuadraticKernel(Kernel):
    """strength · |u|²/2, summed by moments in O(n·d)."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        u, v = x - y[0], y - y[0]  # any origin near the particles saves the digits that a far centre would cost
        columns = torch.cat([torch.ones_like(v[:, :1]), v, (v * v).sum(1, keepdim=True)], dim=1).double()
        moments = ops.weighted_sum(weights, columns)
        mass, first, second = moments[0], moments[1:-1], moments[-1]
        value = 0.5 * (mass * (u * u).sum(1) - 2 * (u * first).sum(1) + second)
        return self.strength * value, (self.strength * (mass * u - first)).to(x.dtype)

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        u = torch.as_tensor(x) - y
        return 0.5 * self.strength * (u * u).sum(-1)


@dataclass(frozen=True)
class Cosine(Kernel):
    """−strength · Σⱼ cos uⱼ: the Kuramoto interaction of angles (Kuramoto 1975), summed by moments in O(n·d)."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            c, s, cy, sy = torch.cos(x), torch.sin(x), torch.cos(y), torch.sin(y)
        moments = ops.weighted_sum(weights, torch.cat([cy, sy], dim=1).double())
        mc, ms = moments[: x.shape[1]], moments[x.shape[1] :]
        return -self.strength * (c * mc + s * ms).sum(1), (self.strength * (s * mc - c * ms)).to(x.dtype)

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        return -self.strength * torch.cos(torch.as_tensor(x) - y).sum(-1)


@dataclass(frozen=True)
class Linear(Kernel):
    """x·y + 1; not a function of the difference. With it the Stein flow is exact on Gaussians (Liu & Wang 2018)."""

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        moments = ops.weighted_sum(weights, torch.cat([torch.ones_like(y[:, :1]), y], dim=1).double())
        value = (x * moments[1:]).sum(1) + moments[0]
        return value, moments[1:].to(x.dtype).expand_as(x).clone()

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        return (torch.as_tensor(x) * y).sum(-1) + 1.0


@dataclass(frozen=True)
class RadialKernel(Kernel):
    """The user's function of r² = |u|² in torch; autograd gives the force.

    `fn` maps a float64 tensor of squared distances to a tensor of the same shape. It runs in one torch thread, block
    by block, so that its bits do not depend on the number of threads.

    >>> import torch
    >>> RadialKernel(lambda q: 1 / (1 + q))(torch.ones(1, 2))
    tensor([0.3333])
    """

    fn: Callable[[Tensor], Tensor]
    infinite_at_zero: bool = field(default=False, kw_only=True)

    @property
    def singular(self) -> bool:
        return self.infinite_at_zero

    def _form(self, q: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            q = q.detach().requires_grad_()
            k: Any = self.fn(q)
            if not isinstance(k, Tensor) or k.shape != q.shape:
                raise ShapeError(
                    f"RadialKernel: fn returned {_describe(k)} for r² of shape {tuple(q.shape)}; wanted the same shape."
                )
            slope = torch.zeros_like(q) if not k.requires_grad else torch.autograd.grad(k.sum(), q)[0]
        # at u = 0 the force is zero by symmetry, whatever the derivative of fn is there
        return k.detach(), 2.0 * torch.where(q == 0, torch.zeros_like(slope), slope)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            value, gradient = reference.radial_sums(
                self._form, x.double(), y.double(), weights.double(), same and self.singular
            )
        return value, gradient.to(x.dtype)

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        u = torch.as_tensor(x) - y
        return self.fn((u * u).sum(-1))


def _describe(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
