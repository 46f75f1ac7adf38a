"""The answer of a problem, and the error of an ensemble against it: by places, by moments, by W₂, or a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ..diagnostics.transport import wasserstein
from ..domains import Domain
from ..errors import ConfigError, ShapeError, closest, shown
from ..flow import solve
from ..functional import FreeEnergy
from ..measure import Ensemble, as_numbers
from ..protocol import realised_by_noise
from ..solvers import LeimkuhlerMatthews, RungeKutta4

METRICS = ("places", "moments", "wasserstein")
UNITS = {
    "places": "distance of all particles from the answer, over the spread of the answer",
    "moments": "distance of mean and covariance from the answer, in its units",
    "wasserstein": "W₂ to the answer, over its standard deviation",
}
FINER, RUNS = 8, 4
"""The fine answer has steps of this fraction of the finest; with noise it is the union of so many runs."""

Metric = Callable[[Ensemble, Any], float]


@dataclass(frozen=True)
class Answer:
    """What the result of a scheme is compared with.

    Attributes
    ----------
    error : callable (Ensemble) -> float
        The error of a result.
    told, unit : str
        What the answer is, and what the error is.
    floors : dict
        Errors that remain at any step length, by their reason.
    relative : bool
        Whether the error is relative to the answer, so that 1 means nothing was found.
    """

    error: Callable[[Ensemble], float]
    told: str
    unit: str
    floors: dict[str, float] = field(default_factory=dict)
    relative: bool = True


def answer(
    F: FreeEnergy,
    mu: Ensemble,
    reference: Any,
    metric: Any,
    *,
    t_end: float,
    h: float,
    domain: Domain | None,
    seed: int,
) -> Answer:
    """The answer that `benchmark` was asked to compare with; h is the finest step of the schemes."""
    require_metric(metric)
    if callable(reference) and not isinstance(reference, Ensemble):
        if metric is not None:
            raise ConfigError(f"metric = {shown(metric)}: the reference is a function, which gives the error itself.")
        return Answer(
            lambda found: _finite(reference(found)),
            "exact, by the function given",
            "by the function given",
            relative=False,
        )
    if isinstance(reference, str):
        if reference != "fine":
            raise ConfigError(f"reference = {shown(reference)}{closest(reference, ['fine'])}")
        return _fine(F, mu, metric, t_end, h, domain, seed)
    if isinstance(reference, tuple) and len(reference) == 2:
        return _exact(mu, reference, metric)
    if reference is None:
        raise ConfigError('reference is missing; wanted "fine", samples, (mean, covariance), or a function of μ.')
    samples = reference if isinstance(reference, Ensemble) else Ensemble(as_numbers("reference", reference))
    if samples.dim != mu.dim:
        raise ShapeError(f"reference: dimension {samples.dim}; the particles have {mu.dim}.")
    return _against(samples, metric or "wasserstein", f"{samples.n} samples")


def has_noise(F: FreeEnergy) -> bool:
    """Whether F has an entropy that noise realises."""
    return any(realised_by_noise(term) for term in F.terms)


def require_metric(metric: Any) -> None:
    """ConfigError for a metric that is neither a name nor a function."""
    if not (metric is None or callable(metric) or (isinstance(metric, str) and metric in METRICS)):
        raise ConfigError(f"metric = {shown(metric)}{closest(str(metric), METRICS)}")


def _exact(mu: Ensemble, moments: tuple[Any, Any], metric: Any) -> Answer:
    """Exact moments (mean, covariance)."""
    if metric not in (None, "moments"):
        raise ConfigError(f"metric = {shown(metric)}: the reference is a mean and a covariance; wanted 'moments'.")
    mean, cov = (as_numbers(f"reference: {name}", part) for name, part in zip(("mean", "cov"), moments, strict=True))
    cov = torch.diag(cov.expand(mu.dim)) if cov.ndim < 2 else cov
    if mean.shape not in ((), (mu.dim,)) or cov.shape != (mu.dim, mu.dim):
        raise ShapeError(f"reference: mean {tuple(mean.shape)}, covariance {tuple(cov.shape)} in dimension {mu.dim}.")
    centre = mean.expand(mu.dim).numpy()
    return Answer(_by_moments(centre, cov.numpy()), "the exact mean and covariance", UNITS["moments"])


def _fine(F: FreeEnergy, mu: Ensemble, metric: Any, t_end: float, h: float, domain: Domain | None, seed: int) -> Answer:
    """The same problem with finer steps: by RungeKutta4, or with noise several runs by LeimkuhlerMatthews."""

    def run(scheme: Any, dt: float, seed: int) -> Ensemble:
        return solve(F, mu, scheme, dt=dt, t_end=t_end, record_every=10**9, domain=domain, seed=seed).ensemble

    if not has_noise(F):
        found = run(RungeKutta4(), h / FINER, seed)
        return _against(found, metric or "places", f"the same particles by RungeKutta4 at h = {h / FINER:.3g}")
    parts = [run(LeimkuhlerMatthews(), h / FINER, seed + 1000 + k) for k in range(RUNS)]
    union = Ensemble(torch.cat([p.x for p in parts]), torch.cat([p.weights for p in parts]) / RUNS)
    others = Ensemble(torch.cat([p.x for p in parts[1:]]), torch.cat([p.weights for p in parts[1:]]) / (RUNS - 1))
    told = f"{RUNS} runs by LeimkuhlerMatthews at h = {h / FINER:.3g}, {union.n} particles"
    if metric == "places":
        raise ConfigError(
            "metric = 'places': noise moves the particles; wanted 'moments', 'wasserstein' or a function."
        )
    made = _against(union, metric or "wasserstein", told)
    floor = _against(others, metric or "wasserstein", told).error(parts[0])
    return replace(made, floors={"sampling": floor})


def _against(found: Ensemble, metric: Any, told: str) -> Answer:
    """The error against an ensemble."""
    if callable(metric):
        return Answer(lambda mu: _finite(metric(mu, found)), told, "by the metric given", relative=False)
    spread = math.sqrt(max(float(found.covariance().trace()), 0.0))
    if not spread > 0:
        raise ConfigError("reference: all particles of the answer are at one place; give a function as metric.")
    if metric == "places":
        return Answer(lambda mu: _apart(mu, found) / spread, told, UNITS["places"])
    if metric == "moments":
        mean, cov = found.moments()
        return Answer(_by_moments(mean.numpy(), cov.numpy()), told, UNITS["moments"])
    return Answer(lambda mu: wasserstein(mu, found).distance / spread, told, UNITS["wasserstein"])


def _apart(mu: Ensemble, found: Ensemble) -> float:
    """The root mean square distance of particles from those of the answer with the same ids."""
    ours, theirs = mu.ids.argsort(), found.ids.argsort()
    if not torch.equal(mu.ids[ours], found.ids[theirs]):
        raise ConfigError("it makes other particles than those of the answer; wanted metric='wasserstein'")
    gap = mu.x[ours].double() - found.x[theirs].double()
    return math.sqrt(float((found.weights[theirs] * gap.square().sum(1)).sum()))


def _by_moments(mean: np.ndarray, cov: np.ndarray) -> Callable[[Ensemble], float]:
    """`gaussian_error` of the moments of an ensemble."""
    try:
        np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        raise ConfigError("reference: its covariance is not positive definite; wanted metric='wasserstein'.") from None

    def error(mu: Ensemble) -> float:
        m, c = mu.moments()
        return gaussian_error(m.numpy(), c.numpy(), mean, cov)

    return error


def gaussian_error(mean: np.ndarray, cov: np.ndarray, want_mean: np.ndarray, want_cov: np.ndarray) -> float:
    """The error √(|m − m*|²/d + ‖C − C*‖²/4d) of a mean and a covariance, both whitened by the answer C*.

    To first order it is W₂ between the two Gaussians, divided by W₂ of the answer from its own mean. It does not depend
    on the coordinates.
    """
    d = len(want_mean)
    root = np.linalg.cholesky(want_cov)
    shift = np.linalg.solve(root, mean - want_mean)
    spread = np.linalg.solve(root, np.linalg.solve(root, cov).T) - np.eye(d)
    return math.sqrt((float(shift @ shift) + float((spread**2).sum()) / 4) / d)


def _finite(value: Any) -> float:
    """The number that a user's function returned."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the error function returned {shown(value)}; wanted a number.") from error
    if not math.isfinite(number):
        raise ConfigError(f"the error function returned {number}; wanted a finite number.")
    return number
