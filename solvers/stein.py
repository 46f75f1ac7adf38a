"""Stein variational gradient descent: the gradient flow in the metric of a kernel, which needs no score of μ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf import ops
from wgf.errors import ConfigError, closest, require_number
from wgf.kernels import Gaussian, Kernel, Linear
from wgf.kernels.stein import direction, has_stein_operator, squared_norm
from wgf.measure import SUBSET, Ensemble, Noise, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse

RULES = ("linear", "median")


@dataclass(frozen=True)
class Stein(Solver):
    """x' = x + h v(x),   v(x) = −∫ k(x, y) ∇_W E(y) dμ(y) + T ∫ ∇ᵧk(x, y) dμ(y)  (Liu & Wang 2016).

    For F = E − T·Shannon, v is the direction of steepest descent of F among the functions of norm |v| in the space of
    the kernel, since integration by parts replaces k∇log ρ by −∇k: no noise, no density. At T = 1 it is SVGD with the
    score −∇V; other entropies are part of E and act by their force. −dF/dt = |v|², which is T²·KSD² to the Gibbs law
    (Liu 2017); it is reported with the self pairs, hence above 0 at the fixed points of few particles.

    `kernel` is "median", a number h for Gaussian(h), "linear", or a kernel of `wgf.kernels`: a positive definite
    function of |x − y| that is twice differentiable at 0 (Gaussian, InverseMultiquadric, Matern from 3/2, softened
    Riesz; of a RadialKernel it is the user's to know), Linear(), or a sum of them with factors ≥ 0. "median" is the
    Gaussian with h² = m²/(2 log(N + 1)) at each step, m the median distance of pairs weighted by wᵢwⱼ and N = 1/Σw²,
    over at most 400 particles drawn by their ids. With Linear() Gaussians stay Gaussian, and mean and covariance of n
    particles obey the same equations.

    Order 1, deterministic. A Gaussian has k(x, x) = 1, so that one particle alone follows −∇E and h is a time of that
    flow, stable for h < 2/κ on a stiffness κ; repulsion adds up to T/h_k² to κ at a bandwidth h_k, which counts where
    that is small and fixed. "linear" has k(x, x) = 1 + |x|²: take h < 2/(κ ∫(1 + |x|²) dμ). Time O(n²·d) (Linear:
    O(n·d²)), memory O(n·d); a record takes a few such sums more.

    Every domain is refused: the integration by parts leaves a term at walls, and at the seam of a torus for kernels
    that are not periodic, and without it particles gather there.
    """

    kernel: Kernel | float | str = "median"

    order: ClassVar[int] = 1
    realises_shannon = True
    metric = "Stein's, |v|² in the space of the kernel: T² KSD² to the Gibbs law, self pairs included"

    SAMPLE: ClassVar[int] = 400
    """Particles whose pairs stand for all in the median."""

    def __post_init__(self) -> None:
        if isinstance(self.kernel, str):
            if self.kernel not in RULES:
                raise ConfigError(f"kernel = {self.kernel!r}{closest(self.kernel, RULES)}")
        elif not isinstance(self.kernel, Kernel):
            require_number("kernel", self.kernel, positive=True)
        elif not has_stein_operator(self.kernel):
            raise ConfigError(
                f"Stein: kernel = {self.kernel!r}; wanted a function of |x − y| that is twice differentiable at 0 "
                "(Gaussian, InverseMultiquadric, Matern from 3/2, a softened one) or Linear()."
            )
        elif not self.kernel.positive_definite:
            raise ConfigError(
                f"Stein: kernel = {self.kernel!r}; wanted one that is known to be positive definite (Gaussian, "
                "InverseMultiquadric, Matern, softened Riesz, Linear, sums of them with factors ≥ 0), or F would rise. "
                "If you know that yours is, write it as a RadialKernel."
            )

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if dynamics.domain is not None:
            refuse(self, f"domain = {dynamics.domain!r}", "all of space", "Use Langevin, or a potential that confines.")

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; without temperature its dissipation is −∫∇F·v dμ."""
        mu, gradient, temperature = state.mu, state.evaluation.gradient, dynamics.noise_temperature(state.t)
        velocity = mu.reduce(direction(self.kernel_at(mu), mu.x, mu.weights, -gradient, temperature))
        dissipation = None if temperature > 0 else -mu.inner(gradient, velocity)
        return Step(mu.moved(mu.x + h * velocity), dissipation)

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor:
        """|v|² in the space of the kernel, which needs no score; on all data."""
        mu, evaluation = state.mu, state.evaluation
        if dynamics.free_energy.sampled:
            evaluation = dynamics.drift.at(state.t).evaluate(mu)
        temperature = dynamics.noise_temperature(state.t)
        return mu.reduce(squared_norm(self.kernel_at(mu), mu.x, mu.weights, -evaluation.gradient, temperature))

    def kernel_at(self, mu: Ensemble) -> Kernel:
        """The kernel that moves the particles of μ."""
        if isinstance(self.kernel, Kernel):
            return self.kernel
        if isinstance(self.kernel, str):
            return Linear() if self.kernel == "linear" else Gaussian(_median_bandwidth(mu, self.SAMPLE))
        return Gaussian(float(self.kernel))


def _median_bandwidth(mu: Ensemble, most: int) -> float:
    """h of the rule; where most pairs coincide, by the root of the mean square distance, and 1 where all do."""
    sample = mu
    if mu.n > most:
        sample = mu.select(torch.argsort(Noise(0).uniform(mu.ids, 0, 1, SUBSET)[:, 0])[:most])
    count = mu.effective_size
    i, j = torch.triu_indices(sample.n, sample.n, 1, device=mu.device)
    distance = 0.0
    if len(i):
        x, weights = sample.x.double(), sample.weights
        with ops.one_torch_thread():
            far, order = torch.sort((x[i] - x[j]).square().sum(1).sqrt())
            mass = (weights[i] * weights[j])[order].cumsum(0)
            distance = float(far[int(torch.searchsorted(mass, 0.5 * mass[-1]).clamp(max=len(far) - 1))])
    if not distance > 0.0:
        distance = math.sqrt(2.0 * float(mu.covariance().diagonal().sum()))
    h = distance / math.sqrt(2.0 * math.log1p(count))
    return h if h > 0.0 else 1.0  # NaN too: the evaluation after the step names the particle
