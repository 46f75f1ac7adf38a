"""Arrays from outside: numpy, torch or lists come in; real torch tensors or a typed error go out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BackendError, ConfigError, ShapeError, require_unmasked, shown
from ..ops import all_finite, linalg

ArrayLike = Any
"""A torch tensor, a numpy array or nested lists of numbers."""
DType = torch.dtype | str
"""float64 or float32, as torch or as text names it."""


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
    ConfigError
        If the array has masked entries.

    Examples
    --------
    >>> to_tensor(np.arange(3.0)[::-1]).tolist()
    [2.0, 1.0, 0.0]
    """
    if type(value) is Tensor:
        return value
    return _converted(require_unmasked("array", value))


def _converted(value: ArrayLike) -> Tensor:
    """An array without masked entries as a tensor."""
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
        raise ConfigError(f"device = {shown(device)}: wanted 'cpu', 'cuda' or 'cuda:N'.") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            f"device = {shown(device)} was asked for, but torch {torch.__version__} sees no CUDA here; use 'cpu'."
        )
    if wanted.type not in ("cpu", "cuda"):
        raise BackendError(f"device = {shown(device)}: particles live on 'cpu' or 'cuda'.")
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
    if not isinstance(dtype, (str, torch.dtype)) or dtype not in known:
        raise ConfigError(f"dtype = {shown(dtype)}: wanted float64 or float32.")
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
    tensor = numbers(name, value)
    if tensor.dtype not in (torch.float64, torch.float32):
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ConfigError(f"{name}: dtype {dtype}; wanted float64 or float32 (convert it with .astype(float)).")
    return tensor.detach()


def as_numbers(name: str, value: ArrayLike, wanted: str = "numbers") -> Tensor:
    """Convert real numbers of any dtype to a new float64 tensor, for parameters such as a mean or a bound.

    Parameters
    ----------
    name : str
        The argument, for error messages.
    value : array or number
        Complex numbers, masked entries and text are refused.
    wanted : str
        What the argument is, for error messages.

    Returns
    -------
    Tensor
        float64, on the device of the value.

    Raises
    ------
    ConfigError
        If the value is no array of real numbers.

    Examples
    --------
    >>> as_numbers("mean", [1, 2]).tolist()
    [1.0, 2.0]
    """
    require_unmasked(name, value)
    try:
        tensor = _converted(value)
        if tensor.is_complex():
            raise TypeError("complex")
        return tensor.to(torch.float64, copy=True)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"{name} = {shown(value)}: wanted {wanted}.") from error


def numbers(name: str, value: ArrayLike) -> Tensor:
    """An array of numbers as a dense tensor of the same dtype; ShapeError or ConfigError where it is none."""
    try:
        tensor = value if type(value) is Tensor else _converted(require_unmasked(name, value))
    except ConfigError:
        raise
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ShapeError(f"{name}: not a rectangular array of numbers ({error}).") from error
    if tensor.layout != torch.strided:
        raise ConfigError(f"{name}: a tensor of layout {tensor.layout}; wanted a dense one (x.to_dense() makes it).")
    return tensor


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
    plain = type(x) is Tensor and x.device.type == "cpu" and x.dtype in (torch.float64, torch.float32)
    if plain and bool(all_finite(x)):
        return  # by compiled code, in a fifth of the time
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


def row_index(name: str, rows: ArrayLike, n: int) -> Tensor:
    """Rows (m,) int64, m ≥ 1, of an array of n; ShapeError where they are none. Negative ones count from the end."""
    index = numbers(name, rows)
    if index.ndim != 1 or index.dtype != torch.int64 or not len(index):
        raise ShapeError(f"{name} of shape {tuple(index.shape)}, {index.dtype}; wanted (m,) integers, m ≥ 1.")
    if int(index.max()) >= n or int(index.min()) < -n:
        raise ShapeError(f"{name} from {int(index.min())} to {int(index.max())}; there are {n} particles.")
    return index


def points_like(x: Tensor, name: str, value: ArrayLike) -> Tensor:
    """Points (m, d) of the space of x (n, d), in its dtype and on its device; ShapeError for other shapes."""
    given = numbers(name, value)
    if given.is_complex():
        raise ConfigError(f"{name}: dtype {given.dtype}; wanted real points.")
    points = given.to(device=x.device, dtype=x.dtype)
    if points.ndim != 2 or points.shape[1] != x.shape[1]:
        raise ShapeError(f"{name}: shape {tuple(points.shape)}; wanted (m, {x.shape[1]}).")
    return points
