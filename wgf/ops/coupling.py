"""The exact optimal coupling of two weighted clouds, by the network simplex of POT, which is imported when needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from ..errors import BackendError, TransportError

SIMPLEX_ITERATIONS = 10_000_000
BACKENDS = {"PYTORCH": "torch", "JAX": "jax", "CUPY": "cupy", "TENSORFLOW": "tensorflow"}
"""The libraries that POT imports where they are installed, by the word in its variables POT_BACKEND_DISABLE_...."""


@contextmanager
def no_other_backends() -> Iterator[None]:
    """Let POT, which gets numpy arrays here, import no library that is not imported already, nor geomloss.

    Imports of JAX or KeOps take seconds, may run a compiler, and call back into Python where Ctrl-C is lost. Backends
    of libraries that are imported stay on: torch, and JAX where the user has imported it before.
    """
    before = dict(os.environ)
    absent = [name for name in ("geomloss",) if name not in sys.modules]
    off = {f"POT_BACKEND_DISABLE_{word}": "1" for word, name in BACKENDS.items() if name not in sys.modules}
    os.environ.update(off)
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # to import it is an ImportError
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)
        for name in off:
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


def pot() -> Any:
    """The library POT; BackendError where it is not installed."""
    try:
        with no_other_backends():
            return import_module("ot")
    except ImportError as missing:
        raise BackendError(
            "exact optimal transport needs POT, which is not installed here: pip install POT"
        ) from missing


class Coupling(NamedTuple):
    """An optimal coupling of two clouds for the cost ½|x − y|².

    Attributes
    ----------
    cost : float
        ½W₂².
    images : ndarray (n, d)
        T(xᵢ), the mean of the target under the coupling.
    potentials : ndarray (n,) and (m,)
        Kantorovich potentials f and g: f(x) + g(y) ≤ ½|x − y|², with equality where mass goes.
    """

    cost: float
    images: np.ndarray
    potentials: tuple[np.ndarray, np.ndarray]


def coupling(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray) -> Coupling:
    """Couple two clouds.

    Parameters
    ----------
    x, y : ndarray
        Points (n, d) and (m, d), float64, finite.
    a, b : ndarray
        Their weights (n,) and (m,), positive with sum 1.

    Returns
    -------
    Coupling
        Cost, images and potentials.

    Raises
    ------
    BackendError
        If POT is not installed.
    TransportError
        If POT warns: its result is then not optimal.

    Notes
    -----
    Points at the same place count as one, so that they have the same image, and the order of the points does not
    matter. Memory about 41·n·m bytes; time from O(n²) to O(n³).

    References
    ----------
    Flamary et al. (2021), POT: Python Optimal Transport, J. Mach. Learn. Res. 22.

    Examples
    --------
    >>> one = np.ones(1)
    >>> coupling(np.array([[0.0]]), one, np.array([[2.0]]), one).cost
    2.0
    """
    places, row = np.unique(x, axis=0, return_inverse=True)
    row = row.reshape(-1)
    mass = np.bincount(row, a, len(places))
    cost = 0.5 * cdist(places, y, "sqeuclidean")
    scale = float(cost.max()) or 1.0
    plan, log = pot().emd(mass / mass.sum(), b / b.sum(), cost / scale, numItermax=SIMPLEX_ITERATIONS, log=True)
    if log["warning"]:
        raise TransportError(
            f"exact optimal transport is not used, as POT warned: {str(log['warning']).split('.')[0]:.100}. Take fewer "
            "particles or samples."
        )
    f, g = scale * np.asarray(log["u"]), scale * np.asarray(log["v"])
    return Coupling(scale * float(log["cost"]), ((plan @ y) / plan.sum(1)[:, None])[row], (f[row], g))
