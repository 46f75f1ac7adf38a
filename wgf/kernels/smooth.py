"""Kernels that are finite at u = 0: Gaussian, Matérn, Laplace, inverse multiquadric and Morse."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..errors import ConfigError, require_exponent, require_length, require_number, shown
from ..ops import forms
from .composition import Exponential, acting
from .radial import Radial


@dataclass(frozen=True, repr=False)
class Gaussian(Radial):
    """A Gaussian of the distance, exp(−|u|²/(2h²)); it repels, with a force of range h that is strongest at |u| = h.

    Parameters
    ----------
    h : float
        Bandwidth: the standard deviation of the bump, a length in the units of x, > 0.

    Raises
    ------
    ConfigError
        If h is not a number from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Matern, wgf.kernels.Laplace, wgf.kernels.InverseMultiquadric

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
        require_length("h", self.h)

    def parameters(self) -> tuple[float, ...]:
        return (float(self.h),)


@dataclass(frozen=True, repr=False)
class Matern(Radial):
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
        If nu is another number, or h is not from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Gaussian, wgf.kernels.Laplace, wgf.kernels.InverseMultiquadric

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
        require_length("h", self.h)
        if self.nu not in (0.5, 1.5, 2.5):
            raise ConfigError(f"Matern nu = {shown(self.nu)}: wanted 0.5, 1.5 or 2.5, which have closed forms.")

    @property
    def form(self) -> int:  # type: ignore[override]
        return {0.5: forms.MATERN12, 1.5: forms.MATERN32, 2.5: forms.MATERN52}[self.nu]

    def parameters(self) -> tuple[float, ...]:
        return (float(self.h),)

    def exponentials(self) -> tuple[Exponential, ...]:
        polynomial = {0.5: (1.0, 0.0, 0.0), 1.5: (1.0, 1.0, 0.0), 2.5: (1.0, 1.0, 1.0 / 3.0)}[self.nu]
        return (Exponential(polynomial, math.sqrt(2.0 * self.nu) / self.h),)


@dataclass(frozen=True, repr=False)
class Laplace(Matern):
    """An exponential of the distance, exp(−|u|/h), the `Matern` kernel of ν = 1/2; it repels, with a force of range h.

    Parameters
    ----------
    h : float
        Length over which the kernel falls by a factor e, in the units of x, > 0.

    Raises
    ------
    ConfigError
        If h is not a number from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Gaussian, wgf.kernels.Matern, wgf.kernels.InverseMultiquadric

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

    nu: float = field(default=0.5, init=False, repr=False)
    h: float


@dataclass(frozen=True, repr=False)
class InverseMultiquadric(Radial):
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
        If p is not a positive number, or h not from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Gaussian, wgf.kernels.Matern, wgf.kernels.Laplace

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
        require_length("h", self.h)
        require_exponent("p", self.p)

    def parameters(self) -> tuple[float, ...]:
        return float(self.h), float(self.p)


@dataclass(frozen=True, repr=False)
class Morse(Radial):
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
        If a strength is not finite, or a range is not from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.KernelSum

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
            require_length(name, getattr(self, name))

    @property
    def acts(self) -> str:
        near, far = self.Cr / self.lr - self.Ca / self.la, self.Cr if self.lr > self.la else -self.Ca
        if near == 0 or far == 0 or (near > 0) == (far > 0):
            return acting("repels", near or far)
        return "repels near, attracts far" if near > 0 else "attracts near, repels far"

    def parameters(self) -> tuple[float, ...]:
        return float(self.Cr), float(self.lr), float(self.Ca), float(self.la)

    def exponentials(self) -> tuple[Exponential, ...]:
        return Exponential((self.Cr, 0.0, 0.0), 1.0 / self.lr), Exponential((-self.Ca, 0.0, 0.0), 1.0 / self.la)
