"""The two-layer network on a GPU: tiles of neurons × samples, whose activations stay in registers and are never stored.

Beyond 256 inputs or 64 outputs the plain-torch code runs, by blocks of torch's products in float64: there the products
take nearly all the time, and keeping activations in registers saves nothing.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ...errors import BackendError
from .. import reference
from .activations import NAME, activate
from .launch import blocks, chunk, compute_dtype, dot_precision, launch, load_matrix, product, segment

_EXACT = "float64", "ieee"
_INPUTS, _OUTPUTS = 256, 64  # most inputs and outputs of these kernels
_TILE = 64
_NARROW = 32  # samples in a tile of the backward pass, which needs more registers
_WARPS = 4  # with these tiles the fastest of eight on an H200, up to twice as fast as eight warps
_SLAB = 64  # derivatives in input weights in one program


@triton.jit
def _preactivation(theta, z, neurons, samples, n, stop, K: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
                   PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """wᵢ·zₘ + bᵢ for a tile of neurons × samples."""
    T: tl.constexpr = theta.dtype.element_ty
    P: tl.constexpr = K + D + 1
    SUM: tl.constexpr = tl.float64 if PRECISION == "float64" else T
    s = tl.zeros((ROWS, COLUMNS), SUM)
    for c in range(0, D, WIDTH):
        columns = c + tl.arange(0, WIDTH)
        w = load_matrix(theta + K, neurons[:, None], columns[None, :], n, D, P)
        s = product(w, load_matrix(z, samples[None, :], columns[:, None], stop, D, D), s, PRECISION)
    bias = tl.load(theta + neurons * P + (P - 1), mask=neurons < n, other=0.0)
    return s.to(T) + bias[:, None]


@triton.jit(do_not_specialize=["n", "m", "width"])
def _forward(theta, weights, z, out, n: tl.int64, m: tl.int64, width: tl.int64,
             K: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr, OUT: tl.constexpr, ACTIVATION: tl.constexpr,
             PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """out[piece, m, :]: the part of f from the neurons of one piece."""
    samples = tl.program_id(0).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.program_id(1).to(tl.int64) * width
    stop = tl.minimum(start + width, n)
    outputs = tl.arange(0, OUT)
    f = tl.zeros((COLUMNS, OUT), tl.float64)
    for first in range(start, stop, ROWS):
        neurons = first + tl.arange(0, ROWS)
        s = _preactivation(theta, z, neurons, samples, stop, m, K, D, WIDTH, PRECISION, ROWS, COLUMNS)
        h, _ = activate(s, ACTIVATION)
        a = load_matrix(theta, neurons[:, None], outputs[None, :], stop, K, K + D + 1)
        a *= tl.load(weights + neurons, mask=neurons < stop, other=0.0)[:, None]
        f = product(tl.trans(h), a, f, PRECISION)
    place = (tl.program_id(1).to(tl.int64) * m + samples)[:, None] * K + outputs[None, :]
    tl.store(out + place, f, mask=(samples < m)[:, None] & (outputs < K)[None, :])


@triton.jit(do_not_specialize=["n", "m", "width"])
def _backward(theta, z, residual, out, n: tl.int64, m: tl.int64, width: tl.int64,
              K: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr, CHUNKS: tl.constexpr, OUT: tl.constexpr,
              ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr,
              COLUMNS: tl.constexpr):  # fmt: skip
    """out[piece, i, :]: the part of ∇_θ v from the samples of one piece, for one slab of inputs."""
    P: tl.constexpr = K + D + 1
    T: tl.constexpr = theta.dtype.element_ty
    neurons = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    start = tl.program_id(1).to(tl.int64) * width
    stop = tl.minimum(start + width, m)
    slab = tl.program_id(2) * (CHUNKS * WIDTH)
    outputs = tl.arange(0, OUT)
    a = load_matrix(theta, neurons[:, None], outputs[None, :], n, K, P)
    by_output, by_bias = tl.zeros((ROWS, OUT), tl.float64), tl.zeros((ROWS,), tl.float64)
    by_input = ()
    for _ in tl.static_range(CHUNKS):
        by_input = by_input + (tl.zeros((ROWS, WIDTH), tl.float64),)
    for first in range(start, stop, COLUMNS):
        samples = first + tl.arange(0, COLUMNS)
        s = _preactivation(theta, z, neurons, samples, n, stop, K, D, WIDTH, PRECISION, ROWS, COLUMNS)
        h, slope = activate(s, ACTIVATION)
        r = load_matrix(residual, samples[:, None], outputs[None, :], stop, K, K)  # 0 for missing samples
        by_output = product(h, r, by_output, PRECISION)
        g = (slope * product(a, tl.trans(r), tl.zeros((ROWS, COLUMNS), T), PRECISION)).to(T)
        by_bias += tl.sum(g, 1).to(tl.float64)
        moved = ()
        for c in tl.static_range(CHUNKS):
            columns = slab + c * WIDTH + tl.arange(0, WIDTH)
            part = load_matrix(z, samples[:, None], columns[None, :], stop, D, D)
            moved = moved + (product(g, part, by_input[c], PRECISION),)
        by_input = moved
    row = out + (tl.program_id(1).to(tl.int64) * n + neurons) * P
    for c in tl.static_range(CHUNKS):
        columns = slab + c * WIDTH + tl.arange(0, WIDTH)
        inside = (neurons < n)[:, None] & (columns < D)[None, :]
        tl.store(row[:, None] + K + columns[None, :], by_input[c], mask=inside)
    if slab == 0:
        tl.store(row[:, None] + outputs[None, :], by_output, mask=(neurons < n)[:, None] & (outputs < K)[None, :])
        tl.store(row + (P - 1), by_bias, mask=neurons < n)


def _sizes(theta: Tensor, inputs: int, outputs: int) -> dict[str, int]:
    """The sizes that a kernel is compiled for."""
    return {"K": outputs, "D": inputs, "WIDTH": chunk(inputs), "OUT": max(16, triton.next_power_of_2(outputs))}


def _arithmetic(theta: Tensor, asked: str | None) -> tuple[torch.dtype, str]:
    """The dtype of all numbers in a kernel, and how its products are formed: in that dtype.

    The reduced precisions are refused: with them Triton 3.6 gave a wrong backward pass on an H200.
    """
    precision = dot_precision(theta.to(compute_dtype(theta)), asked)
    if precision not in _EXACT:
        raise BackendError(f"network: precision {precision!r}; wanted one of {', '.join(_EXACT)}.")
    return torch.float64 if precision == "float64" else torch.float32, precision


def network_forward(
    theta: Tensor, weights: Tensor, z: Tensor, outputs: int, activation: int, precision: str | None = None
) -> Tensor:
    """The output of the network on a GPU: fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ) (M, K), float64.

    Parameters
    ----------
    theta, weights, z, outputs, activation
        As in `wgf.ops.network_forward`.
    precision : str, optional
        "float64" or "ieee" (float32), as in `launch.dot_precision`, which also chooses the default.

    Returns
    -------
    Tensor
        f (M, K), float64. The sum over neurons is in float64.
    """
    (n, _), (m, inputs) = theta.shape, z.shape
    if n == 0 or m == 0 or inputs > _INPUTS or outputs > _OUTPUTS:
        return reference.network_forward(theta.double(), weights.double(), z.double(), outputs, activation)
    dtype, precision = _arithmetic(theta, precision)
    theta, weights, z = (t.detach().to(dtype).contiguous() for t in (theta, weights, z))
    width = segment(blocks(m, _TILE), n, _TILE)
    pieces = blocks(n, width)
    out = theta.new_empty(pieces, m, outputs, dtype=torch.float64)
    launch(
        _forward, (blocks(m, _TILE), pieces), theta, weights, z, out, n, m, width, **_sizes(theta, inputs, outputs),
        ACTIVATION=NAME[activation], PRECISION=precision,
        ROWS=_TILE, COLUMNS=_TILE, num_warps=_WARPS,
    )  # fmt: skip
    return out.sum(0)


def network_backward(
    theta: Tensor, z: Tensor, residual: Tensor, activation: int, precision: str | None = None
) -> tuple[Tensor, Tensor]:
    """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and ∇_θ v (n, d) on a GPU, in the dtype of theta, for residuals r (M, K).

    Parameters
    ----------
    theta, z, residual, activation
        As in `wgf.ops.network_backward`.
    precision : str, optional
        As in `network_forward`.

    Returns
    -------
    value, gradient : Tensor
        v and ∇_θ v.
    """
    (n, _), (m, inputs), outputs = theta.shape, z.shape, residual.shape[1]
    kept = theta.dtype
    if n == 0 or m == 0 or inputs > _INPUTS or outputs > _OUTPUTS:
        pair = reference.network_backward(theta.double(), z.double(), residual.double(), activation)
        return pair[0].to(kept), pair[1].to(kept)
    dtype, precision = _arithmetic(theta, precision)
    theta, z, residual = (t.detach().to(dtype).contiguous() for t in (theta, z, residual))
    width = segment(blocks(n, _TILE), m, _NARROW)
    pieces, sizes = blocks(m, width), _sizes(theta, inputs, outputs)
    chunks = min(blocks(inputs, sizes["WIDTH"]), _SLAB // sizes["WIDTH"])
    out = theta.new_empty(pieces, n, theta.shape[1], dtype=torch.float64)
    grid = (blocks(n, _TILE), pieces, blocks(inputs, chunks * sizes["WIDTH"]))
    launch(
        _backward, grid, theta, z, residual, out, n, m, width, **sizes, CHUNKS=chunks,
        ACTIVATION=NAME[activation], PRECISION=precision,
        ROWS=_TILE, COLUMNS=_NARROW, num_warps=_WARPS,
    )  # fmt: skip
    gradient = out.sum(0)
    value = (theta[:, :outputs] * gradient[:, :outputs]).sum(1)
    return value.to(kept), gradient.to(kept)
