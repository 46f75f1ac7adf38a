"""What a term can do beyond value and gradient: flags that schemes, drives and the ledger ask for."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ..extension import same_value
from ..kernels import Kernel


class Capabilities:
    """The defaults suit most terms: no special structure. A term that has some overrides the flag or property."""

    is_entropy: ClassVar[bool] = False
    """Whether the term is an entropy: it then enters the free energy with the coefficient −T."""
    realised_by_noise: ClassVar[bool] = False
    """Whether the term has no force on particles, so that a scheme must realise it by noise (Shannon)."""
    linear: ClassVar[bool] = False
    """Whether 𝓕 is linear in μ, so that δ𝓕/δμ does not depend on μ: a potential."""
    is_log_density: ClassVar[bool] = False
    """Whether δ𝓕/δμ is minus the logarithm of a density: birth–death then decays at the rate T."""
    by_values: ClassVar[bool] = False
    """Whether `linearised` gives a form of the term that needs no derivative."""

    @property
    def pair_kernel(self) -> Kernel | None:
        """W where 𝓕 = ½ ∬ W dμ dμ, so that random batches may sum it; else None."""
        return None

    @property
    def constant_hessian(self) -> Tensor | None:
        """K where ∇_W 𝓕 = K (x − c): a number, (d,) or (d, d), float64; else None."""
        return None

    @property
    def density_power(self) -> float | None:
        """m where 𝓕 = −∫ρᵐ/(m − 1), so that a grid may use its own density ρ; else None."""
        return None

    @property
    def infimum(self) -> float | None:
        """The least value that 𝓕 can take, where that is known; else None."""
        return None

    def same_as(self, other: object) -> bool:
        """Whether the other term has the same class and the same settings, arrays compared entry by entry.

        A continued run keeps what was resolved for a term only where the term is the same as before.
        """
        return type(self) is type(other) and same_value(vars(self), vars(other))
