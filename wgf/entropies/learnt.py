"""A score that is learnt from particles: what a run remembers of it, and how it is found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ConfigError, DivergenceError
from ..functional import Solved
from ..measure import Ensemble, Noise, checks
from ..ops import one_torch_thread
from ..ops.memory import counted, require_memory
from ..ops.score_fields import Bumps, Units
from ..ops.score_matching import Fit, misfit
from ..storage import remembered
from .hidden import Hidden, Sample, warmed

FEWEST = 16
"""The least number of particles with a weight."""
PENALTIES = {"kernel": 4.0, "mlp": 10.0}
"""The penalty κ is by default this number over the effective number of particles."""
_LEAST = 1e-12
"""The least variance of a coordinate given the others, as a part of its own, for a density to exist."""


@remembered
@dataclass(frozen=True, eq=False)
class Learnt(Solved):
    """The score at one ensemble: what a run remembers from one step to the next.

    Attributes
    ----------
    of : str
        A digest of the settings.
    x, weights, ids : Tensor
        The particles (n, d), float64, their weights (n,) and ids (n,).
    mean, factor : Tensor
        The mean (d,) and the Cholesky factor (d, d) of the covariance: x = mean + factor z.
    basis : tuple of Tensor
        Weights (d, M) and offsets (M,) of hidden units, or centres (M, d) and bandwidth (0-d) of kernels.
    hidden : Hidden or None
        The hidden units of the next fit; None for kernels.
    a, shift, matrix : Tensor
        The fit: output weights (M,), and the straight part (d,), (d, d).
    penalty : float
        κ.
    gap : float
        The loss on held-out particles beyond that on the others.
    score : Tensor
        ∇log ρ at the particles (n, d), float64.
    entropy : Tensor
        S, 0-d, float64.
    """

    ids: Tensor
    mean: Tensor
    factor: Tensor
    basis: tuple[Tensor, Tensor]
    hidden: Hidden | None
    a: Tensor
    shift: Tensor
    matrix: Tensor
    penalty: float
    gap: float
    score: Tensor
    entropy: Tensor

    def at(self, mu: Ensemble) -> bool:
        """Whether it was found at these very particles."""
        return super().at(mu) and bool(torch.equal(self.ids, mu.ids))

    def _fields(self) -> Units | Bumps:
        first, second = self.basis
        return Units(first, second) if second.ndim else Bumps(first, float(second))

    def _fit(self) -> Fit:
        return Fit(self.a, self.shift, self.matrix)

    def _standardised(self, x: Tensor) -> Tensor:
        with one_torch_thread():
            return torch.linalg.solve_triangular(self.factor, (x - self.mean).T, upper=False).T.contiguous()

    def trained(self, rate: float, iterations: int) -> Learnt:
        """The same score here, and better hidden units for the next fit, if training finds some."""
        if self.hidden is None or not iterations:
            return self
        sample = Sample.of(self._standardised(self.x), self.weights, self.ids)
        return replace(self, hidden=self.hidden.round(sample, self.penalty, rate, iterations))

    def at_points(self, x: Tensor) -> Tensor:
        """∇log ρ at points (m, d)."""
        return _unstandardised(self.factor, self._fit().score(self._fields(), self._standardised(x)))

    def first_variation(self, x: Tensor) -> Tensor:
        """−log ρ − 1 at points (m, d). Its constant is such that −log ρ has the mean S over the particles."""
        fit, fields = self._fit(), self._fields()
        here = fit.log_density(fields, self._standardised(x))
        own = fit.log_density(fields, self._standardised(self.x))
        with one_torch_thread():
            return self.entropy - 1.0 + self.weights @ own - here

    def errors(self, mu: Ensemble) -> tuple[float, float]:
        """What was learnt from chance, and what is missing: two estimates of E|s − s*|² as parts of E|s|²."""
        z = self._standardised(self.x)
        score = self._fit().score(self._fields(), z)
        with one_torch_thread():
            size = float(self.weights @ score.square().sum(1)) + 1e-300
        missing = misfit(z, score, self.weights)
        return self.gap / size, missing / size


def _unstandardised(factor: Tensor, score: Tensor) -> Tensor:
    """Scores (m, d) in the units of x."""
    with one_torch_thread():
        return torch.linalg.solve_triangular(factor.T, score.T, upper=True).T.contiguous()


def learnt(
    mu: Ensemble,
    before: Learnt | None,
    of: str,
    settings: tuple[str, int, float | None, float | None, float],
    iterations: int,
    start: float | str,
    noise: Noise,
) -> Learnt:
    """Learn the score of μ, from what was known at an earlier ensemble of the same particles.

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d).
    before : Learnt or None
        What the run remembers; None where it starts.
    of : str
        A digest of the settings.
    settings : tuple
        The kind of network, its width, the bandwidth or None, the penalty or None, and the learning rate.
    iterations : int
        0 where hidden units are not trained.
    start : float or "gaussian"
        S where a run starts.
    noise : Noise
        The source of the first hidden units.

    Returns
    -------
    Learnt
        The score at μ.

    Raises
    ------
    ConfigError
        For too few particles, no density, or particles that are not those of `before`.
    DivergenceError
        If a coordinate or the fit is not finite.
    ResourceError
        If the sums do not fit into memory.
    """
    x, weights = mu.x.detach().double(), mu.weights.detach().double()
    if not checks.holds(torch.isfinite(x).all()):
        raise DivergenceError("Score: a coordinate is not finite.")
    if before is not None and not (torch.equal(before.ids, mu.ids) and torch.equal(before.weights, weights)):
        raise ConfigError(
            "Score follows the same particles with the same weights through a run; a scheme with birth and death, or "
            "one that resamples, changes them. Take Langevin with Shannon, or Blob."
        )
    mean, factor = _spread(mu)
    count = min(settings[1], mu.n) if settings[0] == "kernel" else settings[1]
    size = 8 * count * (16 * count + 3 * mu.dim**2)
    require_memory(f"{counted(count)} fields of a score in dimension {mu.dim}", size, "reduce the width")
    with one_torch_thread():
        z = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False).T.contiguous()
    sample = Sample.of(z, weights, mu.ids)
    network, width, bandwidth, penalty, rate = settings
    kappa = penalty or (PENALTIES[network] / mu.effective_size if before is None else before.penalty)
    hidden: Hidden | None = None
    fields: Units | Bumps
    if network == "kernel":
        order = torch.argsort(mu.ids, stable=True)
        rows = order[torch.linspace(0, mu.n - 1, min(width, mu.n), dtype=torch.float64).long().to(order.device)]
        fields = Bumps(z[rows], bandwidth or math.sqrt(8.0 * mu.dim))
    else:
        hidden = before.hidden if before else warmed(sample, width, noise, kappa, rate, iterations)
        assert hidden is not None
        fields = Units(*hidden.units)
    found = sample.matched(fields, kappa)
    score = _unstandardised(factor, found.fit.score(fields, z))
    if not checks.holds(torch.isfinite(score).all()):
        raise DivergenceError("Score: the fit is not finite; take a larger penalty, or rescale the coordinates.")
    basis = (fields.weights, fields.offsets) if isinstance(fields, Units) else _kept(fields)
    entropy = _entropy(before, start, x, score, weights, factor)
    return Learnt(
        of, x.clone(), weights.clone(), mu.ids.clone(), mean, factor, basis, hidden, *found.fit,
        kappa, found.gap, score, entropy,
    )  # fmt: skip


def _kept(fields: Bumps) -> tuple[Tensor, Tensor]:
    centres = fields.centres
    return centres, torch.tensor(fields.bandwidth, dtype=centres.dtype, device=centres.device)


def _spread(mu: Ensemble) -> tuple[Tensor, Tensor]:
    """Mean and Cholesky factor of the covariance; ConfigError where there are too few particles or no density."""
    n, d = int((mu.weights > 0).sum()), mu.dim
    if n < max(FEWEST, 2 * (d + 1)):
        raise ConfigError(
            f"Score of {n} particles with a weight in dimension {d}: wanted at least {max(FEWEST, 2 * (d + 1))}."
        )
    mean, covariance = mu.moments()
    scale = covariance.diagonal().sqrt()
    if not checks.holds(torch.isfinite(covariance).all()):
        raise DivergenceError("Score: the covariance is not finite; rescale the coordinates.")
    flat = not checks.holds((scale > 0).all())
    if not flat:
        with one_torch_thread():
            factor, info = torch.linalg.cholesky_ex(covariance / torch.outer(scale, scale))
        flat = bool(info) or not checks.holds((factor.diagonal().square() > _LEAST).all())
    if flat:
        raise ConfigError(f"Score: the {n} particles lie in a plane or coincide, so that they have no density.")
    return mean, scale[:, None] * factor


def _entropy(
    before: Learnt | None, start: float | str, x: Tensor, score: Tensor, weights: Tensor, factor: Tensor
) -> Tensor:
    """S at the start, or S of before and −½ E[(s + s')·(x' − x)]."""
    with one_torch_thread():
        if before is not None:
            power = ((before.score + score) * (x - before.x)).sum(1)
            return before.entropy - 0.5 * (weights @ power)
        if not isinstance(start, str):
            return torch.tensor(start, dtype=torch.float64, device=x.device)
        return 0.5 * len(factor) * math.log(2 * math.pi * math.e) + factor.diagonal().log().sum()
