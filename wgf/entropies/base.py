"""What all entropies share: they enter a free energy as − T·S."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..errors import require_number
from ..extension import settings_of
from ..functional import Functional
from ..measure import Ensemble


@dataclass(frozen=True)
class Variant:
    """One form of an entropy for studies: a name for tables, words for readers, and how it is made for a start μ."""

    name: str
    words: str
    make: Callable[[Ensemble], Entropy]


class Entropy(Functional):
    """An entropy S[μ] or a surrogate of one; in `F = E - T * S` it pushes with the force + T ∇_W S."""

    is_entropy: ClassVar[bool] = True
    words: ClassVar[str] = ""
    """The name in tables and figures; by default that of the class."""

    @property
    def fewest_particles(self) -> int:
        """The least number of particles of which S says something."""
        return 2

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """The forms of this entropy that studies compare; none where it has no force or needs settings."""
        if cls.realised_by_noise or any(setting.required for setting in settings_of(cls).values()):
            return ()
        return (Variant(cls.__name__, cls.words or cls.__name__, lambda mu: cls()),)


def require_ridge(ridge: float) -> float:
    """A ridge ε ≥ 0 in the units of a variance."""
    return require_number("ridge", ridge, nonnegative=True)
