"""Stein variational gradient descent towards N(0, I), with a Gaussian kernel of fixed bandwidth √d."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import ops, solvers
from ...energies import Quadratic
from ...entropies import Shannon
from ...functional import Functional
from ...measure import Ensemble
from ...ops import forms
from ...protocol import Solver
from ..frame.case import Arrays, Body, Case, Floor, Target, power, relative_error
from ..frame.machine import FMA32, GEMM32
from ..kernels import stein
from . import ours
from .ours import ENDS, PIECES
from .peers import JAX, TORCH

H = 0.01


def cloud(n: int, d: int) -> Arrays:
    """Particles from N(1, 1), float32."""
    return {"x": 1.0 + np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)}


def end(rows: slice, steps: int, arrays: Arrays) -> np.ndarray:
    """The exact particles on some rows after so many steps, by products in float64."""
    x = arrays["x"].astype(np.float64)
    n, d = x.shape
    for _ in range(steps):
        squares, payload, moved = (x * x).sum(1), -x - x / d, np.empty_like(x)
        for first in range(0, n, 500):
            y = slice(first, first + 500)
            k = np.exp((x[y] @ x.T - 0.5 * squares[y, None] - 0.5 * squares) / d)
            moved[y] = (k @ payload + x[y] * (k.sum(1)[:, None] / d)) / n
        x = x + H * moved
    return x[rows]


def setup(arrays: Arrays) -> tuple[Functional, Ensemble, Solver]:
    x = arrays["x"]
    return Quadratic() - 1.0 * Shannon(), Ensemble(x), solvers.Stein(kernel=math.sqrt(x.shape[1]))


def _pieces(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The sums over pairs and the update."""
    start = torch.from_numpy(arrays["x"])
    n, d = start.shape
    weights = torch.full((n,), 1.0 / n, dtype=torch.float64)

    def call() -> torch.Tensor:
        x = start
        for _ in range(steps):
            x = x + H * ops.stein_direction(x, x, weights, -x, forms.GAUSSIAN, [math.sqrt(d)], 0.0)
        return x

    return call


def _torch(steps: int, arrays: Arrays) -> Callable[[], Any]:
    start = torch.from_numpy(arrays["x"])

    def call() -> torch.Tensor:
        x = start
        for _ in range(steps):
            x = x.add(stein.torch_direction(x, -x), alpha=H)
        return x

    return call


def _keops(steps: int, arrays: Arrays) -> Callable[[], Any]:
    start, h = arrays["x"], np.float32(H)
    direction = stein.keops_direction(start)

    def call() -> np.ndarray:
        x = start
        for _ in range(steps):
            x = x + h * direction(x, -x)
        return x

    return call


def _jax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    start = jnp.asarray(arrays["x"])
    direction, h = stein.jax_direction(*start.shape), start.dtype.type(H)

    @jax.jit
    def walk(x: Any) -> Any:
        return jax.lax.scan(lambda x, _: (x + h * direction(x, -x), None), x, None, length=steps)[0]

    return lambda: np.asarray(walk(start))


def _blackjax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Its SVGD kernel with a plain step, in a scan under jit. It holds all pairs × d at once."""
    import jax
    import optax
    from blackjax.vi import svgd

    x, optimizer = jax.numpy.asarray(arrays["x"]), optax.sgd(H)
    kernel = svgd.build_kernel(optimizer)
    state = svgd.init(x, {"length_scale": 2.0 * x.shape[1]}, optimizer)

    @jax.jit
    def walk(state: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            return kernel(state, lambda p: -p, svgd.rbf_kernel), None

        return jax.lax.scan(step, state, None, length=steps)[0].particles

    return lambda: np.asarray(walk(state))


def _case(n: int, d: int, steps: int, targets: Sequence[Target]) -> Case:
    bodies: dict[str, Body] = ours.bodies(setup, H, steps)
    narrow = d <= 12  # one |u|² and one exponential serve both particles of a pair
    names: dict[str, Any] = {PIECES: _pieces, TORCH: _torch, JAX: _jax, "KeOps": _keops}
    if narrow:  # else a run takes 20 s: it forms the differences of all pairs
        names["BlackJAX"] = _blackjax
    bodies |= {name: partial(body, steps) for name, body in names.items()}
    amount, rate = (n * n * (5.0 * d + 5), FMA32) if narrow else (3.0 * n * n * d, GEMM32)
    rows = slice(None, None, max(1, n // 200))
    return Case(
        name=f"SVGD, d = {d}, f32, n = {power(n)}, {steps} steps",
        family="svgd",
        arrays=partial(cloud, n, d),
        bodies=bodies,
        oracle=partial(end, rows, steps),
        rows=rows,
        bound=2e-5,
        floors={"FMA pipes, pairs once" if narrow else "GEMM, pairs once": Floor(rate, steps * amount)},
        targets=targets,
        gap=GAP,
        error=relative_error,
        unit="distance of the particles from the same steps in float64, relative",
        steps=steps,
        checked=ENDS,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of SVGD."""
    peers = (TORCH, JAX, "KeOps", "BlackJAX")
    if quick:
        return [_case(200, 2, 3, [Target("faster", peers, 2.0, ours=ENDS)])]
    return [
        _case(1000, 2, 100, [Target("faster", peers, 2.0, ours=ENDS)]),
        _case(1000, 50, 50, [Target("faster", peers, 1.0, ours=ENDS)]),
        _case(10_000, 2, 10, [Target("faster", peers, 5.0, ours=ENDS)]),
    ]


GAP = (
    "The sums over pairs take nearly all the time of many particles: see the Stein direction in the bench of kernels. "
    "A record makes one further pass over the pairs of a narrow cloud, for two thirds of the price of a step, and two "
    "such sums in many dimensions. The rest of its price is the estimate of the Shannon entropy and its score."
)
