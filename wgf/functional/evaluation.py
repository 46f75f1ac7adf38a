"""The result of evaluating a functional: its value and its gradient."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Value and Wasserstein gradient of a functional at one ensemble, from one pass over the particles.

    Attributes
    ----------
    value : Tensor
        𝓕[μ], 0-d, float64.
    gradient : Tensor
        ∇_W 𝓕[μ] at the particles (n, d), in their dtype.
    outputs : Tensor or None
        What else the pass has computed that observers may want: for `NetworkRisk` the predictions (M, K), float64.
    """

    value: Tensor
    gradient: Tensor
    outputs: Tensor | None = field(default=None, kw_only=True)
