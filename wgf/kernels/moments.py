"""Kernels whose sums follow exactly from a few moments of the ensemble, in O(n·d) time."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, require_number
from ..ops.range import SQUARES
from .base import Kernel, fits, in_double
from .composition import acting


class ByMoments(Kernel):
    """A kernel whose sums need a few moments of the ensemble, Σⱼ wⱼ `columns`(yⱼ)."""

    by_moments = True

    @abstractmethod
    def columns(self, y: Tensor, origin: Tensor) -> Tensor:
        """The functions (n, k), float64, of particles y (n, d), whose sums are the moments; `origin` (d,) is near y."""

    @abstractmethod
    def from_moments(self, x: Tensor, moments: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        """The sums at points x (m, d): values (m,), and gradients (m, d) in the dtype of x, from moments (k,)."""

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        if not fits(self, x, y):
            return in_double(self, x, y, weights, same)
        return self.from_moments(x, ops.weighted_sum(weights, self.columns(y, y[0])), y[0])


@dataclass(frozen=True, repr=False)
class QuadraticKernel(ByMoments):
    """The spring energy strength · |u|²/2, u = x − y; it attracts for strength > 0, repels for strength < 0.

    With `Interaction`, F = ½ strength · tr C for the covariance C, and the force on x is −strength · (x − mean).

    Parameters
    ----------
    strength : float, default 1.0
        Stiffness of the spring, in energy per squared length. Any sign.

    Raises
    ------
    ConfigError
        If strength is not a finite number.

    See Also
    --------
    wgf.kernels.Linear, wgf.kernels.Cosine

    Notes
    -----
    Sums are exact and take O(n·d) time. The kernel is not positive definite, so `Stein` and `KSD` refuse it.

    References
    ----------
    McCann (1997), A convexity principle for interacting gases, Advances in Mathematics 128.

    Examples
    --------
    >>> import wgf
    >>> force = -wgf.energies.Interaction(QuadraticKernel(1.0)).gradient(wgf.Ensemble([[0.0], [1.0]]))
    >>> force.flatten().tolist()  # towards each other: attraction
    [0.5, -0.5]
    """

    strength: float = 1.0
    long_ranged = True

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    def _fits(self, size: float | None) -> bool:
        return SQUARES.hold(size)

    @property
    def acts(self) -> str:
        return acting("attracts", self.strength)

    def columns(self, y: Tensor, origin: Tensor) -> Tensor:
        v = y - origin  # measured from a particle: a cloud far from the origin loses no digits
        return torch.cat([torch.ones_like(v[:, :1]), v, (v * v).sum(1, keepdim=True)], dim=1).double()

    def from_moments(self, x: Tensor, moments: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        u = x - origin
        mass, first, second = moments[0], moments[1:-1], moments[-1]
        value = 0.5 * (mass * (u * u).sum(1) - 2 * (u * first).sum(1) + second)
        return self.strength * value, (self.strength * (mass * u - first)).to(x.dtype)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = (x - y).double()
        return (0.5 * self.strength * (u * u).sum(-1)).to(x.dtype)


@dataclass(frozen=True, repr=False)
class Cosine(ByMoments):
    """Minus the cosine of angles, −strength · Σⱼ cos uⱼ, u = x − y; it attracts (synchronises) for strength > 0.

    With `Interaction` on angles it is the Kuramoto interaction. For strength < 0 angles repel.

    Parameters
    ----------
    strength : float, default 1.0
        Coupling, in the units of the energy. Any sign.

    Raises
    ------
    ConfigError
        If strength is not a finite number.

    See Also
    --------
    wgf.kernels.QuadraticKernel, wgf.kernels.Linear

    Notes
    -----
    Coordinates are angles in radians; the kernel has period 2π in each. Sums are exact and take O(n·d) time.

    References
    ----------
    Kuramoto (1975), Self-entrainment of a population of coupled non-linear oscillators, Lecture Notes in Physics 39.

    Examples
    --------
    >>> import wgf
    >>> force = -wgf.energies.Interaction(Cosine(2.0)).gradient(wgf.Ensemble([[0.0], [1.0]]))
    >>> [round(f, 3) for f in force.flatten().tolist()]  # towards each other: attraction
    [0.841, -0.841]
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        require_number("strength", self.strength)

    @property
    def acts(self) -> str:
        return acting("attracts", self.strength)

    def columns(self, y: Tensor, origin: Tensor) -> Tensor:
        with ops.one_torch_thread():
            return torch.cat([torch.cos(y), torch.sin(y)], dim=1).double()

    def from_moments(self, x: Tensor, moments: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            c, s = torch.cos(x), torch.sin(x)
        mc, ms = moments[: x.shape[1]], moments[x.shape[1] :]
        return -self.strength * (c * mc + s * ms).sum(1), (self.strength * (s * mc - c * ms)).to(x.dtype)

    def periodic_sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool, period: Tensor) -> tuple[Tensor, Tensor]:
        turns = period / (2 * math.pi)
        if bool(((turns - turns.round()).abs() > 1e-9 * turns).any()) or bool((turns < 0.5).any()):
            raise ConfigError(
                f"{self!r} repeats after 2π and the domain after {period.tolist()}; wanted a multiple of 2π."
            )
        return self.sums(x, y, weights, same)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.strength * torch.cos(x - y).sum(-1)


@dataclass(frozen=True, repr=False)
class Linear(ByMoments):
    """The product x·y + 1, no function of the distance; it neither repels nor attracts pairs. Use it with `Stein`.

    The Stein flow of this kernel keeps a Gaussian Gaussian and follows its mean and covariance exactly. With
    `Interaction` it is the energy ½|mean|² + ½, which pulls the mean of the ensemble to the origin.

    See Also
    --------
    wgf.kernels.QuadraticKernel, wgf.kernels.Cosine

    Notes
    -----
    Positive definite. Sums are exact and take O(n·d) time. x is in units in which 1 is a natural scale: the constant 1
    is added to a squared length.

    References
    ----------
    Liu & Wang (2018), Stein variational gradient descent as moment matching, NeurIPS 31.

    Examples
    --------
    >>> import torch, wgf
    >>> Linear()(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0]]))
    tensor([4.])
    >>> force = -wgf.energies.Interaction(Linear()).gradient(wgf.Ensemble([[0.0], [1.0]]))
    >>> force.flatten().tolist()  # the same for all: the mean 0.5 moves to 0
    [-0.5, -0.5]
    """

    long_ranged = True
    positive_definite = True

    def columns(self, y: Tensor, origin: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(y[:, :1]), y], dim=1).double()

    def from_moments(self, x: Tensor, moments: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        value = (x * moments[1:]).sum(1) + moments[0]
        return value, moments[1:].to(x.dtype).expand_as(x).clone()

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum(-1) + 1.0
