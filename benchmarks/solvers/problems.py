"""The problems of `wgf bench solvers`, each with its known answer, its measure of error, and its smallest error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ... import data, flow, solvers
from ... import kernels as K
from ...domains import Box, Domain
from ...energies import Interaction, NetworkRisk, Potential, Quadratic
from ...entropies import Blob, LogDet, Power, Shannon
from ...functional import Functional
from ...measure import Ensemble
from . import answers, logistic


@dataclass(frozen=True)
class Problem:
    """A free energy, a start, and the known answer at the end.

    `noisy` has the Shannon entropy, for schemes that realise it by noise. `smooth` is for the others: its entropy has a
    force, or there is none. `n_noisy` and `n_smooth` are their numbers of particles. Their floors are the errors that
    remain at any time step: by sampling (`noisy_floor(n)`), or by the bandwidth of a blob (`smooth_floor`).

    The answer of a `transient` problem is the law at t_end; only schemes that follow the Wasserstein flow take part.
    The answer of the others is the equilibrium, which every scheme must reach. `exact_rest` says that the flow of
    `smooth` reaches it exactly with any step; then only schemes of other metrics use `smooth`. `hs` are the time steps.
    """

    name: str
    title: str
    equation: str
    answer: str
    unit: str
    t_end: float
    hs: tuple[float, ...]
    start: Callable[[int], Ensemble]
    error: Callable[[Ensemble], float]
    noisy: Functional | None = None
    smooth: Functional | None = None
    n_noisy: int = 0
    n_smooth: int = 0
    noisy_floor: Callable[[int], float] | None = None
    smooth_floor: Callable[[], float] | None = None
    transient: bool = True
    exact_rest: bool = False
    allowance: float = 1.0  # the time for a curve, as a multiple of the usual one
    domain: Domain | None = None  # where schemes on a grid put their cells


def halvings(first: float, count: int) -> tuple[float, ...]:
    """first, first/2, first/4, ..."""
    return tuple(first / 2**k for k in range(count))


def whitened(n: int, dim: int, mean: np.ndarray, variance: np.ndarray) -> Ensemble:
    """A Gaussian sample with exactly the given mean and variances, so that the start adds no error."""
    x = np.random.default_rng(1).standard_normal((n, dim))
    x -= x.mean(0)
    x = np.linalg.solve(np.linalg.cholesky(x.T @ x / n), x.T).T
    return Ensemble(mean + x * np.sqrt(variance))


def moment_error(mean: np.ndarray, cov: np.ndarray) -> Callable[[Ensemble], float]:
    """The error of an ensemble as a function: `gaussian_error` of its moments."""

    def error(mu: Ensemble) -> float:
        m, c = mu.moments()
        return answers.gaussian_error(m.numpy(), c.numpy(), mean, cov)

    return error


def finest(F: Functional, mu: Ensemble, h: float, t: float) -> Ensemble:
    """The particles at time t by RungeKutta4 with steps h, for answers and floors."""
    return flow.solve(F, mu, solvers.RungeKutta4(), dt=h, t_end=t, record_every=10**9).ensemble


def law_error(quantiles: answers.Quantiles) -> Callable[[Ensemble], float]:
    """The error of an ensemble as a function: `quantile_error` of its first coordinate."""
    return lambda mu: answers.quantile_error(mu.x[:, 0].double().numpy(), mu.weights.double().numpy(), quantiles)


MOMENTS = "distance of mean and covariance from the answer, in its units"
LAW = "W₂ to the answer, over its standard deviation"
PLACES = "distance of all particles from the answer, relative"


def ornstein_uhlenbeck(quick: bool) -> Problem:
    """Ornstein–Uhlenbeck with two rates: case 1 of docs/theory.md §7 (case 2 for log-det)."""
    k, temperature, t = np.array([1.0, 4.0]), 0.5, 1.0
    start_mean, start_variance = np.array([2.0, 1.0]), np.array([2.0, 1.0])
    mean, variance = answers.linear_flow(k, k, temperature, t, start_mean, start_variance)
    return Problem(
        name="ornstein-uhlenbeck",
        title="Ornstein–Uhlenbeck, t = 1",
        equation="V = (x² + 4y²)/2, T = ½, from N((2, 1), diag(2, 1))",
        answer="the exact mean and covariance at t = 1; log-det in place of Shannon has the same",
        unit=MOMENTS,
        t_end=t,
        hs=halvings(0.4, 5 if quick else 7),
        start=lambda n: whitened(n, 2, start_mean, start_variance),
        error=moment_error(mean, np.diag(variance)),
        noisy=Quadratic(k) - temperature * Shannon(),
        smooth=Quadratic(k) - temperature * LogDet(),
        n_noisy=10_000 if quick else 50_000,
        n_smooth=2000,
        noisy_floor=lambda n: answers.gaussian_floor(n, 2),
        domain=Box([-6.0, -5.0], [10.0, 7.0]),
    )


def mckean_vlasov(quick: bool) -> Problem:
    """Linear McKean–Vlasov: case 4 of `theory.md`. The mean feels only the confinement, the spread both forces."""
    a, b, temperature, t = 1.0, 2.0, 0.5, 0.5
    start_mean, start_variance = np.array([2.0]), np.array([1.0])
    rates = np.array([a]), np.array([a + b])
    mean, variance = answers.linear_flow(*rates, temperature, t, start_mean, start_variance)
    pairs = Quadratic(a) + Interaction(K.QuadraticKernel(b))
    return Problem(
        name="mckean-vlasov",
        title="Linear McKean–Vlasov, t = ½",
        equation="V = x²/2, W = x², T = ½, d = 1, from N(2, 1)",
        answer="the exact mean and variance at t = ½ for n → ∞ (n particles are off by O(1/n))",
        unit=MOMENTS,
        t_end=t,
        hs=halvings(0.25, 5 if quick else 7),
        start=lambda n: whitened(n, 1, start_mean, start_variance),
        error=moment_error(mean, np.diag(variance)),
        noisy=pairs - temperature * Shannon(),
        smooth=pairs - temperature * LogDet(),
        n_noisy=10_000 if quick else 50_000,
        n_smooth=2000,
        noisy_floor=lambda n: answers.gaussian_floor(n, 1),
        domain=Box(-4.0, 8.0),
    )


def gaussian_target(quick: bool) -> Problem:
    """The equilibrium of a quadratic with condition number 20, for schemes of all metrics."""
    angle = 0.6
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag([0.5, 10.0]) @ turn.T
    return Problem(
        name="gaussian-target",
        title="Gaussian target, condition 20",
        equation="V = ½ xᵀAx with eigenvalues ½ and 10, T = 1, from N((2, 1), I) to t = 10",
        answer="the equilibrium N(0, A⁻¹); e^{−5} of the start is left, which all schemes share",
        unit=MOMENTS,
        t_end=10.0,
        hs=halvings(0.4, 5 if quick else 7),
        start=lambda n: whitened(n, 2, np.array([2.0, 1.0]), np.ones(2)),
        error=moment_error(np.zeros(2), np.linalg.inv(matrix)),
        noisy=Quadratic(matrix) - 1.0 * Shannon(),
        smooth=Quadratic(matrix) - 1.0 * LogDet(),
        n_noisy=5_000 if quick else 20_000,
        n_smooth=2000,
        noisy_floor=lambda n: answers.gaussian_floor(n, 2),
        transient=False,
        exact_rest=True,
        domain=Box(-8.0, 8.0),
    )


def double_well(quick: bool) -> Problem:
    """Particles in two wells that attract each other: no closed form, but a self-consistent Gibbs density."""
    temperature, theta = 0.5, 0.5
    quantiles = answers.gibbs_quantiles(lambda x: x**4 / 2 - x**2, theta, temperature)
    wells = Potential(lambda x: (x**4 / 2 - x**2).sum(1), lambda x: 2 * x**3 - 2 * x)
    energy = wells + theta * Interaction(K.QuadraticKernel(1.0))
    error, smooth = law_error(quantiles), energy - temperature * Blob(0.12)

    def start(n: int) -> Ensemble:
        return Ensemble(((np.arange(n) + 0.5) / n - 0.5)[:, None])

    return Problem(
        name="double-well",
        title="Double well with interaction",
        equation="V = x⁴/2 − x², W = x²/4, T = ½, from the uniform law on [−½, ½] to t = 6",
        answer="the self-consistent Gibbs density, by quadrature; forces have a blob of bandwidth 0.12 for Shannon",
        unit=LAW,
        t_end=6.0,
        hs=halvings(0.2, 4 if quick else 6),
        start=start,
        error=error,
        noisy=energy - temperature * Shannon(),
        smooth=smooth,
        n_noisy=10_000 if quick else 50_000,
        n_smooth=400,
        noisy_floor=lambda n: answers.quantile_floor(n, quantiles, 5),
        smooth_floor=lambda: error(finest(smooth, start(400), 0.05, 6.0)),
        transient=False,
        domain=Box(-3.0, 3.0),
    )


def logistic_regression(quick: bool) -> Problem:
    """The posterior of a logistic regression on real data in 31 dimensions."""
    mean, cov = logistic.moments()
    return Problem(
        name="logistic-regression",
        title="Bayesian logistic regression",
        equation="breast-cancer data, 455 samples, 31 coefficients, prior N(0, I), from N(0, I) to t = 5",
        answer="mean and covariance of the posterior by 4·10⁶ draws of importance sampling (solvers/posterior.json)",
        unit=MOMENTS,
        t_end=5.0,
        hs=halvings(0.025, 3),
        start=lambda n: whitened(n, len(mean), np.zeros(len(mean)), np.ones(len(mean))),
        error=moment_error(mean, cov),
        noisy=logistic.potential() - 1.0 * Shannon(),
        n_noisy=200 if quick else 500,
        allowance=1.0 if quick else 6.0,
        noisy_floor=lambda n: answers.gaussian_floor(n, len(mean)),
        transient=False,
    )


def barenblatt(quick: bool) -> Problem:
    """Porous-medium flow from the profile at t = 1 to that at t = 2: case 6 of `theory.md`."""
    error, smooth = law_error(answers.barenblatt_quantiles(2.0)), -1.0 * Power(2.0, 0.1)
    n = 200 if quick else 400

    def start(n: int) -> Ensemble:
        return Ensemble(answers.barenblatt_quantiles(1.0)((np.arange(n) + 0.5) / n)[:, None])

    return Problem(
        name="barenblatt",
        title="Barenblatt, porous medium",
        equation="F = ∫ρ², by a blob of bandwidth 0.1, from the profile at t = 1 to t = 2",
        answer="the profile t^{−1/3}(0.360562 − x²/(12t^{2/3}))₊ at t = 2",
        unit=LAW,
        t_end=1.0,
        hs=halvings(0.25, 5 if quick else 7),
        start=start,
        error=error,
        smooth=smooth,
        n_smooth=n,
        smooth_floor=lambda: error(finest(smooth, start(n), 1 / 64, 1.0)),
        domain=Box(-4.0, 4.0),
    )


def aggregation(quick: bool) -> Problem:
    """Aggregation of particles at Hermite zeros, which keep their shape: case 5 of `theory.md`."""
    n, first, t = 32, 2.5, 0.7
    zeros = answers.hermite_zeros(n)[:, None]
    want = answers.hermite_scale(first, t) * zeros
    return Problem(
        name="aggregation",
        title="Aggregation, 32 particles",
        equation="W = x²/2 − log|x|, no entropy, from 2.5 × (zeros of H₃₂)/√32 to t = 0.7",
        answer="c(t) × zeros with c² = 1 + (2.5² − 1)e^{−2t}, particle by particle",
        unit=PLACES,
        t_end=t,
        hs=halvings(0.175, 6 if quick else 8),
        start=lambda _: Ensemble(first * zeros),
        error=lambda mu: answers.relative_distance(np.sort(mu.x.numpy(), axis=0), want, want),
        smooth=Interaction(K.QuadraticKernel(1.0) + K.Log()),
        n_smooth=n,
    )


def network(quick: bool) -> Problem:
    """Training of a mean-field network. It has no closed form; the answer is the same flow with very fine steps."""
    x, y = data.teacher_student(200, 5, neurons=5, noise=0.1, seed=0)
    risk = NetworkRisk(x, y, activation="tanh", loss="squared")
    F = risk + 1e-2 * Quadratic() - 1e-2 * LogDet()
    n, t = 200, 8.0

    @cache
    def truth() -> np.ndarray:
        return finest(F, risk.initial(n, seed=1), t / (256 if quick else 1024), t).x.numpy()

    return Problem(
        name="network",
        title="Mean-field network, t = 8",
        equation="200 tanh neurons on a teacher's 200 samples in 5 dimensions, 10⁻²·(ridge − log-det)",
        answer="the same particles by RungeKutta4 at h = 1/128 (1/32 with --quick)",
        unit=PLACES,
        t_end=t,
        hs=halvings(2.0, 5 if quick else 7),
        start=lambda n: risk.initial(n, seed=1),
        error=lambda mu: answers.relative_distance(mu.x.numpy(), truth(), truth()),
        smooth=F,
        n_smooth=n,
    )


PROBLEMS: tuple[Callable[[bool], Problem], ...] = (
    ornstein_uhlenbeck,
    mckean_vlasov,
    gaussian_target,
    double_well,
    logistic_regression,
    barenblatt,
    aggregation,
    network,
)
"""All problems in the order of the page. Each is a function of `quick`."""
