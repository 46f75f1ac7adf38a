"""The function of exponential integrators."""

from __future__ import annotations

import torch
from torch import Tensor


def phi(z: Tensor | float) -> Tensor:
    """φ₁(z) = (1 − e^{−z})/z, 1 at 0; of a number a 0-d float64 tensor."""
    z = z if isinstance(z, Tensor) else torch.tensor(z, dtype=torch.float64)
    return torch.where(z == 0, torch.ones_like(z), -torch.expm1(-z) / z)
