"""The tables of the study `information-force`: every surrogate at a glance, the claims by setting, and the sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import with_minus
from ..frame import Estimate, Table
from .criteria import CLAIMS, HEADLINE, MARGIN, POWER, by_setting, gain, interval
from .power import seeds_for_interval, seeds_for_power
from .runs import VIEWS, Level, Runs, data_of, task_of
from .surrogates import DISSIPATION, NONE, REFERENCES, SURROGATES, Run

REGIMES = ("weak", "unstable", "misaligned", "collapsed")
FEWEST = 1e-12


def short(found: Estimate, percent: bool = False) -> str:
    """Value and half-width with two digits of the latter, as in "0.45 ± 0.02"."""
    scale = 100.0 if percent else 1.0
    value, half = scale * found.value, scale * found.half_width
    if not math.isfinite(value) or not math.isfinite(half):
        return "–"
    half = half if half > 1e-9 else 0.0  # rounding of equal values
    digits = min(max(0, 1 - math.floor(math.log10(half))), 2) if half > 0 else 1 if percent else 2
    return with_minus(f"{value:.{digits}f} ± {half:.{digits}f}")


def headline(runs: Runs) -> Level:
    """The level of the table at the top: that of the criteria, or the nearest r₀ of a smaller sweep."""
    target = math.log(HEADLINE[1])
    return min(runs.matched(HEADLINE[0]), key=lambda level: abs(math.log(level[1]) - target))


def _over_settings(runs: Runs, name: str, level: Level, quantity: Callable[[Run], float]) -> Estimate:
    """Mean over settings, with its interval over seeds."""
    rows = [[quantity(run) for run in runs.over(setting, name, level)] for setting in runs.settings]
    return interval(list(np.mean(rows, axis=0)))


def opening(runs: Runs) -> Table:
    """Every surrogate: effective bounds, degenerate share, and rank and probe where there are no labels."""
    level = headline(runs)
    views = [setting for setting in runs.settings if task_of(setting) == VIEWS]
    columns = ["surrogate", "least I/G, c₀", "greatest I/G, c₁", "degenerate, %"]
    columns += [f"{what}, {data_of(setting)}" for setting in views for what in ("rank", "probe, %")]
    rows = []
    for name in (NONE, *runs.names):
        row = [SURROGATES.get(name, "no entropy")]
        if name == NONE:
            row += ["–", "–", "–"]
        else:
            high = _over_settings(runs, name, level, lambda run: math.log10(max(run.c1, FEWEST)))
            row += [short(_over_settings(runs, name, level, lambda run: run.c0))]
            row += [f"{10**high.value:.2g} [{10**high.low:.2g}, {10**high.high:.2g}]"]
            share = [[run.degenerate for s in runs.settings for at in runs.levels
                      for run in [runs.at(s, name, at, seed)]] for seed in runs.seeds]  # fmt: skip
            row += [short(interval(list(np.mean(share, axis=1))), percent=True)]
        for setting in views:
            here = runs.over(setting, name, level)
            row += [short(interval([run.rank for run in here]))]
            row += [short(interval([run.probe for run in here]), percent=True)]
        rows.append(row)
    text = (
        f"Bounds at r₀ = {level[1]:g}: mean of c₀ and geometric mean of c₁ over {len(runs.settings)} settings. "
        f"Degenerate: share of the runs over all settings and all {len(runs.levels)} levels. Rank and linear probe are "
        f"those of held-out samples after training with two noisy views and no labels, at r₀ = {level[1]:g}. "
        "Means with 95 % intervals over seeds."
    )
    return Table("surrogates", "Every surrogate", tuple(columns), rows, text, first=True)


def claims(runs: Runs) -> Table:
    """Every claim in every setting alone."""
    rows: list[list[Any]] = []
    for claim in CLAIMS:
        for setting, (found, verdict) in by_setting(claim, runs).items():
            rows.append([claim.words, setting, found.value, found.low, found.high, claim.bound, verdict.value])
    columns = ("claim", "setting", "number", "low", "high", "bound", "alone")
    text = (
        "The number of each claim in each setting, with an interval over seeds at the level that counts all settings "
        "of the claim (Bonferroni), and the verdict that it alone would give."
    )
    return Table("claims", "The claims, setting by setting", columns, rows, text)


def accuracy(runs: Runs) -> tuple[Table, Table]:
    """What each surrogate gains over no entropy in each setting, and how many seeds would decide it."""
    gains, seeds = [], []
    for name in runs.names:
        found = {s: [gain(name)(runs, s, seed) for seed in runs.seeds] for s in runs.settings}
        gains.append([SURROGATES[name], *(short(interval(values), percent=True) for values in found.values())])
        needed = [f"{seeds_for_interval(v, MARGIN)} / {seeds_for_power(v, MARGIN, POWER)}" for v in found.values()]
        seeds.append([SURROGATES[name], *needed])
    columns = ("surrogate", *runs.settings)
    first = Table(
        "accuracy", "Accuracy gained over no entropy, in per cent", columns, gains,
        "Mean of the accuracies on clean, noisy and altered test samples, with two views those of a linear probe. At "
        "the r₀ that validation samples chose, paired by seed, with 95 % intervals.",
    )  # fmt: skip
    second = Table(
        "seeds", f"Seeds that would decide ± {100 * MARGIN:g} %", columns, seeds,
        f"Estimated from the scatter of these gains over {len(runs.seeds)} seeds. First the number of seeds at which "
        f"the interval would be ± {100 * MARGIN:g} %. After the stroke the number at which a gain of {100 * MARGIN:g} "
        f"% would be found with a probability of {100 * POWER:g} %.",
    )  # fmt: skip
    return first, second


def references(runs: Runs) -> Table:
    """How misalignment depends on the reference."""
    rows = []
    for name in runs.names:
        here = [[run for s in runs.settings for at in runs.levels for run in [runs.at(s, name, at, seed)]]
                for seed in runs.seeds]  # fmt: skip
        row = [SURROGATES[name]]
        row += [short(interval([float(np.mean([r.misaligned[key] for r in part])) for part in here]), True)
                for key in REFERENCES]  # fmt: skip
        for key in REFERENCES:
            row += [short(interval([float(np.mean([r.degenerate_by[key] for r in part])) for part in here]), True)]
        row += [short(interval([float(np.mean([r.degenerate for r in part])) for part in here]), True)]
        row += [short(interval([float(np.mean([r.degenerate_alone for r in part])) for part in here]), True)]
        rows.append(row)
    columns = (
        "surrogate", *(f"against {SURROGATES.get(key, key)}" for key in REFERENCES),
        *(f"degenerate by {SURROGATES.get(key, key)}" for key in REFERENCES), "by the others", "without misalignment",
    )  # fmt: skip
    text = (
        "First the share of the time, in per cent, that a surrogate pushes against each reference. Then the share of "
        "degenerate runs if that reference alone judged misalignment; by the median of the references other than the "
        "surrogate itself, as in the verdicts; and without misalignment. Over all settings and levels."
    )
    return Table("references", "Misaligned by which reference?", columns, rows, text)


def _mean(values: Sequence[float]) -> float:
    """Mean of the finite values."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


FORCES = {"temperature": "T", "c0": "c₀", "c1": "c₁", "typical": "mean I/G", "varies": "variation"}
"""The fields of a run in the tables, and the names of their columns."""


def sweep(runs: Runs, setting: str) -> Table:
    """All surrogates at all levels, in one setting."""
    columns = ("surrogate", "matched", "level", *FORCES.values(), "∫I²/∫G²", *REGIMES, "degenerate", "collapse index")
    columns = (
        *columns,
        "rank",
        "± rank",
        "probe",
        "± probe",
        "spread",
        "accuracy",
        "± accuracy",
        "closure",
        "not ended",
    )
    order = [*runs.matched(DISSIPATION), *sorted(runs.matched("force"), key=lambda level: -level[1])]
    rows: list[list[Any]] = []
    for level in (("force", 0.0), *order):
        for name in (NONE,) if level[1] == 0.0 else runs.names:
            here = runs.over(setting, name, level)
            spent = [run.spent / runs.plain(setting, run.seed).released for run in here]
            row: list[Any] = [name, *level]
            row += [_mean([getattr(r, key) for r in here]) for key in FORCES]
            row += [_mean(spent), *(_mean([run.regimes[regime] for run in here]) for regime in REGIMES)]
            row += [f"{sum(run.degenerate for run in here)} of {len(here)}", _mean([run.collapse for run in here])]
            for values in ([run.rank for run in here], [run.probe for run in here]):
                row += [interval(values).value, interval(values).half_width]
            row += [_mean([run.spread for run in here])]
            found = interval([run.overall for run in here])
            row += [found.value, found.half_width]
            rows.append([*row, _mean([run.closure for run in here]), sum(not run.finished for run in here)])
    text = (
        "Means over seeds with half-widths of 95 % intervals. Level: ∫I² dt in units of ∫G² dt without entropy where "
        "dissipation is matched, else r₀. A regime is given by the share of the time that it holds. The spread is that "
        "of the features of test samples in units of that before training. Closure, of neurons alone, is the error of "
        "the time step: free energy released over dissipation, less 1."
    )
    slug = "_".join(setting.replace(",", "").split())
    return Table(f"sweep_{slug}", f"The sweep: {setting}", columns, rows, text)
