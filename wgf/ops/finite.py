"""Test whether all numbers of a tensor are finite."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .registry import custom_op, later, native, register

cpu = later("finite")


@custom_op("wgf::all_finite", mutates_args=(), device_types="cpu")
def all_finite(values: Tensor) -> Tensor:
    """Whether no entry of a tensor is NaN or infinite.

    Parameters
    ----------
    values : Tensor
        float32 or float64, any shape.

    Returns
    -------
    Tensor
        A 0-d boolean tensor on the device of `values`. On a GPU nothing waits for it until it is read.

    Examples
    --------
    >>> import torch
    >>> all_finite(torch.tensor([1.0, torch.inf]))
    tensor(False)
    """
    return torch.tensor(cpu.all_finite(native(values)))


def all_finite_elsewhere(values: Tensor) -> Tensor:
    """The same test in plain torch, for any floating-point tensor on any device.

    Parameters
    ----------
    values : Tensor
        Any floating-point dtype and shape, not empty.

    Returns
    -------
    Tensor
        A 0-d boolean tensor.
    """
    low, high = torch.aminmax(values)  # both are NaN if any entry is
    return (low > -math.inf) & (high < math.inf)


register(all_finite, all_finite_elsewhere, lambda values: values.new_empty((), dtype=torch.bool))
