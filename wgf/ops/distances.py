"""The median distance of pairs of particles, which bandwidths are taken from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .moments import ROUNDING
from .registry import later, native

selection = later("selection")


class MedianRule(NamedTuple):
    """The bandwidth h = m/root of a Gaussian, renewed at every step: m is the median distance of some particles."""

    rows: Any  # the particles (k,), int64
    rank: int  # of the median among the distances of all pairs, from 0
    root: float
    rounding: float  # distances are known up to this part of the largest coordinate


def middle(count: int) -> int:
    """The rank, from 0, of the lower median distance of the pairs of so many particles."""
    return (count * (count - 1) // 2 - 1) // 2


def median_distance(x: Tensor, rows: np.ndarray) -> float:
    """The median distance of all pairs of some particles: the lower one of two.

    Parameters
    ----------
    x : Tensor
        Particles (n, d) on the CPU.
    rows : ndarray
        Which of them count (k,), k ≥ 2, int64.

    Returns
    -------
    float
        In the units of x; NaN where a distance is NaN.

    Notes
    -----
    O(k²·d) time and O(k²) memory.

    Examples
    --------
    >>> import torch
    >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]), np.arange(3))
    2.0
    """
    return float(selection.distance_of_rank(native(x), rows, middle(len(rows)), *selection.scratch(len(rows))))


def median_rule(rows: np.ndarray, root: float, dtype: np.dtype, dim: int) -> MedianRule:
    """The rule h = m/root for compiled stretches of steps.

    Parameters
    ----------
    rows : ndarray
        As in `median_distance`.
    root : float
        What the median distance is divided by.
    dtype : dtype
        The dtype of the particles, which gives their rounding.
    dim : int
        Their dimension.

    Returns
    -------
    MedianRule
        Plain numbers.
    """
    return MedianRule(rows, middle(len(rows)), root, 2.0 * ROUNDING * float(np.finfo(dtype).eps) * (2.0 * dim) ** 0.5)
