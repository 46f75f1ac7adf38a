"""An aggregate turns the losses of all samples into one number: their mean, or a measure of risk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from .. import ops


class Aggregate(ABC):
    """One number A[ℓ; p] from the losses ℓ of M samples that have the probability law p.

    A risk minimises A[ℓ(f_μ)]. The gradient of A reaches the network through its slope ∂A/∂ℓₘ, the weight of sample m.
    To write another aggregate, define `value` and `slope`, and set `linear`.

    See Also
    --------
    wgf.drives.CVaR, wgf.drives.EntropicRisk, wgf.drives.MeanVariance, wgf.energies.Mean

    Notes
    -----
    All tensors are float64. `losses` and `law` have shape (M,), law ≥ 0 and Σ law = 1. On a minibatch `law` is scaled
    to be unbiased, so that it sums to one on average only. Nothing is checked: `NetworkRisk` calls this at every step.

    Examples
    --------
    >>> import torch
    >>> class Largest(Aggregate):
    ...     def value(self, losses, law):
    ...         return losses.max()
    ...     def slope(self, losses, law):
    ...         return (torch.arange(len(losses)) == losses.argmax()).double()
    >>> Largest().value(torch.tensor([1.0, 3.0]).double(), torch.tensor([0.5, 0.5]).double()).item()
    3.0
    """

    linear: ClassVar[bool] = False
    """Whether the slope is p itself. Then a sample does not depend on the others, and a minibatch has no bias."""

    @abstractmethod
    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        """The aggregate A of the losses.

        Parameters
        ----------
        losses : Tensor (M,), float64
            The loss of each sample.
        law : Tensor (M,), float64
            The probability of each sample.

        Returns
        -------
        Tensor, 0-d, float64
            A, in the units of the loss.
        """

    @abstractmethod
    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        """The derivative ∂A/∂ℓₘ of the aggregate by each loss.

        Parameters
        ----------
        losses : Tensor (M,), float64
            The loss of each sample.
        law : Tensor (M,), float64
            The probability of each sample.

        Returns
        -------
        Tensor (M,), float64
            ∂A/∂ℓₘ. Where A has no derivative it is a subgradient, and the same one each time.
        """


class Mean(Aggregate):
    """The expected loss A = Σₘ pₘ ℓₘ, with the slope ∂A/∂ℓₘ = pₘ; the aggregate of a plain risk.

    See Also
    --------
    wgf.energies.Aggregate, wgf.drives.CVaR

    Examples
    --------
    >>> import torch
    >>> Mean().value(torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.5])).item()
    2.0
    """

    linear = True

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        return ops.weighted_sum(law, losses[:, None])[0]

    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        return law
