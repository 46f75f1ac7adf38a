"""Estimators of scikit-learn: a two-layer network that is trained as a Wasserstein gradient flow.

They have the interface of scikit-learn and work in its pipelines and searches. Take `wgf.solve` itself for other terms,
losses or units.
"""

from .classifier import MeanFieldClassifier
from .regressor import MeanFieldRegressor

__all__ = ["MeanFieldClassifier", "MeanFieldRegressor"]
