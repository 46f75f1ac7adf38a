"""Entropies and their surrogates."""

from typing import TYPE_CHECKING

from ..extension import Registry
from .base import Entropy as Entropy
from .blob import Blob as Blob
from .blob import Power as Power
from .covariance import LogDet as LogDet
from .covariance import LogVariance as LogVariance
from .covariance import Variance as Variance
from .shannon import Shannon as Shannon
from .softmax import Softmax as Softmax

REGISTRY: Registry[Entropy] = Registry("entropy", Entropy, globals())
"""Every entropy by its name. A new entropy is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Entropy", *REGISTRY]
