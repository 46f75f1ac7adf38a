"""How a kernel is started, and how a sum is cut into pieces: by the shapes alone, so that the bits never vary."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_PROGRAMS = 2048  # several for each multiprocessor of the largest GPU; no function of the GPU at hand
_FULL_RATE = {(8, 0), (9, 0), (10, 0)}  # compute capabilities whose tensor cores multiply float64 at the float32 rate


def launch(kernel: Any, grid: tuple[int, ...], *tensors_and_numbers: Any, **constants: Any) -> None:
    """Start `kernel` on the device of its first argument; nothing waits for it."""
    with torch.cuda.device_of(tensors_and_numbers[0]):
        # contraction to fma is said outright: the default of Triton is about to change
        kernel[grid](*tensors_and_numbers, enable_fp_fusion=True, **constants)


def blocks(count: int, size: int) -> int:
    """Blocks of `size` that hold `count`."""
    return -(-count // size)


def segment(row_blocks: int, columns: int, tile: int) -> int:
    """Columns that one program adds (whole tiles): fewer where there are few rows, so that the GPU is full."""
    pieces = max(1, min(_PROGRAMS // row_blocks, columns // (4 * tile)))
    return max(1, blocks(blocks(columns, pieces), tile)) * tile


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """float32 if all of them are, else float64."""
    return torch.float32 if all(t.dtype == torch.float32 for t in tensors) else torch.float64


def dot_precision(tensor: Tensor, asked: str | None) -> str:
    """How products of matrices are formed: as asked, else accurately, in float64 where that costs nothing.

    `"float64"`, `"ieee"` (float32), or by leave of the caller `"tf32x3"`, `"tf32"`, `"bfloat16"`. A100, H100 and H200
    multiply float64 on tensor cores as fast as float32 without them; other GPUs are many times slower in float64.
    """
    if tensor.dtype == torch.float64:
        return "float64"
    if asked is not None:
        return asked
    if tensor.is_cuda and torch.cuda.get_device_capability(tensor.device) not in _FULL_RATE:
        return "ieee"
    return "float64"


def chunk(columns: int) -> int:
    """The width in which the columns of a matrix are taken: 32, or 16 (the least of tl.dot) where that wastes less."""
    return 32 if blocks(columns, 16) % 2 == 0 else 16


@triton.jit
def product(a, b, total, PRECISION: tl.constexpr):
    """total + a b; a float32 product joins a float64 total."""
    if PRECISION == "float64":
        return tl.dot(a.to(tl.float64), b.to(tl.float64), total.to(tl.float64), out_dtype=tl.float64)
    elif PRECISION == "bfloat16":
        return total + tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16)).to(total.dtype)
    else:
        return total + tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision=PRECISION).to(total.dtype)


@triton.jit
def load_matrix(pointer, rows, columns, row_stop, column_stop, STRIDE: tl.constexpr):
    """matrix[rows, columns] of a row-major matrix, 0 outside; `rows` (r, 1) and `columns` (1, c), or transposed."""
    inside = (rows < row_stop) & (columns < column_stop)
    return tl.load(pointer + rows * STRIDE + columns, mask=inside, other=0.0)
