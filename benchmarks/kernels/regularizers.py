"""The log-det regularizer of a batch, forward and backward, compared with the line that people write in torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import F32, F64, OURS, Arrays, Case, Target
from . import moments

RIDGE = 1e-3
LINE, COV = "torch.logdet", "torch.logdet of torch.cov"


def oracle(arrays: Arrays) -> np.ndarray:
    """The exact gradient ∂S/∂z of the batch by numpy in float64."""
    x = arrays["x"].astype(np.float64)
    x -= x.mean(0)
    matrix = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
    return np.linalg.solve(matrix, x.T).T / len(x)


def _both_ways(value: Callable[[torch.Tensor], torch.Tensor], arrays: Arrays) -> Callable[[], Any]:
    """A forward and a backward pass; the result is the gradient."""
    x = torch.from_numpy(arrays["x"])

    def call() -> torch.Tensor | None:
        z = x.detach().requires_grad_()
        value(z).backward()
        return z.grad

    return call


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    return _both_ways(wgf.regularizers.LogDet(ridge=RIDGE), arrays)


def _line(arrays: Arrays) -> Callable[[], Any]:
    n, d = arrays["x"].shape
    ridge = RIDGE * torch.eye(d, dtype=torch.from_numpy(arrays["x"]).dtype)

    def value(z: torch.Tensor) -> torch.Tensor:
        centred = z - z.mean(0)
        return 0.5 * torch.logdet(centred.T @ centred / n + ridge)

    return _both_ways(value, arrays)


def _cov(arrays: Arrays) -> Callable[[], Any]:
    ridge = RIDGE * torch.eye(arrays["x"].shape[1], dtype=torch.from_numpy(arrays["x"]).dtype)
    return _both_ways(lambda z: 0.5 * torch.logdet(torch.cov(z.T, correction=0) + ridge), arrays)


def _case(n: int, d: int, dtype: type) -> Case:
    return Case(
        name=f"log-det regularizer, batch {n}, width {d}, {'f32' if dtype is np.float32 else 'f64'}",
        family="regularizers",
        arrays=partial(moments.arrays, n, d, dtype),
        bodies={OURS: _wgf, LINE: _line, COV: _cov},
        oracle=oracle,
        bound=F32 if dtype is np.float32 else F64,
        targets=[Target("slower", (LINE,), 1.5)],
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the regularizer: forward and backward of a batch."""
    n, d = (128, 32) if quick else (512, 128)
    return [_case(n, d, dtype) for dtype in (np.float32, np.float64)]


GAP = (
    "A float32 batch has its covariance factored in float64. Representations and force are checked to be finite, and a "
    "batch becomes an ensemble. The Python part of a call takes about 0.3 ms."
)
