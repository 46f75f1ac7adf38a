"""The collapse index: how far an entropy moves the particles away from plain loss minimisation (docs/theory.md §5)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, require_unmasked
from ..measure import Ensemble
from .transport import wasserstein


@dataclass(frozen=True, eq=False)
class CollapseIndex:
    """The distance between a run with entropy and the same run without, in units of the path that the latter took.

        c(t) = W₂(μ_t^T, μ_t^0) / (path length of μ^0 up to t)

    μ^T is the flow with entropy, μ^0 the flow without. A small c means that the entropy changed almost nothing.
    `wgf.collapse_index` makes it from two runs, `collapse_of` from their ensembles. `float(...)` gives c at the end.

    Attributes
    ----------
    t : array (k,)
        The times of the comparison, in flow time.
    index : array (k,)
        c at these times. NaN at the start, and as long as μ^0 has not moved, up to rounding.
    distance, length : arrays (k,)
        The numerator and the denominator, in the units of x.
    method : str
        The method by which W₂ was computed, as in `wasserstein`.
    note : str
        Whether these distances are exact, bounds or estimates.

    See Also
    --------
    wgf.diagnostics.collapse_of, wgf.collapse_index

    Examples
    --------
    >>> import wgf
    >>> mu, solver = wgf.Ensemble.gaussian(50, 1, cov=4.0), wgf.solvers.Heun()
    >>> c = wgf.collapse_index(wgf.Quadratic() - 0.5 * wgf.LogDet(), mu, solver, dt=0.1, t_end=2.0)
    >>> float(c) > 0.01  # the entropy makes a difference
    True
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
        """Everything as plain values for JSON: arrays become lists, NaN becomes None."""
        arrays = {name: getattr(self, name) for name in ("t", "index", "distance", "length")}
        lists = {name: [x if math.isfinite(x) else None for x in array.tolist()] for name, array in arrays.items()}
        return lists | {"method": self.method, "note": self.note}

    def __str__(self) -> str:
        least = f", least {np.nanmin(self.index):.3g}" if np.isfinite(self.index).any() else ""
        return f"collapse index {float(self):.3g} at t = {self.t[-1]:g}{least} (W₂ by {self.method})"


def collapse_of(
    t: Sequence[float], with_entropy: Sequence[Ensemble], without: Sequence[Ensemble], method: str = "auto"
) -> CollapseIndex:
    """Compute the collapse index of two runs from their ensembles at common times.

        c(t) = W₂(μ_t^T, μ_t^0) / Σ W₂ between successive ensembles of μ^0 up to t

    Parameters
    ----------
    t : sequence of float, length k
        The times of the ensembles, in flow time.
    with_entropy, without : sequences of k Ensembles (n, d)
        The run with entropy and the run without. Both begin with the same particles.
    method : str
        How W₂ is computed: the `method` of `wasserstein`.

    Returns
    -------
    CollapseIndex
        c, its numerator and its denominator, arrays (k,) in float64.

    Raises
    ------
    ConfigError
        For fewer than two times, lists of different lengths, or runs with different starts.
    WgfError
        Whatever `wasserstein` raises.

    See Also
    --------
    wgf.diagnostics.CollapseIndex, wgf.collapse_index

    Notes
    -----
    The sum in the denominator is a lower bound of the path length. It rises to the length as the times come closer.

    Examples
    --------
    >>> from wgf import Ensemble
    >>> a, b, c = Ensemble([[0.0]]), Ensemble([[1.0]]), Ensemble([[2.0]])
    >>> collapse_of([0.0, 1.0], with_entropy=[a, b], without=[a, c]).index.tolist()
    [nan, 0.5]
    """
    times = np.asarray(require_unmasked("t", t), dtype=np.float64)
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
    rounding = max(float(torch.finfo(mu.dtype).eps * mu.x.double().norm(dim=1).max()) for mu in without)
    index = np.divide(distance, length, out=np.full_like(length, math.nan), where=length > len(length) * rounding)
    return CollapseIndex(times, index, distance, length, apart[-1].method, apart[-1].note)
