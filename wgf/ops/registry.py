"""How an operation becomes one torch op with a body for each device, and how tensors and arrays share memory.

Each operation is a torch custom op: a numba body on the CPU, plain torch or Triton elsewhere, autograd registered.
Nothing above `wgf.ops` knows which body ran. Sums are accumulated and returned in float64; per-particle results come
back in the dtype of the particles.
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

# mypy sees the decorated functions as CustomOpDef, whose call is untyped
custom_op: Any = torch.library.custom_op

PLAIN: dict[str, Callable[..., Any]] = {}
"""By operation, the plain-torch body of devices without one of their own; tests hold it against the compiled one."""

GPU: dict[str, Callable[..., Any]] = {}
"""By operation, the body that CUDA tensors get."""


def register(op: Any, elsewhere: Callable[..., Any], fake: Callable[..., Any], triton: str | None = None) -> None:
    """Give `op` the body of other devices than the CPU, and the shapes and dtypes of its results.

    `triton` names the file of `wgf.ops.cuda` that holds a function of the name of the operation, its body on a GPU.
    """
    PLAIN[op._qualname] = elsewhere
    GPU[op._qualname] = elsewhere if triton is None else _gpu_body(triton, op._name, elsewhere)
    op.register_kernel("cuda")(GPU[op._qualname])
    op.register_fake(fake)


def _gpu_body(file: str, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The Triton body where triton is installed, else the plain one; looked up at the first call, not at import."""

    @cache
    def chosen() -> Callable[..., Any]:
        if importlib.util.find_spec("triton") is None:
            return plain
        return getattr(importlib.import_module(f"wgf.ops.cuda.{file}"), name)

    def body(*args: Any) -> Any:
        return chosen()(*args)

    return body


def array(tensor: Tensor, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """The same memory as a C-contiguous array of that dtype (a copy only where dtype or layout differ)."""
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)


def native(tensor: Tensor) -> np.ndarray:
    """The same memory as a C-contiguous array of its own dtype."""
    return np.ascontiguousarray(tensor.detach().numpy())


def like(values: np.ndarray, tensor: Tensor) -> Tensor:
    """The values as a tensor of the dtype of `tensor`."""
    return torch.from_numpy(values).to(tensor.dtype)


def double(*tensors: Tensor) -> list[Tensor]:
    """The tensors in float64."""
    return [t.double() for t in tensors]
