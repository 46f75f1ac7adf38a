"""How an ensemble meets numpy, and users who know the names of other libraries."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import numpy as np
from torch import Tensor

from ..errors import ConfigError, html_table, no_attribute, with_minus

_INSTEAD = {
    **dict.fromkeys(("positions", "particles", "samples", "points", "X", "data", "values", "T"), "mu.x"),
    **dict.fromkeys(("shape", "size", "ndim"), "mu.x.shape, mu.n and mu.dim"),
    **dict.fromkeys(("d", "ndims"), "mu.dim"),
    **dict.fromkeys(("N", "num_particles"), "mu.n"),
    **dict.fromkeys(("cov", "var", "std"), "mu.covariance()"),
    **dict.fromkeys(("numpy", "cpu", "tolist"), "mu.x.cpu().numpy()"),
    "w": "mu.weights",
}
"""What to write in place of names that other libraries have."""


class Foreign:
    """The part of `Ensemble` that answers `np.asarray(mu)` and unknown attributes."""

    __slots__ = ()
    __array_ufunc__: ClassVar[None] = None  # numpy does no arithmetic with an ensemble
    _x: Tensor

    period: Any
    effective_size: Any
    moments: Any

    @property
    def equal_weights(self) -> bool:
        """Whether all weights are the same."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The particles (n, d) for numpy. ConfigError where weights differ, as they would be lost.

        It is always a copy: an ensemble is immutable.
        """
        if not self.equal_weights:
            raise ConfigError("an array of this ensemble would lose its weights: take mu.x and mu.weights.")
        return np.array(self._x.cpu().numpy(), dtype=dtype)

    def _facts(self) -> dict[str, Any]:
        """What a notebook shows of it."""
        x, weights = self._x, "all equal" if self.equal_weights else f"effective number {self.effective_size:.6g}"
        facts = {"particles n": x.shape[0], "dimension d": x.shape[1], "weights": weights}
        facts |= {"numbers": f"{str(x.dtype).removeprefix('torch.')} on {x.device}"}
        if self.period is not None:
            facts["period"] = ", ".join(f"{length:.4g}" for length in self.period.tolist()[:6])
        if x.shape[1] <= 6:
            mean, covariance = self.moments()
            facts["mean"] = with_minus(", ".join(f"{m:.4g}" for m in mean.tolist()))
            facts["standard deviation"] = ", ".join(f"{s:.4g}" for s in covariance.diagonal().sqrt().tolist())
        return facts

    def _repr_html_(self) -> str:
        return html_table((), self._facts().items(), "Ensemble")

    def __getattr__(self, name: str) -> NoReturn:
        raise no_attribute(self, name, _INSTEAD)
