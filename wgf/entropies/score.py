"""Shannon entropy as a force: the score ∇log ρ of the particles is learnt by implicit score matching."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from ..errors import ConfigError, closest, require_integer, require_length, require_number, shown
from ..functional import Evaluation, WarmStarted, Work
from ..measure import Ensemble, Noise
from ..summation import Check
from .base import Entropy, Variant
from .learnt import FEWEST, Learnt, learnt

NETWORKS = ("kernel", "mlp")


class Score(Entropy, WarmStarted[Learnt]):
    """The Shannon entropy with a force: the score ∇log ρ is learnt from the particles, and follows them in a run.

        S[μ] = −∫ ρ log ρ,    δS/δμ = −log ρ − 1,    ∇_W S = −∇log ρ ≈ −s
        s minimises ∫ (½|s|² + ∇·s) dμ among the slopes s = ∇ψ of a small network ψ

    Use it where a deterministic scheme is to follow the Fokker–Planck equation: particles then move along smooth paths,
    and F, dissipation and closure are as exact as for any energy. `Blob` smooths the density instead, which fails in
    more than about three dimensions.

    Parameters
    ----------
    network : {"kernel", "mlp"}
        What corrects the score of a Gaussian. "kernel": Gaussian kernels at some of the particles; nothing is trained.
        "mlp": hidden units tanh(w·z + b), trained by Adam. Kernels follow laws of any shape in up to about three
        dimensions; trained units find the few directions of many in which a law is not Gaussian, from some thousand
        particles on.
    width : int
        The number of hidden units or of kernels.
    bandwidth : float, optional
        The width of the kernels, in standard deviations of the particles. By default √(8d). Not for "mlp".
    penalty : float, optional
        κ > 0. It shrinks the correction towards the Gaussian score where chance may have made it. By default 4/n for
        kernels and 10/n for hidden units, n the effective number of particles.
    iterations : int
        Steps of Adam after each step of the run; 200 at the start. What comes of them is used once it predicts held-out
        particles better. Not for "kernel".
    rate : float
        The learning rate of Adam.
    start : float or "gaussian"
        S where a run starts, in nats: that of the law from which the particles were drawn. "gaussian" takes the entropy
        ½ log det(2πe C) of the Gaussian that has their covariance.
    tolerance : float
        The error of the score beyond which a run warns, a part of it.
    seed : int
        The key of the first hidden units.

    Raises
    ------
    ConfigError
        If a setting does not fit; for fewer than 16 particles with a weight, or fewer than 2(d + 1); where all of them
        lie in a plane or coincide; for weights or particles that change in a run (birth and death); in a domain, whose
        walls add terms to the loss; for particles that are divided among processes.
    DivergenceError
        If a coordinate, or the fit, is not finite.
    ResourceError
        If width or dimension are so large that the sums do not fit into memory.

    See Also
    --------
    wgf.Shannon, wgf.Blob, wgf.solvers.Langevin, wgf.diagnostics.knn_entropy

    Notes
    -----
    The score is −z + ∇g in units z in which the particles have mean 0 and covariance 1. Its linear part is fitted
    exactly: the identities E[s] = 0 and E[s·x] = −d hold on the particles. Under a quadratic potential mean and
    covariance therefore have the exact law. Divergences are analytic, so no random directions are needed in any
    dimension. The output weights of the network are solved for in each evaluation. Hidden units change between steps
    only, and are trained on three quarters of the particles. All is float64, in one thread of torch, and has the same
    bits with any number of threads.

    Along a run S is S₀ + ∫∫ ∇·v dμ dt, the change of variables by the velocity v of the particles. It is taken by parts
    and by the trapezoidal rule, −½ E[(s(x) + s'(x'))·(x' − x)] for each step, so that terms without second derivatives
    are enough. Outside a run S is S₀. Network, Adam's memory, s and S are memory of the run: they are stored, and a
    run that goes on has the same bits. With other settings it begins anew, at S₀. S takes over the errors of s. Where
    hidden units change, s does, and the closure of that step shows it; kernels have the closure of the scheme.

    The ledger has an estimate of the error of s in `sums_error:Score`. It is the root of the sum of two parts of E|s|²:
    the loss on held-out particles beyond that on all (chance was learnt: more particles are needed), and what Stein's
    identity E[s f + ∇f] = 0 lacks for some f (the network cannot follow: a larger width is needed). A warning names the
    larger part. It cannot see structure finer than its test functions, or the weights of modes without particles
    between them.

    The value is not a function of the measure alone, and the force is no derivative of it: they agree along flows. A
    kernel or network of M fields takes O(n d M²) for each evaluation.

    References
    ----------
    Hyvärinen (2005), Estimation of non-normalized statistical models by score matching, JMLR 6.
    Sriperumbudur, Fukumizu, Gretton, Hyvärinen & Kumar (2017), Density estimation in infinite dimensional exponential
    families, JMLR 18.
    Boffi & Vanden-Eijnden (2023), Probability flow solution of the Fokker–Planck equation, MLST 4.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(200, 2, cov=4.0, seed=0)
    >>> F = wgf.Quadratic() - 0.5 * wgf.Score("kernel", width=20)  # stationary: a Gaussian of variance T/k = 0.5
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=5.0)
    >>> bool((sol.ensemble.covariance().diagonal() - 0.5).abs().max() < 0.01)
    True
    """

    words = "learnt score"
    is_log_density = True
    needs_space = True

    def __init__(
        self,
        network: str = "kernel",
        width: int = 64,
        bandwidth: float | None = None,
        penalty: float | None = None,
        iterations: int = 10,
        rate: float = 1e-2,
        start: float | str = "gaussian",
        tolerance: float = 0.5,
        seed: int = 0,
    ) -> None:
        if network not in NETWORKS:
            raise ConfigError(f"Score(network={shown(network)}){closest(network, NETWORKS)}")
        if bandwidth is not None and network != "kernel":
            raise ConfigError(f"Score(bandwidth={shown(bandwidth)}): a setting of kernels; wanted network='kernel'.")
        if isinstance(start, str) and start != "gaussian":
            raise ConfigError(f"Score(start={shown(start)}): wanted a number of nats, or 'gaussian'.")
        self.network = network
        self.width = require_integer("width", width, low=1)
        self.bandwidth = None if bandwidth is None else require_length("bandwidth", bandwidth)
        self.penalty = None if penalty is None else require_number("penalty", penalty, positive=True)
        self.iterations = require_integer("iterations", iterations, low=0)
        self.rate = require_number("rate", rate, positive=True)
        self.start = start if isinstance(start, str) else require_number("start", start)
        self.tolerance = require_number("tolerance", tolerance, positive=True)
        self.seed = require_integer("seed", seed, low=0)

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """None: studies compare surrogates of Shannon, and this is Shannon itself.

        Its value belongs to one flow.
        """
        return ()

    @property
    def fewest_particles(self) -> int:
        return FEWEST

    def undivided(self, mu: Ensemble) -> str | None:
        return "the network is fitted to all particles in one process"

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work(mu.n * mu.dim, products=mu.n * self.width**2 * (mu.dim + self.iterations))

    def audit(self, mu: Ensemble) -> Check:
        found = self._solved(mu)
        chance, missing = found.errors(mu)
        if chance > missing:
            why = "it has learnt chance: take more particles, a smaller width or a larger penalty"
        else:
            why = "it cannot follow the law: take a larger width, or more iterations"
        measure = "error of the score, a part of it, by the loss on held-out particles and by Stein's identity"
        error = math.sqrt(chance + missing)
        advice = f"the score of {self.name} is off by about {error:.0%}: {why}."
        return Check(f"score matching, {self.network}", "", error, self.tolerance, measure, advice)

    # -------------------------------------------------------------------------------- what is learnt

    def _settings(self) -> tuple[tuple[object, ...], tuple[Tensor, ...]]:
        fields = (self.network, self.width, self.bandwidth, self.penalty)
        return (*fields, self.iterations, self.rate, self.start, self.seed), ()

    def _require_defined(self, mu: Ensemble) -> None:
        self._divisible(mu)  # a run begins here, before it asks whether particles may be divided
        if mu.period is not None:
            raise ConfigError(f"{self.name} is not defined in a periodic domain; wanted all of space. Blob is.")

    def _solve(self, mu: Ensemble, before: Learnt | None) -> Learnt:
        settings = (self.network, self.width, self.bandwidth, self.penalty, self.rate)
        return learnt(mu, before, self._digest, settings, self.iterations, self.start, Noise(self.seed))

    def _learning(self, solution: Learnt) -> Learnt:
        return solution.trained(self.rate, self.iterations)

    def _everywhere(self, mu: Ensemble, at: Tensor | None, read: Callable[[Learnt, Tensor], Tensor]) -> Tensor:
        found = self._solved(mu)
        points = found.x if at is None else at.detach().double()
        return read(found, points).to(mu.dtype)

    # -------------------------------------------------------------------------------- hooks

    def _value(self, mu: Ensemble) -> Tensor:
        return self._solved(mu).entropy.clone()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._everywhere(mu, at, Learnt.first_variation)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if at is None:
            return -self._solved(mu).score.to(mu.dtype)
        return self._everywhere(mu, at, lambda found, points: -found.at_points(points))

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        found = self._solved(mu)
        return Evaluation(found.entropy.clone(), -found.score.to(mu.dtype))
