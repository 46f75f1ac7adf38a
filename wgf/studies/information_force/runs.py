"""All runs of the study `information-force`, looked up by setting, surrogate, level and seed."""

from __future__ import annotations

from collections.abc import Sequence

from .data import DATA
from .neurons import NEURONS
from .representations import REPRESENTATIONS, VIEWS
from .surrogates import DISSIPATION, FORCE, NONE, Run

TASKS = (NEURONS, REPRESENTATIONS, VIEWS)
"""What is trained: the neurons of a network, an encoder with labels, and an encoder with two noisy views instead."""
SETTINGS = tuple(f"{task}, {data}" for data in DATA for task in TASKS)
"""Every task on both data sets."""

Level = tuple[str, float]
"""How temperatures are matched, and at which number."""


def task_of(setting: str) -> str:
    """The task of a setting."""
    return setting.split(", ")[0]


def data_of(setting: str) -> str:
    """The data of a setting."""
    return setting.split(", ")[1]


class Runs:
    """The runs of a sweep.

    Parameters
    ----------
    runs : sequence of Run
        All runs; those without entropy are matched at 0.
    settings, names : sequences of str
        The settings and the surrogates of the sweep.
    ratios : sequence of float
        The force ratios r₀ at the start.
    share : float or None
        The level of matched dissipation; None where there are no such runs.
    seeds : sequence of int
        The seeds.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        settings: Sequence[str],
        names: Sequence[str],
        ratios: Sequence[float],
        share: float | None,
        seeds: Sequence[int],
    ) -> None:
        self.all, self.settings, self.names = list(runs), tuple(settings), tuple(names)
        self.ratios, self.seeds = tuple(ratios), tuple(seeds)
        self.levels: tuple[Level, ...] = tuple((FORCE, ratio) for ratio in ratios)
        if share is not None:
            self.levels = (*self.levels, (DISSIPATION, share))
        self._at = {(run.setting, run.surrogate, (run.matching, run.matched), run.seed): run for run in runs}

    def matched(self, matching: str) -> list[Level]:
        """The levels of one way of matching."""
        return [level for level in self.levels if level[0] == matching]

    def at(self, setting: str, name: str, level: Level, seed: int) -> Run:
        """One run. Without entropy it is the same run at every level."""
        return self._at[setting, name, (FORCE, 0.0) if name == NONE else level, seed]

    def plain(self, setting: str, seed: int) -> Run:
        """The run without entropy."""
        return self.at(setting, NONE, (FORCE, 0.0), seed)

    def over(self, setting: str, name: str, level: Level) -> list[Run]:
        """The runs of all seeds."""
        return [self.at(setting, name, level, seed) for seed in self.seeds]

    def of(self, setting: str, seed: int) -> list[Run]:
        """Every run with an entropy of one seed in one setting."""
        return [self.at(setting, name, level, seed) for name in self.names for level in self.levels]

    def chosen(self, setting: str, name: str) -> list[Run]:
        """For each seed the run with the best validation accuracy; among equal ones that with the smallest r₀."""
        if name == NONE:
            return self.over(setting, name, (FORCE, 0.0))
        sweep = [self.over(setting, name, level) for level in self.matched(FORCE)]
        return [max(column, key=lambda run: run.accuracy["validation"]) for column in zip(*sweep, strict=True)]
