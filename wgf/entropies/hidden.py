"""The hidden units of a learnt score: they are trained between the steps of a run, and judged by held-out particles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..measure import Noise
from ..ops.score_fields import Bumps, Moments, Units, trained
from ..ops.score_matching import FOLDS, Found, matched
from ..storage import remembered

_ALL, _HELD = tuple(range(FOLDS)), FOLDS - 1
"""The parts of the particles, and the one on which hidden units are not trained but judged."""
_ROUNDS, _ROUND = 10, 20
"""Where a run starts, hidden units are trained in so many rounds of so many iterations."""
_MISSES = 10
"""After so many rounds in a row that did not help, training begins again from the units in use."""
_SLOPES = 0.5
"""The size of the weights of the first hidden units: they are smooth over the spread of the particles."""


class Sample(NamedTuple):
    """Standardised particles (n, d), their weights (n,), and the parts that they belong to (n,)."""

    z: Tensor
    weights: Tensor
    fold: Tensor

    @staticmethod
    def of(z: Tensor, weights: Tensor, ids: Tensor) -> Sample:
        """Divide particles into parts: every fourth one by the order of ids."""
        order = torch.argsort(ids, stable=True)
        fold = torch.empty_like(order)
        fold[order] = torch.arange(len(order), device=order.device) % FOLDS
        return Sample(z, weights, fold)

    def matched(self, fields: Units | Bumps, penalty: float, tests: tuple[int, ...] = _ALL) -> Found:
        """The fit with these fields, and its loss on the parts of `tests`."""
        return matched(fields, self.z, self.weights, self.fold, tests, penalty)


@remembered
@dataclass(frozen=True, eq=False)
class Hidden:
    """Hidden units in use, and those that are being trained.

    Attributes
    ----------
    units, trial : tuple of Tensor
        Weights (d, M) and offsets (M,) of the units in use, and of those in training.
    moments : tuple of Tensor
        Adam's memory: two means of slopes, two of their squares; empty before the first step.
    steps : int
        Adam's steps.
    misses : int
        Rounds since the trial was better than the units in use.
    """

    units: tuple[Tensor, ...]
    trial: tuple[Tensor, ...]
    moments: tuple[Tensor, ...] = ()
    steps: int = 0
    misses: int = 0

    def round(self, sample: Sample, penalty: float, rate: float, iterations: int) -> Hidden:
        """Train on, and use the result from now on where it predicts held-out particles better."""
        if self.misses == _MISSES:
            return Hidden(self.units, self.units).round(sample, penalty, rate, iterations)
        known = torch.where(sample.fold == _HELD, torch.zeros_like(sample.weights), sample.weights)
        memory = Moments(self.moments[:2], self.moments[2:], self.steps) if self.moments else None
        trial, memory = trained(Units(*self.trial), memory, sample.z, known, penalty, rate, iterations)
        losses = [sample.matched(Units(*each), penalty, (_HELD,)).held for each in (self.units, trial)]
        better = losses[1] < losses[0]
        units, moments = tuple(trial) if better else self.units, (*memory.first, *memory.second)
        return Hidden(units, tuple(trial), moments, memory.steps, 0 if better else self.misses + 1)


def warmed(sample: Sample, width: int, noise: Noise, penalty: float, rate: float, iterations: int) -> Hidden:
    """The hidden units with which a run starts."""
    dim = sample.z.shape[1]
    drawn = noise.normal(torch.arange(width, device=sample.z.device), 0, dim + 1)
    units = (drawn[:, :dim].T.contiguous() * (_SLOPES / math.sqrt(dim)), drawn[:, dim].contiguous())
    hidden = Hidden(units, units)
    for _ in range(_ROUNDS if iterations else 0):
        hidden = hidden.round(sample, penalty, rate, _ROUND)
    return hidden
