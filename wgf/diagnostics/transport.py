"""Wasserstein distances between ensembles; each says whether it is exact, a bound or an estimate."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from ..errors import (
    ConfigError,
    ResourceError,
    ShapeError,
    TransportError,
    closest,
    require_integer,
    require_number,
    require_seed,
    shown,
)
from ..measure import Ensemble, require_whole
from .couplings import METHODS, Problem, library, solve
from .gaussian import bures

EXACT_UP_TO = 2000  # particles; the network simplex takes about 1 s for them, and its time grows as n² to n³
MEMORY_LIMIT = 2 * 2**30  # bytes
PAIR_BYTES = {"emd": 41}  # peak memory per pair of particles, measured with POT 0.9.7
BURES_UP_TO = 1000  # dimensions; beyond, the d × d eigenproblems take more than 1 s, too long for an extra number
MULTISCALE_UP_TO = 3  # dimensions; geomloss clusters by cubic cells
GELBRICH = "the W₂ of Gaussians with these moments, a lower bound otherwise"


@dataclass(frozen=True)
class Transport:
    """A Wasserstein distance between two ensembles, and what the number means. `float(...)` gives the distance.

    Attributes
    ----------
    distance : float
        W₂ (not its square), in the units of x.
    method : str
        The method that was used; "auto" never stands here.
    seconds : float
        Wall time of the method.
    note : str
        Whether the distance is exact, a bound or an estimate.
    bures : float
        W₂ of the Gaussians with the same means and covariances, a lower bound. NaN where it was not computed.

    See Also
    --------
    wgf.diagnostics.wasserstein, wgf.diagnostics.bures

    Examples
    --------
    >>> import wgf
    >>> found = wgf.diagnostics.wasserstein(wgf.Ensemble([[0.0]]), wgf.Ensemble([[3.0]]))
    >>> found.distance, float(found) == found.distance
    (3.0, True)
    """

    distance: float
    method: str
    seconds: float
    note: str
    bures: float = math.nan

    def __float__(self) -> float:
        return self.distance


def wasserstein(
    mu: Ensemble,
    nu: Ensemble,
    *,
    method: str = "auto",
    projections: int = 100,
    seed: int = 0,
    regularisation: float = 0.05,
    tolerance: float = 1e-6,
    iterations: int = 2000,
) -> Transport:
    """Compute the 2-Wasserstein distance of two ensembles, in float64.

        W₂(μ, ν)² = min_π ∫ |x − y|² dπ(x, y)   over couplings π of μ and ν

    Parameters
    ----------
    mu, nu : Ensemble (n, d) and (m, d)
        The two ensembles, with finite coordinates and any weights.
    method : str
        How it is computed:

        - "1d": exact, by sorting; d = 1 only.
        - "emd": exact, by the network simplex; its time grows as n² to n³.
        - "sliced": √d · SW₂, a lower bound, exact for translations.
        - "sinkhorn": root of the debiased Sinkhorn divergence at ε = `regularisation` · ∫∫|x − y|² dμ dν.
        - "multiscale": the same divergence by geomloss, blurred by 1 % of the diameter; an estimate, d ≤ 3. Needs the
          extra `transport` and, for its first call, a C++ compiler.
        - "bures": W₂ of the Gaussians with the same means and covariances, a lower bound (Gelbrich).
        - "auto": "1d" in one dimension, "emd" up to 2000 particles, else "sliced" with the Bures distance added.
    projections : int ≥ 1
        Directions of "sliced". From d on they are rounded up to whole orthonormal frames. Fewer than d make the result
        a Monte Carlo estimate.
    seed : int
        Seed of the directions.
    regularisation : float > 0
        ε of "sinkhorn" as a fraction of the mean squared distance between the two. The number of iterations grows as it
        falls.
    tolerance : float > 0
        The marginal error of the plan, Σ |its mass at a particle − the weight|, at which "sinkhorn" ends. The error of
        the squared distance is of second order in it.
    iterations : int ≥ 1
        The most iterations of "sinkhorn".

    Returns
    -------
    Transport
        The distance in the units of x, the method that was used, and a note on its meaning.

    Raises
    ------
    ConfigError
        For an unknown method or an option out of range.
    ShapeError
        For ensembles of different dimension, or "1d" in more than one.
    ResourceError
        Where the method would need more than 2 GiB.
    BackendError
        Where the library of the method is not installed.
    TransportError
        For coordinates or weights that are not finite, for every warning of a library (its number is then wrong,
        sometimes 0), and where "sinkhorn" does not reach its tolerance: the message says what it reached.

    See Also
    --------
    wgf.MMD, wgf.KSD, wgf.SlicedWasserstein, wgf.Wasserstein

    Notes
    -----
    SW₂² = mean_θ W₂(θ#μ, θ#ν)² is the mean over directions θ. It is at most W₂²/d, so √d · SW₂ has the scale of W₂.
    The number of threads does not change the result.

    References
    ----------
    G. Peyré and M. Cuturi, Computational Optimal Transport (2019).
    R. Flamary et al., POT: Python Optimal Transport, JMLR 22(78) (2021).
    J. Feydy et al., AISTATS (2019), for the divergence.
    N. Bonneel et al., Journal of Mathematical Imaging and Vision 51 (2015), for slices.

    Examples
    --------
    >>> import wgf
    >>> wasserstein(wgf.Ensemble([[0.0], [1.0]]), wgf.Ensemble([[3.0], [4.0]])).distance
    3.0
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        require_whole(name, measure)
    _require_options(method, mu.dim, nu.dim, projections, regularisation)
    require_number("tolerance", tolerance, positive=True)
    require_integer("iterations", iterations, low=1)
    period = _common_period(mu, nu)
    method, why = _choose(method, mu.dim, max(mu.n, nu.n)) if period is None else _on_torus(method, max(mu.n, nu.n))
    found = None if method == "bures" else library(method)  # imported before the clock starts: that takes seconds
    start = time.perf_counter()
    clouds = *cloud("mu", mu), *cloud("nu", nu)
    problem = Problem(*clouds, projections, require_seed(seed), regularisation, period, tolerance, iterations)
    _require_memory(method, mu, nu)
    beside = math.nan
    if method == "bures" or (method == "sliced" and mu.dim <= BURES_UP_TO):
        moments = mu.mean(), mu.covariance(), nu.mean(), nu.covariance()
        beside = bures(*moments) if all(bool(part.isfinite().all()) for part in moments) else math.nan
    if method == "bures":
        distance, note = beside, GELBRICH
    else:
        distance, note = solve(method, found, problem)
    if not math.isfinite(distance):
        raise TransportError(f"method={method!r} gave {distance}: the coordinates are out of its range, rescale them.")
    return Transport(distance, method, time.perf_counter() - start, note + why, beside)


def _common_period(mu: Ensemble, nu: Ensemble) -> tuple[float, ...] | None:
    """The period of both ensembles, None in all of space; ConfigError where only one lives on a torus."""
    both = [None if one.period is None else tuple(one.period.tolist()) for one in (mu, nu)]
    if both[0] != both[1]:
        raise ConfigError(f"mu repeats after {both[0]}, nu after {both[1]}; wanted one space for both (mu.on(period)).")
    return both[0]


def _on_torus(method: str, n: int) -> tuple[str, str]:
    """On a torus the coupling is exact, with the cost of the nearest image: lines and Gaussians know no seam."""
    if method not in ("auto", "emd") or n > EXACT_UP_TO:
        raise ConfigError(
            f"method={method!r} for {n} particles on a torus; wanted 'emd', for at most {EXACT_UP_TO} (mu.select takes "
            "some of them)."
        )
    return "emd", "; on a torus, by nearest images"


def cloud(name: str, mu: Ensemble) -> tuple[np.ndarray, np.ndarray]:
    """Particles (n, d) and weights (n,) in float64, checked and normalised, without the rows of weight 0."""
    x, w = (value.detach().cpu().numpy().astype(np.float64) for value in (mu.x, mu.weights))
    for row, column in np.argwhere(~np.isfinite(x))[:1]:
        raise TransportError(f"{name} has the coordinate {x[row, column]} in row {row}, column {column}.")
    if not (np.isfinite(w).all() and w.min() >= 0 and w.sum() > 0):
        raise TransportError(f"{name} has weights that are not finite and ≥ 0 with a positive sum.")
    return x[w > 0], w[w > 0] / w.sum()


def _require_options(method: str, dim_mu: int, dim_nu: int, projections: int, regularisation: float) -> None:
    if method not in ("auto", "bures", *METHODS):
        raise ConfigError(f"Unknown method {shown(method)}{closest(method, ('auto', 'bures', *METHODS))}")
    require_integer("projections", projections, low=1)
    require_number("regularisation", regularisation, positive=True)
    if dim_mu != dim_nu:
        raise ShapeError(f"mu has dimension {dim_mu} and nu has {dim_nu}: no distance joins the two.")
    if method == "1d" and dim_mu != 1:
        raise ShapeError(f"method='1d' sorts numbers, but the ensembles have dimension {dim_mu}: use 'auto'.")
    if method == "multiscale" and dim_mu > MULTISCALE_UP_TO:
        raise ConfigError(
            f"method='multiscale' takes up to {MULTISCALE_UP_TO} dimensions, but the ensembles have {dim_mu}: "
            "use 'sliced' or 'sinkhorn'."
        )


def _choose(method: str, dim: int, n: int) -> tuple[str, str]:
    """The method that "auto" stands for, and what to add to the note."""
    if method != "auto":
        return method, ""
    if dim == 1 or n <= EXACT_UP_TO:
        return "1d" if dim == 1 else "emd", ""
    return "sliced", f"; chosen as {n} particles are more than the {EXACT_UP_TO} that 'emd' takes in a second"


def _require_memory(method: str, mu: Ensemble, nu: Ensemble) -> None:
    need, size = PAIR_BYTES.get(method, 0) * mu.n * nu.n, f"{mu.n} × {nu.n} particles"
    if method == "bures":
        need, size = 64 * mu.dim**2, f"{mu.dim} dimensions"
    if need > MEMORY_LIMIT:
        raise ResourceError(
            f"method={method!r} at {size} needs about {need / 2**30:.1f} GiB, the limit is {MEMORY_LIMIT >> 30}: "
            "use method='sliced', which takes any size, or fewer particles."
        )
