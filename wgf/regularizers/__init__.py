"""Entropies for any torch training: S of a batch of representations, and the forces that act on it."""

from .entropy import Blob, LogDet, LogVariance, Power, Regularizer, Softmax, Variance
from .monitor import ForceMonitor

__all__ = ["Blob", "ForceMonitor", "LogDet", "LogVariance", "Power", "Regularizer", "Softmax", "Variance"]
