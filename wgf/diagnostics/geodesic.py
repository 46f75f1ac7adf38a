"""Transport distances on a sphere, where the way between two points is an arc of a great circle."""

from __future__ import annotations

import math
import time
from importlib import import_module

import numpy as np

from ..errors import ConfigError, ResourceError, ShapeError, TransportError, require_integer, require_seed, shown
from ..measure import Ensemble, require_ensemble
from ..ops.coupling import SIMPLEX_ITERATIONS, no_other_backends
from ..ops.threads import one_blas_thread
from .transport import EXACT_UP_TO, Transport, cloud

ROUND = 1e-5
"""How much the radii of the particles may differ, relative to their mean: more than float32 rounds."""


def geodesic(mu: Ensemble, nu: Ensemble, *, method: str = "auto", projections: int = 100, seed: int = 0) -> Transport:
    """Compute the 2-Wasserstein distance of two ensembles on a sphere, with distances along great circles.

        W₂(μ, ν)² = min_π ∫ r² θ(x, y)² dπ(x, y),   θ the angle between x and y

    Parameters
    ----------
    mu, nu : Ensemble (n, d) and (m, d)
        The two ensembles, both on one sphere |x| = r around the origin, with any weights.
    method : {"auto", "emd", "sliced"}, default "auto"
        "emd" is exact, by the network simplex; its time grows as n² to n³. "sliced" is the spherical sliced distance:
        the root mean square, over random planes, of W₂ on the circle of directions in the plane. "auto" is "emd" up to
        2000 particles, else "sliced".
    projections : int, default 100
        Planes of "sliced", ≥ 1.
    seed : int, default 0
        Seed of the planes.

    Returns
    -------
    Transport
        The distance in the units of x, the method that was used, and a note on its meaning.

    Raises
    ------
    ConfigError
        For an unknown method or an option out of range; where the particles lie on no common sphere.
    ShapeError
        For ensembles of different dimension, or of dimension 1.
    ResourceError
        For "emd" with more particles than 2000.
    TransportError
        For coordinates or weights that are not finite, and where the network simplex does not end.

    See Also
    --------
    wasserstein : distances in flat space.
    wgf.domains.Sphere : the domain.

    References
    ----------
    Bonet, Berg, Courty, Septier, Drumetz & Pham (2023), Spherical sliced-Wasserstein, ICLR.

    Examples
    --------
    >>> import wgf
    >>> there, here = wgf.Ensemble([[1.0, 0.0]]), wgf.Ensemble([[0.0, 1.0]])
    >>> round(geodesic(there, here).distance, 6)  # a quarter of the circle
    1.570796
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        require_ensemble(name, measure)
    if method not in ("auto", "emd", "sliced"):
        raise ConfigError(f"method = {shown(method)}: wanted 'auto', 'emd' or 'sliced'.")
    planes = require_integer("projections", projections, low=1)
    if mu.dim != nu.dim or mu.dim < 2:
        raise ShapeError(f"mu has dimension {mu.dim} and nu has {nu.dim}; wanted the same, at least 2.")
    (x, a), (y, b) = cloud("mu", mu), cloud("nu", nu)
    radius = _radius(np.concatenate([np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)]))
    most = max(mu.n, nu.n)
    chosen = ("emd" if most <= EXACT_UP_TO else "sliced") if method == "auto" else method
    if chosen == "emd" and most > EXACT_UP_TO:
        raise ResourceError(f"method='emd' takes up to {EXACT_UP_TO} particles, not {most}; take 'sliced', or fewer.")
    with no_other_backends():
        ot = import_module("ot")
    start = time.perf_counter()
    x, y = (p / np.linalg.norm(p, axis=1, keepdims=True) for p in (x, y))
    with one_blas_thread():  # BLAS rounds differently for each number of threads
        if chosen == "emd":
            square, note = _exact(ot, x, a, y, b), "exact, by the network simplex; along great circles"
        else:
            root = ot.sliced_wasserstein_sphere(x, y, a, b, n_projections=planes, p=2, seed=require_seed(seed))
            square, note = (2 * math.pi * float(root)) ** 2, "spherical sliced distance, a Monte Carlo mean over planes"
    return Transport(radius * math.sqrt(max(square, 0.0)), chosen, time.perf_counter() - start, note)


def _exact(ot: object, x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
    """W₂² on the unit sphere. The angle comes from the chord, which keeps its digits where two points are close."""
    from scipy.spatial.distance import cdist

    angles = 2 * np.arcsin(np.minimum(0.5 * cdist(x, y), 1.0))
    square, log = ot.emd2(a, b, angles**2, numItermax=SIMPLEX_ITERATIONS, log=True)  # type: ignore[attr-defined]
    if log["warning"]:
        raise TransportError(f"method='emd' is not used, as POT warned: {str(log['warning'])[:100]}")
    return float(square)


def _radius(lengths: np.ndarray) -> float:
    """The common radius of all particles."""
    radius = float(lengths.mean())
    if not (radius > 0 and np.abs(lengths - radius).max() <= ROUND * radius):
        raise ConfigError(
            f"the particles have distances from {lengths.min():g} to {lengths.max():g} from the origin; wanted one "
            "sphere for all: wgf.domains.Sphere(radius).fold(x) brings them there."
        )
    return radius
