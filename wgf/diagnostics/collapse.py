"""The collapse index: how far an entropy takes the particles from plain loss minimisation (docs/theory.md §5)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError
from ..measure import Ensemble
from .transport import wasserstein


@dataclass(frozen=True, eq=False)
class CollapseIndex:
    """c(t) = W₂(μ_t^T, μ_t^0) / (path length of μ^0 up to t), arrays (k,) at the times `t`.

    μ^T and μ^0 are the flows with and without entropy; `distance` is the numerator and `length` the denominator, in the
    units of x. c(0), and c as long as μ^0 does not move, is NaN. `method` is how W₂ was computed and `note` what it is.
    `wgf.collapse_index` makes it.
    """

    t: np.ndarray
    index: np.ndarray
    distance: np.ndarray
    length: np.ndarray
    method: str
    note: str

    def __float__(self) -> float:
        """c at the last time."""
        return float(self.index[-1])

    def to_dict(self) -> dict[str, Any]:
        """The arrays as lists, None for NaN, as JSON has it."""
        arrays = {name: getattr(self, name) for name in ("t", "index", "distance", "length")}
        lists = {name: [x if math.isfinite(x) else None for x in array.tolist()] for name, array in arrays.items()}
        return lists | {"method": self.method, "note": self.note}

    def __str__(self) -> str:
        least = f", least {np.nanmin(self.index):.3g}" if np.isfinite(self.index).any() else ""
        return f"collapse index {float(self):.3g} at t = {self.t[-1]:g}{least} (W₂ by {self.method})"


def collapse_of(
    t: Sequence[float], with_entropy: Sequence[Ensemble], without: Sequence[Ensemble], method: str = "auto"
) -> CollapseIndex:
    """The collapse index of two runs from their ensembles (n, d) at the same times t.

    The length of the path of μ^0 is Σ W₂ between its successive ensembles: a lower bound that rises to the length as
    the times come closer. W₂ is by `wasserstein(method=...)`. Raises ConfigError for fewer than two times, lists of
    different lengths or runs that begin apart, and what `wasserstein` raises.
    """
    times = np.asarray(t, dtype=np.float64)
    if not len(times) == len(with_entropy) == len(without) >= 2:
        raise ConfigError(
            f"collapse_of: {len(times)} times, {len(with_entropy)} and {len(without)} ensembles; wanted the same "
            "number of each, at least 2."
        )
    if not torch.equal(with_entropy[0].x, without[0].x):
        raise ConfigError("collapse_of: the particles of the two runs differ at the first time; wanted the same start.")
    apart = [wasserstein(a, b, method=method) for a, b in zip(with_entropy, without, strict=True)]
    steps = [float(wasserstein(a, b, method=method)) for a, b in itertools.pairwise(without)]
    distance, length = np.array([float(w) for w in apart]), np.concatenate([[0.0], np.cumsum(steps)])
    index = np.divide(distance, length, out=np.full_like(length, math.nan), where=length > 0)
    return CollapseIndex(times, index, distance, length, apart[-1].method, apart[-1].note)
