"""The squared norm of a Stein direction in the space of a Gaussian kernel: the squared kernel Stein discrepancy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import forms, range
from .moments import weighted_sum
from .pairwise import DIRECT_UP_TO
from .registry import array, later, native

discrepancy = later("discrepancy")


def stein_norm(
    x: Tensor, weights: Tensor, scores: Tensor, h: float, softening: float, temperature: float
) -> Tensor | None:
    """Sum the squared norm of the Stein direction: ∬ [K s·s′ + 2T s·∇ᵧK + T² tr ∇ₓ∇ᵧK] dμ dμ for a Gaussian K.

    Parameters
    ----------
    x : Tensor
        Particles (n, d), float32 or float64.
    weights : Tensor
        Their weights (n,), float64.
    scores : Tensor
        Scores s (n, d), in the inverse units of x times those of T.
    h : float
        The bandwidth, in the units of x.
    softening : float
        Length δ ≥ 0 in the units of x: |u|² becomes |u|² + δ² in K.
    temperature : float
        T ≥ 0.

    Returns
    -------
    Tensor or None
        A 0-d float64 tensor. None on a GPU, and in more than `DIRECT_UP_TO` dimensions.

    Notes
    -----
    O(n²·d) time: half of that of a direction and of the sums of K and ∇K together. O(n·d) memory.

    Examples
    --------
    >>> import torch
    >>> x, w = torch.tensor([[0.0], [1.0]]), torch.tensor([0.5, 0.5], dtype=torch.float64)
    >>> round(stein_norm(x, w, -x, 1.0, 0.0, 1.0).item(), 4)
    0.4467
    """
    if x.device.type != "cpu" or x.shape[1] > DIRECT_UP_TO:
        return None
    points, carried = native(x), native(scores)
    if points.dtype == np.float32 and not _fits(x, h, softening):
        points = points.astype(np.float64)
    rows = discrepancy.stein_norm(points, array(weights), carried, h, softening, temperature)
    return weighted_sum(weights, torch.from_numpy(rows)[:, None])[0]


def _fits(x: Tensor, h: float, softening: float) -> bool:
    """Whether float32 holds the kernel and the points, and the points in bandwidths."""
    known, size = range.extents(forms.GAUSSIAN, (h,), softening), range.extent(x, x)
    return known is not range.NOWHERE and known.hold(size) and (size is None or not size > 1e15 * h)
