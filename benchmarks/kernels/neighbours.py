"""The KoLeo force, by nearest neighbours: in the plane and in 16 dimensions, compared with scikit-learn and torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import F32, F64, OURS, Arrays, Case, Target, power

_ROWS = 1000  # rows of distances that torch has in memory at once


def arrays(n: int, d: int, dtype: type) -> Arrays:
    """n points of a standard Gaussian."""
    return {"x": np.random.default_rng(0).standard_normal((n, d)).astype(dtype)}


def _force(x: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The force d (x − ν)/r² on each particle, and against it on its neighbour, from the neighbours."""
    apart = x.astype(np.float64) - x[found]
    push = x.shape[1] * apart / (apart**2).sum(1, keepdims=True)
    back = [np.bincount(found, push[:, c], len(x)) for c in range(x.shape[1])]
    return push - np.stack(back, axis=1)


def oracle(arrays: Arrays) -> np.ndarray:
    """The force by scipy's tree in few dimensions, and by all pairs in float64 in many."""
    x = arrays["x"].astype(np.float64)
    if x.shape[1] <= 3:
        from scipy.spatial import cKDTree

        return _force(x, cKDTree(x).query(x, k=2)[1][:, 1])
    return _force(x, _sklearn_neighbours(x))


def _sklearn_neighbours(x: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    found: np.ndarray = NearestNeighbors(n_neighbors=1, n_jobs=-1).fit(x).kneighbors(return_distance=False)[:, 0]
    return found


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    mu, entropy = wgf.Ensemble(arrays["x"]), wgf.KoLeo()
    return lambda: entropy.gradient(mu)


def _sklearn(arrays: Arrays) -> Callable[[], Any]:
    """NearestNeighbors with its own choice of the algorithm: a tree in few dimensions, all pairs in many."""
    x = arrays["x"]
    return lambda: _force(x, _sklearn_neighbours(x))


def _torch(arrays: Arrays) -> Callable[[], Any]:
    """All distances in blocks of rows, as training code has it."""
    x = torch.from_numpy(arrays["x"])

    def call() -> np.ndarray:
        found = []
        for first in range(0, len(x), _ROWS):
            apart = torch.cdist(x[first : first + _ROWS], x)
            rows = torch.arange(len(apart))
            apart[rows, first + rows] = torch.inf
            found.append(apart.argmin(1))
        return _force(arrays["x"], torch.cat(found).numpy())

    return call


def _case(n: int, d: int, dtype: type, times: float) -> Case:
    single = dtype is np.float32
    return Case(
        name=f"KoLeo force, d = {d}, {'f32' if single else 'f64'}, n = {power(n)}",
        family="neighbours",
        arrays=partial(arrays, n, d, dtype),
        bodies={OURS: _wgf, "scikit-learn": _sklearn, "torch": _torch},
        oracle=oracle,
        bound=F32 if single else F64,
        targets=[Target("faster", ("scikit-learn", "torch"), times)],
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the KoLeo force."""
    n = 4000 if quick else 100_000
    return [_case(n, 2, np.float64, 3), _case(n, 16, np.float32, 1.5)]


GAP = (
    "In the plane half of the time is the tree, of which a part is built by one thread. In 16 dimensions boxes exclude "
    "little, and the time is that of products of matrices over all pairs."
)
