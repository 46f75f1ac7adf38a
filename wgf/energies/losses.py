"""Losses of a prediction f against a target y: value per sample, and derivative in f."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, closest, require_number


class Loss(ABC):
    """ℓ(f, y) for predictions f (M, K); `encode` checks the targets and brings them into its form."""

    classifies = False

    @abstractmethod
    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        """The targets as this loss uses them, and the number K of outputs."""

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
        """ℓ per sample (M,) for predictions f (M, K) and targets y as `encode` gives them."""
        return self._value(*self._checked(f, y))

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """∂ℓ/∂f (M, K)."""
        return self._derivative(*self._checked(f, y))

    def correct(self, f: Tensor, y: Tensor) -> Tensor:
        """Whether each sample is classified correctly (M,); ConfigError for a regression loss."""
        return self._correct(*self._checked(f, y))

    def _checked(self, f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if f.ndim != 2 or len(f) != len(y):
            raise ShapeError(
                f"{type(self).__name__}: predictions of shape {tuple(f.shape)} and {len(y)} targets; wanted (M, K) "
                "predictions and M targets as loss.encode(targets) gives them."
            )
        return f, y


class _Regression(Loss):
    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        if targets.ndim not in (1, 2) or targets.dtype == torch.bool or targets.is_complex():
            raise ShapeError(
                f"targets: shape {tuple(targets.shape)}, {targets.dtype}; wanted real numbers (M,) or (M, K)."
            )
        y = targets.double().reshape(len(targets), -1)
        return y, y.shape[1]


@dataclass(frozen=True)
class Squared(_Regression):
    """½ |f − y|², summed over outputs."""

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        return 0.5 * ((f - y) ** 2).sum(1)

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return f - y


@dataclass(frozen=True)
class Huber(_Regression):
    """½ r² for |r| ≤ δ, δ(|r| − δ/2) beyond (Huber 1964), summed over outputs."""

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
    """log(1 + exp(−s f)) with s = ±1; targets are 0/1 or −1/+1, (M,) or one column per label."""

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
    """log Σₖ exp fₖ − f_y for class indices y = 0..K−1."""

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
    """A loss by name, or a Loss as it is."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ConfigError(f"loss = {loss!r}{closest(loss, LOSSES)}")
    return LOSSES[loss]
