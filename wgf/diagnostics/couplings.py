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
from ..ops.coupling import SIMPLEX_ITERATIONS, no_other_backends
from ..ops.threads import one_blas_thread, one_torch_thread

SINKHORN_ITERATIONS, SINKHORN_TOLERANCE = 10_000, 1e-4
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


def _sinkhorn(ot: Any, p: Problem) -> tuple[float, str]:
    cost = _square_distances(p.x, p.y)  # from differences: |x|² + |y|² − 2x·y would lose digits
    epsilon = p.regularisation * float(p.a @ cost @ p.b)
    f, g = _self_potential(p.x, p.a, epsilon), _self_potential(p.y, p.b, epsilon)
    if f is None or g is None:
        raise _not_converged(p)
    log_a, log_b = np.log(p.a), np.log(p.b)  # POT's potentials include the weights, ours (f and g) do not
    options = {"numItermax": SINKHORN_ITERATIONS, "stopThr": SINKHORN_TOLERANCE * np.linalg.norm(p.b), "log": True}
    start = f / epsilon + log_a, g / epsilon + log_b
    _, log = ot.sinkhorn(p.a, p.b, cost, epsilon, method="sinkhorn_log", warmstart=start, warn=False, **options)
    if not log["err"][-1] <= options["stopThr"]:
        raise _not_converged(p)
    across = epsilon * (p.a @ (log["log_u"] - log_a) + p.b @ (log["log_v"] - log_b))
    divergence = float(across - p.a @ f - p.b @ g)
    note = f"debiased Sinkhorn divergence, regularised by {p.regularisation:g} of the mean cost; W₂ in the limit of 0"
    return math.sqrt(max(divergence, 0.0)), note


def _self_potential(x: np.ndarray, a: np.ndarray, epsilon: float) -> np.ndarray | None:
    """The Sinkhorn potential of a measure with itself, by averaged updates; None where they do not converge.

    These take tens of iterations. POT's alternating updates would take thousands.
    """
    from scipy.special import logsumexp

    f, kernel = np.zeros(len(x)), np.log(a) - _square_distances(x, x) / epsilon
    for _ in range(SINKHORN_ITERATIONS):
        update = -epsilon * logsumexp(kernel + f / epsilon, axis=1)
        f, change = (f + update) / 2, np.abs(f - update).max()
        if change <= 1e-5 * SINKHORN_TOLERANCE * epsilon:
            return f
    return None


def _not_converged(p: Problem) -> TransportError:
    """The error of a Sinkhorn iteration that did not converge, in the words of `wasserstein`."""
    return TransportError(
        f"method='sinkhorn' did not converge in {SINKHORN_ITERATIONS} iterations at regularisation = "
        f"{p.regularisation:g}: raise regularisation, or take method='emd', which is exact, or 'sliced'."
    )


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
    "sinkhorn": Method(_sinkhorn, ("ot",), "POT"),
    "sliced": Method(_sliced),
    "multiscale": Method(_multiscale, ("geomloss", "pykeops"), "'wgflow[transport]'"),
}
