"""Sliced W₂ along 100 directions, compared with POT."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wgf

from ..frame.case import OURS, Arrays, Case, Floor, Target, power
from ..frame.machine import TRIAD

PROJECTIONS = 100


def arrays(n: int, d: int, dtype: type) -> Arrays:
    """A cloud, the same cloud shifted and shuffled, and 100 directions in orthonormal frames.

    The W₂ of a shift is its length, and √d · SW₂ over whole frames is exact for a shift. So the answer is known for any
    set of frames.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    shift = np.linspace(0.3, 1.0, d)
    frames = [np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(PROJECTIONS // d)]
    made = {"x": x, "y": rng.permutation(x) + shift, "shift": shift, "directions": np.hstack(frames)}
    return {name: value.astype(dtype) for name, value in made.items()}


def oracle(arrays: Arrays) -> np.ndarray:
    """The length of the shift."""
    return np.array([np.linalg.norm(arrays["shift"].astype(np.float64))])


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    mu, nu = wgf.Ensemble(arrays["x"]), wgf.Ensemble(arrays["y"])
    return lambda: np.array([wgf.diagnostics.wasserstein(mu, nu, method="sliced", projections=PROJECTIONS).distance])


def _pot(arrays: Arrays) -> Callable[[], Any]:
    import ot

    x, y, directions = (arrays[name] for name in ("x", "y", "directions"))
    scale = np.sqrt(x.shape[1])
    return lambda: np.array([scale * ot.sliced_wasserstein_distance(x, y, projections=directions)])


def _case(n: int, d: int, dtype: type) -> Case:
    single = dtype is np.float32
    values = 2.0 * n * PROJECTIONS * np.dtype(dtype).itemsize
    return Case(
        name=f"sliced W₂, {PROJECTIONS} projections, d = {d}, {'f32' if single else 'f64'}, n = {power(n)}",
        family="transport",
        arrays=partial(arrays, n, d, dtype),
        bodies={OURS: _wgf, "ot.sliced": _pot},
        oracle=oracle,
        bound=2e-6 if single else 1e-12,
        floors={"memory": Floor(TRIAD, 8 * values)},
        targets=[Target("faster", ("ot.sliced",), 20)],
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of sliced transport."""
    n = 10_000 if quick else 100_000
    return [_case(n, 2, np.float32), _case(n, 2, np.float64)]


GAP = (
    "The floor is 8 passes over the projected coordinates: a radix sort of 4 digits, in and out. Ours sorts in cache "
    "and is limited by arithmetic. The bound of the error in float64 is 1e-12, because the particles were rounded."
)
