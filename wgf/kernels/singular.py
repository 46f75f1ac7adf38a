"""Kernels that are infinite at u = 0 unless they are softened: Log, Riesz and Newtonian."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import STEEPEST, ShapeError, require_exponent, require_integer, require_length
from ..ops import forms
from .composition import Exponential
from .radial import Radial


@dataclass(frozen=True, repr=False)
class Log(Radial):
    """Minus the logarithm of the distance, −log|u|; it repels like charges in the plane. `-c * Log()` attracts.

    Parameters
    ----------
    softening : float, default 0.0
        Length δ ≥ 0 in the units of x. δ > 0 replaces |u|² by |u|² + δ², and the kernel is finite at u = 0.

    Raises
    ------
    ConfigError
        If softening is neither 0 nor from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Riesz, wgf.kernels.Newtonian

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
    long_ranged = True

    def __post_init__(self) -> None:
        require_length("softening", self.softening, zero=True)


@dataclass(frozen=True, repr=False)
class Riesz(Radial):
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
        If s is not positive, or softening is neither 0 nor from 1e-50 to 1e50.

    See Also
    --------
    wgf.kernels.Log, wgf.kernels.Newtonian

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
    long_ranged = True

    def __post_init__(self) -> None:
        require_exponent("s", self.s)
        require_length("softening", self.softening, zero=True)

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return self.softening > 0

    def parameters(self) -> tuple[float, ...]:
        return (float(self.s),)


@dataclass(frozen=True, repr=False)
class Newtonian(Radial):
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
        If d is not a positive integer, or softening is neither 0 nor from 1e-50 to 1e50.
    ShapeError
        If the particles have another dimension than d; when the kernel is used.

    See Also
    --------
    wgf.kernels.Log, wgf.kernels.Riesz

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
    long_ranged = True

    def __post_init__(self) -> None:
        require_integer("Newtonian d", self.d, low=1, high=int(STEEPEST))
        require_length("softening", self.softening, zero=True)

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

    def parameters(self) -> tuple[float, ...]:
        return (self.d - 2.0,) if self.d >= 3 else ()

    def exponentials(self) -> tuple[Exponential, ...] | None:
        line = Exponential((0.0, self.scale, 0.0), 1.0, decays=False)
        return (line,) if self.d == 1 and self.softening == 0.0 else None

    def require_dim(self, dim: int) -> None:
        if dim != self.d:
            raise ShapeError(f"Newtonian({self.d}) was given particles of dimension {dim}; use Newtonian({dim}).")
