"""How the losses of samples make one number: the mean, or a measure of risk that depends on their whole law."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from .. import ops


class Aggregate(ABC):
    """A[ℓ; p] of losses ℓ (M,) whose samples have the law p (M,), and its slope ∂A/∂ℓₘ, all float64."""

    linear: ClassVar[bool] = False
    """Whether the slope is p itself: a sample then needs no look at the others, and a minibatch has no bias."""

    @abstractmethod
    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        """A, 0-d."""

    @abstractmethod
    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        """∂A/∂ℓₘ (M,); a subgradient, always the same one, where A has no derivative."""


class Mean(Aggregate):
    """Σₘ pₘ ℓₘ."""

    linear = True

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        return ops.weighted_sum(law, losses[:, None])[0]

    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        return law
