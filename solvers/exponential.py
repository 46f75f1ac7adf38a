"""The function φ₁, which exponential integrators use in place of 1 to be exact for a linear decay."""

from __future__ import annotations

import torch
from torch import Tensor


def phi(z: Tensor | float) -> Tensor:
    """Compute φ₁(z) = (1 − e^{−z})/z, with φ₁(0) = 1.

    h φ₁(hk) is the integral of e^{−ks} over 0 ≤ s ≤ h.

    Parameters
    ----------
    z : Tensor or float
        A rate times a step length, without unit; any shape.

    Returns
    -------
    Tensor
        φ₁ of each entry, in the dtype of z. A number gives a 0-d float64 tensor.

    Examples
    --------
    >>> phi(0.0).item(), round(phi(1.0).item(), 4)
    (1.0, 0.6321)
    """
    z = z if isinstance(z, Tensor) else torch.tensor(z, dtype=torch.float64)
    return torch.where(z == 0, torch.ones_like(z), -torch.expm1(-z) / z)
