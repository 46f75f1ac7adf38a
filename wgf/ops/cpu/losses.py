"""The cross-entropy of a softmax: losses and slopes of all samples in one pass."""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled


@compiled
def _cross_entropy(f, y, losses, slopes):
    for m in range(f.shape[0]):
        scores, slope = f[m], slopes[m]
        highest, total = scores[0], 0.0
        for k in range(scores.size):
            highest = max(highest, scores[k])
        for k in range(scores.size):
            slope[k] = math.exp(scores[k] - highest)
            total += slope[k]
        losses[m] = (math.log(total) + highest) - scores[y[m]]
        for k in range(scores.size):
            slope[k] /= total
        slope[y[m]] -= 1.0


def cross_entropy(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log Σₖ exp fₖ − f_y (M,) and its derivative by f (M, K), for scores f (M, K) and classes y (M,)."""
    losses, slopes = np.empty(len(f)), np.empty(f.shape)
    _cross_entropy(f, y, losses, slopes)
    return losses, slopes
