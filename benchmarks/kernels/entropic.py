"""Value and gradient of the Sinkhorn divergence, compared with GeomLoss and POT.

ε is a part of the variance ∫|x − m|² dμ. Ours ends at a marginal error of 10⁻³. GeomLoss has no such end: it passes
once through its scales, with its own default for their number, and what it reaches is the error on the page. That error
is of the gradient, against our result in float64 at a marginal error of 10⁻⁶.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import OURS, Arrays, Body, Case, Target, Unavailable, power

TOLERANCE, TIGHT = 1e-3, 1e-6
DENSE, ORACLE = 10_000, 10_000
"""Up to so many points peers hold the cost matrix, and our result is compared with a tighter one."""


def arrays(n: int, d: int, part: float) -> Arrays:
    """A Gaussian, a mixture of two, and ε as a part of the variance of the first."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    y = 0.8 * rng.standard_normal((n, d)) + 0.7 * rng.choice([-1.0, 1.0], (n, 1)) + 0.3
    return {"x": x.astype(np.float32), "y": y.astype(np.float32), "epsilon": np.array(part * d)}


def oracle(arrays: Arrays) -> np.ndarray:
    """Our gradient at a tight tolerance, in float64."""
    term = wgf.SinkhornDivergence(arrays["y"], float(arrays["epsilon"]), tolerance=TIGHT)
    return np.asarray(term.gradient(wgf.Ensemble(arrays["x"].astype(np.float64))))


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    x, y, epsilon = torch.from_numpy(arrays["x"]), arrays["y"], float(arrays["epsilon"])

    def call() -> Any:  # a new term for each call: nothing of the last one is remembered
        return wgf.SinkhornDivergence(y, epsilon, tolerance=TOLERANCE).evaluate(wgf.Ensemble(x)).gradient

    return call


def _geomloss(backend: str) -> Body:
    def body(arrays: Arrays) -> Callable[[], Any]:
        try:
            geomloss = import_module("geomloss")
        except ImportError as missing:
            raise Unavailable("geomloss is not installed") from missing
        loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=float(np.sqrt(arrays["epsilon"])), backend=backend)
        x, y = (torch.from_numpy(arrays[name]) for name in ("x", "y"))

        def call() -> Any:
            z = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(z, y), z)
            return len(x) * gradient

        return call

    return body


def _pot(arrays: Arrays) -> Callable[[], Any]:
    """Two plans for the gradient, and the cost of the target with itself for the value."""
    import ot

    x, y = (arrays[name].astype(np.float64) for name in ("x", "y"))
    epsilon, a = float(arrays["epsilon"]), np.full(len(x), 1.0 / len(x))
    stop = TOLERANCE * float(np.linalg.norm(a))

    def plan(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        cost = 0.5 * ot.dist(p, q)
        return np.asarray(ot.sinkhorn(a, a, cost, epsilon, method="sinkhorn_log", stopThr=stop, numItermax=2000))

    def call() -> Any:
        across, own, _ = plan(x, y), plan(x, x), plan(y, y)
        return len(x) * (own @ x - across @ y)

    return call


def _case(n: int, d: int, part: float) -> Case:
    bodies: dict[str, Body] = {OURS: _wgf, "geomloss online": _geomloss("online")}
    if n <= DENSE:
        bodies["geomloss tensorized"] = _geomloss("tensorized")
    if n <= DENSE // 5:
        bodies["POT"] = _pot
    if d <= 3 and n >= DENSE:
        bodies["geomloss multiscale"] = _geomloss("multiscale")
    return Case(
        name=f"Sinkhorn divergence, d = {d}, ε = {part:g} of the variance, n = {power(n)}",
        family="entropic",
        arrays=partial(arrays, n, d, part),
        bodies=bodies,
        oracle=oracle if n <= ORACLE else None,
        bound=1e-2,
        targets=[Target("faster", tuple(name for name in bodies if name != OURS), 3.0 if n <= DENSE else 1.0)],
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of entropic transport."""
    sizes = (300,) if quick else (1000, 10_000, 100_000)
    return [_case(n, d, part) for n in sizes for d in (2, 16) for part in (0.05, 0.5)]


GAP = (
    "The time is that of exponentials: .13 ns a pair in the plane on one core in float32, .27 ns in 16 dimensions. "
    "The rest is the number of iterations, which grows as ε falls."
)
