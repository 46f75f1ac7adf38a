"""Arrays at the door: numpy, torch or lists in, real torch tensors or a typed error out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import BackendError, ConfigError, ShapeError

ArrayLike = Any
"""A torch tensor, a numpy array or nested lists of numbers."""


def to_tensor(value: ArrayLike) -> Tensor:
    """A torch tensor of any dtype; numpy arrays may be reversed, strided or of foreign byte order."""
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    return torch.as_tensor(np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C"))


def require_device(device: str | torch.device) -> torch.device:
    """A torch device that exists here, or a BackendError that says what there is."""
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"device = {device!r}: wanted 'cpu', 'cuda' or 'cuda:N'.") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            f"device = {device!r} was asked for, but torch {torch.__version__} sees no CUDA here; use 'cpu'."
        )
    if wanted.type not in ("cpu", "cuda"):
        raise BackendError(f"device = {device!r}: particles live on 'cpu' or 'cuda'.")
    return wanted


def require_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """torch.float64 or torch.float32, also by name."""
    known = {
        "float64": torch.float64,
        "float32": torch.float32,
        torch.float64: torch.float64,
        torch.float32: torch.float32,
    }
    if dtype not in known:
        raise ConfigError(f"dtype = {dtype!r}: wanted float64 or float32.")
    return known[dtype]


def as_real(name: str, value: ArrayLike) -> Tensor:
    """`value` as a float64 or float32 tensor (its own dtype); integers, complex numbers and objects are refused."""
    try:
        tensor = to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: not a rectangular array of numbers ({error}).") from error
    if tensor.dtype not in (torch.float64, torch.float32):
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ConfigError(f"{name}: dtype {dtype}; wanted float64 or float32 (convert it with .astype(float)).")
    return tensor.detach()


def require_finite_rows(name: str, x: Tensor) -> None:
    """ConfigError naming row and column of the first entry of x (n, d) that is NaN or infinite."""
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        row, column = torch.nonzero(~finite.reshape(len(x), -1))[0].tolist()
        raise ConfigError(
            f"{name}: {x.reshape(len(x), -1)[row, column].item()} at row {row}, column {column}; wanted finite numbers."
        )
