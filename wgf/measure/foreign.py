"""How an ensemble meets numpy, and users who know the names of other libraries."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import numpy as np
from torch import Tensor

from ..errors import ConfigError, no_attribute

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

    def __getattr__(self, name: str) -> NoReturn:
        raise no_attribute(self, name, _INSTEAD)
