"""What all entropies share: they enter a free energy as − T·S."""

from __future__ import annotations

from typing import ClassVar

from ..errors import require_number
from ..functional import Functional


class Entropy(Functional):
    """An entropy S[μ] or a surrogate of one; in `F = E - T * S` it pushes with the force + T ∇_W S."""

    is_entropy: ClassVar[bool] = True


def require_ridge(ridge: float) -> float:
    """A ridge ε ≥ 0 in the units of a variance."""
    return require_number("ridge", ridge, nonnegative=True)
