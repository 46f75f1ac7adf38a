"""What a function of the user returned: a tensor of real numbers, or a typed error that names the function."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError
from .arrays import to_tensor


def returned(name: str, result: Any, wanted: str, device: torch.device) -> Tensor:
    """The result of a function on a device, in its own dtype; its shape and its numbers are not looked at.

    Parameters
    ----------
    name : str
        The function, for error messages.
    result : object
        What it returned.
    wanted : str
        What it should return, for error messages.
    device : torch.device
        Where the result is needed.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If the result is neither a tensor nor a numpy array.
    ConfigError
        If it has complex numbers or masked entries.

    Examples
    --------
    >>> returned("fn", np.arange(2.0), "a tensor (n,)", torch.device("cpu")).tolist()
    [0.0, 1.0]
    """
    if not isinstance(result, Tensor | np.ndarray):
        raise ShapeError(f"{name} returned {type(result).__name__}; wanted {wanted}.")
    tensor = to_tensor(result).to(device)
    if tensor.is_complex():
        raise ConfigError(f"{name} returned complex numbers ({tensor.dtype}); wanted real ones.")
    return tensor
