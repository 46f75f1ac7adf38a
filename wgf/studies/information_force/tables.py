"""The tables of the study `information-force`: the chosen runs, and the whole sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..frame import Table
from ..frame.statistics import t_interval
from .runs import SETTINGS, Runs
from .surrogates import ACCURACIES, NONE, SURROGATES

FORCES = {
    "temperature": "T", "c0": "c₀", "c1": "c₁", "typical": "mean I/G", "varies": "variation", "restless": "in a window",
}  # fmt: skip
"""The fields of a run in the tables, and the names of their columns."""
REGIMES = ("weak", "unstable", "misaligned", "collapsed")


def _mean(values: Sequence[float]) -> float:
    """Mean of the finite values."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _with_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half-width of the interval; NaN where a value is not finite."""
    if not np.isfinite(values).all():
        return math.nan, math.nan
    found = t_interval(values)
    return found.value, found.half_width


def _accuracy_columns() -> tuple[str, ...]:
    return tuple(text for name in ACCURACIES for text in (name, f"± {name}"))


def chosen(runs: Runs) -> Table:
    """Every surrogate at the temperature that the validation images chose."""
    measured = list(FORCES)[1:]
    columns = ("setting", "surrogate", "r₀", *(FORCES[key] for key in measured), "degenerate", "rank", "±")
    columns = (*columns, *_accuracy_columns(), "gain over none", "± gain")
    rows: list[list[Any]] = []
    for setting in SETTINGS:
        plain = runs.chosen(setting, NONE)
        for name in (NONE, *SURROGATES):
            picked = runs.chosen(setting, name)
            row: list[Any] = [setting, name, sorted({run.matched for run in picked})]
            row += [_mean([getattr(run, key) for run in picked]) for key in measured]
            row += [f"{sum(run.degenerate for run in picked)} of {len(picked)}"]
            row += _with_interval([run.rank for run in picked])
            for key in ACCURACIES:
                row += _with_interval([run.accuracy[key] for run in picked])
            row += _with_interval([a.overall - b.overall for a, b in zip(picked, plain, strict=True)])
            rows.append(row)
    text = (
        "For each seed the temperature with the best accuracy on validation images is taken; r₀ lists the chosen ones. "
        "Means over seeds with half-widths of 95 % intervals. The gain is in the mean of the three accuracies, paired "
        "by seed. Variation is that of I over the run, then the largest in a window of a quarter of the run."
    )
    return Table("chosen", "Every surrogate at the temperature that validation chose", columns, rows, text)


def sweep(runs: Runs, setting: str) -> Table:
    """All surrogates at all force ratios, in one setting."""
    columns = ("surrogate", "r₀", *FORCES.values(), *REGIMES, "collapse index", "rank", "±")
    columns = (*columns, *_accuracy_columns(), "closure", "diverged")
    rows: list[list[Any]] = []
    for name in (NONE, *SURROGATES):
        for ratio in (0.0,) if name == NONE else runs.ratios:
            here = runs.over(setting, name, ratio)
            row: list[Any] = [name, ratio]
            row += [_mean([getattr(r, key) for r in here]) for key in FORCES]
            row += [_mean([run.regimes[regime] for run in here]) for regime in REGIMES]
            row += [_mean([run.collapse for run in here]), *_with_interval([run.rank for run in here])]
            for key in ACCURACIES:
                row += _with_interval([run.accuracy[key] for run in here])
            rows.append([*row, _mean([run.closure for run in here]), sum(not run.finished for run in here)])
    text = (
        "Means over seeds with half-widths of 95 % intervals. A regime is given by the share of the time that it "
        "holds. Closure, of particles alone, is the error of the time step: free energy released over dissipation, "
        "less 1."
    )
    return Table(f"sweep_{setting}", f"The whole sweep on {setting}", columns, rows, text)
