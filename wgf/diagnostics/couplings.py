"""The methods behind `wasserstein`: network simplex, Sinkhorn, sorting on a line, slices, and multiscale Sinkhorn."""

from __future__ import annotations

import io
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import ops
from ..errors import BackendError, TransportError
from ..ops import sinkhorn
from ..ops.coupling import SIMPLEX_ITERATIONS, no_other_backends
from ..ops.threads import one_blas_thread, one_torch_thread

_KEOPS = re.compile(r"\[(py)?KeOps\]", re.IGNORECASE)
BLUR = 0.01  # as a fraction of the diameter; a smaller blur takes longer and comes no closer to W₂


class Problem(NamedTuple):
    """Two clouds x (n, d) and y (m, d) in float64, their positive weights a (n,) and b (m,), and the options."""

    x: np.ndarray
    a: np.ndarray
    y: np.ndarray
    b: np.ndarray
    projections: int
    seed: int
    regularisation: float
    period: tuple[float, ...] | None = None
    tolerance: float = 1e-6
    iterations: int = 2000


class Method(NamedTuple):
    """A function that computes W₂, the libraries it needs, and how to install them.

    `solve` gets the first of the libraries and the problem; it returns the distance and a note on its meaning.
    """

    solve: Callable[[Any, Problem], tuple[float, str]]
    libraries: tuple[str, ...] = ()
    install: str = ""


@contextmanager
def _without_keops_notices() -> Iterator[None]:
    """Drop what KeOps prints, such as that it found no GPU: a run on the CPU has no use for it. The rest is printed."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        lines = printed.getvalue().splitlines()
        sys.stdout.write("".join(f"{line}\n" for line in lines if line.strip() and not _KEOPS.match(line)))


@_without_keops_notices()
def library(method: str) -> Any:
    """Import the libraries of a method and return the first; BackendError says what to install."""
    try:
        with no_other_backends() if "ot" in METHODS[method].libraries else nullcontext():
            modules = [import_module(name) for name in METHODS[method].libraries]
    except ImportError as missing:
        raise BackendError(
            f"method={method!r} needs {' and '.join(METHODS[method].libraries)}, and {missing.name} is not installed "
            f"here: pip install {METHODS[method].install}"
        ) from missing
    return modules[0] if modules else None


def solve(method: str, found: Any, problem: Problem) -> tuple[float, str]:
    """Run a method on clouds rescaled to about [−1, 1], so that squares do not overflow and tolerances have a scale."""
    x, y = problem.x, problem.y
    low, high = np.minimum(x.min(0), y.min(0)), np.maximum(x.max(0), y.max(0))
    centre, half = low / 2 + high / 2, np.max(high / 2 - low / 2)
    if half == 0:
        return 0.0, "exact: all particles sit at one point"
    scale = 2.0 ** np.floor(np.log2(half))  # a power of two divides without rounding
    with _warnings_raised(method), one_blas_thread():  # BLAS rounds differently for each number of threads
        period = None if problem.period is None else tuple(length / scale for length in problem.period)
        near = problem._replace(x=(x - centre) / scale, y=(y - centre) / scale, period=period)
        distance, note = METHODS[method].solve(found, near)
        return float(distance * scale), note


@contextmanager
def _warnings_raised(method: str) -> Iterator[None]:
    """Turn every warning of a library into a TransportError, except notices of deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for harmless in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", harmless)
        try:
            yield
        except Warning as reason:
            raise TransportError(f"method={method!r} warned, so its number is not used: {reason}") from reason


def _squares(p: Problem) -> np.ndarray:
    """|x − y|² of all pairs (n, m), by the nearest image on a torus."""
    if p.period is None:
        return _square_distances(p.x, p.y)
    total = np.zeros((len(p.x), len(p.y)))
    for axis, length in enumerate(p.period):
        u = p.x[:, None, axis] - p.y[None, :, axis]
        total += (u - length * np.round(u / length)) ** 2
    return total


def _simplex(ot: Any, p: Problem) -> tuple[float, str]:
    cost, log = ot.emd2(p.a, p.b, _squares(p), numItermax=SIMPLEX_ITERATIONS, log=True)
    if log["warning"]:
        raise TransportError(
            f"method='emd' is not used, as POT warned: {str(log['warning']).split('.')[0]:.100}. Take method='sliced', "
            "or fewer particles."
        )
    return math.sqrt(max(cost, 0.0)), "exact, by the network simplex"


def _square_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|x − y|² of all pairs (n, m). SciPy is imported here, because that takes .3 s, which most runs never need."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y, "sqeuclidean"))


def _sinkhorn(_: Any, p: Problem) -> tuple[float, str]:
    """The root of the divergence with the cost |x − y|². In units of √ε the problem is that of ½|x − y|² and ε = 1."""
    (x, a), (y, b) = ((torch.from_numpy(np.ascontiguousarray(z)), torch.from_numpy(w)) for z, w in (p[:2], p[2:4]))
    mean = float(a @ x.square().sum(1) + b @ y.square().sum(1) - 2.0 * (a @ x) @ (b @ y))
    epsilon = 0.5 * p.regularisation * mean
    if not epsilon > 0:
        return 0.0, "exact: all particles sit at one point"
    unit = math.sqrt(epsilon)
    problem = sinkhorn.Problem(1.0, None, p.tolerance, p.iterations)
    clouds = sinkhorn.Cloud(x / unit, a), sinkhorn.Cloud(y / unit, b)
    rest, error, iterations = sinkhorn.self_cost(clouds[1], problem)
    found = sinkhorn.divergence(*clouds, problem, rest, slopes=False)
    error, iterations = max(error, found.error), max(iterations, found.iterations)
    if not error <= p.tolerance:
        raise TransportError(
            f"method='sinkhorn' did not converge in {iterations} iterations at regularisation = {p.regularisation:g}: "
            f"the marginal error is {error:.1e}, and tolerance = {p.tolerance:g} was wanted. Raise iterations, "
            "tolerance or regularisation, or take method='emd', which is exact, or 'sliced'."
        )
    note = (
        f"debiased Sinkhorn divergence, regularised by {p.regularisation:g} of the mean cost, to a marginal error of "
        f"{error:.0e} in {iterations} iterations; W₂ in the limit of 0"
    )
    return math.sqrt(max(2.0 * epsilon * found.value, 0.0)), note


def _along_lines(p: Problem, directions: torch.Tensor) -> np.ndarray:
    """W₂² of the two clouds projected on each direction, an array (directions,)."""
    x, a, y, b = (torch.from_numpy(np.ascontiguousarray(part)) for part in p[:4])
    equal_x, equal_y = (bool((weights == weights[0]).all()) for weights in (a, b))
    squares = []
    for part in ops.direction_blocks(directions.shape[1], max(len(x), len(y))):
        theta = directions[:, part]
        rows = *ops.sorted_projections(x, a, theta, equal_x), *ops.sorted_projections(y, b, theta, equal_y)
        squares.append(ops.quantile_costs(*rows).numpy())
    return np.concatenate(squares)


def _sorted(_: Any, p: Problem) -> tuple[float, str]:
    return math.sqrt(_along_lines(p, ops.directions(1, 1, p.seed))[0]), "exact, by sorting"


def _sliced(_: Any, p: Problem) -> tuple[float, str]:
    dim = p.x.shape[1]
    squares = _along_lines(p, ops.directions(dim, p.projections, p.seed))
    count, distance = len(squares), math.sqrt(dim * squares.mean())
    note = f"√d · SW₂ over {count} directions, d = {dim}: "
    if count >= dim:
        return distance, note + "a lower bound of W₂"
    error = squares.std() / max(squares.mean(), 1e-300) / (2 * math.sqrt(count))
    return distance, note + f"an estimate (relative standard error {error:.1%}) of a lower bound"


def _multiscale(geomloss: Any, p: Problem) -> tuple[float, str]:
    """Feydy's ε-scaling: from cells of size diameter / 2000^{1/d} down to the particles, dropping far pairs."""
    diameter = float(np.linalg.norm(np.maximum(p.x.max(0), p.y.max(0)) - np.minimum(p.x.min(0), p.y.min(0))))
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=BLUR * diameter, diameter=diameter, backend="multiscale")
    with one_torch_thread():  # torch sums round differently for each number of threads
        half = float(loss(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (p.a, p.x, p.b, p.y))))
    note = f"debiased Sinkhorn divergence by geomloss, blurred by {BLUR:.0%} of the diameter: an estimate of W₂"
    return math.sqrt(max(2 * half, 0.0)), note


METHODS = {
    "1d": Method(_sorted),
    "emd": Method(_simplex, ("ot",), "POT"),
    "sinkhorn": Method(_sinkhorn),
    "sliced": Method(_sliced),
    "multiscale": Method(_multiscale, ("geomloss", "pykeops"), "'wgflow[transport]'"),
}
