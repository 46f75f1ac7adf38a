"""The data of the study: images of digits, and a table of cell nuclei that has nothing of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...data import load

DIGITS, CANCER = "digits", "breast cancer"
DATA = (DIGITS, CANCER)
"""Both come with scikit-learn: 1797 images of 8 × 8 pixels in 10 classes, and 569 rows of 30 numbers in 2 classes."""
MOST = {DIGITS: (1000, 397, 900), CANCER: (200, 150, 219)}
"""The most samples to train with, to choose the temperature by, and to test on."""
INPUT_NOISE = 1.0
"""Standard deviation of the noise on inputs, in units of the standard deviation of an input."""
MISSING = 0.25
"""The share of the columns of a table that are missing in the third test."""
ACCURACIES = ("clean", "noise", "shift")


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples with labels for training and validation, and for testing: clean, with noise, and altered.

    Altered images are moved by one pixel. Altered rows of a table lack a quarter of their columns, which have their
    mean instead.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    clean: Tensor
    noisy: Tensor
    shifted: tuple[Tensor, ...]
    labels: Tensor

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.train[1].max()) + 1


@lru_cache(maxsize=4)
def samples(data: str, seed: int, train: int, test: int) -> Samples:
    """The split of a seed: to learn from, to choose the temperature by, and to test on; other rows in each.

    Images are centred by their training mean and divided by one common deviation, since a pixel that is nearly always
    dark would be worth most where it is not, once the image moves. The columns of the table have units of their own,
    so each is divided by its own deviation.
    """
    rng = np.random.default_rng([seed, 1])
    whole = load(data.replace(" ", "-"), standardise=False)
    x, y = torch.cat([part.x for part in whole]), torch.cat([part.y for part in whole])
    order = torch.from_numpy(rng.permutation(len(x)))
    x, y = x[order], y[order]
    train, test = min(train, MOST[data][0]), min(test, MOST[data][2])
    mean = x[:train].mean(0)
    squares = (x[:train] - mean).square().mean(0)
    scale = squares.mean().sqrt() if data == DIGITS else squares.sqrt()
    last = train + MOST[data][1]
    raw = x[last : last + test]
    clean = (raw - mean) / scale
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape)))
    if data == DIGITS:
        moves = ((0, 1), (0, -1), (1, 0), (-1, 0))
        altered = tuple((moved_by_a_pixel(raw, *step) - mean) / scale for step in moves)
    else:
        lost = [rng.permutation(x.shape[1])[: round(MISSING * x.shape[1])] for _ in range(4)]
        altered = tuple(without(clean, columns) for columns in lost)
    return Samples(
        ((x[:train] - mean) / scale, y[:train]),
        ((x[train:last] - mean) / scale, y[train:last]),
        clean, clean + INPUT_NOISE * noise, altered, y[last : last + test],
    )  # fmt: skip


def moved_by_a_pixel(x: Tensor, down: int, right: int) -> Tensor:
    """Images (m, 64) of 8 × 8 pixels moved by so many pixels, dark where they came from.

    >>> moved_by_a_pixel(torch.ones(1, 64), 0, 1).sum().item()
    56.0
    """
    square = x.reshape(-1, 8, 8)
    out = torch.zeros_like(square)
    rows, columns = (slice(max(step, 0), 8 + min(step, 0)) for step in (down, right))
    from_rows, from_columns = (slice(max(-step, 0), 8 + min(-step, 0)) for step in (down, right))
    out[:, rows, columns] = square[:, from_rows, from_columns]
    return out.reshape(len(x), 64)


def without(x: Tensor, columns: np.ndarray) -> Tensor:
    """Centred rows (m, D) in which these columns have their mean, 0.

    >>> without(torch.ones(1, 4), np.array([0, 2])).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    out = x.clone()
    out[:, torch.from_numpy(columns)] = 0.0
    return out


def accuracies(data: Samples, classify: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """The share of samples put into their class: of validation, and of the test clean, noisy and altered."""

    def share(x: Tensor, y: Tensor) -> float:
        return float((classify(x) == y).double().mean())

    return {
        "validation": share(*data.validation),
        "clean": share(data.clean, data.labels),
        "noise": share(data.noisy, data.labels),
        "shift": sum(share(x, data.labels) for x in data.shifted) / len(data.shifted),
    }
