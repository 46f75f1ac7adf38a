"""How an operation becomes one torch op with a body for each device, and how tensors and arrays share memory.

Each operation is a torch custom op: a numba body on the CPU, plain torch or Triton elsewhere, autograd registered.
Nothing above `wgf.ops` knows which body ran. Sums are accumulated and returned in float64; per-particle results come
back in the dtype of the particles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

# mypy sees the decorated functions as CustomOpDef, whose call is untyped
custom_op: Any = torch.library.custom_op

PLAIN: dict[str, Callable[..., Any]] = {}
"""By operation, the plain-torch body of devices without one of their own; tests hold it against the compiled one."""


def register(op: Any, elsewhere: Callable[..., Any], fake: Callable[..., Any]) -> None:
    """Give `op` the body of other devices than the CPU, and the shapes and dtypes of its results."""
    PLAIN[op._qualname] = elsewhere
    op.register_kernel("cuda")(elsewhere)
    op.register_fake(fake)


def array(tensor: Tensor, dtype: type = np.float64) -> np.ndarray:
    """The same memory as a C-contiguous array of that dtype (a copy only where dtype or layout differ)."""
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)


def like(values: np.ndarray, tensor: Tensor) -> Tensor:
    """The values as a tensor of the dtype of `tensor`."""
    return torch.from_numpy(values).to(tensor.dtype)


def double(*tensors: Tensor) -> list[Tensor]:
    """The tensors in float64."""
    return [t.double() for t in tensors]
