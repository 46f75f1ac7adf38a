"""Closed forms of |x − y|, summed over all pairs by `wgf.ops.pair_sums`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_number
from ..ops import forms
from ..ops.cpu.radial import compiled_form
from .base import Exponential, Kernel


class _Radial(Kernel):
    """A closed form of q = |u|² + δ², by its number in `wgf.ops.forms`."""

    form: int
    softening: float = 0.0
    diverges = False  # infinite at q = 0
    scale = 1.0
    radial = True

    def _parameters(self) -> tuple[float, ...]:
        return ()

    def _check_dim(self, dim: int) -> None:
        """Overridden by kernels that belong to one dimension."""

    @property
    def singular(self) -> bool:
        return self.diverges and self.softening == 0.0

    @property
    def kinked(self) -> bool:
        return self.softening == 0.0 and self.form in (forms.MATERN12, forms.MORSE, forms.DISTANCE)

    @property
    def family(self) -> str:
        return type(compiled_form(self.form, self._parameters(), np.dtype(np.float64))[0]).__name__

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        self._check_dim(x.shape[1])
        leave_out = same and self.singular
        value, gradient = ops.pair_sums(x, y, weights, self.form, self._parameters(), self.softening, leave_out)
        return (value, gradient) if self.scale == 1.0 else (self.scale * value, self.scale * gradient)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = x - y
        self._check_dim(u.shape[-1])
        return self.profile((u * u).sum(-1))

    def profile(self, q: Tensor) -> Tensor:
        return self.scale * forms.evaluate(self.form, self._parameters(), q + self.softening**2)[0]


@dataclass(frozen=True)
class Gaussian(_Radial):
    """exp(−|u|²/(2h²)); h is the standard deviation, in the units of x."""

    h: float
    form = forms.GAUSSIAN
    positive_definite = True

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.h),)


@dataclass(frozen=True)
class Matern(_Radial):
    """With s = √(2ν)|u|/h: e⁻ˢ, (1 + s)e⁻ˢ or (1 + s + s²/3)e⁻ˢ for ν = 1/2, 3/2, 5/2 (Rasmussen & Williams 2006)."""

    nu: float
    h: float
    positive_definite = True

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)
        if self.nu not in (0.5, 1.5, 2.5):
            raise ConfigError(f"Matern nu = {self.nu!r}: wanted 0.5, 1.5 or 2.5, which have closed forms.")

    @property
    def form(self) -> int:  # type: ignore[override]
        return {0.5: forms.MATERN12, 1.5: forms.MATERN32, 2.5: forms.MATERN52}[self.nu]

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.h),)

    def exponentials(self) -> tuple[Exponential, ...]:
        polynomial = {0.5: (1.0, 0.0, 0.0), 1.5: (1.0, 1.0, 0.0), 2.5: (1.0, 1.0, 1.0 / 3.0)}[self.nu]
        return (Exponential(polynomial, math.sqrt(2.0 * self.nu) / self.h),)


@dataclass(frozen=True)
class Laplace(Matern):
    """exp(−|u|/h), the Matérn kernel with ν = 1/2."""

    nu: float = field(default=0.5, init=False, repr=False)
    h: float


@dataclass(frozen=True)
class InverseMultiquadric(_Radial):
    """(1 + |u|²/h²)^(−p)."""

    h: float
    p: float = 0.5
    form = forms.MULTIQUADRIC
    positive_definite = True

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

    def exponentials(self) -> tuple[Exponential, ...]:
        return Exponential((self.Cr, 0.0, 0.0), 1.0 / self.lr), Exponential((-self.Ca, 0.0, 0.0), 1.0 / self.la)


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

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return self.softening > 0

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
    def positive_definite(self) -> bool:  # type: ignore[override]
        return self.d >= 3 and self.softening > 0

    @property
    def scale(self) -> float:  # type: ignore[override]
        if self.d == 1:
            return -0.5
        sphere = 2.0 * math.pi ** (self.d / 2) / math.gamma(self.d / 2)
        return 1.0 / sphere if self.d == 2 else 1.0 / ((self.d - 2) * sphere)

    def _parameters(self) -> tuple[float, ...]:
        return (self.d - 2.0,) if self.d >= 3 else ()

    def exponentials(self) -> tuple[Exponential, ...] | None:
        line = Exponential((0.0, self.scale, 0.0), 1.0, decays=False)
        return (line,) if self.d == 1 and self.softening == 0.0 else None

    def _check_dim(self, dim: int) -> None:
        if dim != self.d:
            raise ShapeError(f"Newtonian({self.d}) was given particles of dimension {dim}; use Newtonian({dim}).")
