"""A value and a gradient from one pass over the particles."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One pass over the particles: 𝓕[μ] (0-d, float64) and ∇_W 𝓕[μ] at the particles (n, d)."""

    value: Tensor
    gradient: Tensor
