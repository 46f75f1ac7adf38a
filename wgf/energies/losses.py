"""Losses ℓ(f, y) of a prediction f against a target y, and their derivatives by f."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, closest, require_number, shown


class Loss(ABC):
    """A loss ℓ(f, y) per sample, for predictions f (M, K) of M samples.

    To write another loss, define `encode`, `_value` and `_derivative`, and `_correct` for a classifier. Users call the
    methods without underscore, which check their arguments.

    Attributes
    ----------
    classifies : bool
        Whether targets are classes, so that an accuracy is defined.

    Examples
    --------
    >>> import torch
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


class _Regression(Loss):
    """A loss on real targets (M,) or (M, K)."""

    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        if targets.ndim not in (1, 2) or targets.dtype == torch.bool or targets.is_complex():
            raise ShapeError(
                f"targets: shape {tuple(targets.shape)}, {targets.dtype}; wanted real numbers (M,) or (M, K)."
            )
        y = targets.double().reshape(len(targets), -1)
        return y, y.shape[1]


@dataclass(frozen=True)
class Squared(_Regression):
    """The squared loss ℓ = ½ |f − y|², summed over outputs; for regression with Gaussian noise.

    Notes
    -----
    ∂ℓ/∂f = f − y: the pull of a sample grows with its error, without bound.

    Examples
    --------
    >>> import torch
    >>> Squared().derivative(torch.tensor([[3.0]]), torch.tensor([[1.0]])).item()
    2.0
    """

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        return 0.5 * ((f - y) ** 2).sum(1)

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return f - y


@dataclass(frozen=True)
class Huber(_Regression):
    """A squared loss with linear tails, summed over outputs; for regression with outliers.

    With r = f − y: ℓ = ½ r² for |r| ≤ δ, and δ(|r| − δ/2) beyond.

    Parameters
    ----------
    delta : float
        δ > 0, in the units of the targets. No sample pulls harder than δ.

    Raises
    ------
    ConfigError
        If delta is not a positive number.

    References
    ----------
    Huber (1964), Ann. Math. Statist. 35.

    Examples
    --------
    >>> import torch
    >>> Huber(1.0).value(torch.tensor([[3.0]]), torch.tensor([[0.0]])).item()
    2.5
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        require_number("Huber delta", self.delta, positive=True)

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        r = (f - y).abs()
        return torch.where(r <= self.delta, 0.5 * r * r, self.delta * (r - 0.5 * self.delta)).sum(1)

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).clamp(-self.delta, self.delta)


@dataclass(frozen=True)
class Logistic(Loss):
    """The logistic loss ℓ = log(1 + exp(−s f)), s = ±1, summed over labels; for two classes or several labels.

    Notes
    -----
    Targets are 0/1 or −1/+1, (M,) or one column per label; ConfigError for other values. The derivative −s σ(−s f) goes
    to 0 for samples that are classified with confidence.

    Examples
    --------
    >>> import torch
    >>> y, outputs = Logistic().encode(torch.tensor([0, 1]))
    >>> y.flatten().tolist(), Logistic().correct(torch.tensor([[-2.0], [-1.0]]), y).tolist()
    ([-1.0, 1.0], [True, False])
    """

    classifies = True

    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        y = targets.double().reshape(len(targets), -1)
        values = set(torch.unique(y).tolist())
        if not (values <= {0.0, 1.0} or values <= {-1.0, 1.0}):
            raise ConfigError(f"logistic targets: found {sorted(values)[:5]}; wanted 0/1 or -1/+1.")
        return (y if values <= {-1.0, 1.0} else 2 * y - 1), y.shape[1]

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        return torch.logaddexp(torch.zeros_like(f), -y * f).sum(1)

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return -y * torch.sigmoid(-y * f)

    def _correct(self, f: Tensor, y: Tensor) -> Tensor:
        return (torch.where(f > 0, 1.0, -1.0) == y).all(1)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The cross-entropy ℓ = log Σₖ exp fₖ − f_y of scores f; for classes y = 0..K−1.

    Notes
    -----
    Targets are class indices (M,); the number of outputs K is the largest index plus one, at least 2. ConfigError for
    other values. The derivative is softmax(f) − e_y.

    Examples
    --------
    >>> import torch
    >>> y, outputs = CrossEntropy().encode(torch.tensor([0, 2]))
    >>> outputs, round(CrossEntropy().value(torch.zeros(2, outputs), y)[0].item(), 4)  # log 3
    (3, 1.0986)
    """

    classifies = True

    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        if targets.ndim != 1 or targets.is_complex():
            raise ShapeError(f"cross-entropy targets: shape {tuple(targets.shape)}; wanted (M,) class indices.")
        y = targets.long()
        if not bool((y.double() == targets.double()).all()) or int(y.min()) < 0 or targets.dtype == torch.bool:
            raise ConfigError("cross-entropy targets: wanted class indices 0, 1, ... (integers).")
        return y, max(2, int(y.max()) + 1)

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        return torch.logsumexp(f, 1) - f.gather(1, y[:, None])[:, 0]

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return torch.softmax(f, 1).scatter_add(1, y[:, None], -torch.ones_like(f[:, :1]))

    def _correct(self, f: Tensor, y: Tensor) -> Tensor:
        return f.argmax(1) == y


LOSSES: dict[str, Loss] = {
    "squared": Squared(),
    "huber": Huber(),
    "logistic": Logistic(),
    "cross_entropy": CrossEntropy(),
}


def require_loss(loss: str | Loss) -> Loss:
    """The loss of this name, or a `Loss` as it is; ConfigError for an unknown name, with the closest one."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ConfigError(f"loss = {shown(loss)}{closest(loss, LOSSES)}")
    return LOSSES[loss]
