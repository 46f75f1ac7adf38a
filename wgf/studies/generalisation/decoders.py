"""One replica of the study `generalisation`: decoders of noisy digits, at every noise level and sample size."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...data import load
from ...diagnostics.information import channel_information, information_bound
from ...ops.threads import one_blas_thread

Array = NDArray[np.float64]
ENCODER, MOST = 600, 600
"""Number of images that the encoder is fitted to, and the most that a decoder may learn from. The rest are for tests.
"""
DECODERS = ("logistic", "neighbour", "memorised")
"""Logistic regression, 1-nearest neighbour, and 1-nearest neighbour trained on random labels."""


def measure(
    seed: int, noises: tuple[float, ...], samples: tuple[int, ...], components: int, draws: int
) -> dict[str, Array]:
    """Measure one random split of the images.

    Returns B and I(X; Z) for each noise, arrays (noises,), in nats; H(Y) in nats; and the gaps and test errors as
    fractions, arrays (decoders, noises, samples).
    """
    rng = np.random.default_rng([seed, 5])
    z, y = _encoded(rng, components)
    bound = [information_bound(z, sigma) for sigma in noises]
    information = [float(channel_information(z, sigma, draws=draws, seed=seed)) for sigma in noises]
    shape = (len(DECODERS), len(noises), len(samples))
    gaps, errors = np.zeros(shape), np.zeros(shape)
    random = rng.integers(2, size=len(y))
    for s, sigma in enumerate(noises):
        noisy = z + sigma * rng.standard_normal(z.shape)
        for k, n in enumerate(samples):
            for d, (learn, labels) in enumerate(((_logistic, y), (_neighbour, y), (_neighbour, random))):
                decide = learn(noisy[:n], labels[:n])
                train = np.mean(decide(noisy[:n]) != labels[:n])
                errors[d, s, k] = np.mean(decide(noisy[MOST:]) != labels[MOST:])
                gaps[d, s, k] = errors[d, s, k] - train
    share = np.bincount(y) / len(y)
    return {
        "bound": np.array(bound),
        "information": np.array(information),
        "labels": np.array(float(stats.entropy(share))),
        "gap": gaps,
        "error": errors,
    }


def _encoded(rng: np.random.Generator, components: int) -> tuple[Array, NDArray[np.int64]]:
    """f(X) (m, components) and parities (m,) of the images that the encoder was not fitted to, in random order."""
    whole = load("digits", standardise=False)
    x = np.concatenate([part.x.numpy() for part in whole])
    y = np.concatenate([part.y.numpy() for part in whole]) % 2
    order = rng.permutation(len(x))
    seen, rest = order[:ENCODER], order[ENCODER:]
    with one_blas_thread():  # LAPACK rounds differently for each number of threads
        mean = x[seen].mean(axis=0)
        _, singular, axes = np.linalg.svd(x[seen] - mean, full_matrices=False)
        scale = math.sqrt(float((singular[:components] ** 2).sum()) / len(seen) / components)
        return (x[rest] - mean) @ axes[:components].T / scale, y[rest]


Decision = Callable[[Array], NDArray[np.int64]]


def _logistic(z: Array, y: NDArray[np.int64]) -> Decision:
    from sklearn.linear_model import LogisticRegression

    def decide(points: Array) -> NDArray[np.int64]:
        with one_blas_thread():
            return np.asarray(model.predict(points))

    if len(np.unique(y)) < 2:
        return lambda points: np.full(len(points), y[0])
    with one_blas_thread():
        model = LogisticRegression(max_iter=1000).fit(z, y)
    return decide


def _neighbour(z: Array, y: NDArray[np.int64]) -> Decision:
    from scipy.spatial import cKDTree

    tree = cKDTree(z)
    return lambda points: y[tree.query(points)[1]]
