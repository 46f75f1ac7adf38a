"""Stein variational gradient descent: a kernel repels the particles, in place of the noise or density of Shannon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf import ops
from wgf.errors import ConfigError, closest, require_number, shown
from wgf.kernels import Gaussian, Kernel, Linear
from wgf.kernels.composition import written
from wgf.kernels.stein import direction, has_stein_operator, squared_norm, stein_body
from wgf.measure import Ensemble, NoiseSource, ShardedEnsemble
from wgf.ops.distances import median_distance, median_rule
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, warn_without_spread

from . import stein_divided

RULES = ("linear", "median")


@dataclass(frozen=True)
class Stein(Solver):
    """Stein variational gradient descent (SVGD) of F = E − T·Shannon. Take it for few particles that represent a law.

        x' = x + h v(x),   v(x) = −∫ k(x, y) ∇_W E(y) dμ(y) + T ∫ ∇ᵧk(x, y) dμ(y)

    v is the direction of steepest descent of F in the space of the kernel k. Integration by parts turns k∇log ρ into
    −∇k, so neither noise nor a density is needed. T is the temperature of the Shannon term; T = 1 is SVGD with the
    score −∇E. Other entropies are part of E and act by their force.

    Parameters
    ----------
    kernel : Kernel, float or {"median", "linear"}, default "median"
        A kernel of `wgf.kernels`: a positive definite function of |x − y| that is twice differentiable at 0 (Gaussian,
        InverseMultiquadric, Matern from 3/2, softened Riesz, or a RadialKernel that the user knows to be such), or
        Linear(), or a sum of these with factors ≥ 0. A number is the bandwidth of a Gaussian, a length. "linear" is
        Linear(). "median" is the Gaussian with h_k² = m²/(2 log(N + 1)), renewed at each step: m is the median distance
        of pairs weighted by wᵢwⱼ, over at most SAMPLE particles drawn by their ids, and N = 1/Σw².

    Raises
    ------
    ConfigError
        If the kernel is none of these: F could rise. From `solve`, for every domain: integration by parts leaves a term
        at walls (on a torus at the seam, unless k is periodic), and without this term particles gather there.

    See Also
    --------
    wgf.KSD, wgf.solvers.Langevin

    Notes
    -----
    The order is 1; there is no noise. Under a Gaussian kernel t and h are times of the flow, in units of |x|² over F:
    k(x, x) = 1, so one particle alone follows −∇E. On a quadratic of stiffness κ the scheme is stable for h < 2/κ.
    Repulsion adds up to T/h_k² to κ, which matters for a small fixed bandwidth h_k. "linear" has k(x, x) = 1 + |x|²:
    take h < 2/(κ ∫(1 + |x|²) dμ). With it Gaussians stay Gaussian, and the mean and covariance of n particles obey the
    same equations as those of a density.

    A step takes O(n²·d) time, O(n·d²) for Linear; memory is O(n·d). A record takes a few such sums more. The
    dissipation is |v|² in the space of the kernel, which is T²·KSD² to the Gibbs law. It includes the self pairs, and
    is therefore above 0 at a fixed point of few particles. A start without spread in some direction gives a WgfWarning
    that names it.

    References
    ----------
    Liu & Wang (2016), Stein variational gradient descent, NeurIPS.
    Liu (2017), Stein variational gradient descent as gradient flow, NeurIPS. (The dissipation.)

    Examples
    --------
    >>> import wgf
    >>> mu, F = wgf.Ensemble.gaussian(50, 1, mean=[2.0], cov=0.5), wgf.Quadratic() - wgf.Shannon()
    >>> sol = wgf.solve(F, mu, Stein("linear"), dt=0.05, t_end=10.0)
    >>> abs(float(sol.ensemble.mean())) < 1e-3, abs(float(sol.ensemble.covariance()) - 1) < 1e-3
    (True, True)
    """

    kernel: Kernel | float | str = "median"

    order: ClassVar[int] = 1
    integrates = True
    realises_shannon = True
    elementwise = True
    metric = "Stein's, |v|² in the space of the kernel: T² KSD² to the Gibbs law, self pairs included"

    SAMPLE: ClassVar[int] = 400
    """At most so many particles are drawn for the median distance."""

    def __post_init__(self) -> None:
        if isinstance(self.kernel, str):
            if self.kernel not in RULES:
                raise ConfigError(f"kernel = {shown(self.kernel)}{closest(self.kernel, RULES)}")
        elif not isinstance(self.kernel, Kernel):
            require_number("kernel", self.kernel, positive=True)
        elif not has_stein_operator(self.kernel):
            raise ConfigError(
                f"Stein: kernel = {written(self.kernel)}; wanted a function of |x − y| that is twice differentiable at "
                "0 (Gaussian, InverseMultiquadric, Matern from 3/2, a softened one) or Linear()."
            )
        elif not self.kernel.positive_definite:
            raise ConfigError(
                f"Stein: kernel = {written(self.kernel)}; wanted one that is known to be positive definite (Gaussian, "
                "InverseMultiquadric, Matern, softened Riesz, Linear, sums of them with factors ≥ 0), or F would rise. "
                "If you know that yours is, write it as a RadialKernel."
            )

    def __repr__(self) -> str:
        return f"Stein(kernel={written(self.kernel)})"

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if dynamics.domain is not None:
            refuse(self, f"domain = {dynamics.domain!r}", "all of space", "Use Langevin, or a potential that confines.")
        if dynamics.shannon.terms and mu.n > 1:
            warn_without_spread(self, mu, "The kernel pushes particles apart only where they differ.")

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. At T = 0 its dissipation is −∫∇F·v dμ; at T > 0 the ledger uses `dissipation` at records."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        velocity = self._direction(mu, -gradient, temperature)
        dissipation = None if temperature > 0 else -mu.inner(gradient, velocity)
        return Step(mu.moved(mu.x + h * velocity), dissipation)

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        mu, temperature = state.mu, dynamics.noise_temperature(state.t)
        by_median = self.kernel == "median"
        if temperature <= 0 or isinstance(mu, ShardedEnsemble) or (by_median and not (mu.equal_weights and mu.n > 1)):
            return None
        body = stein_body(self.kernel_at(mu), mu.x, mu.weights, temperature, h)
        if body is None or not by_median:
            return body
        rows = mu.drawn(self.SAMPLE)(torch.arange(mu.n)).numpy()
        return body._replace(median=median_rule(rows, _root(mu), mu.x.numpy().dtype, mu.dim))

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor:
        """|v|² in the space of the kernel. It needs no score of μ, and uses all data instead of a minibatch."""
        mu, evaluation = state.mu, state.evaluation
        if dynamics.free_energy.sampled:
            evaluation = dynamics.drift.at(state.t).evaluate(mu)
        temperature = dynamics.noise_temperature(state.t)
        kernel = self.kernel_at(mu)
        if isinstance(mu, ShardedEnsemble):
            return stein_divided.squared_norm(mu, kernel, -evaluation.gradient, temperature)
        return squared_norm(kernel, mu.x, mu.weights, -evaluation.gradient, temperature)

    def _direction(self, mu: Ensemble, scores: Tensor, temperature: float) -> Tensor:
        kernel = self.kernel_at(mu)
        if isinstance(mu, ShardedEnsemble):
            return stein_divided.direction(mu, kernel, scores, temperature)
        return direction(kernel, mu.x, mu.weights, scores, temperature)

    def kernel_at(self, mu: Ensemble) -> Kernel:
        """Make the kernel that moves the particles of μ: `kernel` itself, or by its rule.

        Parameters
        ----------
        mu : Ensemble
            The ensemble from which "median" takes its bandwidth.

        Returns
        -------
        Kernel
            A kernel of `wgf.kernels`.
        """
        if isinstance(self.kernel, Kernel):
            return self.kernel
        if isinstance(self.kernel, str):
            return Linear() if self.kernel == "linear" else Gaussian(_median_bandwidth(mu, self.SAMPLE))
        return Gaussian(float(self.kernel))


def _root(mu: Ensemble) -> float:
    """The median distance in bandwidths."""
    return math.sqrt(2.0 * math.log1p(mu.effective_size))


def _median_bandwidth(mu: Ensemble, most: int) -> float:
    """The bandwidth of "median". If the median is 0, the root mean square distance replaces it; if all coincide, 1."""
    drawn = mu.drawn(most)
    x = drawn(mu.x)
    if len(x) < 2:
        distance = 0.0
    elif mu.equal_weights and x.is_cpu:
        distance = median_distance(x, np.arange(len(x)))
    else:
        distance = _weighted_median(x.double(), drawn(mu.weights))
    rounding = math.sqrt(2.0 * float(ops.least_variance(mu.mean(), mu.dtype).sum()))
    if not distance > rounding:
        distance = math.sqrt(2.0 * float(mu.covariance().diagonal().sum()))
    if distance <= rounding:
        return 1.0
    h = distance / _root(mu)
    return h if h > 0.0 else 1.0  # also for NaN: the evaluation after the step names the particle


def _weighted_median(x: Tensor, weights: Tensor) -> float:
    """The median distance of pairs, weighted by wᵢwⱼ."""
    i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
    with ops.one_torch_thread():
        far, order = torch.sort((x[i] - x[j]).square().sum(1).sqrt())
        mass = (weights[i] * weights[j])[order].cumsum(0)
        return float(far[int(torch.searchsorted(mass, 0.5 * mass[-1]).clamp(max=len(far) - 1))])
