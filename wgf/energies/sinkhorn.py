"""The Sinkhorn divergence from the particles to samples of a target: entropic transport without its bias."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..errors import DivergenceError, TransportError, require_integer, require_number
from ..functional import Evaluation, Solved, WarmStarted, Work
from ..measure import ArrayLike, Ensemble, checks
from ..ops import sinkhorn
from ..ops.clouds import Cloud, Problem
from ..ops.threads import small_steps
from ..storage import remembered
from ..summation import Check
from .discrepancy import require_comparable, require_plain, target_of

PASSES = 40
"""About how many sums over pairs an evaluation takes from nothing, for the count of its work."""


@remembered
@dataclass(frozen=True, eq=False)
class Plans(Solved):
    """The plans at one ensemble, and what they give.

    Attributes
    ----------
    of : str
        A digest of the settings and of the target.
    x, weights : Tensor
        The particles (n, d), float64, and their weights (n,).
    f, g, h : Tensor
        The potentials over ε of the plan at particles (n,) and samples (m,), and of the particles with themselves (n,).
    own : Tensor
        The update of h, (n,).
    value, gradient : Tensor
        𝓕, 0-d, and ∇_W 𝓕 (n, d), float64.
    error : float
        The largest marginal error of the plans.
    iterations : int
        The iterations that were made at last, of the plan and of the particles with themselves.
    """

    f: Tensor
    g: Tensor
    h: Tensor
    own: Tensor
    value: Tensor
    gradient: Tensor
    error: float
    iterations: int


class SinkhornDivergence(WarmStarted[Plans]):
    """The debiased cost of entropic transport to samples of ν: from ½ W₂² at small ε to a distance of means at large.

        𝓕[μ] = OT_ε(μ, ν) − ½ OT_ε(μ, μ) − ½ OT_ε(ν, ν)
        OT_ε(μ, ν) = min_π ∫ ½|x − y|² dπ + ε KL(π | μ⊗ν)
        δ𝓕/δμ = f_μν − f_μμ,    ∇_W 𝓕(x) = P_μμ x − P_μν x

    f are the potentials of the plans, and P x is the mean of the places to which a plan takes the mass at x. Particles
    move to their share of the target, and away from particles that are closer than √ε.

    Parameters
    ----------
    samples : Ensemble, or array (m, d)
        The target ν. Rows of an array have equal weights. It is kept in float64.
    epsilon : float
        ε > 0, in squared units of x: structure of ν below √ε is blurred.
    reach : float, optional
        The distance, in units of x, beyond which mass is rather lost and made than moved: unbalanced transport, where
        plans pay ρ KL(π₁ | μ) + ρ KL(π₂ | ν) with ρ = reach² instead of keeping their marginals. None keeps them.
    tolerance : float
        The marginal error at which iterations end: Σᵢ |mass of the plan at i − its weight|.
    iterations : int
        The most iterations of a plan.

    Raises
    ------
    ConfigError
        If `epsilon`, `reach` or `tolerance` is not positive, `iterations` is no integer ≥ 1, or space is periodic.
    ShapeError
        If particles and samples have different dimensions; raised at the first evaluation.
    TransportError
        If `tolerance` is not reached in `iterations`. The error that was reached is in the message.
    DivergenceError
        If a coordinate is not finite.

    See Also
    --------
    wgf.Banana, wgf.DoubleWell, wgf.GaussianMixture, wgf.Interaction

    Notes
    -----
    Time O((n + m)² d) for each of some tens of iterations, memory O((n + m)·d). In one and two dimensions sums over
    many particles go by a grid, in O(n + m) time and with a relative error of 10⁻⁹, where they are compared with sums
    over pairs at some particles. The number of iterations grows as ε falls, about as spread/√ε. Within a run they begin
    where those of the last step ended, and a few are enough. The potentials are memory of the run, and
    `sums_error:SinkhornDivergence` in the ledger is the marginal error. The error of 𝓕 is of second order in it, that
    of the gradient of first. Iterations are in float32 where `tolerance` allows it. The last sums, which make value and
    gradient, are float64 up to 10⁹ pairs, unless float32 changes a marginal by less than a hundredth of `tolerance`.

    𝓕 ≥ 0, and 𝓕 = 0 only at μ = ν, with a reach too. It is smooth in the particles, where `Wasserstein` jumps.

    References
    ----------
    Genevay, Peyré & Cuturi (2018), Learning generative models with Sinkhorn divergences, AISTATS.
    Feydy, Séjourné, Vialard, Amari, Trouvé & Peyré (2019), Interpolating between optimal transport and MMD, AISTATS.
    Séjourné, Feydy, Vialard, Trouvé & Peyré (2019), Sinkhorn divergences for unbalanced optimal transport.

    Examples
    --------
    >>> import wgf
    >>> term = wgf.SinkhornDivergence([[3.0, 4.0]], epsilon=0.1)
    >>> mu = wgf.Ensemble([[0.0, 0.0]])  # two points: ½|x − y|² for every ε
    >>> round(float(term.value(mu)), 9), term.gradient(mu).tolist()
    (12.5, [[-3.0, -4.0]])
    """

    def __init__(
        self,
        samples: Ensemble | ArrayLike,
        epsilon: float,
        reach: float | None = None,
        tolerance: float = 1e-5,
        iterations: int = 2000,
    ) -> None:
        self.target = target_of(samples)
        self.epsilon = require_number("epsilon", epsilon, positive=True)
        self.reach = None if reach is None else require_number("reach", reach, positive=True)
        self.tolerance = require_number("tolerance", tolerance, positive=True)
        self.iterations = require_integer("iterations", iterations, low=1)

    @property
    def infimum(self) -> float:
        return 0.0

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work.over_pairs(mu, PASSES * (mu.n + self.target.n))

    def audit(self, mu: Ensemble) -> Check:
        error = self._solved(mu).error
        return Check("sinkhorn", "", error, self.tolerance, "marginal error of the plans, a part of the mass")

    # -------------------------------------------------------------------------------- solution

    @cached_property
    def _problem(self) -> Problem:
        """The problem in units of √ε: powers of very large and very small coordinates stay in range."""
        rho = None if self.reach is None else (self.reach / self._unit) ** 2
        return Problem(1.0, rho, self.tolerance, self.iterations)

    @cached_property
    def _unit(self) -> float:
        return math.sqrt(self.epsilon)

    def _cloud(self, x: Tensor, weights: Tensor) -> Cloud:
        return Cloud(x.detach().double() / self._unit, weights)

    @cached_property
    def _samples(self) -> tuple[Cloud, float]:
        """The target as a cloud, and ½ OT_ε(ν, ν)."""
        with small_steps(self.target.x.numel()):
            cloud = self._cloud(self.target.x, self.target.weights)
            rest, error, iterations = sinkhorn.self_cost(cloud, self._problem)
        self._require(error, iterations)
        return cloud, rest

    def _require(self, error: float, iterations: int) -> None:
        if not math.isfinite(error):
            raise DivergenceError(f"{self.name}: a potential is not finite; rescale the coordinates or raise epsilon.")
        if error > self.tolerance:
            raise TransportError(
                f"{self.name}: the marginal error is {error:.1e} after {iterations} iterations, and tolerance = "
                f"{self.tolerance:g} was wanted; raise iterations, tolerance or epsilon."
            )

    def _settings(self) -> tuple[tuple[object, ...], tuple[Tensor, ...]]:
        settings = (self.epsilon, self.reach, self.tolerance, self.iterations)
        return settings, (self.target.x, self.target.weights)

    def _require_defined(self, mu: Ensemble) -> None:
        require_comparable(self, self.target, mu)
        require_plain(self, mu)

    def _solve(self, mu: Ensemble, before: Plans | None) -> Plans:
        if not checks.holds(torch.isfinite(mu.x).all()):
            raise DivergenceError(f"{self.name}: a coordinate is not finite.")
        problem, (y, rest) = self._problem, self._samples
        starts = (None, None) if before is None else (before.g, before.h if len(before.h) == mu.n else None)
        with small_steps(max(mu.x.numel(), y.x.numel())):
            found = sinkhorn.divergence(self._cloud(mu.x, mu.weights), y, problem, rest, starts)
        self._require(found.error, found.iterations)
        gradient = problem.mass(found.f)[:, None] * found.slope - problem.mass(found.own)[:, None] * found.own_slope
        return Plans(
            self._digest,
            mu.x.detach().double().clone(),
            mu.weights.detach().double().clone(),
            found.f,
            found.g,
            found.h,
            found.own,
            torch.tensor(self.epsilon * found.value, dtype=torch.float64, device=mu.device),
            self._unit * gradient,
            found.error,
            found.iterations,
        )

    def _elsewhere(self, mu: Ensemble, at: Tensor, read: Callable[..., Tensor]) -> Tensor:
        """`read` of the plan minus `read` of the particles with themselves, at other points."""
        found, problem, y = self._solved(mu), self._problem, self._samples[0]
        x, z = self._cloud(mu.x, mu.weights), self._cloud(at, at.new_full((len(at),), 1.0 / len(at)))
        parts = []
        for cloud, potential in ((y, found.g), (x, found.h)):
            guess = sinkhorn.guessed(z, cloud, problem)
            parts.append(read(*sinkhorn.update(z, cloud, potential, guess, problem)))
        return (parts[0] - parts[1]).to(at.dtype)

    # -------------------------------------------------------------------------------- hooks

    def _value(self, mu: Ensemble) -> Tensor:
        return self._solved(mu).value.clone()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        variation = self._problem.variation
        if at is not None:
            return self._elsewhere(mu, at, lambda f, slope: self.epsilon * variation(f))
        found = self._solved(mu)
        return (self.epsilon * (variation(found.f) - variation(found.own))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        mass = self._problem.mass
        if at is not None:
            return self._elsewhere(mu, at, lambda f, slope: self._unit * mass(f)[:, None] * slope)
        return self._solved(mu).gradient.to(mu.dtype, copy=True)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        found = self._solved(mu)
        return Evaluation(found.value.clone(), found.gradient.to(mu.dtype, copy=True))
