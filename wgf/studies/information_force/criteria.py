"""The claims of the study and when each is supported. Written before the runs, and not changed after them.

Every claim is a number for each setting and seed, and says that it is positive, or above a bound. It is general, so it
is judged in all of its settings at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import with_minus
from ..frame import Estimate, Finding, Verdict
from ..frame.statistics import LEVEL, t_interval
from .representations import VIEWS
from .runs import Level, Runs, task_of
from .surrogates import DISSIPATION, FORCE, LOG_DET, Run

SOFTMAX = ("SoftmaxFeatures", "SoftmaxParticles")
"""Both readings of "softmax-normalised": over the features of a particle, and over the particles."""
SHARE = 0.1
"""Matched dissipation: ∫I² dt is a tenth of ∫G² dt of the run without entropy, which is all that it dissipates."""
HEADLINE: Level = (FORCE, 1.0)
"""The level of the table at the top: at the start the information force is as strong as the loss force."""
USEFUL = 0.01
"""An entropy is useful in a run where held-out accuracy is at least 1 % above that of the run without entropy."""
ONLY = 0.9
""""Only when" means: at least nine in ten of the useful runs."""
MARGIN = 0.005
"""Accuracy is decided where the interval of the gain has a half-width of at most half a per cent."""
POWER = 0.8
"""The power at which a gain of `MARGIN` shall be found, for the number of seeds that would be needed."""
LEAST = 1e-12
"""Smaller forces and variations are replaced by this number, so that they have a logarithm."""


def held_out(run: Run) -> float:
    """The accuracy on test samples: the mean of clean, noisy and altered; with two views, of the linear probe."""
    return run.overall


@dataclass(frozen=True)
class Claim:
    """A claim: a quantity for each setting and seed that shall be above `bound`.

    Attributes
    ----------
    words : str
        What is claimed, as a sentence without its full stop.
    quantity : callable (runs, setting, seed) -> float
        The number; NaN where the seed has none.
    unit : str
        What the number is.
    views : bool or None
        Whether it is about two views; None for all settings.
    bound : float
        What it shall exceed.
    """

    words: str
    quantity: Callable[[Runs, str, int], float]
    unit: str
    views: bool | None = None
    bound: float = 0.0

    def settings(self, runs: Runs) -> list[str]:
        """The settings of the study that it is about."""
        return [s for s in runs.settings if self.views is None or (task_of(s) == VIEWS) is self.views]

    def values(self, runs: Runs, setting: str) -> list[float]:
        """The number for each seed."""
        return [self.quantity(runs, setting, seed) for seed in runs.seeds]


# ---------------------------------------------------------------------------------------------- quantities


def _decades(runs: Runs, setting: str, seed: int, matching: str, quantity: Callable[[Run], float]) -> float:
    """log₁₀ of a quantity of log-det over that of softmax: the mean over both readings and over the levels."""

    def log(name: str, level: Level) -> float:
        return math.log10(max(quantity(runs.at(setting, name, level, seed)), LEAST))

    rivals = [name for name in SOFTMAX if name in runs.names]
    levels = runs.matched(matching)
    if LOG_DET not in runs.names:
        return math.nan
    return _mean([log(LOG_DET, level) - log(name, level) for name in rivals for level in levels])


def _mean(values: Sequence[float]) -> float:
    """Mean of the finite values; NaN where there is none."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def stronger(runs: Runs, setting: str, seed: int) -> float:
    return _decades(runs, setting, seed, FORCE, lambda run: run.c0)


def stronger_on_average(runs: Runs, setting: str, seed: int) -> float:
    return _decades(runs, setting, seed, FORCE, lambda run: run.typical)


def steadier(runs: Runs, setting: str, seed: int) -> float:
    return -_decades(runs, setting, seed, FORCE, lambda run: run.varies)


def steadier_at_dissipation(runs: Runs, setting: str, seed: int) -> float:
    return -_decades(runs, setting, seed, DISSIPATION, lambda run: run.varies)


def rarer(runs: Runs, setting: str, seed: int) -> float:
    """Share of degenerate runs of softmax less that of log-det."""

    def share(name: str) -> float:
        return _mean([runs.at(setting, name, level, seed).degenerate for level in runs.levels])

    rivals = [name for name in SOFTMAX if name in runs.names]
    return _mean([share(name) - share(LOG_DET) for name in rivals]) if LOG_DET in runs.names else math.nan


def _contrast(runs: Runs, setting: str, seed: int, quantity: Callable[[Run], float]) -> float:
    """Non-degenerate less degenerate runs at the same level: the mean over levels that have both."""
    found = []
    for level in runs.levels:
        here = [runs.at(setting, name, level, seed) for name in runs.names]
        parts = [[quantity(run) for run in here if run.degenerate is flag] for flag in (False, True)]
        if all(parts):
            found.append(_mean(parts[0]) - _mean(parts[1]))
    return _mean(found)


def rank_contrast(runs: Runs, setting: str, seed: int) -> float:
    return _contrast(runs, setting, seed, lambda run: run.rank)


def accuracy_contrast(runs: Runs, setting: str, seed: int) -> float:
    return _contrast(runs, setting, seed, held_out)


def _useful(runs: Runs, setting: str, seed: int) -> tuple[list[Run], list[Run]]:
    """The runs with an entropy, and those of them that are useful."""
    plain = held_out(runs.plain(setting, seed))
    every = runs.of(setting, seed)
    return every, [run for run in every if held_out(run) >= plain + USEFUL]


def only(runs: Runs, setting: str, seed: int) -> float:
    """The share of the useful runs whose force does not degenerate; NaN where no run is useful."""
    return _mean([not run.degenerate for run in _useful(runs, setting, seed)[1]])


def more_often(runs: Runs, setting: str, seed: int) -> float:
    """The share of useful runs among those with a non-degenerate force less that among the others."""
    every, useful = _useful(runs, setting, seed)
    chosen = set(map(id, useful))
    parts = [[id(run) in chosen for run in every if run.degenerate is flag] for flag in (False, True)]
    return _mean(parts[0]) - _mean(parts[1]) if all(parts) else math.nan


def lost_rank(runs: Runs, setting: str, seed: int) -> float:
    run = runs.plain(setting, seed)
    return run.before["rank"] - run.rank


def lost_probe(runs: Runs, setting: str, seed: int) -> float:
    run = runs.plain(setting, seed)
    return run.before["probe"] - run.probe


def gain(name: str) -> Callable[[Runs, str, int], float]:
    """The gain in held-out accuracy over no entropy, at the r₀ that validation samples chose."""

    def quantity(runs: Runs, setting: str, seed: int) -> float:
        if name not in runs.names:
            return math.nan
        picked = runs.chosen(setting, name)[runs.seeds.index(seed)]
        return held_out(picked) - held_out(runs.plain(setting, seed))

    return quantity


CLAIMS = (
    Claim("log-det keeps a higher least force ratio c₀ than softmax", stronger, "decades"),
    Claim("log-det has a higher force ratio on average than softmax", stronger_on_average, "decades"),
    Claim("at matched force log-det's force varies less than softmax's", steadier, "decades"),
    Claim("at matched dissipation log-det's force varies less than softmax's",
          steadier_at_dissipation, "decades"),
    Claim("log-det degenerates less often than softmax", rarer, "share of runs"),
    Claim("without labels and entropy the effective rank falls", lost_rank, "directions", True),
    Claim("without labels and entropy a linear probe loses accuracy", lost_probe, "accuracy", True),
    Claim("a force that does not degenerate comes with a higher effective rank", rank_contrast, "directions"),
    Claim("a force that does not degenerate comes with a higher held-out accuracy", accuracy_contrast,
          "accuracy"),
    Claim("an entropy is useful more often when its force does not degenerate", more_often,
          "share of runs"),
    Claim("an entropy is useful only when its force does not degenerate", only, "share of useful runs",
          bound=ONLY),
    Claim("with labels log-det is more accurate than no entropy", gain(LOG_DET), "accuracy", False),
    Claim("without labels log-det is more accurate than no entropy", gain(LOG_DET), "accuracy", True),
)  # fmt: skip
"""The claims of the paper as this study reads them, in the order of the page."""


# ---------------------------------------------------------------------------------------------- verdicts


def interval(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean and interval over the seeds that have a number; NaN for fewer than two of them."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return Estimate(math.nan, math.nan, math.nan, level, "fewer than two seeds have a number")
    return t_interval(known, level)


def by_setting(claim: Claim, runs: Runs) -> dict[str, tuple[Estimate, Verdict]]:
    """The interval and the verdict in each setting alone, at a level that counts all of them (Bonferroni)."""
    settings = claim.settings(runs)
    level = 1 - (1 - LEVEL) / max(1, len(settings))
    found = {}
    for setting in settings:
        measured = interval(claim.values(runs, setting), level)
        verdict = Verdict.UNDECIDED
        if measured.low > claim.bound:
            verdict = Verdict.SUPPORTED
        elif measured.high < claim.bound:
            verdict = Verdict.CONTRADICTED
        found[setting] = (measured, verdict)
    return found


def judged(claim: Claim, runs: Runs) -> Finding:
    """The finding of a claim.

    The number is the mean over settings, with its interval over seeds. Supported where all of it lies above the bound
    and no setting contradicts. Contradicted where all of it lies below, or where a setting contradicts: one
    counterexample is enough against a general claim. Else undecided.
    """
    settings = claim.settings(runs)
    rows = np.array([claim.values(runs, setting) for setting in settings]).reshape(len(settings), len(runs.seeds))
    measured = interval([_mean(list(column)) for column in rows.T])
    alone = by_setting(claim, runs)
    given = {v: [s for s, (_, verdict) in alone.items() if verdict is v] for v in Verdict}
    verdict = Verdict.UNDECIDED
    if measured.high < claim.bound or given[Verdict.CONTRADICTED]:
        verdict = Verdict.CONTRADICTED
    elif measured.low > claim.bound:
        verdict = Verdict.SUPPORTED
    criterion = (
        f"the whole interval of the mean over settings lies above {claim.bound:g}, and no setting alone has its "
        "interval below it; one setting that does contradicts"
    )
    told = [f"{len(given[v])} {v.value}" + (f" ({'; '.join(given[v])})" if given[v] else "") for v in Verdict]
    remark = f"In {claim.unit}. Of {len(settings)} settings, each alone: {', '.join(told)}."
    return Finding(claim.words, measured, verdict, criterion, remark=with_minus(remark))
