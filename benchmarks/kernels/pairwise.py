"""Forces −∇K summed over 10⁸ pairs of particles, compared with numpy, torch, compiled torch and KeOps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import F32, F64, OURS, Arrays, Body, Case, Floor, Target, power
from ..frame.machine import FMA32, FMA64, GEMM32, GEMM64

# Pairs that numpy and torch form at once. In few dimensions numpy takes fewer: then BLAS does not split the small
# products among threads, which would be 1.5 to 6 times slower here.
_CHUNK, _NARROW_CHUNK = 2**20, 2**17


@dataclass(frozen=True)
class Form:
    """A radial kernel in the notation of each peer, by ∇K(u) = g(|u|²)·u."""

    name: str
    kernel: Any
    slope: Callable[[Any, Any], Any]
    """g(q), written with functions that both numpy and torch have; the first argument is that module."""
    keops: str
    scale: float = 1.0
    """g(|u|²)·u is `scale` times the KeOps formula `keops` with the parameter p = `parameter`."""
    parameter: float = 0.0
    fmas: Callable[[int], tuple[int, int]] | None = None
    """For dimension d: the fused multiply-adds per pair that every body needs, in float32 and in float64."""


def gaussian(d: int) -> Form:
    """exp(−|u|²/(2d)): in any dimension, a bandwidth at which K is neither about 0 nor about 1 for most pairs."""
    c = 1.0 / (2.0 * d)
    return Form(
        "Gaussian",
        wgf.kernels.Gaussian(math.sqrt(d)),
        lambda m, q: -2.0 * c * m.exp(-c * q),
        "Exp(-p*SqDist(x,y))*(x-y)",
        -2.0 * c,
        c,
        # |u|² and the force need d each; the exponential is a polynomial of degree 5 or 11
        lambda d: (2 * d + 5, 2 * d + 11),
    )


SOFTENING = 0.05
NEWTONIAN = Form(
    "Coulomb",
    wgf.kernels.Newtonian(3, softening=SOFTENING),
    lambda m, q: -1.0 / (4.0 * math.pi) / ((q + SOFTENING**2) * m.sqrt(q + SOFTENING**2)),
    "Pow(Rsqrt(SqDist(x,y)+p),3)*(x-y)",
    -1.0 / (4.0 * math.pi),
    SOFTENING**2,
)
LOG = Form(
    "Log",
    wgf.kernels.Log(softening=SOFTENING),
    lambda m, q: -1.0 / (q + SOFTENING**2),
    "Inv(SqDist(x,y)+p)*(x-y)",
    -1.0,
    SOFTENING**2,
)
RIESZ = Form(
    "Riesz",
    wgf.kernels.Riesz(1.5, softening=SOFTENING),
    lambda m, q: -1.5 * (q + SOFTENING**2) ** -1.75,
    "Powf(SqDist(x,y)+p,IntCst(-7)/IntCst(4))*(x-y)",
    -1.5,
    SOFTENING**2,
)


def cloud(n: int, d: int, dtype: type) -> Arrays:
    """n points of N(0, I) in d dimensions."""
    return {"x": np.random.default_rng(0).standard_normal((n, d)).astype(dtype)}


def oracle(form: Form, rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact forces on some rows, by differences in float64."""
    x = arrays["x"].astype(np.float64)
    result = []
    for point in x[rows]:
        u = point - x
        result.append((form.slope(np, (u * u).sum(1))[:, None] * u).sum(0) / len(x))
    return np.stack(result)


def _wgf(form: Form, arrays: Arrays) -> Callable[[], Any]:
    mu = wgf.Ensemble(arrays["x"])
    force = wgf.Interaction(form.kernel, method="dense")
    return lambda: force.gradient(mu)


def _numpy(form: Form, arrays: Arrays) -> Callable[[], Any]:
    """By chunks of rows. |x|² + |y|² − 2x·y by a matrix product is fast, but loses digits."""
    x = arrays["x"]
    step = max(1, (_CHUNK if x.shape[1] > 16 else _NARROW_CHUNK) // len(x))

    def call() -> np.ndarray:
        squares = np.einsum("ij,ij->i", x, x)
        out = np.empty_like(x)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            q = x[rows] @ x.T
            q *= -2
            q += squares
            q += squares[rows, None]
            np.maximum(q, 0, out=q)
            g = form.slope(np, q)
            out[rows] = x[rows] * g.sum(1)[:, None] - g @ x
        out /= len(x)
        return out

    return call


def _torch(form: Form, arrays: Arrays) -> Callable[[], Any]:
    """The same with torch, whose products and elementwise operations use all threads."""
    x = torch.from_numpy(arrays["x"])
    step = max(1, _CHUNK // len(x))

    def call() -> torch.Tensor:
        squares = (x * x).sum(1)
        out = torch.empty_like(x)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            q = torch.addmm(squares, x[rows], x.T, alpha=-2).add_(squares[rows, None]).clamp_(min=0)
            g = form.slope(torch, q)
            out[rows] = x[rows] * g.sum(1)[:, None] - g @ x
        return out.div_(len(x))

    return call


def compiled_torch(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch.compile, with an error where it would fall back to eager mode."""
    import torch._dynamo
    import torch._inductor.metrics as metrics

    torch._dynamo.reset()
    torch._dynamo.config.suppress_errors = False
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    metrics.reset()
    compiled = torch.compile(function, fullgraph=True, dynamic=False)

    def call(*args: Any) -> Any:
        result = compiled(*args)
        assert metrics.generated_kernel_count > 0, "torch.compile generated no kernel"
        return result

    return call


def _torch_compiled(form: Form, arrays: Arrays) -> Callable[[], Any]:
    """One fused loop over all pairs. Each coordinate is an array: twelve times faster here than rows of d numbers."""
    x = [torch.from_numpy(np.ascontiguousarray(column)) for column in arrays["x"].T]

    def forces(*x: torch.Tensor) -> list[torch.Tensor]:
        u = [c[:, None] - c[None, :] for c in x]
        g = form.slope(torch, sum(c * c for c in u)) / len(x[0])
        return [(g * c).sum(1) for c in u]

    compiled = compiled_torch(forces)
    return lambda: compiled(*x)


def _keops(form: Form, arrays: Arrays) -> Callable[[], Any]:
    from pykeops.numpy import Genred

    x = arrays["x"]
    d = x.shape[1]
    variables = ["p=Pm(0,1)", f"x=Vi(1,{d})", f"y=Vj(2,{d})"]
    reduce = Genred(form.keops, variables, reduction_op="Sum", axis=1)
    parameter, scale = np.array([form.parameter], x.dtype), x.dtype.type(form.scale / len(x))
    return lambda: reduce(parameter, x, x, backend="CPU") * scale


def peers(form: Form, *names: str) -> dict[str, Body]:
    """Our body and the named peers."""
    bodies: dict[str, Callable[[Form, Arrays], Callable[[], Any]]] = {
        OURS: _wgf,
        "numpy": _numpy,
        "torch": _torch,
        "torch.compile": _torch_compiled,
        "KeOps": _keops,
        "KeOps native": _keops,
    }
    return {name: partial(bodies[name], form) for name in (OURS, *names)}


ALL = ("numpy", "torch", "torch.compile", "KeOps", "KeOps native")


def _case(form: Form, d: int, dtype: type, n: int, names: tuple[str, ...], targets: list[Target], gap: str) -> Case:
    single = dtype is np.float32
    floors = {}
    if form.fmas is not None and d < 64:
        fmas = form.fmas(d)[0 if single else 1]
        rate = FMA32 if single else FMA64
        floors["FMA pipes"] = Floor(rate, 2.0 * n * n * fmas)
        if d <= 6:  # one |u|² and one exponential serve both particles of a pair
            floors["FMA pipes, pairs once"] = Floor(rate, n * n * (fmas + d))
    if d >= 64:  # xyᵀ, then the product with y: 4d operations for a force, or 6d for both forces of a pair
        rate = GEMM32 if single else GEMM64
        floors |= {"GEMM": Floor(rate, 4.0 * n * n * d), "GEMM, pairs once": Floor(rate, 3.0 * n * n * d)}
    rows = slice(None, None, max(1, n // 200))
    return Case(
        name=f"{form.name} force, d = {d}, {'f32' if single else 'f64'}, n = {power(n)}",
        family="pairwise",
        arrays=partial(cloud, n, d, dtype),
        bodies=peers(form, *names),
        oracle=partial(oracle, form, rows),
        rows=rows,
        bound=F32 if single else F64,
        floors=floors,
        targets=targets,
        gap=gap,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of sums over pairs."""
    n = 2000 if quick else 10_000
    f32, f64 = np.float32, np.float64
    native, compiled = ("KeOps native",), ("torch.compile",)
    low = [Target("faster", compiled, 3), Target("faster", native, 20), Target("floor", ("FMA pipes",), None, 0.75)]
    wide = ("numpy", "torch", "KeOps native")
    gemm = Target("floor", ("GEMM",), 0.75, 0.85)
    return [
        *(_case(gaussian(d), d, f32, n, ALL, low, GAP_LOW) for d in (1, 2, 3)),
        _case(gaussian(3), 3, f64, n, ALL, [Target("faster", compiled, 2, 3), Target("faster", native, 8)], GAP_F64),
        _case(gaussian(10), 10, f32, n, wide, [Target("faster", native, 8)], GAP_MIDDLE),
        _case(gaussian(64), 64, f32, n, wide, [Target("faster", ("numpy",), 3), gemm], GAP_WIDE),
        _case(gaussian(64), 64, f64, n, wide, [], GAP_WIDE),
        _case(NEWTONIAN, 3, f64, n, ALL, [Target("faster", compiled, 1.5, 2)], GAP_ROOT),
        _case(LOG, 2, f32, n, ("torch", "torch.compile", "KeOps native"), [], ""),
        _case(RIESZ, 2, f32, n, ("torch", "torch.compile", "KeOps native"), [], ""),
    ]


GAP_LOW = (
    "The floor of the target counts 2d + 5 fused multiply-adds a pair, as if every other instruction were free. Here "
    "each pair is visited once for both of its particles, which lowers it to (3d + 5)/2. In addition there are d "
    "differences, a maximum, four additions of the exponential and 2 of the value. They run on the other two pipes, "
    "so both pairs of pipes have about the same work: 14 cycles for 16 pairs at d = 3. The loop takes 22 cycles on "
    "one core, because chains of some 60 cycles do not all fit into the scheduler. With both cores at work the clock "
    "of this machine falls by a tenth."
)
GAP_F64 = "As in float32, with a polynomial of degree 11 and half as many numbers in a vector."
GAP_MIDDLE = "The coordinates of a row no longer fit into registers, so loads come between the multiply-adds."
GAP_WIDE = (
    "A tile of products serves both of its blocks, by its transpose: 6d operations for two pairs. Products of 256 or "
    "512 rows with so few columns run at 85 to 92 % of the rate of large ones. Between them come the exponential "
    "(about a tenth of the time), sums into float64, and the Python calls for each tile."
)
GAP_ROOT = (
    "Limited by the reciprocal square root in float64: an estimate and two steps of Householder's method. Both bodies "
    "need it, ours once for two particles, the other once for each."
)
