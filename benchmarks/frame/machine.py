"""The rates of this machine (arithmetic, matrix products, memory), measured together with the work that they bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from ...ops.cpu.jit import compiled
from ...ops.threads import run_blocks
from .case import Arrays, Body, Case

_CHAINS, _LENGTH, _STEPS, _PASSES, _PARTS = 8, 256, 16, 400, 16
_GEMM, _TRIAD = 2048, 8_000_000


@compiled
def _fma(x0: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any, x6: Any, x7: Any, out: Any, a: Any, b: Any) -> None:
    """Eight independent chains of fused multiply-adds on every number, which is enough to hide their latency."""
    for _ in range(_PASSES):
        for i in range(out.size):
            t0, t1, t2, t3, t4, t5, t6, t7 = x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i], x7[i]
            for _ in range(_STEPS):
                t0, t1, t2, t3 = t0 * a + b, t1 * a + b, t2 * a + b, t3 * a + b
                t4, t5, t6, t7 = t4 * a + b, t5 * a + b, t6 * a + b, t7 * a + b
            out[i] = t0 + t1 + t2 + t3 + t4 + t5 + t6 + t7


@compiled
def _triad(out: Any, x: Any, y: Any, scale: Any) -> None:
    for i in range(out.size):
        out[i] = x[i] + scale * y[i]


def _fma_body(dtype: Any, _: Arrays) -> Callable[[], Any]:
    x = np.full((_CHAINS, _LENGTH), 0.5, dtype)
    out = np.empty((_PARTS, _LENGTH), dtype)
    a, b = dtype(0.999), dtype(0.001)

    def work(parts: Iterator[int]) -> None:
        for part in parts:
            _fma(*x, out[part], a, b)

    return lambda: run_blocks(work, _PARTS)


def _triad_body(_: Arrays) -> Callable[[], Any]:
    out, x, y = (np.ones(_TRIAD) for _ in range(3))
    step = _TRIAD // _PARTS

    def work(parts: Iterator[int]) -> None:
        for part in parts:
            rows = slice(part * step, (part + 1) * step)
            _triad(out[rows], x[rows], y[rows], 0.5)

    return lambda: run_blocks(work, _PARTS)


def _numpy_gemm(dtype: Any, _: Arrays) -> Callable[[], Any]:
    a, b = (np.random.default_rng(k).standard_normal((_GEMM, _GEMM)).astype(dtype) for k in range(2))
    out = np.empty_like(a)

    def call() -> None:
        np.matmul(a, b, out=out)

    return call


def _torch_gemm(dtype: torch.dtype, _: Arrays) -> Callable[[], Any]:
    a, b = (torch.randn(_GEMM, _GEMM, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def call() -> None:
        torch.mm(a, b, out=out)

    return call


FMA32, FMA64 = "machine: FMA f32", "machine: FMA f64"
GEMM32, GEMM64 = "machine: GEMM f32", "machine: GEMM f64"
TRIAD = "machine: triad"
BODIES: dict[str, Body] = {
    FMA32: partial(_fma_body, np.float32),
    FMA64: partial(_fma_body, np.float64),
    GEMM32: partial(_numpy_gemm, np.float32),
    GEMM64: partial(_numpy_gemm, np.float64),
    "machine: torch GEMM f32": partial(_torch_gemm, torch.float32),
    "machine: torch GEMM f64": partial(_torch_gemm, torch.float64),
    TRIAD: _triad_body,
}
_FMA_FLOPS = 2.0 * _CHAINS * _LENGTH * _STEPS * _PASSES * _PARTS
WORK: dict[str, float] = {
    **{name: _FMA_FLOPS if "FMA" in name else 2.0 * _GEMM**3 for name in BODIES},
    TRIAD: 24.0 * _TRIAD,
}
"""Operations (or bytes, for the triad) of one call of each body."""


def cases(quick: bool) -> list[Case]:
    """One case that measures all rates of the machine."""
    return [Case("machine", "machine", dict, BODIES)]
