"""The Langevin update x ← x − h∇F + √(2hT) ξ, which makes its noise in the same pass, compared with torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import ops
from ...ops import memory, reference
from ...ops.cpu.jit import compiled
from ...ops.threads import run_blocks
from ..frame.case import F32, OURS, Arrays, Case, Floor, Target, power
from ..frame.machine import TRIAD

H, TEMPERATURE, SEED, STEP, STREAM = 1e-2, 0.5, 7, 3, 0
_SCALE = math.sqrt(2 * H * TEMPERATURE)
_BLOCK = 2**18  # numbers that a thread takes at a time; the same as in our update


def arrays(n: int, d: int) -> Arrays:
    """Particles x (n, d) and a gradient g (n, d), float32."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((n, d), dtype=np.float32) for name in ("x", "g")}


def oracle(rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact update of some particles in float64, with the reference noise of their ids."""
    x, g = arrays["x"], arrays["g"]
    ids = torch.arange(len(x))[rows]
    noise = reference.normal(ids, [SEED, 0], STEP, STREAM, x.shape[1], torch.float32).numpy()
    return x[rows].astype(np.float64) - H * g[rows].astype(np.float64) + _SCALE * noise


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    x, g = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["g"])
    ids = torch.arange(len(x))
    return lambda: ops.langevin(x, g, ids, [SEED, 0], STEP, STREAM, H, _SCALE)


@compiled
def _drift(out: Any, x: Any, g: Any, h: Any) -> None:
    for i in range(out.size):
        out[i] = x[i] - h * g[i]


def _no_noise(arrays: Arrays) -> Callable[[], Any]:
    """The same update without noise: the time of the memory alone."""
    x, g = arrays["x"].reshape(-1), arrays["g"].reshape(-1)
    blocks = -(-len(x) // _BLOCK)

    def call() -> None:
        out = memory.empty(x.shape, x.dtype)

        def work(indices: Iterator[int]) -> None:
            for block in indices:
                rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
                _drift(out[rows], x[rows], g[rows], np.float32(H))

        run_blocks(work, blocks)

    return call


def _torch(arrays: Arrays) -> Callable[[], Any]:
    x, g = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["g"])

    def call() -> None:
        torch.randn(x.shape).mul_(_SCALE).add_(x).sub_(g, alpha=H)

    return call


def _numpy(arrays: Arrays) -> Callable[[], Any]:
    x, g = arrays["x"], arrays["g"]
    rng = np.random.default_rng(0)

    def call() -> None:
        out = rng.standard_normal(x.shape, dtype=np.float32)
        out *= np.float32(_SCALE)
        out += x
        out -= np.float32(H) * g

    return call


class _Linear(torch.nn.Module):
    """dx = −g dt + √(2T) dB in the form that torchsde needs."""

    noise_type, sde_type = "diagonal", "ito"

    def __init__(self, g: torch.Tensor) -> None:
        super().__init__()
        self._drift, self._diffusion = -g, torch.full_like(g, math.sqrt(2 * TEMPERATURE))

    def f(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return self._drift

    def g(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return self._diffusion


def _torchsde(arrays: Arrays) -> Callable[[], Any]:
    import torchsde

    x, sde = torch.from_numpy(arrays["x"]), _Linear(torch.from_numpy(arrays["g"]))
    times = torch.tensor([0.0, H])

    def call() -> None:
        torchsde.sdeint(sde, x, times, method="euler", dt=H)

    return call


def _case(n: int, d: int) -> Case:
    rows = slice(None, None, max(1, n // 1000))
    return Case(
        name=f"Langevin update, d = {d}, f32, n = {power(n)}",
        family="langevin",
        arrays=partial(arrays, n, d),
        bodies={OURS: _wgf, "wgf: no noise": _no_noise, "numpy": _numpy, "torch": _torch, "torchsde": _torchsde},
        oracle=partial(oracle, rows),
        rows=rows,
        bound=F32,
        floors={"memory": Floor(TRIAD, 12.0 * n * d)},
        targets=[Target("faster", ("torch",), 8), Target("slower", ("wgf: no noise",), 2.2, 1.5)],
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the Langevin update: 10⁷ numbers in two shapes."""
    scale = 10 if quick else 1
    return [_case(1_000_000 // scale, 10), _case(5_000_000 // scale, 2)]


GAP = (
    "Ten rounds of Philox and a Box–Muller transform for every pair of numbers take 2.7 cycles a number: 4 ms for "
    "10⁷ on two cores. Little of that overlaps with the 3.5 ms of memory traffic. Both of our bodies write to memory "
    "that is reused. Every peer also pays for 40 MB of fresh pages, whose first use takes 6 ms."
)
