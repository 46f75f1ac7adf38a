"""Kernels with a closed form in the distance |x − y|, summed over all pairs by `wgf.ops.pair_sums`.

u = x − y throughout. h and other ranges are lengths in the units of x. A softening δ > 0, a length too, replaces |u|²
by |u|² + δ²: the kernel is then finite and smooth at u = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_number
from ..ops import forms
from ..ops.cpu.radial import compiled_form
from .base import Exponential, Kernel


class _Radial(Kernel):
    """A closed form of q = |u|² + δ², given by its number in `wgf.ops.forms`."""

    form: int
    softening: float = 0.0
    diverges = False  # whether the form is infinite at q = 0
    scale = 1.0
    radial = True

    def _parameters(self) -> tuple[float, ...]:
        """The numbers of the form, in the order of `wgf.ops.forms`."""
        return ()

    def _check_dim(self, dim: int) -> None:
        """Refuse particles of a dimension that the kernel is not made for; most kernels accept all."""

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

    def __call__(self, x: Tensor, y: Tensor | float = 0.0) -> Tensor:
        u = torch.as_tensor(x) - y
        self._check_dim(u.shape[-1])
        return self.profile((u * u).sum(-1))

    def profile(self, q: Tensor) -> Tensor:
        return self.scale * forms.evaluate(self.form, self._parameters(), q + self.softening**2)[0]


@dataclass(frozen=True)
class Gaussian(_Radial):
    """A Gaussian of the distance, exp(−|u|²/(2h²)); it repels, with a force of range h that is strongest at |u| = h.

    Parameters
    ----------
    h : float
        Bandwidth: the standard deviation of the bump, a length in the units of x, > 0.

    Raises
    ------
    ConfigError
        If h is not a positive number.

    Notes
    -----
    Smooth and positive definite: `Stein` and `KSD` accept it. Sums include the self pair.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 4.2.

    Examples
    --------
    >>> import torch, wgf
    >>> Gaussian(2.0)(torch.tensor([[2.0, 0.0]]))
    tensor([0.6065])
    >>> force = -wgf.energies.Interaction(Gaussian(2.0)).gradient(wgf.Ensemble([[0.0], [1.0]]))
    >>> force[1].item() > 0  # the particle on the right moves to the right: repulsion
    True
    """

    h: float
    form = forms.GAUSSIAN
    positive_definite = True

    def __post_init__(self) -> None:
        require_number("h", self.h, positive=True)

    def _parameters(self) -> tuple[float, ...]:
        return (float(self.h),)


@dataclass(frozen=True)
class Matern(_Radial):
    """A polynomial times an exponential of the distance, of smoothness ν; it repels, with a force of range h.

    With s = √(2ν)|u|/h: e⁻ˢ for ν = 1/2, (1 + s)e⁻ˢ for ν = 3/2, (1 + s + s²/3)e⁻ˢ for ν = 5/2.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5}
        Smoothness ν. Larger is smoother; the limit ν → ∞ is `Gaussian(h)`.
    h : float
        Length scale in the units of x, > 0.

    Raises
    ------
    ConfigError
        If nu is another number, or h is not positive.

    Notes
    -----
    Positive definite. For ν = 1/2 the force jumps at u = 0: method "fourier" and `Stein` refuse it. On a line all three
    can be summed exactly by sorting.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 4.2.

    Examples
    --------
    >>> import torch
    >>> Matern(1.5, 1.0)(torch.tensor([[0.0], [1.0], [2.0]]))  # decreases with the distance: repulsion
    tensor([1.0000, 0.4834, 0.1397])
    """

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
        return ((polynomial, math.sqrt(2.0 * self.nu) / self.h, True),)


def Laplace(h: float) -> Matern:
    """An exponential of the distance, exp(−|u|/h), which is `Matern(0.5, h)`; it repels, with a force of range h.

    Parameters
    ----------
    h : float
        Length over which the kernel falls by a factor e, in the units of x, > 0.

    Returns
    -------
    Matern
        The kernel.

    Raises
    ------
    ConfigError
        If h is not a positive number.

    Notes
    -----
    The force has the same strength on both sides of u = 0 and jumps there; see `Matern`.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 4.2.

    Examples
    --------
    >>> import torch
    >>> Laplace(2.0)(torch.tensor([[0.0], [2.0]]))
    tensor([1.0000, 0.3679])
    """
    return Matern(0.5, h)


@dataclass(frozen=True)
class InverseMultiquadric(_Radial):
    """An inverse power of one plus the squared distance, (1 + |u|²/h²)^(−p); it repels, and its force has a long range.

    Parameters
    ----------
    h : float
        Length scale in the units of x, > 0. Far away the kernel falls like (|u|/h)^(−2p).
    p : float, default 0.5
        Power, > 0.

    Raises
    ------
    ConfigError
        If h or p is not a positive number.

    Notes
    -----
    Smooth and positive definite: `Stein` and `KSD` accept it. For p < 1 the discrepancy KSD also detects samples that
    run away to infinity, unlike that of a Gaussian (Gorham & Mackey 2017).

    References
    ----------
    Gorham & Mackey (2017), Measuring sample quality with kernels, ICML.

    Examples
    --------
    >>> import torch
    >>> InverseMultiquadric(1.0)(torch.tensor([[0.0], [1.0], [3.0]]))  # decreases with the distance: repulsion
    tensor([1.0000, 0.7071, 0.3162])
    """

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
    """A difference of two exponentials of the distance; part Cr repels over the range lr, part Ca attracts over la.

    K(u) = Cr e^(−|u|/lr) − Ca e^(−|u|/la).

    Parameters
    ----------
    Cr, Ca : float
        Strengths of repulsion and attraction, in the units of the energy. A negative one exchanges its role.
    lr, la : float
        Their ranges: lengths in the units of x, > 0.

    Raises
    ------
    ConfigError
        If a strength is not finite, or a range is not positive.

    Notes
    -----
    With Cr > 0, Ca > 0 and lr < la: repulsion nearby if Cr/lr > Ca/la, attraction far away. The force jumps at u = 0,
    so that method "fourier" and `Stein` refuse it. On a line it can be summed exactly by sorting.

    References
    ----------
    D'Orsogna, Chuang, Bertozzi & Chayes (2006), Self-propelled particles with soft-core interactions, Physical Review
    Letters 96.

    Examples
    --------
    >>> import wgf
    >>> energy = wgf.energies.Interaction(Morse(2.0, 0.5, 1.0, 2.0))
    >>> near, far = (-energy.gradient(wgf.Ensemble([[0.0], [r]]))[1].item() for r in (0.5, 3.0))
    >>> near > 0, far < 0  # apart when near, together when far
    (True, True)
    """

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
        return ((self.Cr, 0.0, 0.0), 1.0 / self.lr, True), ((-self.Ca, 0.0, 0.0), 1.0 / self.la, True)


@dataclass(frozen=True)
class Log(_Radial):
    """Minus the logarithm of the distance, −log|u|; it repels like charges in the plane. `-c * Log()` attracts.

    Parameters
    ----------
    softening : float, default 0.0
        Length δ ≥ 0 in the units of x. δ > 0 replaces |u|² by |u|² + δ², and the kernel is finite at u = 0.

    Raises
    ------
    ConfigError
        If softening is negative or not finite.

    Notes
    -----
    Infinite at u = 0 without softening: sums then leave out the self pair, two particles at one place raise
    DivergenceError in an `Interaction`, and method "fourier" refuses it. The force grows like 1/|u|: explicit schemes
    need small steps where particles come close.

    References
    ----------
    Saff & Totik (1997), Logarithmic Potentials with External Fields, Springer.

    Examples
    --------
    >>> import wgf
    >>> pair = wgf.Ensemble([[0.0], [2.0]])
    >>> (-wgf.energies.Interaction(Log()).gradient(pair)).flatten().tolist()  # away from each other: repulsion
    [-0.25, 0.25]
    >>> (-wgf.energies.Interaction(-1.0 * Log()).gradient(pair)).flatten().tolist()  # attraction
    [0.25, -0.25]
    """

    softening: float = 0.0
    form = forms.LOG
    diverges = True

    def __post_init__(self) -> None:
        require_number("softening", self.softening, nonnegative=True)


@dataclass(frozen=True)
class Riesz(_Radial):
    """An inverse power of the distance, |u|^(−s) with s > 0; it repels.

    Parameters
    ----------
    s : float
        Power, > 0. In d dimensions s = d − 2 is the Coulomb repulsion, up to a constant; see `Newtonian`.
    softening : float, default 0.0
        Length δ ≥ 0 in the units of x. δ > 0 replaces |u|² by |u|² + δ², and the kernel is finite at u = 0.

    Raises
    ------
    ConfigError
        If s is not positive, or softening is negative.

    Notes
    -----
    Infinite at u = 0 without softening, with the same consequences as for `Log`. Positive definite with softening.

    References
    ----------
    Landkof (1972), Foundations of Modern Potential Theory, Springer.

    Examples
    --------
    >>> import torch
    >>> Riesz(1.0)(torch.tensor([[1.0], [2.0], [4.0]]))  # decreases with the distance: repulsion
    tensor([1.0000, 0.5000, 0.2500])
    >>> Riesz(1.0).singular, Riesz(1.0, softening=0.1).singular
    (True, False)
    """

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
    """The fundamental solution of −Δ in d dimensions; it repels like electric charges. `-c * Newtonian(d)` is gravity.

    K(u) = −|u|/2 for d = 1, −log|u|/(2π) for d = 2, and |u|^(2−d)/((d − 2)ω_d) for d ≥ 3, where
    ω_d = 2π^(d/2)/Γ(d/2) is the area of the unit sphere.

    Parameters
    ----------
    d : int
        Dimension of the particles, ≥ 1.
    softening : float, default 0.0
        Length δ ≥ 0 in the units of x. δ > 0 replaces |u|² by |u|² + δ², and the kernel is finite at u = 0.

    Raises
    ------
    ConfigError
        If d is not a positive integer, or softening is negative.
    ShapeError
        If the particles have another dimension than d; when the kernel is used.

    Notes
    -----
    For d ≥ 2 infinite at u = 0 without softening, with the same consequences as for `Log`. For d = 1 the force is
    constant on each side and jumps at 0; it can be summed exactly by sorting.
    Positive definite for d ≥ 3 with softening.

    References
    ----------
    Evans (2010), Partial Differential Equations, 2nd edition, section 2.2.

    Examples
    --------
    >>> import wgf
    >>> (-wgf.energies.Interaction(Newtonian(1)).gradient(wgf.Ensemble([[0.0], [3.0]]))).flatten().tolist()
    [-0.25, 0.25]
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
        return (((0.0, self.scale, 0.0), 1.0, False),) if self.d == 1 and self.softening == 0.0 else None

    def _check_dim(self, dim: int) -> None:
        if dim != self.d:
            raise ShapeError(f"Newtonian({self.d}) was given particles of dimension {dim}; use Newtonian({dim}).")
