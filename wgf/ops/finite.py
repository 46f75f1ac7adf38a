"""Whether all numbers of a tensor are finite."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .cpu import finite as cpu
from .registry import custom_op, native, register


@custom_op("wgf::all_finite", mutates_args=(), device_types="cpu")
def all_finite(values: Tensor) -> Tensor:
    """Whether no entry of a float32 or float64 tensor is NaN or infinite: a 0-d boolean."""
    return torch.tensor(cpu.all_finite(native(values)))


def all_finite_elsewhere(values: Tensor) -> Tensor:
    """The same by torch, for any floating-point tensor."""
    low, high = torch.aminmax(values)  # NaN goes into both
    return (low > -math.inf) & (high < math.inf)


register(all_finite, all_finite_elsewhere, lambda values: values.new_empty((), dtype=torch.bool))
