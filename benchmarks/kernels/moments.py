"""The log-det force (C + εI)⁻¹(x − m), in the plane (fused moments) and in high dimension (matrix products)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import F32, F64, OURS, Arrays, Case, Floor, Target, power
from ..frame.machine import TRIAD


def arrays(n: int, d: int, dtype: type) -> Arrays:
    """n points of a correlated Gaussian whose mean is not 0."""
    rng = np.random.default_rng(0)
    mix = np.eye(d) + 0.3 * rng.standard_normal((d, d)) / np.sqrt(d)
    return {"x": (rng.standard_normal((n, d)) @ mix + 0.5).astype(dtype)}


def oracle(rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact force on some rows by numpy in float64."""
    x = arrays["x"].astype(np.float64)
    x -= x.mean(0)
    return np.linalg.solve(x.T @ x / len(x), x[rows].T).T


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    mu, entropy = wgf.Ensemble(arrays["x"]), wgf.LogDet()
    return lambda: entropy.gradient(mu)


def _numpy(arrays: Arrays) -> Callable[[], Any]:
    x = arrays["x"]

    def call() -> np.ndarray:
        centred = x - x.mean(0)
        return centred @ np.linalg.inv(centred.T @ centred / len(x))

    return call


def _torch(arrays: Arrays) -> Callable[[], Any]:
    x = torch.from_numpy(arrays["x"])

    def call() -> torch.Tensor:
        centred = x - x.mean(0)
        return centred @ torch.linalg.inv(centred.T @ centred / len(x))

    return call


def _products(arrays: Arrays) -> Callable[[], Any]:
    """Only the two matrix products, by numpy's BLAS with its own threads."""
    x = arrays["x"]
    matrix, out = np.eye(x.shape[1], dtype=x.dtype), np.empty_like(x)

    def call() -> None:
        np.matmul(x.T, x, out=matrix)
        np.matmul(x, matrix, out=out)

    return call


def _case(n: int, d: int, dtype: type, targets: list[Target]) -> Case:
    rows = slice(None, None, max(1, n // 1000))
    wide = d > 100
    return Case(
        name=f"log-det force, d = {d}, {'f32' if dtype is np.float32 else 'f64'}, n = {power(n)}",
        family="moments",
        arrays=partial(arrays, n, d, dtype),
        bodies={OURS: _wgf, "numpy": _numpy, "torch": _torch, **({"its GEMMs": _products} if wide else {})},
        oracle=partial(oracle, rows),
        rows=rows,
        bound=F32 if dtype is np.float32 else F64,
        floors={"memory": Floor(TRIAD, 3.0 * n * d * np.dtype(dtype).itemsize)},
        targets=targets,
        gap=GAP_WIDE if wide else GAP_LOW,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the log-det force."""
    n, m = (100_000, 5000) if quick else (1_000_000, 100_000)
    return [
        _case(n, 2, np.float32, [Target("faster", ("torch",), 8)]),
        _case(n, 2, np.float64, [Target("faster", ("torch",), 8)]),
        _case(m, 500, np.float32, [Target("slower", ("its GEMMs",), 1.2)]),
        _case(m, 500, np.float64, [Target("slower", ("its GEMMs",), 1.2)]),
    ]


GAP_LOW = (
    "x is read twice (moments, then the map) and the force is written once; the memory floor counts only that. The "
    "force is read once more to check that it is finite. The Python part of a call takes about 0.3 ms."
)
GAP_WIDE = "In addition to the products: the mean, centring, and a Cholesky factor of C (d³)."
