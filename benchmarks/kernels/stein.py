"""The Stein direction Σⱼ wⱼ [k(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] with a Gaussian kernel and scores s, compared with peers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import ops
from ...ops import forms
from ..frame.case import F32, OURS, Arrays, Case, Floor, Target, power
from ..frame.machine import FMA32, GEMM32
from .pairwise import compiled_torch

_CHUNK = 2**20  # pairs that torch and JAX form at once


def arrays(n: int, d: int) -> Arrays:
    """n points of N(0, I) with the scores of N(1, I), float32. With those of N(0, I) the sum would nearly cancel."""
    x = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    return {"x": x, "scores": 1 - x}


def oracle(rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact direction on some rows, by differences in float64."""
    x, s = arrays["x"].astype(np.float64), arrays["scores"].astype(np.float64)
    n, d = x.shape
    result = []
    for point in x[rows]:
        u = point - x
        k = np.exp(-(u * u).sum(1) / (2 * d))
        result.append((k[:, None] * (s + u / d)).sum(0) / n)
    return np.stack(result)


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    x, s = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["scores"])
    weights = torch.full((len(x),), 1.0 / len(x), dtype=torch.float64)
    bandwidth = [math.sqrt(x.shape[1])]
    return lambda: ops.stein_direction(x, x, weights, s, forms.GAUSSIAN, bandwidth, 0.0)


def torch_direction(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """By matrix products over chunks of rows: K s + (x Σk − K x)/h² = K (s − x/h²) + x Σk/h², with h² = d."""
    n, d = x.shape
    step = max(1, _CHUNK // n)
    squares, payload = (x * x).sum(1), s - x / d
    out = torch.empty_like(x)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        q = torch.addmm(squares, x[rows], x.T, alpha=-2).add_(squares[rows, None]).clamp_(min=0)
        k = q.mul_(-1 / (2 * d)).exp_()
        out[rows] = torch.addmm(x[rows] * (k.sum(1)[:, None] / d), k, payload)
    return out.div_(n)


def _torch(arrays: Arrays) -> Callable[[], Any]:
    x, s = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["scores"])
    return lambda: torch_direction(x, s)


def _torch_compiled(arrays: Arrays) -> Callable[[], Any]:
    """One fused loop over all pairs, coordinate by coordinate."""
    n, d = arrays["x"].shape
    columns = [torch.from_numpy(np.ascontiguousarray(c)) for c in (*arrays["x"].T, *arrays["scores"].T)]

    def direction(*columns: torch.Tensor) -> list[torch.Tensor]:
        u = [c[:, None] - c[None, :] for c in columns[:d]]
        k = torch.exp(sum(c * c for c in u) * (-1 / (2 * d))) / n
        return [(k * (s[None, :] + c / d)).sum(1) for c, s in zip(u, columns[d:], strict=True)]

    compiled = compiled_torch(direction)
    return lambda: compiled(*columns)


def keops_direction(x: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The direction for particles like x, as a function of particles and scores."""
    from pykeops.numpy import Genred

    n, d = x.shape
    variables = ["p=Pm(0,1)", "c=Pm(1,1)", f"x=Vi(2,{d})", f"y=Vj(3,{d})", f"s=Vj(4,{d})"]
    reduce = Genred("Exp(-p*SqDist(x,y))*(s+c*(x-y))", variables, reduction_op="Sum", axis=1)
    p, c, scale = np.array([0.5 / d], x.dtype), np.array([1.0 / d], x.dtype), np.float32(1 / n)
    return lambda x, s: reduce(p, c, x, x, s, backend="CPU") * scale


def _keops(arrays: Arrays) -> Callable[[], Any]:
    direction = keops_direction(arrays["x"])
    return lambda: direction(arrays["x"], arrays["scores"])


def jax_direction(n: int, d: int) -> Callable[[Any, Any], Any]:
    """The same products for jit: all pairs at once where they fit into memory, else by chunks of rows."""
    import jax
    import jax.numpy as jnp

    step = min(n, max(1, 4 * _CHUNK // n))
    step = next(k for k in range(step, 0, -1) if n % k == 0)

    def direction(x: Any, s: Any) -> Any:
        squares, payload = (x * x).sum(1), s - x / d

        def block(rows: Any) -> Any:
            q = (rows * rows).sum(1)[:, None] + squares - 2 * rows @ x.T
            k = jnp.exp(jnp.maximum(q, 0) * (-1 / (2 * d)))
            return (k @ payload + rows * (k.sum(1)[:, None] / d)) / n

        return jax.lax.map(block, x.reshape(-1, step, d)).reshape(n, d) if step < n else block(x)

    return direction


def _jax(arrays: Arrays) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x, s = jnp.asarray(arrays["x"]), jnp.asarray(arrays["scores"])
    direction = jax.jit(jax_direction(*x.shape))
    return lambda: direction(x, s).block_until_ready()


def _blackjax(arrays: Arrays) -> Callable[[], Any]:
    """One jitted step of its SVGD with the same kernel and step size 1, minus the start."""
    import jax
    import jax.numpy as jnp
    import optax
    from blackjax.vi import svgd

    x = jnp.asarray(arrays["x"])
    optimizer = optax.sgd(1.0)
    kernel = svgd.build_kernel(optimizer)
    state = svgd.init(x, {"length_scale": 2.0 * x.shape[1]}, optimizer)
    step = jax.jit(lambda state: kernel(state, lambda p: 1 - p, svgd.rbf_kernel).particles)
    return lambda: (step(state) - x).block_until_ready()


def _case(n: int, d: int, least: float, stretch: float, blackjax: bool, compiled: bool) -> Case:
    peers = {"torch": _torch, "KeOps": _keops, "KeOps native": _keops, "JAX": _jax}
    named = ("torch", "KeOps", "KeOps native", "JAX", "BlackJAX")
    if d <= 12:  # one |u|² and one exponential serve both particles of a pair
        amounts, rate = {"FMA pipes": 2.0 * n * n * (3 * d + 5), "pairs once": n * n * (5.0 * d + 5)}, FMA32
    else:
        amounts, rate = {"GEMM": 4.0 * n * n * d, "pairs once": 3.0 * n * n * d}, GEMM32
    rows = slice(None, None, max(1, n // 200))
    return Case(
        name=f"Stein direction, d = {d}, f32, n = {power(n)}",
        family="stein",
        arrays=partial(arrays, n, d),
        bodies={OURS: _wgf, **peers}
        | ({"BlackJAX": _blackjax} if blackjax else {})
        | ({"torch.compile": _torch_compiled} if compiled else {}),
        oracle=partial(oracle, rows),
        rows=rows,
        bound=F32,
        floors={name: Floor(rate, amount) for name, amount in amounts.items()},
        targets=[Target("faster", named, least, stretch)],
        gap=GAP_LOW if d <= 12 else GAP_WIDE,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the Stein direction. BlackJAX holds all pairs × d at once, 20 GB at (10⁴, 50): left out there."""
    n = 2000 if quick else 10_000
    return [
        _case(n, 2, 20, 30, True, True),
        _case(n, 50, 4, 6, False, False),
        _case(1000, 50, 1, 1.5, True, False),
    ]


GAP_LOW = (
    "As for the forces of pairs, with one more vector for each particle. JAX under jit does the same as compiled torch "
    "here, about a hundred times as fast as KeOps. 20 times its speed would be beyond the floor of this machine."
)
GAP_WIDE = (
    "As for forces in d = 64. With 1000 particles a pause of the threads between rounds remains. JAX holds all pairs "
    "at once."
)
