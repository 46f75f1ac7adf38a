"""Measure a table of costs on this machine, for the command `wgf tune`."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from .. import kernels
from ..errors import BackendError
from ..ops.fast import fourier, sorting
from ..ops.fast.spectrum import Refused, Tolerance
from .costs import DENSE, FOURIER, Costs, FourierWork

KERNELS: tuple[kernels.Kernel, ...] = (
    kernels.Gaussian(0.7), kernels.Matern(0.5, 0.7), kernels.Matern(1.5, 0.7), kernels.Matern(2.5, 0.7),
    kernels.InverseMultiquadric(0.7), kernels.InverseMultiquadric(0.7, 0.8), kernels.Morse(1.0, 0.5, 0.5, 2.0),
    kernels.Log(0.1), kernels.Riesz(1.0, 0.1), kernels.Riesz(1.5, 0.1), kernels.Newtonian(1),
    kernels.RadialKernel(lambda q: torch.exp(-q)),
)  # fmt: skip
"""One kernel of each family, whose time per pair is measured."""
DTYPES = {"float64": torch.float64, "float32": torch.float32}
_REPEATS = 3
Say = Callable[[str], None]


def _seconds(body: Callable[[], object], repeats: int = _REPEATS) -> float:
    """The median time of a function, after one call that is not counted."""
    body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def tune(machine: Mapping[str, Any], say: Say = lambda text: None) -> Costs:
    """Measure all the constants from which "auto" predicts times.

    Parameters
    ----------
    machine : mapping
        A description of the machine; it is stored in the table.
    say : callable, default silent
        Called with a line of text before each part.

    Returns
    -------
    Costs
        The table, measured with the current number of torch threads.

    Raises
    ------
    BackendError
        If finufft is not installed.

    Notes
    -----
    Takes one or two minutes.
    """
    if not fourier.available():
        raise BackendError("wgf tune measures Fourier sums too: it needs finufft, as in `pip install wgflow[fast]`.")
    dense: dict[str, dict[str, tuple[float, ...]]] = {}
    for kernel in KERNELS:
        say(f"all pairs: {kernel.family}")
        dense[kernel.family] = {
            way: tuple(_per_pair(kernel, way.endswith("once"), DTYPES[way.split()[0]], dim) for dim in (1, 2, 3))
            for way in DENSE
        }
    say("sorting")
    sort = _sorting_costs()
    transforms = {}
    for dim in (1, 2, 3):
        say(f"Fourier transforms in {dim}-d")
        transforms[str(dim)] = _fourier_costs(dim)
    return Costs(dense, sort, transforms, torch.get_num_threads(), dict(machine), "a measurement of this session")


def _per_pair(kernel: kernels.Kernel, once: bool, dtype: torch.dtype, dim: int) -> float:
    """Nanoseconds of one pair in a sum over all pairs, on 8192 particles."""
    dim = 1 if isinstance(kernel, kernels.Newtonian) else dim  # the kernel is Newtonian(1), made for one dimension only
    points = torch.from_numpy(np.random.default_rng(dim).normal(size=(8192, dim))).to(dtype)
    weights = torch.full((len(points),), 1.0 / len(points), dtype=torch.float64)
    if once:
        return 1e9 * _seconds(lambda: kernel.sums(points, points, weights, True)) / len(points) ** 2
    few = points[:256]
    guess = _seconds(lambda: kernel.sums(few, points, weights, False), 1)
    rows = max(256, min(len(points) - 1, int(256 * 0.05 / guess)))  # so many rows that the sum takes about 0.05 s
    seconds = _seconds(lambda: kernel.sums(points[:rows], points, weights, False))
    return 1e9 * seconds / (rows * len(points))


def _sorting_costs() -> dict[str, float]:
    """The constants of sort · N log₂N + scan · N · terms, from sums with one and with three terms."""
    n = 300_000
    x, weights = np.random.default_rng(1).normal(size=n), np.full(n, 1.0 / n)
    term = ((1.0, 0.0, 0.0), 1.0, True)
    one = _seconds(lambda: sorting.sorted_sums([term], x, None, weights))
    three = _seconds(lambda: sorting.sorted_sums([term] * 3, x, None, weights))
    scan = max(three - one, 0.0) / 2
    return {"sort": 1e9 * max(one - scan, 0.0) / (n * math.log2(n + 1)), "scan": 1e9 * scan / n}


def _fourier_costs(dim: int) -> dict[str, float]:
    """The constants of a Fourier sum, none negative, by least squares of the relative errors of the time."""
    rows, times = [], []
    rng = np.random.default_rng(dim)
    for n in (3_000, 20_000, 200_000):
        x = np.ascontiguousarray(rng.normal(size=(n, dim)).T)
        weights = np.full(n, 1.0 / n)
        for h in (2.0, 0.5, 0.1):
            for rtol in (1e-3, 1e-6, 1e-9):
                try:
                    work, seconds = _one_transform(x, weights, h, rtol)
                except Refused:
                    continue
                rows.append(work.features(dim, torch.get_num_threads()))
                times.append(1e9 * seconds)
    matrix = np.array(rows) / np.array(times)[:, None]
    scale = matrix.max(axis=0)
    constants, _ = nnls(matrix / scale, np.ones(len(times)))
    return dict(zip(FOURIER, map(float, constants / scale), strict=True))


def _one_transform(x: np.ndarray, weights: np.ndarray, h: float, rtol: float) -> tuple[FourierWork, float]:
    """The size of a Gaussian sum and its time, planning included; Refused if it is too large to measure."""
    (dim, n), closeness = x.shape, 0.1 * rtol

    def profile(q: np.ndarray) -> np.ndarray:
        return np.exp(-q / (2.0 * h * h))

    tolerance = Tolerance(0.1 * rtol, 0.1 * rtol / h)
    plan = fourier.plan(profile, x, x, tolerance)
    modes = math.prod(plan.modes)
    if modes > 2**21:
        raise Refused("too large to be worth a measurement")
    transforms = 1 + (dim + 2) // 2
    work = FourierWork(
        transforms * n, math.ceil(-math.log10(closeness)) + 1, plan.grid(closeness), transforms, plan.chunks(n), modes
    )
    return work, _seconds(lambda: fourier.fourier_sums(profile, fourier.plan(profile, x, x, tolerance), x, x, weights))
