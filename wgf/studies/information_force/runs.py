"""All runs of the information-force study, found by setting, surrogate, force ratio and seed."""

from __future__ import annotations

from collections.abc import Sequence

from .neurons import PARTICLES
from .representations import REPRESENTATIONS
from .surrogates import NONE, Run

SETTINGS = (PARTICLES, REPRESENTATIONS)
"""Where the study looks: at the neurons of a network, and at the representations of an encoder."""


class Runs:
    """The runs of one sweep over the initial force ratios r₀ = `ratios` and the replicas `seeds`."""

    def __init__(self, runs: Sequence[Run], ratios: Sequence[float], seeds: Sequence[int]) -> None:
        self.all, self.ratios, self.seeds = list(runs), tuple(ratios), tuple(seeds)
        self._at = {(run.setting, run.surrogate, run.matched, run.seed): run for run in runs}

    def at(self, setting: str, name: str, ratio: float, seed: int) -> Run:
        """One run. Without entropy it is the same run at every r₀."""
        return self._at[setting, name, 0.0 if name == NONE else ratio, seed]

    def over(self, setting: str, name: str, ratio: float) -> list[Run]:
        """The runs over all seeds."""
        return [self.at(setting, name, ratio, seed) for seed in self.seeds]

    def chosen(self, setting: str, name: str) -> list[Run]:
        """For each seed the run with the best validation accuracy; among equals the one with the least temperature."""
        if name == NONE:
            return self.over(setting, name, 0.0)
        sweep = [self.over(setting, name, ratio) for ratio in self.ratios]
        return [max(column, key=lambda run: run.accuracy["validation"]) for column in zip(*sweep, strict=True)]
