"""Particles as Markov chains: their draws by time, the effective number of independent ones, and R-hat, by ArviZ."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BackendError, ConfigError, ShapeError, require_integer, require_number, require_seed, shown
from ..measure import Ensemble

METHODS = ("bulk", "tail", "mean", "median", "sd")
WEIGHTS = ("refuse", "resample")


def arviz() -> Any:
    """The module arviz. BackendError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it announces its next version
            import arviz
    except ImportError as error:
        raise BackendError("this needs ArviZ: python -m pip install 'wgflow[arviz]'.") from error
    return arviz


@dataclass(frozen=True)
class EffectiveSize:
    """The result of `ess`.

    Attributes
    ----------
    ess : array (d,)
        The number of independent draws with the same error, for each component.
    rhat : array (d,)
        The potential scale reduction: near 1 where the chains agree. NaN for a single chain.
    chains, draws : int
        The number of chains, and of draws of each.

    See Also
    --------
    wgf.diagnostics.ess, wgf.diagnostics.chains

    Examples
    --------
    >>> import wgf
    >>> draws = np.random.default_rng(0).normal(size=(4, 500, 1))  # chains, draws, components
    >>> size = wgf.diagnostics.ess(draws)
    >>> size.chains, size.draws, bool(size.rhat[0] < 1.01)
    (4, 500, True)
    """

    ess: np.ndarray
    rhat: np.ndarray
    chains: int
    draws: int

    @property
    def time(self) -> np.ndarray:
        """The integrated autocorrelation time (d,), in draws: all draws over the effective ones."""
        return self.chains * self.draws / self.ess

    def __str__(self) -> str:
        worst, agree = float(np.min(self.ess)), float(np.max(self.rhat))
        return (
            f"{self.chains} chains of {self.draws} draws: at least {worst:.0f} effective draws of "
            f"{self.chains * self.draws}, R-hat at most {agree:.4g}"
        )


def chains(sol: Any, *, groups: int | None = None, start: float = -math.inf, weights: str = "refuse",
           seed: int = 0) -> np.ndarray:  # fmt: skip
    """Give the particles of a trajectory as chains of draws.

    Parameters
    ----------
    sol : Solution
        A solution with a trajectory.
    groups : int, optional
        The number of chains. Each is then made of n/groups particles, one after the other. By default every particle is
        a chain.
    start : float, optional
        The first time, in flow time, from which frames are taken: what comes before is left out as burn-in.
    weights : {"refuse", "resample"}, default "refuse"
        What to do with particles that have unequal weights, or are born and die: see Notes.
    seed : int, default 0
        The seed of the resampling.

    Returns
    -------
    array (chains, draws, d)
        The draws, float64.

    Raises
    ------
    ConfigError
        If there is no trajectory, no frame from `start` on, or weights are unequal and are not to be resampled.

    See Also
    --------
    wgf.diagnostics.EffectiveSize, wgf.diagnostics.ess

    Notes
    -----
    A chain is a particle, found in each frame by its id. Chains have no weights. With "resample" each frame becomes n
    particles of equal weight by systematic resampling. Chain k is then row k of the resampled frames. Means are those
    of the ensembles up to the resampling error, below 1/n in each weight. But a row is no longer one path, so the
    autocorrelation in time is too small and the ESS too large.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(6, 2)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
    >>> chains(sol).shape, chains(sol, groups=2, start=0.5).shape
    ((6, 11, 2), (2, 18, 2))
    """
    if weights not in WEIGHTS:
        raise ConfigError(f"weights = {shown(weights)}: wanted {' or '.join(map(repr, WEIGHTS))}.")
    seed = require_seed(seed)
    frames = _frames(sol, start)
    ids = frames[0].ids.sort().values
    plain = all(mu.equal_weights and bool((mu.ids.sort().values == ids).all()) for mu in frames)
    if not plain and weights == "refuse":
        raise ConfigError(
            "the particles have unequal weights, or are born and die: they are no chains. Take the weighted means of "
            "sol.frame(k), or weights='resample', which makes the ESS too large."
        )
    if plain:
        draws = np.stack([mu.x[mu.ids.argsort()].double().numpy() for mu in frames], 1)
    else:
        rng = np.random.default_rng(seed)
        draws = np.stack([_resampled(mu, rng) for mu in frames], 1)
    if groups is None:
        return draws
    count = require_integer("groups", groups, low=1, high=len(draws))
    if len(draws) % count:
        raise ConfigError(f"groups = {count}: wanted a divisor of the {len(draws)} particles.")
    return draws.reshape(count, -1, draws.shape[2])


def _frames(sol: Any, start: float) -> list[Ensemble]:
    """The frames from a time on."""
    times = getattr(sol, "trajectory_times", None)
    if times is None:
        raise ConfigError("there is no trajectory; wanted a solution of solve(trajectory_every=...).")
    if start != -math.inf:
        start = require_number("start", start)
    rows = [k for k, t in enumerate(times.tolist()) if t >= start]
    if not rows:
        raise ConfigError(f"start = {start:g}: the last frame is at t = {float(times[-1]):g}; wanted an earlier time.")
    return [sol.frame(k).to("cpu") for k in rows]


def _resampled(mu: Ensemble, rng: np.random.Generator) -> np.ndarray:
    """n particles of equal weight, by systematic resampling."""
    levels = (rng.random() + np.arange(mu.n)) / mu.n
    reached = np.cumsum(mu.weights.numpy())
    rows = np.minimum(np.searchsorted(reached / reached[-1], levels, side="right"), mu.n - 1)
    return np.asarray(mu.x.double().numpy()[rows])


def ess(sol: Any, *, method: str = "bulk", groups: int | None = None, start: float = -math.inf,
        weights: str = "refuse", seed: int = 0) -> EffectiveSize:  # fmt: skip
    """Estimate how many independent draws a trajectory is worth, and whether its chains agree, by ArviZ.

    Use it for samplers at rest, such as `Langevin`: particles are chains, frames are draws. The error of a mean is the
    standard deviation over the square root of the effective number.

    Parameters
    ----------
    sol : Solution or array (chains, draws) or (chains, draws, d)
        A solution with a trajectory, or the draws themselves.
    method : {"bulk", "tail", "mean", "median", "sd"}
        Of what the effective number is: "mean" that of the mean, "bulk" that of ranks, which heavy tails do not spoil.
    groups, start, weights, seed
        How particles become chains: see `chains`. For arrays they have no meaning.

    Returns
    -------
    EffectiveSize
        ESS and R-hat for each component.

    Raises
    ------
    BackendError
        If ArviZ is not installed: the extra `wgflow[arviz]`.
    ConfigError
        As from `chains`, or for an unknown method or fewer than 4 draws.
    ShapeError
        For an array of another shape.

    See Also
    --------
    wgf.diagnostics.EffectiveSize, wgf.diagnostics.chains

    Notes
    -----
    It assumes that the particles do not act on each other. Where they do, the chains are not independent, and the
    effective number is too large.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16, 667–718.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(8, 1, seed=1)
    >>> F = wgf.Quadratic() - 1.0 * wgf.Shannon()
    >>> sol = wgf.solve(F, mu, wgf.solvers.ExponentialEuler(), dt=1.0, t_end=100.0, trajectory_every=1)
    >>> found = ess(sol, method="mean")
    >>> found.chains, found.draws, bool(200 < found.ess[0] < 600)
    (8, 101, True)
    """
    if method not in METHODS:
        raise ConfigError(f"method = {shown(method)}: wanted one of {', '.join(METHODS)}.")
    draws = _draws(sol) if _is_array(sol) else chains(sol, groups=groups, start=start, weights=weights, seed=seed)
    if draws.shape[1] < 4:
        raise ConfigError(f"ess: {draws.shape[1]} draws of a chain; wanted 4 at least.")
    library = arviz()
    parts = [np.ascontiguousarray(draws[:, :, c]) for c in range(draws.shape[2])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = [float(library.ess(part, method=method)) for part in parts]
        ratios = [float(library.rhat(part)) if len(part) > 1 else math.nan for part in parts]
    return EffectiveSize(np.array(sizes), np.array(ratios), draws.shape[0], draws.shape[1])


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, list, tuple)) or hasattr(value, "detach")


def _draws(value: Any) -> np.ndarray:
    """An array of draws (chains, draws, d), float64."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"ess: {shown(value)}; wanted draws (chains, draws, d).") from error
    array = array[:, :, None] if array.ndim == 2 else array
    if array.ndim != 3 or not array.size:
        raise ShapeError(f"ess: draws of shape {array.shape}; wanted (chains, draws) or (chains, draws, d).")
    if not np.isfinite(array).all():
        raise ConfigError("ess: the draws are not all finite.")
    return array
