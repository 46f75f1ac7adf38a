"""Noise for tests: Brownian paths that runs with different steps share."""

from __future__ import annotations

import math

import torch

import wgf
from wgf.measure import NoiseSource


class SharedPath(NoiseSource):
    """One Brownian path for several step sizes: a step of m fine steps gets the scaled sum of their increments."""

    def __init__(self, seed, steps):
        self._noise, self._steps = wgf.Noise(seed), steps

    def normal(self, ids, step, dim, stream=0):
        fine = [self._noise.normal(ids, step * self._steps + k, dim, stream) for k in range(self._steps)]
        return torch.stack(fine).sum(0) / math.sqrt(self._steps)

    def uniform(self, ids, step, dim, stream=0):
        return self._noise.uniform(ids, step, dim, stream)
