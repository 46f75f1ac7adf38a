"""The base class of all entropies. An entropy enters a free energy as − T·S."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..errors import WgfWarning, require_number
from ..extension import settings_of
from ..functional import Functional
from ..measure import Ensemble


@dataclass(frozen=True)
class Variant:
    """One form of an entropy that studies compare.

    Parameters
    ----------
    name : str
        The name in tables and files.
    words : str
        The name for readers.
    make : callable (Ensemble) -> Entropy
        Makes the entropy for the ensemble that a run starts with.
    """

    name: str
    words: str
    make: Callable[[Ensemble], Entropy]


class Entropy(Functional):
    """An entropy S[μ], or a surrogate of one.

    In `F = E - T * S` particles move by the force +T ∇_W S, uphill in S. To write another entropy, derive from this
    class and define `_value`, `_first_variation` and `_gradient` of S itself, without the minus sign.

    See Also
    --------
    wgf.LogDet, wgf.Functional

    Examples
    --------
    >>> class Mean(Entropy):  # S = m, the mean of the first component
    ...     def _value(self, mu):
    ...         return mu.mean()[0]
    ...     def _first_variation(self, mu, at):
    ...         return mu.points(at)[:, 0]
    ...     def _gradient(self, mu, at):
    ...         slope = 0 * mu.points(at)
    ...         slope[:, 0] = 1.0
    ...         return slope
    >>> Mean().gradient(Ensemble([[1.0, 2.0]])).tolist()
    [[1.0, 0.0]]
    """

    is_entropy: bool = True
    words: ClassVar[str] = ""
    """The name in tables and figures; by default that of the class."""

    @property
    def fewest_particles(self) -> int:
        """The least number of particles for which S has a meaning."""
        return 2

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """The forms of this entropy that studies compare.

        Returns
        -------
        tuple of Variant
            By default the entropy with its default settings. Empty where it has no force, or needs a setting.
        """
        if cls.realised_by_noise or any(setting.required for setting in settings_of(cls).values()):
            return ()
        return (Variant(cls.__name__, cls.words or cls.__name__, lambda mu: cls()),)


class OfCoordinates(Entropy):
    """An entropy of the coordinates themselves: on a torus it depends on the place of the seam, and warns."""

    def prepare(self, mu: Ensemble) -> Functional:
        if mu.period is not None:
            warnings.warn(
                f"{self.name} in a periodic domain depends on the coordinates, and so on the place of the seam. "
                "Blob does not: it takes nearest images.",
                WgfWarning,
                stacklevel=2,
            )
        return self

    def undivided(self, mu: Ensemble) -> str | None:
        if self.integrates and mu.n < mu.dim:
            return f"of {mu.n} particles in dimension {mu.dim} it takes the Gram matrix of all"
        return super().undivided(mu)


def require_ridge(ridge: float) -> float:
    """The ridge ε ≥ 0 as a float, in the units of a variance; ConfigError for another value."""
    return require_number("ridge", ridge, nonnegative=True)
