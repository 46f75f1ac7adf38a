"""The base class of losses: what a loss ℓ(f, y) of a prediction f against a target y must define."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from ..errors import ConfigError, ShapeError


class Loss(ABC):
    """A loss ℓ(f, y) per sample, for predictions f (M, K) of M samples.

    To write another loss, define `encode`, `_value` and `_derivative`, and `_correct` for a classifier. Users call the
    methods without underscore, which check their arguments.

    Attributes
    ----------
    classifies : bool
        Whether targets are classes, so that an accuracy is defined.

    See Also
    --------
    wgf.energies.CrossEntropy, wgf.energies.Huber, wgf.energies.Logistic, wgf.energies.Squared

    Examples
    --------
    >>> import torch
    >>> from wgf.energies import Squared
    >>> loss = Squared()
    >>> y, outputs = loss.encode(torch.tensor([1.0, 2.0]))
    >>> loss.value(torch.zeros(2, outputs), y).tolist()
    [0.5, 2.0]
    """

    classifies = False

    @abstractmethod
    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        """Check the targets and bring them into the form that this loss uses.

        Parameters
        ----------
        targets : Tensor (M,) or (M, K)
            Numbers, labels or class indices, as the loss wants them.

        Returns
        -------
        targets : Tensor
            (M, K) float64, or class indices (M,) int64 for cross-entropy.
        outputs : int
            The number K of outputs that a network needs.

        Raises
        ------
        ShapeError
            If the targets have another shape.
        ConfigError
            If they are values that this loss has no meaning for.
        """

    @abstractmethod
    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        """ℓ per sample (M,), for checked predictions f (M, K) and targets y as `encode` gives them."""

    @abstractmethod
    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """∂ℓ/∂f (M, K)."""

    def _both(self, f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`_value` and `_derivative`. Override it where one pass gives both."""
        return self._value(f, y), self._derivative(f, y)

    def _correct(self, f: Tensor, y: Tensor) -> Tensor:
        """Whether each sample is classified correctly (M,)."""
        raise ConfigError(f"{type(self).__name__} is a regression loss: accuracy is not defined; use the risk's loss.")

    def value(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss of every sample.

        Parameters
        ----------
        f : Tensor (M, K)
            Predictions; scores (logits) for a classifier.
        y : Tensor
            Targets as `encode` returns them.

        Returns
        -------
        Tensor (M,)
            ℓ(fₘ, yₘ).

        Raises
        ------
        ShapeError
            If f is not (M, K), or M differs from the number of targets.
        """
        return self._value(*self._checked(f, y))

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative of the loss of every sample by its prediction.

        Parameters
        ----------
        f : Tensor (M, K)
            Predictions; scores (logits) for a classifier.
        y : Tensor
            Targets as `encode` returns them.

        Returns
        -------
        Tensor (M, K)
            ∂ℓ/∂f.

        Raises
        ------
        ShapeError
            If f is not (M, K), or M differs from the number of targets.
        """
        return self._derivative(*self._checked(f, y))

    def both(self, f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and derivative of every sample, in one pass where the loss has one.

        Parameters
        ----------
        f : Tensor (M, K)
            Predictions; scores (logits) for a classifier.
        y : Tensor
            Targets as `encode` returns them.

        Returns
        -------
        tuple of Tensor
            ℓ(fₘ, yₘ) (M,) and ∂ℓ/∂f (M, K).

        Raises
        ------
        ShapeError
            If f is not (M, K), or M differs from the number of targets.
        """
        return self._both(*self._checked(f, y))

    def correct(self, f: Tensor, y: Tensor) -> Tensor:
        """Whether each sample is classified correctly.

        Parameters
        ----------
        f : Tensor (M, K)
            Scores (logits).
        y : Tensor
            Targets as `encode` returns them.

        Returns
        -------
        Tensor (M,), bool
            True where the class of the highest score, or the sign of the score, is the target.

        Raises
        ------
        ConfigError
            For a regression loss.
        ShapeError
            If f is not (M, K), or M differs from the number of targets.
        """
        return self._correct(*self._checked(f, y))

    def _checked(self, f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if f.ndim != 2 or len(f) != len(y):
            raise ShapeError(
                f"{type(self).__name__}: predictions of shape {tuple(f.shape)} and {len(y)} targets; wanted (M, K) "
                "predictions and M targets as loss.encode(targets) gives them."
            )
        return f, y
