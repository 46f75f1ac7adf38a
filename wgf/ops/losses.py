"""Losses of classifiers and their slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from .registry import later, native, ordinary

cpu = later("losses")


def cross_entropy(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of a softmax and its derivative by the scores.

        ℓ = log Σₖ exp fₖ − f_y,    ∂ℓ/∂f = softmax(f) − e_y

    Parameters
    ----------
    f : Tensor
        Scores (M, K), float64.
    y : Tensor
        Classes (M,), int64, from 0 to K − 1.

    Returns
    -------
    losses : Tensor
        ℓ (M,).
    slopes : Tensor
        ∂ℓ/∂f (M, K).

    Examples
    --------
    >>> losses, slopes = cross_entropy(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([0]))
    >>> round(losses.item(), 4), slopes.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    if f.dtype == torch.float64 and f.numel() and ordinary((f, y)):
        losses, slopes = cpu.cross_entropy(native(f), native(y))
        return torch.from_numpy(losses), torch.from_numpy(slopes)
    slopes = torch.softmax(f, 1).scatter_add(1, y[:, None], -torch.ones_like(f[:, :1]))
    return torch.logsumexp(f, 1) - f.gather(1, y[:, None])[:, 0], slopes
