"""Start Triton kernels, and cut sums into pieces by the shapes alone, so that the result always has the same bits."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_PROGRAMS = 2048  # several for each multiprocessor of the largest GPU, whichever GPU runs
_FULL_RATE = {(8, 0), (9, 0), (10, 0)}  # compute capabilities that multiply float64 matrices as fast as float32


def launch(kernel: Any, grid: tuple[int, ...], *tensors_and_numbers: Any, **constants: Any) -> None:
    """Start `kernel` on the device of its first argument; the call returns at once."""
    with torch.cuda.device_of(tensors_and_numbers[0]):
        # fused multiply-add is set explicitly, because the default of Triton is about to change
        kernel[grid](*tensors_and_numbers, enable_fp_fusion=True, **constants)


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` hold `count` items."""
    return -(-count // size)


def segment(row_blocks: int, columns: int, tile: int) -> int:
    """Columns for one program, in whole tiles. Fewer if there are few rows, so that the whole GPU has work."""
    pieces = max(1, min(_PROGRAMS // row_blocks, columns // (4 * tile)))
    return max(1, blocks(blocks(columns, pieces), tile)) * tile


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """float32 if all the tensors are, else float64."""
    return torch.float32 if all(t.dtype == torch.float32 for t in tensors) else torch.float64


def dot_precision(tensor: Tensor, asked: str | None) -> str:
    """How to form matrix products: as the caller chose, else accurately, and in float64 if that costs no time.

    Parameters
    ----------
    tensor : Tensor
        An operand. For float64 operands the products are always in float64.
    asked : str or None
        "float64", "ieee" (float32), or the less accurate "tf32x3", "tf32" or "bfloat16".

    Returns
    -------
    str
        The precision.

    Notes
    -----
    A100, H100 and H200 multiply float64 on tensor cores as fast as float32 without them. Other GPUs are many times
    slower in float64.
    """
    if tensor.dtype == torch.float64:
        return "float64"
    if asked is not None:
        return asked
    if tensor.is_cuda and torch.cuda.get_device_capability(tensor.device) not in _FULL_RATE:
        return "ieee"
    return "float64"


def chunk(columns: int) -> int:
    """The width of a slice of columns: 32, or 16 (the least of tl.dot) where 32 would waste more."""
    return 32 if blocks(columns, 16) % 2 == 0 else 16


@triton.jit
def product(a, b, total, PRECISION: tl.constexpr):
    """total + a b. A float32 product is added to a float64 total."""
    if PRECISION == "float64":
        return tl.dot(a.to(tl.float64), b.to(tl.float64), total.to(tl.float64), out_dtype=tl.float64)
    elif PRECISION == "bfloat16":
        return total + tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16)).to(total.dtype)
    else:
        return total + tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision=PRECISION).to(total.dtype)


@triton.jit
def load_matrix(pointer, rows, columns, row_stop, column_stop, STRIDE: tl.constexpr):
    """matrix[rows, columns] of a row-major matrix, 0 outside; rows (r, 1) and columns (1, c), or transposed."""
    inside = (rows < row_stop) & (columns < column_stop)
    return tl.load(pointer + rows * STRIDE + columns, mask=inside, other=0.0)
