"""Entropies S[μ] and their surrogates; they enter a free energy as − T·S.

Particles move by the force +T ∇_W S, uphill in S. Most entropies push particles apart. The exception is `Softmax`: over
features it does not spread particles, and over particles it pulls them together.
"""

from typing import TYPE_CHECKING

from ..extension import Registry
from .base import Entropy as Entropy
from .blob import Blob as Blob
from .blob import Power as Power
from .coding_rate import CodingRate as CodingRate
from .covariance import LogDet as LogDet
from .covariance import LogVariance as LogVariance
from .covariance import Variance as Variance
from .decorrelation import Decorrelation as Decorrelation
from .decorrelation import HingeVariance as HingeVariance
from .koleo import KoLeo as KoLeo
from .score import Score as Score
from .shannon import Shannon as Shannon
from .softmax import Softmax as Softmax
from .spectral import SpectralEntropy as SpectralEntropy
from .uniformity import Uniformity as Uniformity

REGISTRY: Registry[Entropy] = Registry("entropy", Entropy, globals())
"""Every entropy by its name. A new entropy is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Entropy", *REGISTRY]
