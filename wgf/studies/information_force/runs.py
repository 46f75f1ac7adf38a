"""All runs of the study `information-force`, looked up by setting, surrogate, force ratio and seed."""

from __future__ import annotations

from collections.abc import Sequence

from .neurons import PARTICLES
from .representations import REPRESENTATIONS
from .surrogates import NONE, Run

SETTINGS = (PARTICLES, REPRESENTATIONS)
"""The two settings of the study: the neurons of a network, and the representations of an encoder."""


class Runs:
    """The runs of a sweep over the force ratios r₀ at the start (`ratios`) and over `seeds`."""

    def __init__(self, runs: Sequence[Run], ratios: Sequence[float], seeds: Sequence[int]) -> None:
        self.all, self.ratios, self.seeds = list(runs), tuple(ratios), tuple(seeds)
        self._at = {(run.setting, run.surrogate, run.matched, run.seed): run for run in runs}

    def at(self, setting: str, name: str, ratio: float, seed: int) -> Run:
        """One run. Without entropy it is the same run at every r₀."""
        return self._at[setting, name, 0.0 if name == NONE else ratio, seed]

    def over(self, setting: str, name: str, ratio: float) -> list[Run]:
        """The runs of all seeds."""
        return [self.at(setting, name, ratio, seed) for seed in self.seeds]

    def chosen(self, setting: str, name: str) -> list[Run]:
        """For each seed the run with the best validation accuracy; among equal ones that with the smallest r₀."""
        if name == NONE:
            return self.over(setting, name, 0.0)
        sweep = [self.over(setting, name, ratio) for ratio in self.ratios]
        return [max(column, key=lambda run: run.accuracy["validation"]) for column in zip(*sweep, strict=True)]
