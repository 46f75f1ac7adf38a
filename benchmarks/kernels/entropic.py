"""Value and gradient of the Sinkhorn divergence, compared with GeomLoss, POT and OTT at equal marginal error.

ε is a part of the variance ∫|x − m|² dμ. All end at a marginal error of 10⁻³. POT and OTT have such an end. GeomLoss
has none: it passes once through its scales, so it gets the number of scales that takes it there. The error on the page
is that of the gradient, against our result in float64 at a marginal error of 10⁻⁶.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import OURS, Arrays, Body, Case, Target, TooSlow, Unavailable, power

TOLERANCE, TIGHT = 1e-3, 1e-6
DENSE, ORACLE = 10_000, 10_000
"""Up to so many points peers hold the cost matrix, and our result is compared with a tighter one."""
LIMIT = 10.0
"""Seconds beyond which a call of a peer is not made."""
PROBE = 1000
"""Points with which the time of a peer is estimated, and the scales of GeomLoss are found."""
SCALINGS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.997, 0.998, 0.999)
"""Ratios of successive scales of GeomLoss that are tried; each takes it closer to the end of its iterations."""


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


# ------------------------------------------------------------------------------------------------- GeomLoss


def _first(arrays: Arrays, count: int = PROBE) -> Arrays:
    """The first points alone."""
    return {**arrays, **{name: arrays[name][:count] for name in ("x", "y")}}


def _scales(x: torch.Tensor, y: torch.Tensor, epsilon: float, scaling: float) -> list[float]:
    """The values of ε that GeomLoss passes through, by its `epsilon_schedule`."""
    both = torch.cat([x, y])
    blur, diameter = math.sqrt(epsilon), float((both.amax(0) - both.amin(0)).norm())
    between = np.arange(2 * math.log(diameter), 2 * math.log(blur), 2 * math.log(scaling))
    return [diameter**2, *(float(e) for e in np.exp(between)), epsilon]


def marginal_error(arrays: Arrays, scaling: float) -> float:
    """The marginal error at which GeomLoss's averaged iterations end, by our own soft minimum: Σⱼ |mass − weight|."""
    from ...ops.softmin import soft_minimum

    x, y = (torch.from_numpy(arrays[name]) for name in ("x", "y"))
    logs, epsilon = -math.log(len(x)) + torch.zeros(len(x), dtype=torch.float64), float(arrays["epsilon"])

    def softmin(at: torch.Tensor, of: torch.Tensor, h: torch.Tensor, e: float, guess: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = soft_minimum(at, of, logs + h / e, guess, e, False)[0]
        return value

    f = g = torch.zeros_like(logs)
    for k, e in enumerate(_scales(x, y, epsilon, scaling)):
        new = softmin(x, y, g, e, f), softmin(y, x, f, e, g)
        f, g = new if k == 0 else (0.5 * (f + new[0]), 0.5 * (g + new[1]))
    g = softmin(y, x, f, epsilon, g)
    f = softmin(x, y, g, epsilon, f)
    return float(torch.expm1((g - softmin(y, x, f, epsilon, g)) / epsilon).abs().mean())


def _geomloss(backend: str) -> Body:
    def prepared(arrays: Arrays, scaling: float) -> Callable[[], Any]:
        try:
            geomloss = import_module("geomloss")
        except ImportError as missing:
            raise Unavailable("geomloss is not installed") from missing
        blur = math.sqrt(float(arrays["epsilon"]))
        loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=blur, backend=backend, scaling=scaling, truncate=15)
        x, y = (torch.from_numpy(arrays[name]) for name in ("x", "y"))

        def call() -> Any:
            z = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(z, y), z)
            return len(x) * gradient

        return call

    def body(arrays: Arrays) -> Callable[[], Any]:
        few = _first(arrays)
        found = next((s for s in SCALINGS if marginal_error(few, s) <= TOLERANCE), None)
        if found is None:
            raise Unavailable(f"does not reach a marginal error of {TOLERANCE:g} by any number of its scales")
        x, y = (torch.from_numpy(few[name]) for name in ("x", "y"))
        one, two, all_ = (len(_scales(x, y, float(few["epsilon"]), s)) for s in (*SCALINGS[:2], found))
        if backend == "multiscale":  # all scales but the last are passed on clusters, about as many for every n
            some = _first(arrays, DENSE)
            fewer, more = (_seconds(prepared(some, s)) for s in SCALINGS[:2])
            each = max(0.0, more - fewer) / (two - one)
            estimate = all_ * each + max(0.0, fewer - one * each) * (len(arrays["x"]) / len(some["x"])) ** 2
        else:
            times = (len(arrays["x"]) / len(x)) ** 2 * all_ / one
            estimate = times * _seconds(prepared(few, SCALINGS[0]))
        if estimate > LIMIT:
            raise TooSlow(LIMIT, estimate)
        return prepared(arrays, found)

    return body


def _seconds(call: Callable[[], Any]) -> float:
    """How long a call takes that was made before."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# ------------------------------------------------------------------------------------------------- POT and OTT


def _pot(arrays: Arrays) -> Callable[[], Any]:
    """Two plans for the gradient, and the cost of the target with itself for the value."""
    import ot

    x, y = (arrays[name].astype(np.float64) for name in ("x", "y"))
    epsilon, a = float(arrays["epsilon"]), np.full(len(x), 1.0 / len(x))
    stop = TOLERANCE * float(np.linalg.norm(a))

    def plan(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        cost = 0.5 * ot.dist(p, q)
        return np.asarray(ot.sinkhorn(a, a, cost, epsilon, method="sinkhorn", stopThr=stop, numItermax=2000))

    def call() -> Any:
        across, own, _ = plan(x, y), plan(x, x), plan(y, y)
        return len(x) * (own @ x - across @ y)

    return call


def _ott(arrays: Arrays) -> Callable[[], Any]:
    """Under jit. Its test of the end is made after so many iterations as is fastest here."""

    def prepared(arrays: Arrays, inner: int) -> Callable[[], Any]:
        import jax
        from ott.tools import sinkhorn_divergence

        x, y, epsilon = jax.numpy.asarray(arrays["x"]), jax.numpy.asarray(arrays["y"]), float(arrays["epsilon"])
        settings = {"threshold": TOLERANCE, "inner_iterations": inner, "max_iterations": 2000}
        blocks: dict[str, Any] = {} if len(x) <= DENSE else {"batch_size": 1024}

        def value(p: Any, q: Any) -> Any:  # its cost is |x − y|²
            return 0.5 * sinkhorn_divergence.sinkdiv(p, q, epsilon=2 * epsilon, solve_kwargs=settings, **blocks)[0]

        both = jax.jit(jax.value_and_grad(value))
        return lambda: len(arrays["x"]) * np.asarray(both(x, y)[1])

    few = _first(arrays)
    seconds = {inner: _seconds(prepared(few, inner)) for inner in (1, 5, 10)}
    fastest = min(seconds, key=lambda inner: seconds[inner])
    estimate = (len(arrays["x"]) / len(few["x"])) ** 2 * seconds[fastest]
    if estimate > LIMIT:
        raise TooSlow(LIMIT, estimate)
    return prepared(arrays, fastest)


def _case(n: int, d: int, part: float) -> Case:
    bodies: dict[str, Body] = {OURS: _wgf, "geomloss online": _geomloss("online"), "OTT": _ott}
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
        gap=GAP_PLANE if d <= 2 else GAP,
        checked=OURS if d <= 2 or n <= DENSE else "",
    )


def cases(quick: bool) -> list[Case]:
    """The rows of entropic transport."""
    sizes = (300,) if quick else (1000, 10_000, 100_000)
    return [_case(n, d, part) for n in sizes for d in (2, 16) for part in (0.05, 0.5)]


GAP_PLANE = (
    "From some thousand points on sums in the plane go by a grid: about 120 ns for a point and a sum, whatever the "
    "number of the others. With fewer points the time is that of exponentials, .13 ns a pair on one core in float32. "
    "The rest is the number of iterations, which grows as ε falls."
)
GAP = (
    "The time is that of exponentials and products: .27 ns a pair on one core in float32. The rest is the number of "
    "iterations, which grows as ε falls."
)
