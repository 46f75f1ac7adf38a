"""Register an operation as a torch op with one body for each device, and convert between tensors and arrays.

A body is the code of an operation on one device: numba on the CPU, Triton or plain torch elsewhere. Nothing above
`wgf.ops` knows which body ran. Sums are accumulated and returned in float64; results for each particle have the dtype
of the particles.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor


def custom_op(name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a torch operation of a function, as `torch.library.custom_op` does, and keep the function's docstring."""

    def make(function: Callable[..., Any]) -> Any:
        op: Any = torch.library.custom_op(name, **options)(function)
        op.__doc__ = function.__doc__
        return op

    return make


PLAIN: dict[str, Callable[..., Any]] = {}
"""The plain-torch body of each operation, for devices without one of their own; tests compare the others with it."""

GPU: dict[str, Callable[..., Any]] = {}
"""The body of each operation for CUDA tensors."""


def register(op: Any, elsewhere: Callable[..., Any], fake: Callable[..., Any], triton: str | None = None) -> None:
    """Give an operation its bodies for devices other than the CPU.

    Parameters
    ----------
    op : CustomOpDef
        The operation, as `custom_op` made it; its own function is the body for the CPU.
    elsewhere : callable
        The plain-torch body.
    fake : callable
        Returns empty tensors of the shapes and dtypes of the results, for tracing.
    triton : str, optional
        The file of `wgf.ops.cuda` with the Triton body, a function with the name of the operation.
    """
    PLAIN[op._qualname] = elsewhere
    GPU[op._qualname] = elsewhere if triton is None else _gpu_body(triton, op._name, elsewhere)
    op.register_kernel("cuda")(GPU[op._qualname])
    op.register_fake(fake)


def _gpu_body(file: str, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The Triton body if triton is installed, else the plain one. It is imported at the first call."""

    @cache
    def chosen() -> Callable[..., Any]:
        if importlib.util.find_spec("triton") is None:
            return plain
        return getattr(importlib.import_module(f"wgf.ops.cuda.{file}"), name)

    def body(*args: Any) -> Any:
        return chosen()(*args)

    return body


def array(tensor: Tensor, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """A tensor as a C-contiguous array of a given dtype.

    Parameters
    ----------
    tensor : Tensor
        On the CPU.
    dtype : dtype, default float64
        The dtype of the array.

    Returns
    -------
    ndarray
        It shares the memory of the tensor, unless dtype or layout differ.
    """
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)


def native(tensor: Tensor) -> np.ndarray:
    """A CPU tensor as a C-contiguous array of its own dtype; it shares the memory unless the layout differs."""
    return np.ascontiguousarray(tensor.detach().numpy())


def like(values: np.ndarray, tensor: Tensor) -> Tensor:
    """An array as a tensor of the dtype of `tensor`."""
    return torch.from_numpy(values).to(tensor.dtype)


def double(*tensors: Tensor) -> list[Tensor]:
    """The tensors in float64."""
    return [t.double() for t in tensors]
