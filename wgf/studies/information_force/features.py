"""What is seen in features of held-out samples: their effective rank, their spread, and what a linear probe reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...entropies.estimators import effective_rank
from ...errors import WgfError
from ...measure import Ensemble
from ...ops import one_torch_thread
from .data import Samples

RIDGE = 1e-3
"""The ridge of the probe, in units of the mean variance of the features before training."""
Features = Callable[[Tensor], Tensor]
"""Features (m, p) of inputs (m, D)."""


def variance(features: Tensor) -> float:
    """The mean variance of the columns of features (m, p)."""
    return float((features - features.mean(0)).square().mean())


def look(data: Samples, features: Features, unit: float) -> dict[str, Any]:
    """The effective rank and the spread of the features of clean test samples, and the accuracy of a linear probe.

    Parameters
    ----------
    data : Samples
        The probe learns from its training part.
    features : callable
        The features to look at.
    unit : float
        The mean variance of a feature before training: the unit of the spread and of the ridge.
    """
    with one_torch_thread(), torch.no_grad():
        seen = features(data.clean)
        right = probe(data, features, unit)(data.clean) == data.labels
        rank = math.nan
        with suppress(WgfError):  # features of a run that has diverged may overflow
            rank = effective_rank(Ensemble(seen))
        return {
            "rank": rank,
            "probe": float(right.double().mean()),
            "spread": (variance(seen) / unit) ** 0.5,
        }


def probe(data: Samples, features: Features, unit: float) -> Callable[[Tensor], Tensor]:
    """A linear classifier of features: ridge regression of the classes on training samples, one column a class.

        W = (HᵀH/m + λI)⁻¹ HᵀY/m,    λ = RIDGE × the mean variance of a feature before training

    Parameters
    ----------
    data : Samples
        Only its training part is used.
    features : callable
        The features to read.
    unit : float
        The mean variance of a feature before training. So features that have shrunk are punished: no scale is undone.

    Returns
    -------
    callable
        The class of each input.
    """
    x, y = data.train
    h = features(x)
    centre = h.mean(0)
    h = h - centre
    target = torch.nn.functional.one_hot(y, data.classes).double()
    share = target.mean(0)
    inner = h.T @ h / len(h) + RIDGE * unit * torch.eye(h.shape[1], dtype=h.dtype)
    weights = torch.linalg.solve(inner, h.T @ (target - share) / len(h))
    return lambda z: ((features(z) - centre) @ weights + share).argmax(1)
