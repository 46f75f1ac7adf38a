"""Arrays from outside: numpy, torch or lists come in; real torch tensors or a typed error go out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BackendError, ConfigError, ShapeError
from ..ops import linalg

ArrayLike = Any
"""A torch tensor, a numpy array or nested lists of numbers."""


def to_tensor(value: ArrayLike) -> Tensor:
    """Convert an array to a torch tensor of the same dtype.

    Parameters
    ----------
    value : array
        A tensor, which is returned as it is; a numpy array, also reversed, strided or of foreign byte order; nested
        lists.

    Returns
    -------
    Tensor
        Shares memory with the array where torch can.

    Raises
    ------
    TypeError, ValueError
        If the value is no array of numbers. Callers turn these into errors that name the argument.

    Examples
    --------
    >>> to_tensor(np.arange(3.0)[::-1]).tolist()
    [2.0, 1.0, 0.0]
    """
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    return torch.as_tensor(np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C"))


def require_device(device: str | torch.device) -> torch.device:
    """Check that a device exists here.

    Parameters
    ----------
    device : str or torch.device
        "cpu", "cuda" or "cuda:N".

    Returns
    -------
    torch.device

    Raises
    ------
    ConfigError
        If it is no name of a device.
    BackendError
        If torch sees no CUDA, or particles cannot be kept on such a device.

    Examples
    --------
    >>> require_device("cpu")
    device(type='cpu')
    """
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
    """The dtype of particles, as torch.float64 or torch.float32.

    Parameters
    ----------
    dtype : torch.dtype or {"float64", "float32"}
        The dtype or its name.

    Returns
    -------
    torch.dtype

    Raises
    ------
    ConfigError
        For any other dtype.

    Examples
    --------
    >>> require_dtype("float32")
    torch.float32
    """
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
    """Convert an array to a float64 or float32 tensor without changing its dtype.

    Parameters
    ----------
    name : str
        The argument, for error messages.
    value : array
        Integers, booleans, complex numbers and objects are refused.

    Returns
    -------
    Tensor
        Detached; of the same dtype.

    Raises
    ------
    ConfigError
        If the dtype is another one.
    ShapeError
        If the value is not a rectangular array of numbers.

    Examples
    --------
    >>> as_real("x", [[1.0, 2.0]]).dtype
    torch.float64
    """
    try:
        tensor = to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: not a rectangular array of numbers ({error}).") from error
    if tensor.dtype not in (torch.float64, torch.float32):
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ConfigError(f"{name}: dtype {dtype}; wanted float64 or float32 (convert it with .astype(float)).")
    return tensor.detach()


def require_finite_rows(name: str, x: Tensor) -> None:
    """Refuse an array that holds NaN or infinity.

    Parameters
    ----------
    name : str
        The argument, for the error message.
    x : Tensor (n, ...)
        The array.

    Raises
    ------
    ConfigError
        Names row and column of the first entry that is not finite.
    """
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        row, column = torch.nonzero(~finite.reshape(len(x), -1))[0].tolist()
        raise ConfigError(
            f"{name}: {x.reshape(len(x), -1)[row, column].item()} at row {row}, column {column}; wanted finite numbers."
        )


def in_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Particles in another dtype; ConfigError that names a coordinate which is out of its range."""
    moved = x.to(dtype=dtype)
    if dtype == torch.float32 and x.dtype == torch.float64:
        lost = moved.isinf() & x.isfinite()
        if bool(lost.any()):
            row, column = torch.nonzero(lost)[0].tolist()
            raise ConfigError(
                f"x: {x[row, column].item():g} at row {row}, column {column} is out of the range of float32; keep "
                "float64, or measure x in other units."
            )
    return moved


def particle_rows(x: ArrayLike, copy: bool) -> Tensor:
    """Particles as a tensor (n, d), finite and contiguous; ShapeError or ConfigError where they are not that."""
    tensor = as_real("x", x)
    if tensor.ndim != 2:
        hint = f"; for n particles in one dimension use shape ({len(tensor)}, 1)" if tensor.ndim == 1 else ""
        raise ShapeError(f"x: shape {tuple(tensor.shape)}; wanted (n, d){hint}.")
    if min(tensor.shape) == 0:
        raise ShapeError(f"x: shape {tuple(tensor.shape)}; wanted at least one particle of at least one dimension.")
    require_finite_rows("x", tensor)
    return tensor.clone(memory_format=torch.contiguous_format) if copy else tensor.contiguous()


def weight_rows(weights: ArrayLike | None, n: int, copy: bool) -> Tensor:
    """Weights (n,) ≥ 0 in float64 with sum one, equal by default; ShapeError or ConfigError for others."""
    if weights is None:
        return torch.full((n,), 1.0 / n, dtype=torch.float64)
    given = as_real("weights", weights)
    if given.shape != (n,):
        raise ShapeError(f"weights: shape {tuple(given.shape)}; wanted ({n},), one per particle.")
    tolerance = 1e-9 if given.dtype == torch.float64 else 1e-5
    tensor = given.to(torch.float64, copy=copy)
    require_finite_rows("weights", tensor)
    if bool((tensor < 0).any()):
        worst = int(tensor.argmin())
        raise ConfigError(f"weights: {tensor[worst].item():g} at particle {worst}; wanted weights ≥ 0.")
    total = float(linalg.total(tensor))
    if abs(total - 1.0) > tolerance:
        raise ConfigError(f"weights sum to {total:.12g}; wanted 1 (divide them by their sum).")
    return tensor if abs(total - 1.0) <= 1e-12 else tensor / total


def id_rows(ids: ArrayLike | None, n: int, copy: bool) -> Tensor:
    """Distinct ids (n,) int64 from 0 to 2⁴⁴ − 1, the range of the noise counter; 0..n−1 by default."""
    if ids is None:
        return torch.arange(n)
    tensor = torch.as_tensor(ids)
    if tensor.shape != (n,) or tensor.dtype != torch.int64:
        raise ShapeError(f"ids: shape {tuple(tensor.shape)}, {tensor.dtype}; wanted ({n},) int64.")
    if bool((tensor < 0).any()) or bool((tensor >= 2**44).any()):
        raise ConfigError("ids: wanted integers from 0 to 2^44 - 1, the range of the noise counter.")
    values, count = torch.unique(tensor, return_counts=True)
    if len(values) < n:
        raise ConfigError(
            f"ids: {int(values[count.argmax()])} is given twice; particles with one id would share their noise."
        )
    return tensor.clone() if copy else tensor
