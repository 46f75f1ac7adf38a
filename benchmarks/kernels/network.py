"""The gradient of a mean-field network, compared with numpy over chunks of neurons and with torch's autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import wgf

from ..frame.case import F32, F64, OURS, Arrays, Body, Case, Floor, Target, power
from ..frame.machine import GEMM32, GEMM64

_CHUNK = 256  # neurons that numpy holds at once; the fastest of 64 ... 1024 on this machine
_TORCH_CHUNK = 1000


def arrays(n: int, m: int, d: int, dtype: type) -> Arrays:
    """n neurons θ = (a, w, b), and m samples of d features with one target each."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((n, d + 2))
    theta[:, 1:-1] /= np.sqrt(d)
    made = {"theta": theta, "z": rng.standard_normal((m, d)), "y": rng.standard_normal(m)}
    return {name: value.astype(dtype) for name, value in made.items()}


def digits() -> Arrays:
    """The network of the default run: 4096 neurons with 10 outputs, float64."""
    train, _ = wgf.data.load("digits")
    risk = wgf.NetworkRisk(train.x, train.y, loss="cross_entropy")
    return {"theta": risk.initial(4096).x.numpy(), "z": train.x.numpy(), "y": train.y.numpy()}


def _residual(f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """ℓ'/M of the squared loss, or of cross-entropy where the targets are classes."""
    if y.dtype.kind == "f":
        return (f - y[:, None]) / len(y)
    p = np.exp(f - f.max(1, keepdims=True))
    r = p / p.sum(1, keepdims=True)
    r[np.arange(len(y)), y] -= 1
    return r / len(y)


def gradient(theta: np.ndarray, z: np.ndarray, y: np.ndarray, rows: slice | None = None) -> np.ndarray:
    """∇_W R by matrix products over chunks of neurons, in the dtype of the arrays; optionally only some rows."""
    k, n = theta.shape[1] - z.shape[1] - 1, len(theta)

    def parts(theta: np.ndarray) -> Any:
        for start in range(0, len(theta), _CHUNK):
            chunk = theta[start : start + _CHUNK]
            h = chunk[:, k:-1] @ z.T
            h += chunk[:, -1:]
            yield slice(start, start + _CHUNK), chunk[:, :k], np.tanh(h, out=h)

    f = np.zeros((k, len(z)), theta.dtype)
    for _, a, h in parts(theta):
        f += a.T @ h
    r = _residual(f.T / n, y).astype(theta.dtype)
    theta = theta if rows is None else theta[rows]
    out = np.empty_like(theta)
    for chunk, a, h in parts(theta):
        out[chunk, :k] = h @ r
        slope = np.square(h, out=h)
        np.subtract(1, slope, out=slope)
        slope *= a @ r.T
        out[chunk, k:-1], out[chunk, -1] = slope @ z, slope.sum(1)
    return out


def oracle(rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact gradient of some neurons in float64."""
    exact = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in arrays.items()}
    return gradient(exact["theta"], exact["z"], exact["y"], rows)


def _wgf(loss: str, arrays: Arrays) -> Callable[[], Any]:
    risk = wgf.NetworkRisk(arrays["z"], arrays["y"], loss=loss)
    mu = wgf.Ensemble(arrays["theta"])
    return lambda: risk.evaluate(mu).gradient


def _numpy(arrays: Arrays) -> Callable[[], Any]:
    return lambda: gradient(arrays["theta"], arrays["z"], arrays["y"])


def _torch(arrays: Arrays) -> Callable[[], Any]:
    """As a user would write it: the loss, then autograd."""
    theta, z, y = (torch.from_numpy(arrays[name]) for name in ("theta", "z", "y"))
    theta = theta.clone().requires_grad_()

    def call() -> torch.Tensor:
        f = torch.tanh(z @ theta[:, 1:-1].T + theta[:, -1]) @ theta[:, 0] / len(theta)
        (g,) = torch.autograd.grad(0.5 * (f - y).square().mean(), theta)
        return g * len(theta)

    return call


def _torch_chunked(arrays: Arrays) -> Callable[[], Any]:
    """Autograd over chunks of neurons: one forward pass without a graph, then each chunk with its own graph."""
    theta, z, y = (torch.from_numpy(arrays[name]) for name in ("theta", "z", "y"))

    def part(chunk: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z @ chunk[:, 1:-1].T + chunk[:, -1]) @ chunk[:, 0]

    def call() -> torch.Tensor:
        with torch.no_grad():
            r = (sum(part(chunk) for chunk in theta.split(_TORCH_CHUNK)) / len(theta) - y) / len(y)
        out = []
        for chunk in theta.split(_TORCH_CHUNK):
            chunk = chunk.detach().requires_grad_()
            out += torch.autograd.grad(part(chunk) @ r, chunk)
        return torch.cat(out)

    return call


def _case(n: int, m: int, d: int, dtype: type, targets: list[Target], autograd: bool = True) -> Case:
    single = dtype is np.float32
    bodies: dict[str, Body] = {OURS: partial(_wgf, "squared"), "numpy": _numpy, "torch chunked": _torch_chunked}
    if autograd:  # it needs at least 12 or 24 bytes × n·m, for activations and their gradients
        bodies["torch autograd"] = _torch
    rows = slice(None, None, max(1, n // 200))
    gemm = GEMM32 if single else GEMM64
    return Case(
        name=f"network {power(n)} × {power(m)} × {d}, {'f32' if single else 'f64'}",
        family="network",
        arrays=partial(arrays, n, m, d, dtype),
        bodies=bodies,
        oracle=partial(oracle, rows),
        rows=rows,
        bound=F32 if single else F64,
        floors={"GEMM": Floor(gemm, 6.0 * n * m * d), "GEMM, h kept": Floor(gemm, 4.0 * n * m * d)},
        targets=targets,
        gap=GAP,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of the network: neurons × samples × features."""
    n = 2000 if quick else 10_000
    full = [
        Target("faster", ("torch autograd",), 6),
        Target("faster", ("numpy",), 2),
        Target("floor", ("GEMM",), 0.7, 0.85),
    ]
    rows = [
        _case(n, n, 100, np.float32, full),
        _case(n, n, 100, np.float64, full),
        _case(1000, 1000, 100, np.float32, [Target("faster", ("numpy",), 1, 1.5)]),
        _case(n, n, 10, np.float32, []),
    ]
    if not quick:
        rows.append(_case(100_000, n, 100, np.float32, [], autograd=False))
    default = Case(
        name="network of the default run, 4096 × 1438 × 64, 10 classes, f64",
        family="network",
        arrays=digits,
        bodies={OURS: partial(_wgf, "cross_entropy"), "numpy": _numpy},
        oracle=partial(oracle, slice(None, None, 20)),
        rows=slice(None, None, 20),
        bound=F64,
        floors={"GEMM": Floor(GEMM64, 4096 * 1438 * (6.0 * 64 + 6.0 * 10))},
        gap=GAP,
    )
    return [*rows, default]


GAP = (
    "The products are 6NMD operations if the backward pass recomputes the activations h, and 4NMD if it keeps them. In "
    "addition there are NM activations a pass, which cost about as much as 10–20 features."
)
