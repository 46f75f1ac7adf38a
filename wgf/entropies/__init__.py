"""Entropies and their surrogates."""

from .blob import Blob, Power
from .covariance import LogDet, LogVariance, Variance
from .shannon import Shannon
from .softmax import Softmax

__all__ = ["Blob", "LogDet", "LogVariance", "Power", "Shannon", "Softmax", "Variance"]
