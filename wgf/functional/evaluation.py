"""The result of evaluating a functional: its value and its gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import Facts


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Facts):
    """Value and Wasserstein gradient of a functional at one ensemble, from one pass over the particles.

    Attributes
    ----------
    value : Tensor
        𝓕[μ], 0-d, float64.
    gradient : Tensor
        ∇_W 𝓕[μ] at the particles (n, d), in their dtype.
    outputs : Tensor or None
        What else the pass has computed that observers may want: for `NetworkRisk` the predictions (M, K), float64.
    finite : bool
        Whether value and gradient are known to be finite, so that a run need not look again.
    """

    value: Tensor
    gradient: Tensor
    outputs: Tensor | None = field(default=None, kw_only=True)
    finite: bool = field(default=False, kw_only=True)

    def _facts(self) -> dict[str, Any]:
        return {"value": float(self.value), "gradient": f"array of shape {tuple(self.gradient.shape)}"}


def zero_plus(value: Tensor | float, device: torch.device) -> Tensor:
    """0 + value as a 0-d float64 tensor on a device. The sum makes −0 a 0."""
    if type(value) is Tensor and value.dtype is torch.float64 and value.ndim == 0 and value.device == device:
        return value + 0.0
    return torch.zeros((), dtype=torch.float64, device=device) + value
