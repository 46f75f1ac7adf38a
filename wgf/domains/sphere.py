"""A sphere: a curved surface, on which forces, noise and momenta are tangent."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ConfigError, require_integer, require_seed
from ..measure import Ensemble
from ..ops import linalg
from .base import TINY, Domain, as_radius


class Sphere(Domain):
    """The sphere |x| = radius in ℝᵈ. Take it for normalised neurons, representations and tokens.

        ẋ = −P(x) ∇_W F[μ](x),   P(x) = I − x xᵀ/|x|²

    Forces are projected on the tangent space, and so are noise and momenta. After a step the particle is put back on
    the sphere. In a network this is what normalisation of the weights does.

    Parameters
    ----------
    radius : float, default 1.0
        The radius r, in the units of x, > 0.

    Raises
    ------
    ConfigError
        Unless the radius is from 1e-150 to 1e150. From `solve`, if a particle is off the sphere by more than rounding;
        if the particles have dimension 1; and for schemes that are made for flat space. `Euler`, `Heun`,
        `RungeKutta4`, `BogackiShampine`, `Accelerated`, `Langevin`, `Underdamped`, and `RandomBatch` with one of
        these, keep to the sphere.

    Notes
    -----
    Explicit schemes keep their order: the projected force, extended to all of space by `fold`, never leaves the sphere,
    so only rounding and the error of the step are folded away. The centre has no nearest point: `fold` makes it NaN.
    `Langevin`, `Underdamped` and `Accelerated` move along great circles, and momenta are transported along them.

    The dissipation is that of the tangential force, ∫ |P ∇_W F|² dμ, and so are all forces of the ledger. With noise
    there is no Shannon estimate on a sphere: entropy and dissipation are NaN.

    Brownian motion √(2T) dB on the sphere has E⟨x(t), x(0)⟩ = r² e^{−(d−1)Tt/r²}. `Langevin` has this with an error of
    order h, and the uniform law is stationary at every step size.

    References
    ----------
    Hairer, Lubich & Wanner (2006), Geometric Numerical Integration, section IV.4. (Projection methods.)
    Leimkuhler & Matthews (2016), Efficient molecular dynamics using geodesic integration and solvent–solute splitting,
    Proc. R. Soc. A 472, 20160138.

    See Also
    --------
    wgf.diagnostics.geodesic : transport distances on a sphere.

    Examples
    --------
    >>> import wgf
    >>> sphere = Sphere(2.0)
    >>> sphere.fold([[3.0, 4.0]]).tolist()
    [[1.2, 1.6]]
    >>> sol = wgf.solve(wgf.Potential(lambda x: x[:, 0]), sphere.uniform(50, 3), wgf.solvers.Heun(), dt=0.1, t_end=20.0,
    ...                 domain=sphere)
    >>> round(sol.ensemble.x[:, 0].max().item(), 3)  # all go to the lowest point
    -2.0
    """

    stated = ("radius",)
    walls = False
    curved = True

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = as_radius(radius)

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {"radius": torch.tensor(self.radius, dtype=torch.float64)}

    def _lengths(self) -> Tensor:
        return self._parameters["radius"]

    def uniform(self, n: int, dim: int, seed: int = 0) -> Ensemble:
        """Draw independent samples of the uniform law on the sphere.

        Parameters
        ----------
        n : int
            The number of particles.
        dim : int
            The dimension d of the space around, at least 2.
        seed : int, default 0
            The seed. The first k of n samples are the k samples.

        Returns
        -------
        Ensemble
            Particles (n, d), float64, with equal weights.

        Raises
        ------
        ConfigError
            If n or dim is no such integer.

        Examples
        --------
        >>> mu = Sphere(2.0).uniform(1000, 3)
        >>> bool(mu.mean().norm() < 0.2)
        True
        """
        require_integer("dim", dim, low=2)
        normals = Ensemble.gaussian(n, dim, seed=require_seed(seed))
        return normals.moved(self.fold(normals.x))

    def require_dim(self, dim: int) -> None:
        super().require_dim(dim)
        if dim < 2:
            raise ConfigError(f"domain = {self!r}: particles of dimension {dim}; a sphere needs at least 2.")

    def _contains(self, x: Tensor) -> Tensor:
        """Whether |x| = r up to rounding, which is 64 ε r."""
        return (_length(x) - self.radius).abs()[:, 0] <= 64 * torch.finfo(x.dtype).eps * self.radius

    def _fold(self, x: Tensor, velocity: Tensor | None, start: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if velocity is not None and start is not None:
            return self._great_circle(start, self.tangent(start, x - start), self.tangent(start, velocity))
        largest = x.double().abs().amax(1, keepdim=True)
        ray = x.double() / largest  # so that squares are in range
        scaled = (ray / _length(ray) * self.radius).to(x.dtype)
        folded = torch.where(self._contains(x)[:, None], x, scaled)
        return folded, velocity if velocity is None else self.tangent(folded, velocity)

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        normal = x.double() / _length(x)
        return (v - linalg.row_dot(normal, v.double())[:, None] * normal).to(v.dtype)

    def _great_circle(self, x: Tensor, moved: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Move points along great circles, by the lengths of their tangent displacements, and transport velocities."""
        normal, arc = x.double() / _length(x), _length(moved)
        along, angle = moved.double() / arc.clamp_min(TINY), arc / self.radius
        turned = torch.cos(angle) * normal + torch.sin(angle) * along
        ahead = linalg.row_dot(v.double(), along)[:, None]
        carried = v + ahead * (torch.cos(angle) * along - torch.sin(angle) * normal - along)
        place = torch.where(arc > 0, (self.radius * turned).to(x.dtype), x)
        return place, torch.where(arc > 0, carried.to(v.dtype), v)

    def nearest(self, x: Tensor) -> Tensor:
        return self.fold(x)


def _length(x: Tensor) -> Tensor:
    """|x| of every row (n, 1), float64, in range for every radius."""
    return torch.linalg.vector_norm(x.double(), dim=1, keepdim=True)
