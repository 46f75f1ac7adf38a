"""The Wasserstein distance from the particles to samples of a target, exactly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import DivergenceError, ResourceError
from ..functional import Evaluation, Functional, Work
from ..measure import ArrayLike, Ensemble
from ..ops.coupling import Coupling, coupling
from .discrepancy import SlicedWasserstein, require_comparable, require_plain, target_of

PAIRS = 4_000_000
"""The most pairs of particles and samples, n·m, that are coupled exactly in more than one dimension: about a second."""


class Wasserstein(Functional):
    """Half the squared 2-Wasserstein distance to samples of ν, by an optimal coupling.

        𝓕[μ] = ½ W₂²(μ, ν),    ∇_W 𝓕(x) = x − T(x),    δ𝓕/δμ = f

    T(x) is the mean of the places in ν to which the mass at x goes, and f the Kantorovich potential. Each particle
    moves straight to its image: for as many particles as samples with equal weights, W₂ falls as e^{−t}.

    Parameters
    ----------
    samples : Ensemble, or array (m, d)
        The target ν. Rows of an array have equal weights. It is kept in float64.

    Raises
    ------
    ShapeError
        If particles and samples have different dimensions; raised at the first evaluation.
    ResourceError
        If n·m is above 4·10⁶ in more than one dimension. `SlicedWasserstein` takes any size.
    BackendError
        If POT is not installed, in more than one dimension.
    DivergenceError
        If a coordinate is not finite.

    See Also
    --------
    wgf.MMD, wgf.KSD, wgf.SlicedWasserstein, wgf.diagnostics.wasserstein

    Notes
    -----
    On a line T is found by sorting, at any n and m, in O(n log n) time. Else by the network simplex, in O(n m) memory
    and a time of O(n²) to O(n³). T is piecewise constant in the particles: the gradient jumps where the coupling
    changes. At other points than the particles 𝓕 has the potential f(z) = minⱼ ½|z − yⱼ|² − gⱼ; the point moves to
    the yⱼ of the minimum. Where the mass of a particle is divided, that is one of its images, not their mean.

    References
    ----------
    Peyré & Cuturi (2019), Computational optimal transport, Found. Trends Mach. Learn. 11.

    Examples
    --------
    >>> import wgf
    >>> term = wgf.Wasserstein([[3.0, 0.0], [0.0, 4.0]])
    >>> mu = wgf.Ensemble([[0.0, 0.0], [0.0, 2.0]])
    >>> float(term.value(mu)), term.gradient(mu).tolist()
    (3.25, [[-3.0, 0.0], [0.0, -2.0]])
    """

    def __init__(self, samples: Ensemble | ArrayLike) -> None:
        self.target = target_of(samples)
        self._line = SlicedWasserstein(self.target, projections=1) if self.target.dim == 1 else None

    @property
    def infimum(self) -> float:
        return 0.0

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        if self._line is not None:
            return self._line.work(mu, whole)
        return Work(mu.n * mu.dim, 100.0 * mu.n * self.target.n)

    def _coupling(self, mu: Ensemble) -> tuple[np.ndarray, Coupling]:
        """Which particles have a weight (n,), and the coupling of these with the target."""
        require_comparable(self, self.target, mu)
        require_plain(self, mu)
        if mu.n * self.target.n > PAIRS:
            raise ResourceError(
                f"Wasserstein of {mu.n} particles and {self.target.n} samples: {mu.n * self.target.n} pairs, and at "
                f"most {PAIRS} are coupled exactly; take fewer samples, or SlicedWasserstein, which takes any size."
            )
        x, a, y, b = (
            part.detach().cpu().double().numpy() for part in (mu.x, mu.weights, self.target.x, self.target.weights)
        )
        if not np.isfinite(x).all():
            raise DivergenceError("Wasserstein: a coordinate is not finite.")
        massive, there = a > 0, b > 0
        return massive, coupling(x[massive], a[massive], y[there], b[there])

    def _at(self, found: Coupling, points: Tensor) -> tuple[Tensor, Tensor]:
        """f and its gradient at points, by the potential of the target."""
        z, y = points.detach().cpu().double(), self.target.x.cpu()[self.target.weights.cpu() > 0]
        costs = 0.5 * torch.cdist(z, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        least = (costs - torch.from_numpy(found.potentials[1])).min(1)
        value, gradient = least.values, z - y[least.indices]
        return value.to(points.device, points.dtype), gradient.to(points.device, points.dtype)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self._line is not None:
            return self._line._first_variation(mu, at)
        massive, found = self._coupling(mu)
        if at is not None:
            return self._at(found, at)[0]
        value = self._at(found, mu.x)[0]
        value[torch.from_numpy(massive)] = torch.from_numpy(found.potentials[0]).to(mu.device, mu.dtype)
        return value

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self._line is not None:
            return self._line._gradient(mu, at)
        return self._evaluate(mu).gradient if at is None else self._at(self._coupling(mu)[1], at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        if self._line is not None:
            return self._line._evaluate(mu)
        massive, found = self._coupling(mu)
        rows = torch.from_numpy(massive)
        gradient = mu.x.double().cpu().clone()
        gradient[rows] -= torch.from_numpy(found.images)
        if not massive.all():
            gradient[~rows] = self._at(found, mu.x[~rows.to(mu.device)])[1].double().cpu()
        value = torch.tensor(found.cost, dtype=torch.float64, device=mu.device)
        return Evaluation(value, gradient.to(mu.device, mu.dtype))
