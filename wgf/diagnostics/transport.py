"""Wasserstein distances between ensembles by POT, with what each number means and how far it can be trusted."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ..ensemble import Ensemble, require_ensemble
from ..errors import (
    BackendError,
    ConfigError,
    ResourceError,
    ShapeError,
    TransportError,
    closest,
    require_integer,
    require_number,
    require_seed,
)
from ..ops.threads import one_blas_thread

EXACT_UP_TO = 2000  # particles: the network simplex takes about 1 s here, and its time grows as n² to n³
MEMORY_LIMIT = 2 * 2**30  # bytes
PAIR_BYTES = {"emd": 41, "sinkhorn": 65}  # peak memory per pair of particles, measured with POT 0.9.7
BURES_UP_TO = 1000  # dimensions: the d × d eigenproblems take about 1 s here, too long for a number on the side
TOLERANCE = 1e-6  # by how much a covariance may miss symmetry and positivity: what float32 leaves
BLOCK_VALUES = 2**22  # projected coordinates held at once by the sliced distance
SIMPLEX_ITERATIONS, SINKHORN_ITERATIONS, SINKHORN_TOLERANCE = 10_000_000, 10_000, 1e-4
GELBRICH = "the W₂ of Gaussians with these moments, a lower bound otherwise"


@dataclass(frozen=True)
class Transport:
    """A distance between two ensembles in the units of x (W₂, not its square), and what it means.

    `method` is the one that was used, `seconds` its wall time, `note` says whether the number is exact, a bound or an
    estimate, and `bures` is the W₂ of the Gaussians with the same moments, a lower bound (NaN where not computed).
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
) -> Transport:
    """The 2-Wasserstein distance  W₂(μ, ν)² = min_π ∫ |x − y|² dπ(x, y)  of ensembles (n, d) and (m, d), in float64.

    - "1d": exact, by sorting; d = 1 only.
    - "emd": exact, by the network simplex; time n² to n³.
    - "sliced": √d · SW₂ with SW₂² = mean_θ W₂(θ#μ, θ#ν)² over `projections` directions θ in orthonormal frames. Plain
      SW₂ is at most W₂/√d; the factor √d brings it to the scale of W₂, where it stays a lower bound and is exact for
      translations. Projections ≥ d are rounded up to whole frames; fewer than d make it a Monte Carlo estimate.
    - "sinkhorn": root of the debiased Sinkhorn divergence at ε = `regularisation` · ∫∫|x − y|² dμ dν, in logarithms.
    - "bures": between the Gaussians with the same means and covariances: a lower bound (Gelbrich).
    - "auto": "1d" in one dimension, "emd" up to 2000 particles, else "sliced" with the Bures distance beside it.

    The number of threads does not change the result. Raises ConfigError for an option, ShapeError for dimensions that
    differ, ResourceError where a method would need more than 2 GiB, BackendError without POT, and TransportError for
    coordinates that are not finite and for every warning of POT (its number is then wrong, 0.0 at worst).
    References: G. Peyré and M. Cuturi, Computational Optimal Transport (2019); R. Flamary et al., JMLR 22(78) (2021);
    J. Feydy et al., AISTATS (2019) on the divergence; N. Bonneel et al., J. Math. Imaging Vis. 51 (2015) on slices.

    >>> import wgf
    >>> wasserstein(wgf.Ensemble([[0.0], [1.0]]), wgf.Ensemble([[3.0], [4.0]])).distance
    3.0
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        require_ensemble(name, measure)
    _require_options(method, mu.dim, nu.dim, projections, regularisation)
    ot = None if method == "bures" else _pot()  # the first import takes a second, which is not the method's
    start = time.perf_counter()
    clouds = *_cloud("mu", mu), *_cloud("nu", nu)
    method, why = _choose(method, mu.dim, max(mu.n, nu.n))
    _require_memory(method, mu, nu)
    beside = math.nan
    if method == "bures" or (method == "sliced" and mu.dim <= BURES_UP_TO):
        moments = mu.mean(), mu.covariance(), nu.mean(), nu.covariance()
        beside = bures(*moments) if all(bool(part.isfinite().all()) for part in moments) else math.nan
    if method == "bures":
        distance, note = beside, GELBRICH
    else:
        distance, note = _solve(_SOLVERS[method], ot, clouds, (projections, require_seed(seed), regularisation))
    if not math.isfinite(distance):
        raise TransportError(f"method={method!r} gave {distance}: the coordinates are out of its range, rescale them.")
    return Transport(distance, method, time.perf_counter() - start, note + why, beside)


def bures(mean0: Any, cov0: Any, mean1: Any, cov1: Any) -> float:
    """The 2-Wasserstein distance of the Gaussians N(m₀, C₀) and N(m₁, C₁); means (d,), covariances (d, d), float64.

    W₂² = |m₀ − m₁|² + tr C₀ + tr C₁ − 2 tr (C₀^½ C₁ C₀^½)^½, computed as |m₀ − m₁|² + min_U ‖C₀^½ − C₁^½ U‖² over
    orthogonal U, which does not cancel where the two are close. Raises ShapeError, or ConfigError for a covariance
    that is not finite, symmetric and positive semidefinite.
    Reference: R. Bhatia, T. Jain and Y. Lim, Expositiones Mathematicae 37, 165 (2019).

    >>> round(bures([0.0], [[1.0]], [3.0], [[25.0]]), 12)
    5.0
    """
    with one_blas_thread():  # LAPACK rounds by its thread count
        (m0, root0), (m1, root1) = _root("0", mean0, cov0), _root("1", mean1, cov1)
        if m0.shape != m1.shape:
            raise ShapeError(f"mean0 {m0.shape} and mean1 {m1.shape} differ in dimension.")
        left, _, right = np.linalg.svd(root1 @ root0)
        return math.hypot(np.linalg.norm(m0 - m1), np.linalg.norm(root0 - root1 @ left @ right))


def _root(name: str, mean: Any, cov: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mean, and the symmetric square root of a covariance."""
    m, c = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v, dtype=np.float64) for v in (mean, cov))
    if m.ndim != 1 or not len(m) or c.shape != (len(m), len(m)):
        raise ShapeError(f"mean{name} {m.shape} and cov{name} {c.shape}: wanted (d,) and (d, d).")
    if not (np.isfinite(m).all() and np.isfinite(c).all()):
        raise ConfigError(f"mean{name} and cov{name} must be finite.")
    rounding = len(m) * np.finfo(np.float64).eps * np.abs(c).max()
    if np.abs(c - c.T).max() > TOLERANCE * np.abs(c).max():
        raise ConfigError(f"cov{name} must be symmetric.")
    values, vectors = np.linalg.eigh((c + c.T) / 2)
    if values[0] < -TOLERANCE * np.abs(c).max():
        raise ConfigError(f"cov{name} has the eigenvalue {values[0]:.3g}: wanted a positive semidefinite matrix.")
    values = np.where(values > rounding, values, 0.0)  # what is left of a zero, ε, would come out of the root as √ε
    return m, (vectors * np.sqrt(values)) @ vectors.T


def _cloud(name: str, mu: Ensemble) -> tuple[np.ndarray, np.ndarray]:
    """Particles (n, d) and weights (n,) in float64, checked, without the rows of weight 0."""
    x, w = (value.detach().cpu().numpy().astype(np.float64) for value in (mu.x, mu.weights))
    for row, column in np.argwhere(~np.isfinite(x))[:1]:
        raise TransportError(f"{name} has the coordinate {x[row, column]} in row {row}, column {column}.")
    if not (np.isfinite(w).all() and w.min() >= 0 and w.sum() > 0):
        raise TransportError(f"{name} has weights that are not finite and ≥ 0 with a positive sum.")
    return x[w > 0], w[w > 0] / w.sum()


def _require_options(method: str, dim_mu: int, dim_nu: int, projections: int, regularisation: float) -> None:
    if method not in ("auto", "bures", *_SOLVERS):
        raise ConfigError(f"Unknown method {method!r}{closest(method, ('auto', 'bures', *_SOLVERS))}")
    require_integer("projections", projections, low=1)
    require_number("regularisation", regularisation, positive=True)
    if dim_mu != dim_nu:
        raise ShapeError(f"mu has dimension {dim_mu} and nu has {dim_nu}: no distance joins the two.")
    if method == "1d" and dim_mu != 1:
        raise ShapeError(f"method='1d' sorts numbers, but the ensembles have dimension {dim_mu}: use 'auto'.")


def _choose(method: str, dim: int, n: int) -> tuple[str, str]:
    """The method that is meant, and what to add to the note."""
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


class _Problem(NamedTuple):  # clouds x (n, d) and y (m, d) with weights a and b, and the options
    x: np.ndarray
    a: np.ndarray
    y: np.ndarray
    b: np.ndarray
    projections: int
    seed: int
    regularisation: float


_Solver = Callable[[Any, _Problem], tuple[float, str]]


def _solve(solver: _Solver, ot: Any, clouds: tuple[np.ndarray, ...], options: tuple[Any, ...]) -> tuple[float, str]:
    """Run a POT method on the clouds brought near [−1, 1]: no square overflows, and POT's tolerances make sense."""
    x, a, y, b = clouds
    low, high = np.minimum(x.min(0), y.min(0)), np.maximum(x.max(0), y.max(0))
    centre, half = low / 2 + high / 2, np.max(high / 2 - low / 2)
    if half == 0:
        return 0.0, "exact: all particles sit at one point"
    scale = 2.0 ** np.floor(np.log2(half))  # a power of two divides without rounding
    with _warnings_raised(), one_blas_thread():  # BLAS rounds by its thread count
        problem = _Problem((x - centre) / scale, a, (y - centre) / scale, b, *options)
        distance, note = solver(ot, problem)
        return float(distance * scale), note


def _pot() -> Any:
    try:
        import ot
    except ImportError as missing:
        raise BackendError("Transport distances need POT, which is not installed here: pip install POT") from missing
    return ot


@contextmanager
def _warnings_raised() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for harmless in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", harmless)
        try:
            yield
        except Warning as reason:
            raise TransportError(f"POT warned, so its number is not used: {reason}") from reason


def _sorted(ot: Any, p: _Problem) -> tuple[float, str]:
    return math.sqrt(ot.wasserstein_1d(p.x[:, 0], p.y[:, 0], p.a, p.b, p=2)), "exact, by sorting"


def _simplex(ot: Any, p: _Problem) -> tuple[float, str]:
    cost, log = ot.emd2(p.a, p.b, cdist(p.x, p.y, "sqeuclidean"), numItermax=SIMPLEX_ITERATIONS, log=True)
    if log["warning"]:
        raise TransportError(f"POT warned, so its number is not used: {log['warning']}")
    return math.sqrt(max(cost, 0.0)), "exact, by the network simplex"


def _sinkhorn(ot: Any, p: _Problem) -> tuple[float, str]:
    cost = cdist(p.x, p.y, "sqeuclidean")  # from differences: |x|² + |y|² − 2x·y would cancel
    epsilon = p.regularisation * float(p.a @ cost @ p.b)
    f, g = _self_potential(p.x, p.a, epsilon), _self_potential(p.y, p.b, epsilon)
    log_a, log_b = np.log(p.a), np.log(p.b)  # POT's potentials absorb the weights, those of the divergence do not
    options = {"numItermax": SINKHORN_ITERATIONS, "stopThr": SINKHORN_TOLERANCE * np.linalg.norm(p.b), "log": True}
    start = f / epsilon + log_a, g / epsilon + log_b
    _, log = ot.sinkhorn(p.a, p.b, cost, epsilon, method="sinkhorn_log", warmstart=start, **options)
    across = epsilon * (p.a @ (log["log_u"] - log_a) + p.b @ (log["log_v"] - log_b))
    divergence = float(across - p.a @ f - p.b @ g)
    note = f"debiased Sinkhorn divergence, regularised by {p.regularisation:g} of the mean cost; W₂ in the limit of 0"
    return math.sqrt(max(divergence, 0.0)), note


def _self_potential(x: np.ndarray, a: np.ndarray, epsilon: float) -> np.ndarray:
    """The potential of a measure with itself, by averaged updates: tens of them where POT's alternate by thousands."""
    f, kernel = np.zeros(len(x)), np.log(a) - cdist(x, x, "sqeuclidean") / epsilon
    for _ in range(SINKHORN_ITERATIONS):
        update = -epsilon * logsumexp(kernel + f / epsilon, axis=1)
        f, change = (f + update) / 2, np.abs(f - update).max()
        if change <= 1e-5 * SINKHORN_TOLERANCE * epsilon:
            return f
    raise TransportError("The Sinkhorn potential of an ensemble with itself did not converge: raise regularisation.")


def _sliced(ot: Any, p: _Problem) -> tuple[float, str]:
    dim = p.x.shape[1]
    theta = _directions(dim, p.projections, p.seed)
    count, block = theta.shape[1], max(1, BLOCK_VALUES // (len(p.x) + len(p.y)))
    squares = np.empty(count)
    for at in range(0, count, block):
        part = slice(at, at + block)
        _, log = ot.sliced_wasserstein_distance(p.x, p.y, p.a, p.b, p=2, projections=theta[:, part], log=True)
        squares[part] = log["projected_emds"]
    note = f"√d · SW₂ over {count} directions, d = {dim}: "
    if count >= dim:
        return math.sqrt(dim * squares.mean()), note + "a lower bound of W₂"
    error = squares.std() / max(squares.mean(), 1e-300) / (2 * math.sqrt(count))
    return math.sqrt(dim * squares.mean()), note + f"an estimate (relative standard error {error:.1%}) of a lower bound"


def _directions(dim: int, count: int, seed: int) -> np.ndarray:
    """Unit vectors (dim, count) in orthonormal frames: Σ_θ (θ·v)² = |v|² over a frame makes d · SW₂² ≤ W₂²."""
    rng = np.random.Generator(np.random.Philox(seed))
    width = min(dim, count)
    return np.hstack([np.linalg.qr(rng.standard_normal((dim, width)))[0] for _ in range(-(-count // width))])


_SOLVERS: dict[str, _Solver] = {
    "1d": _sorted,
    "emd": _simplex,
    "sinkhorn": _sinkhorn,
    "sliced": _sliced,
}
