"""Weighted clouds and problems of entropic transport, and the potentials of Gaussians with the same moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from . import linalg
from .moments import moments
from .threads import one_torch_thread

SINGLE = 1e-7
"""What rounding in float32 does to a marginal, for a variance of ε."""
FARTHEST = 50.0
"""A marginal counts as e⁵⁰ times its weight at most, so that errors stay finite."""
STRIDE = 4
"""A coarser cloud has every fourth point."""
WIDEST = 512
"""Up to so many dimensions the iteration begins from Gaussian potentials."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Weighted points, seen from their centre.

    Parameters
    ----------
    points : Tensor
        Points (n, d).
    weights : Tensor
        Their weights (n,) ≥ 0, of sum 1.
    """

    points: Tensor
    weights: Tensor
    centre: Tensor = field(init=False)
    x: Tensor = field(init=False)
    covariance: Tensor = field(init=False)

    def __post_init__(self) -> None:
        points = self.points.detach().double().contiguous()
        object.__setattr__(self, "weights", self.weights.detach().double())
        _, centre, covariance = moments(points, self.weights)
        for name, value in (("points", points), ("centre", centre), ("x", points - centre), ("covariance", covariance)):
            object.__setattr__(self, name, value)

    @cached_property
    def single(self) -> Tensor:
        """The points in float32."""
        return self.x.float()

    @cached_property
    def logs(self) -> Tensor:
        """The logarithms of the weights."""
        return torch.log(self.weights)

    @cached_property
    def variance(self) -> float:
        """∫ |x − c|² dμ."""
        return float(self.covariance.diagonal().sum())

    @cached_property
    def coarser(self) -> Cloud:
        """Every fourth point."""
        weights = self.weights[::STRIDE]
        total = float(weights.sum())
        return self if total <= 0 else Cloud(self.points[::STRIDE], weights / total)

    def mean(self, values: Tensor) -> float:
        """∫ v dμ."""
        return total(self.weights, values)


def total(weights: Tensor, values: Tensor) -> float:
    """Σ w v, with the same bits for every number of threads."""
    with one_torch_thread():
        return float((weights * values).sum())


@dataclass(frozen=True)
class Problem:
    """The regularisation, and when iterations end.

    Attributes
    ----------
    epsilon : float
        ε > 0, in squared units of x.
    rho : float or None
        The penalty ρ on differences of mass, in the same units; None keeps all mass.
    tolerance : float
        The marginal error at which iterations end.
    iterations : int
        The largest number of iterations of the whole problem.
    """

    epsilon: float
    rho: float | None
    tolerance: float
    iterations: int

    @property
    def damping(self) -> float:
        """ρ/(ρ + ε), by which an update is multiplied."""
        return 1.0 if self.rho is None else self.rho / (self.rho + self.epsilon)

    def mass(self, potential: Tensor) -> Tensor:
        """The mass of the plan at a point over the weight of the point."""
        return torch.ones_like(potential) if self.rho is None else torch.exp(-potential / self.rho)

    def worth(self, potential: Tensor) -> Tensor:
        """What a potential adds to the value at a point."""
        return potential if self.rho is None else -self.rho * torch.expm1(-potential / self.rho)

    def variation(self, potential: Tensor) -> Tensor:
        """The first variation of the value in the weights, from the potential."""
        return potential if self.rho is None else -(self.rho + self.epsilon) * torch.expm1(-potential / self.rho)

    def error(self, cloud: Cloud, old: Tensor, new: Tensor) -> float:
        """The marginal error of a plan, Σ |mass that it has − mass that it should have|, by an update."""
        ratio = torch.expm1(((old - new) / (self.damping * self.epsilon)).clamp(max=FARTHEST))
        return total(cloud.weights, ratio.abs() * self.mass(old))

    def noise(self, *clouds: Cloud) -> float:
        """The marginal error that rounding in float32 may cause."""
        return SINGLE * (10.0 + sum(cloud.variance for cloud in clouds) / self.epsilon)


def gaussian_potentials(x: Cloud, y: Cloud, problem: Problem) -> tuple[Tensor, Tensor]:
    """The potentials of Gaussians with the moments of the clouds (Janati et al. 2020), up to constants.

    With C_x, C_y the covariances and Δ the difference of the centres, g(y) = ½ y·(1 − G)y − Δ·y for y seen from its
    centre, and G = C_y^{−½} ½((4 C_y^½ C_x C_y^½ + ε²)^½ − ε) C_y^{−½} is the linear map that takes y to its images.
    """
    shift = x.centre - y.centre
    forms = []
    for one, other, sign in ((x, y, 1.0), (y, x, -1.0)):
        g = linalg.row_dot(one.x, (sign * shift).expand_as(one.x))
        if one.x.shape[1] <= WIDEST:
            images = gaussian_map(one.covariance, other.covariance, problem.epsilon)
            with one_torch_thread():
                rest = one.x - one.x @ images
            g = g + 0.5 * linalg.row_dot(one.x, rest)
        forms.append(g)
        if x is y:
            return g, g
    return forms[0] + 0.5 * shift.square().sum(), forms[1]


def gaussian_map(covariance: Tensor, other: Tensor, epsilon: float) -> Tensor:
    """The symmetric map of a Gaussian to its images under the entropic plan (d, d)."""
    scale = float(covariance.diagonal().max() + other.diagonal().max()) or 1.0
    covariance, other, epsilon = covariance / scale, other / scale, epsilon / scale
    values, vectors = linalg.symmetric_eigen(covariance)
    values = values.clamp(min=0.0) + 1e-3 * epsilon + 1e-6 * values.abs().max()
    with one_torch_thread():
        root = (vectors * values.sqrt()) @ vectors.T
        back = (vectors / values.sqrt()) @ vectors.T
        spectrum, basis = linalg.symmetric_eigen(root @ other @ root)
        middle = 0.5 * (torch.sqrt(4.0 * spectrum.clamp(min=0.0) + epsilon**2) - epsilon)
        return back @ ((basis * middle) @ basis.T) @ back
