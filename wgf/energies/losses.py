"""Losses ℓ(f, y) of a prediction f against a target y, and their derivatives by f."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, closest, require_integer, require_number, shown
from .loss import Loss as Loss


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

    See Also
    --------
    wgf.energies.CrossEntropy, wgf.energies.Huber, wgf.energies.Logistic, wgf.energies.Loss

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

    See Also
    --------
    wgf.energies.CrossEntropy, wgf.energies.Logistic, wgf.energies.Squared, wgf.energies.Loss

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

    See Also
    --------
    wgf.energies.CrossEntropy, wgf.energies.Huber, wgf.energies.Squared, wgf.energies.Loss

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

    Parameters
    ----------
    classes : int, optional
        K ≥ 2. By default the largest index in the targets plus one, at least 2. Needed where a class has no sample.

    See Also
    --------
    wgf.energies.Huber, wgf.energies.Logistic, wgf.energies.Squared, wgf.energies.Loss

    Notes
    -----
    Targets are class indices (M,). ConfigError for other values. The derivative is softmax(f) − e_y.

    Examples
    --------
    >>> import torch
    >>> y, outputs = CrossEntropy().encode(torch.tensor([0, 2]))
    >>> outputs, round(CrossEntropy().value(torch.zeros(2, outputs), y)[0].item(), 4)  # log 3
    (3, 1.0986)
    """

    classes: int | None = None
    classifies = True

    def __post_init__(self) -> None:
        if self.classes is not None:
            require_integer("CrossEntropy classes", self.classes, low=2)

    def encode(self, targets: Tensor) -> tuple[Tensor, int]:
        if targets.ndim != 1 or targets.is_complex():
            raise ShapeError(f"cross-entropy targets: shape {tuple(targets.shape)}; wanted (M,) class indices.")
        y = targets.long()
        if not bool((y.double() == targets.double()).all()) or int(y.min()) < 0 or targets.dtype == torch.bool:
            raise ConfigError("cross-entropy targets: wanted class indices 0, 1, ... (integers).")
        most = int(y.max())
        if self.classes is not None and most >= self.classes:
            raise ConfigError(f"cross-entropy targets: class {most}; wanted classes from 0 to {self.classes - 1}.")
        return y, self.classes or max(2, most + 1)

    def require_every_class(self, y: Tensor) -> None:
        """Raise a ConfigError where a class below the largest has no sample, unless `classes` says how many there are.

        A network would have outputs for classes that do not exist, 20 million for labels such as 20230101.
        """
        present = torch.unique(y)
        if self.classes is None and len(present) <= int(present[-1]):
            absent = int(torch.nonzero(present != torch.arange(len(present), device=y.device))[0])
            raise ConfigError(
                f"targets: class {absent} has no sample; there are {len(present)} labels from {int(present[0])} to "
                f"{int(present[-1])}. Encode them by y = numpy.unique(y, return_inverse=True)[1], or name the number "
                "of classes by loss=wgf.energies.CrossEntropy(classes=K)."
            )

    def _value(self, f: Tensor, y: Tensor) -> Tensor:
        return ops.cross_entropy(f, y)[0]

    def _derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return ops.cross_entropy(f, y)[1]

    def _both(self, f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return ops.cross_entropy(f, y)

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
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ConfigError(f"loss = {shown(loss)}{closest(loss, LOSSES)}")
    return LOSSES[loss]
