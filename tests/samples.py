"""Small samples and ensembles that tests of terms and kernels share."""

from __future__ import annotations

import numpy as np
import torch

import wgf


def data(d) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(9, 2)), rng.normal(size=9), rng.normal(size=(5, d))


def ensemble(d, weighted, n=7, dtype=torch.float64):
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(n, d))).to(dtype)
    w = rng.uniform(0.2, 1.0, n)
    return wgf.Ensemble(x, w / w.sum() if weighted else None)


def roll(seed: int, sides: int) -> float:
    """The mean of some throws of a die: at the top of the module, so that it can go to another process."""
    return float(np.random.default_rng(seed).integers(1, sides + 1, size=400).mean())
