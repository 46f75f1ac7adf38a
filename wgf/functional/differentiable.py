"""What every functional computes: its value, its first variation and its Wasserstein gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..errors import ConfigError, DivergenceError
from ..measure import ArrayLike, Ensemble, checks, require_ensemble
from ..ops import all_threads
from .capabilities import Capabilities
from .evaluation import Evaluation


class Differentiable(Capabilities, ABC):
    """The part of `Functional` that computes: value 𝓕[μ], first variation δ𝓕/δμ and Wasserstein gradient ∇ₓ δ𝓕/δμ.

    Authors override `_value`, `_first_variation` and `_gradient`. They get checked input. Users call the methods
    without underscore, which check input and result.
    """

    # -------------------------------------------------------------------------------- what authors override

    @abstractmethod
    def _value(self, mu: Ensemble) -> Tensor:
        """𝓕[μ], a 0-d float64 tensor."""

    @abstractmethod
    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        """δ𝓕/δμ (m,) at the points `at` (m, d), or at the particles (n,) where `at` is None."""

    @abstractmethod
    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        """∇_W 𝓕 (m, d) at the points `at` (m, d), or at the particles (n, d) where `at` is None."""

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        """Value and gradient at the particles. Override it where one pass is cheaper than two."""
        return Evaluation(self._value(mu), self._gradient(mu, None))

    def body(self, mu: Ensemble) -> Any:
        """Give the term as plain numbers, for compiled stretches of steps.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d), on the CPU. Dtype, dimension and number decide about the body, positions do not.

        Returns
        -------
        NamedTuple or None
            A body of `wgf.ops.bodies`, whose compiled gradient has the bits of `_gradient`. None where there is none.
        """
        return None

    def pointwise(self, mu: Ensemble) -> Callable[[Tensor], tuple[Tensor, Tensor]] | None:
        """Give the term as a function of single particles, for stretches of steps that compute nothing else.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d), on the CPU. Dtype, dimension and number decide about the answer, positions do not.

        Returns
        -------
        callable or None
            Takes particles x (n, d). Gives V(x) (n,), with 𝓕[μ] = ∫ V dμ, and ∇V(x) (n, d). They have the bits of
            `_evaluate`, and are not checked for NaN. It is called inside `ops.one_torch_thread()` and `ops.recorded()`.
            None where there is no such function.
        """
        return None

    def _evaluated(self, mu: Ensemble) -> Evaluation:
        """`_evaluate`, with all threads of torch where the term may have arrays larger than the particles."""
        if self.elementwise:
            return self._evaluate(mu)
        with all_threads():
            return self._evaluate(mu)

    # -------------------------------------------------------------------------------- what users call

    def value(self, mu: Ensemble) -> Tensor:
        """Compute the value 𝓕[μ].

        Parameters
        ----------
        mu : Ensemble
            The particles.

        Returns
        -------
        Tensor
            The value, 0-d, float64.

        Raises
        ------
        ConfigError
            If `mu` is no ensemble, or the term cannot be computed on it.
        DivergenceError
            If the value is NaN or infinite.
        """
        value = self._value(self._divisible(mu))
        if not checks.finite(value):
            raise DivergenceError(f"{self.name}: the value is {float(value)}.")
        return value

    def first_variation(self, mu: Ensemble, at: ArrayLike | None = None) -> Tensor:
        """Compute the first variation δ𝓕/δμ: how fast 𝓕 changes when mass is added at a point.

            𝓕[μ + ε(ν − μ)] = 𝓕[μ] + ε ∫ (δ𝓕/δμ) d(ν − μ) + o(ε)

        Parameters
        ----------
        mu : Ensemble
            The particles.
        at : array-like (m, d), optional
            The points. By default they are the particles.

        Returns
        -------
        Tensor
            δ𝓕/δμ at the points (m,), in the dtype of the particles. It is defined up to a constant.

        Raises
        ------
        ConfigError
            If `mu` is no ensemble, or the term has no first variation.
        ShapeError
            If `at` does not have the shape (m, d).
        DivergenceError
            If a result is NaN or infinite. The message names the first such point.
        """
        result = self._first_variation(self._divisible(mu), _at(mu, at))
        return mu.together(lambda: self._checked("first variation", result, at))

    def gradient(self, mu: Ensemble, at: ArrayLike | None = None) -> Tensor:
        """Compute the Wasserstein gradient: ∇_W 𝓕(x) = ∇ₓ (δ𝓕/δμ)(x).

        At a particle it is the plain derivative divided by the weight: ∇_W 𝓕(xᵢ) = (1/wᵢ) ∂𝓕/∂xᵢ.

        Parameters
        ----------
        mu : Ensemble
            The particles.
        at : array-like (m, d), optional
            The points. By default they are the particles.

        Returns
        -------
        Tensor
            ∇_W 𝓕 at the points (m, d), in the dtype of the particles. The force of the term is −∇_W 𝓕.

        Raises
        ------
        ConfigError
            If `mu` is no ensemble, or the term has no gradient (`Shannon`).
        ShapeError
            If `at` does not have the shape (m, d).
        DivergenceError
            If a result is NaN or infinite. The message names the first such point.
        """
        result = self._gradient(self._divisible(mu), _at(mu, at))
        return mu.together(lambda: self._checked("gradient", result, at))

    def evaluate(self, mu: Ensemble) -> Evaluation:
        """Compute value and gradient at the particles in one pass.

        Parameters
        ----------
        mu : Ensemble
            The particles.

        Returns
        -------
        Evaluation
            The value (0-d, float64) and the gradient (n, d). Neither is checked for NaN and infinity: a run does that
            itself.
        """
        return self._evaluate(mu)

    def _divisible(self, mu: Ensemble) -> Ensemble:
        """The ensemble, if this term can be computed on it: not where it needs particles of other processes."""
        reason = None if require_ensemble("mu", mu).whole else self.undivided(mu)
        if reason is not None:
            raise ConfigError(
                f"{self.name}: the particles are divided among processes, and this term cannot be: {reason}."
            )
        return mu

    def _checked(self, what: str, result: Tensor, at: ArrayLike | None) -> Tensor:
        """The result, or a DivergenceError that names its first row with NaN or infinity."""
        bad = checks.first_bad_row(result)
        if bad is not None:
            where = f"particle {bad}" if at is None else f"point {bad} of `at`"
            raise DivergenceError(f"{self.name}: the {what} is not finite at {where}.")
        return result


def _at(mu: Ensemble, at: ArrayLike | None) -> Tensor | None:
    """The points as a tensor (m, d) in the dtype and on the device of μ; None stays None."""
    return None if at is None else mu.points(at)
